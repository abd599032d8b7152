import Foundation
import SwiftASN1
import X509

/// The one path a presented chain spells out: leaf, its issuer, that one's issuer, then an authority of the bundle.
///
/// Each link is looked at once, and from the authority down: a key is used only after one that is trusted has signed
/// it. So a stranger's chain costs at most one check of a signature, whatever is in it. RFC 5280, section 6.1.
struct CertificatePath {
    /// Why a path is not believed. Says places, not names: those are whatever a stranger wrote.
    enum Objection: Error, Equatable, CustomStringConvertible {
        case noAuthority
        case order(Int)
        case signature(Int)
        case notYetValid(Int)
        case expired(Int)
        case version(Int)
        case criticalExtension(Int, String)
        case unreadable(Int, String)
        case notAuthority(Int)
        case pathLength(Int, allowed: Int, found: Int)
        case mayNotSign(Int)
        case name(Int, constrainedBy: Int)

        var description: String {
            switch self {
            case .noAuthority: "no path to a known authority"
            case .order(let place): "number \(place + 1) of the chain did not issue number \(place)"
            case .signature(let place): "number \(place) of the chain is not signed by the one after it"
            case .notYetValid(let place): "number \(place) of the chain is not valid yet; compare the clocks"
            case .expired(let place): "number \(place) of the chain has run out"
            case .version(let place): "number \(place) of the chain is no X.509 version 3"
            case .criticalExtension(let place, let oid):
                "number \(place) of the chain has the critical extension \(oid), which is not known here"
            case .unreadable(let place, let what): "\(what) of number \(place) of the chain cannot be read"
            case .notAuthority(let place): "number \(place) of the chain signs without being an authority"
            case .pathLength(let place, let allowed, let found):
                "number \(place) of the chain allows \(allowed) authorities below it, there are \(found)"
            case .mayNotSign(let place): "number \(place) of the chain signs without keyCertSign"
            case .name(let place, let authority):
                "number \(place) of the chain has a name that the name constraints of number \(authority) exclude"
            }
        }
    }

    /// Leaf first; without the authority.
    private let links: [Certificate]
    /// Authorities of the bundle that have the name the last link was issued by; for an honest bundle one.
    private let candidates: [Certificate]

    /// - Throws: ``Objection/noAuthority``, before any cryptography.
    init(presented: [Certificate], authorities: [Certificate]) throws(Objection) {
        // A root may be presented; what counts is the bundle's own copy, and that the key is the same.
        let end = presented.indices.dropFirst().first { place in
            authorities.contains {
                $0.subject == presented[place].subject && $0.publicKey == presented[place].publicKey
            }
        }
        links = Array(presented[..<(end ?? presented.endIndex)])
        let issuer = links.last?.issuer
        let presentedKey = end.map { presented[$0].publicKey }
        candidates = authorities.filter {
            $0.subject == issuer && (presentedKey == nil || $0.publicKey == presentedKey)
        }
        guard !candidates.isEmpty else { throw .noAuthority }
    }

    func check(at now: Date) throws(Objection) {
        for place in links.indices.dropLast() {
            guard links[place].issuer == links[place + 1].subject else { throw .order(place) }
        }
        let top = links.endIndex - 1
        guard let authority = candidates.first(where: { Self.signed($0, links[top]) }) else { throw .signature(top) }
        for place in links.indices.dropLast().reversed() {
            guard Self.signed(links[place + 1], links[place]) else { throw .signature(place) }
        }
        let path = links + [authority]
        for place in path.indices { try Self.checkItself(path[place], place, at: now) }
        try Self.checkAuthorities(path)
        try NameConstraintCheck.check(path)
    }

    private static func signed(_ issuer: Certificate, _ subject: Certificate) -> Bool {
        issuer.publicKey.isValidSignature(subject.signature, for: subject)
    }

    // MARK: Each certificate

    /// ``LeafProfile`` reads the last two: an SVID without a subject has critical names.
    private static let knownExtensions: Set<ASN1ObjectIdentifier> = [
        .X509ExtensionID.basicConstraints, .X509ExtensionID.keyUsage, .X509ExtensionID.nameConstraints,
        .X509ExtensionID.subjectAlternativeName, .X509ExtensionID.extendedKeyUsage,
    ]

    private static func checkItself(_ certificate: Certificate, _ place: Int, at now: Date) throws(Objection) {
        guard certificate.version == .v3 else { throw .version(place) }
        if let unknown = certificate.extensions.first(where: { $0.critical && !knownExtensions.contains($0.oid) }) {
            throw .criticalExtension(place, "\(unknown.oid)")
        }
        // Certificates count whole seconds.
        let now = now.timeIntervalSince1970.rounded(.down)
        guard now >= certificate.notValidBefore.timeIntervalSince1970 else { throw .notYetValid(place) }
        guard now <= certificate.notValidAfter.timeIntervalSince1970 else { throw .expired(place) }
    }

    // MARK: Those that sign

    /// RFC 5280, sections 4.2.1.3 and 4.2.1.9; X509-SVID standard, section 4.3.
    private static func checkAuthorities(_ path: [Certificate]) throws(Objection) {
        var below = 0
        for place in path.indices.dropFirst() {
            try checkAuthority(path[place], place, below: below)
            if path[place].issuer != path[place].subject { below += 1 }
        }
    }

    private static func checkAuthority(_ certificate: Certificate, _ place: Int, below: Int) throws(Objection) {
        let constraints = try read("basic constraints", place) { try certificate.extensions.basicConstraints }
        guard case .isCertificateAuthority(let allowed) = constraints else { throw .notAuthority(place) }
        if let allowed, allowed < below { throw .pathLength(place, allowed: allowed, found: below) }
        let usage = try read("key usage", place) { try certificate.extensions.keyUsage }
        guard let usage, usage.keyCertSign else { throw .mayNotSign(place) }
    }

    /// What is there and cannot be read is not absent.
    static func read<Extension>(
        _ what: String, _ place: Int, _ extract: () throws -> Extension?,
    ) throws(Objection) -> Extension? {
        do { return try extract() } catch { throw .unreadable(place, what) }
    }
}
