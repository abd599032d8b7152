import Crypto
package import Foundation
package import SPIFFE

/// Where the audit stood, signed: so many records, and the hash of the last of them, which stands for all.
package struct AuditCheckpoint: Sendable, Codable, Equatable {
    package let count: Int64
    package let head: String
    /// ECDSA with SHA-256 over ``text(trustDomain:count:head:)``, DER in base64url.
    package let signature: String

    package init(count: Int64, head: String, signature: String) {
        self.count = count
        self.head = head
        self.signature = signature
    }

    /// What is signed: nothing else that this key signs looks so.
    static func text(trustDomain: TrustDomain, count: Int64, head: String) -> Data {
        Data("tidemark audit checkpoint 1\n\(trustDomain)\n\(count)\n\(head)\n".utf8)
    }
}

/// The key that vouches for the audit, kept beside the newest checkpoint in a directory of its own: on another disk, it makes a database
/// that was rolled back or rewritten tell on itself.
package struct CheckpointKey: Sendable {
    private let key: P256.Signing.PrivateKey
    private let trustDomain: TrustDomain
    private let headFile: URL

    /// Opens or creates `audit.key`, mode 0600, in a directory of mode 0700.
    package static func open(directory: URL, trustDomain: TrustDomain) throws(KeyDirectoryError) -> CheckpointKey {
        CheckpointKey(
            key: try KeyDirectory(opening: directory).signingKey("audit.key"), trustDomain: trustDomain,
            headFile: directory.appending(path: "audit.head"))
    }

    package var publicPEM: String { key.publicKey.pemRepresentation }

    func sign(count: Int64, head: String) throws -> AuditCheckpoint {
        let text = AuditCheckpoint.text(trustDomain: trustDomain, count: count, head: head)
        return AuditCheckpoint(count: count, head: head, signature: try signature(of: text))
    }

    func vouches(for checkpoint: AuditCheckpoint) -> Bool {
        isSigned(
            AuditCheckpoint.text(trustDomain: trustDomain, count: checkpoint.count, head: checkpoint.head),
            checkpoint.signature)
    }

    /// What stands for removed records is signed as that: a checkpoint says that records are there, and lets nobody remove them.
    func signed(_ floor: AuditFloor) throws -> AuditFloor {
        var floor = floor
        floor.signature = try signature(of: floor.text(trustDomain: trustDomain))
        return floor
    }

    func vouches(for floor: AuditFloor) -> Bool {
        if floor.sequence == 0 { return floor.hash.isEmpty && floor.fault.isEmpty }
        return isSigned(floor.text(trustDomain: trustDomain), floor.signature)
    }

    private func signature(of text: Data) throws -> String {
        Base64URL.encode(try key.signature(for: text).derRepresentation)
    }

    private func isSigned(_ text: Data, _ signature: String) -> Bool {
        guard let bytes = Base64URL.decode(signature),
            let signature = try? P256.Signing.ECDSASignature(derRepresentation: bytes)
        else { return false }
        return key.publicKey.isValidSignature(signature, for: text)
    }

    /// The newest checkpoint; nil where there has been none yet.
    ///
    /// - Throws: where there is a file that says something else. Fail closed: it would hide a database that was rolled back.
    func newest() throws -> AuditCheckpoint? {
        guard FileManager.default.fileExists(atPath: headFile.path) else { return nil }
        let checkpoint = try JSONDecoder().decode(AuditCheckpoint.self, from: Data(contentsOf: headFile))
        guard vouches(for: checkpoint) else { throw AuditFault.headFile(path: headFile.path) }
        return checkpoint
    }

    func keep(_ checkpoint: AuditCheckpoint) throws {
        try JSONEncoder().encode(checkpoint).write(to: headFile, options: .atomic)
        try FileManager.default.setAttributes([.posixPermissions: 0o600], ofItemAtPath: headFile.path)
    }
}

/// What is wrong beside the records themselves.
enum AuditFault: Error, CustomStringConvertible {
    case headFile(path: String)

    var description: String {
        switch self {
        case .headFile(let path): "\(path) is not signed by the checkpoint key; compare with a head kept elsewhere"
        }
    }
}
