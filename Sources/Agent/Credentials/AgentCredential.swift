import Crypto
import Foundation
package import SPIFFE
import SwiftASN1
import X509

/// The agent's own SVID and key as bytes, for the kernel map that keeps them over a restart. Never written to a file.
package struct AgentCredential {
    private struct Stored: Codable {
        var key: Data
        var chain: [Data]
    }

    private let stored: Stored

    package init(_ svid: X509SVID) throws {
        stored = Stored(
            key: svid.privateKey.rawRepresentation,
            chain: try svid.chain.map { Data(try $0.derBytes()) },
        )
    }

    /// - Throws: ``AgentError/credentialUnusable(reason:)`` where another release wrote them in another layout.
    package init(bytes: [UInt8]) throws {
        do { stored = try JSONDecoder().decode(Stored.self, from: Data(bytes)) } catch {
            throw AgentError.credentialUnusable(reason: "unknown layout")
        }
    }

    /// For ``init(bytes:)`` of this release or a later one: JSON.
    package func bytes() throws -> [UInt8] {
        Array(try JSONEncoder().encode(stored))
    }

    package func svid() throws -> X509SVID {
        try X509SVID(
            chain: stored.chain.map { try Certificate(derEncoded: Array($0)) },
            privateKey: P256.Signing.PrivateKey(rawRepresentation: stored.key),
        )
    }
}
