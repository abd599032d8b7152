import ControlPlane
import ControlPlaneAPI
import Crypto
import Foundation
import SPIFFE
import Testing
import X509

/// Chains made to keep a path builder busy, over a real handshake.
@Suite struct ChainAttackTests {
    @Test(arguments: [3, 9, 40])
    func `chains of self-made intermediates are refused, many at once, and an agent is let in`(
        _ count: Int,
    ) async throws {
        try await TestControlPlane.serve { plane in
            let chain = try Self.chain(intermediates: count)
            try await withThrowingTaskGroup { group in
                for _ in 0..<8 {
                    group.addTask {
                        await #expect(throws: ControlPlaneError.self) {
                            try await plane.withClient(as: chain) { try await $0.acknowledge(.init(version: 1)) }
                        }
                    }
                }
                try await group.waitForAll()
            }
            #expect(try await plane.agent().id.path == "tidemark/agent/weather/host-a")
        }
    }

    private static func chain(intermediates: Int) throws -> X509SVID {
        let (authority, key) = (P256.Signing.PrivateKey(), P256.Signing.PrivateKey())
        let name = try DistinguishedName { CommonName("intermediate") }
        func sign(
            _ path: String, _ subject: DistinguishedName, _ key: P256.Signing.PublicKey, isAuthority: Bool
        ) throws
            -> Certificate
        {
            let uri = try TestControlPlane.id(path).description
            return try Certificate(
                version: .v3, serialNumber: .init(), publicKey: .init(key),
                notValidBefore: Date().addingTimeInterval(-60), notValidAfter: Date().addingTimeInterval(600),
                issuer: name, subject: subject, signatureAlgorithm: .ecdsaWithSHA256,
                extensions: Certificate.Extensions {
                    Critical(
                        isAuthority
                            ? BasicConstraints.isCertificateAuthority(maxPathLength: nil)
                            : BasicConstraints.notCertificateAuthority)
                    Critical(KeyUsage(digitalSignature: !isAuthority, keyCertSign: isAuthority))
                    SubjectAlternativeNames([.uniformResourceIdentifier(uri)])
                },
                issuerPrivateKey: .init(authority),
            )
        }
        let leaf = try sign("tidemark/agent/weather/thief", DistinguishedName {}, key.publicKey, isAuthority: false)
        let rest = try (1...intermediates).map { try sign("\($0)", name, authority.publicKey, isAuthority: true) }
        return try X509SVID(chain: [leaf] + rest, privateKey: key)
    }
}
