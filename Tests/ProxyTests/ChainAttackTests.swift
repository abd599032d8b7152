@testable import Proxy
import Crypto
import Foundation
import NIOCore
import NIOPosix
import NIOSSL
import SPIFFE
import Synchronization
import Testing
import X509

/// Chains made to keep a path builder busy, over real handshakes, in both directions.
@Suite struct ChainAttackTests {
    @Test(arguments: [3, 9, 40])
    func `a client's chain of self-made intermediates is refused, and the next client is served`(
        _ count: Int,
    ) async throws {
        let hosts = try await TwoHosts()
        let chain = try Self.chain(of: hosts.agent, intermediates: count)
        #expect(try await hosts.dialDirectly(as: chain).end() == .failed)
        let entry = try await hosts.server.journal.entry(.connectionInbound, allowed: false)
        #expect(entry.reason.hasPrefix(Self.reason(count)))
        try await hosts.dial().send("hello")
        try await hosts.application.connection().receive(through: "hello")
    }

    @Test(arguments: [3, 40])
    func `a server's chain of self-made intermediates is refused by the client's agent`(_ count: Int) async throws {
        let hosts = try await TwoHosts()
        hosts.server.svids.hold(try Self.chain(of: hosts.tool, intermediates: count))
        #expect(try await hosts.dial().end() == .reset)
        let entry = try await hosts.client.journal.entry(.connectionOutbound, allowed: false)
        #expect(entry.reason.hasPrefix(Self.reason(count)))
    }

    @Test func `no session ticket is sent`() async throws {
        let hosts = try await TwoHosts()
        let records = TLSRecords()
        let wire = try await hosts.dialDirectly(as: hosts.authority.svid("weather-agent"), watching: records)
        let server = try await hosts.application.connection()
        let afterHandshake = records.count
        try await wire.send("hello")
        try await server.receive(through: "hello")
        try await server.send("world")
        try await wire.receive(through: "world")
        #expect(records.count == afterHandshake + 1)
    }

    private static func reason(_ count: Int) -> String {
        count < 4
            ? "two certificates of the chain have the same subject"
            : "the chain has \(count + 1) certificates, 4 are read"
    }

    private static func chain(of id: SPIFFEID, intermediates: Int) throws -> X509SVID {
        let (authority, key) = (P256.Signing.PrivateKey(), P256.Signing.PrivateKey())
        let name = try DistinguishedName { CommonName("prod.example") }
        func sign(
            _ uri: String, _ subject: DistinguishedName, _ key: P256.Signing.PublicKey, isAuthority: Bool
        ) throws
            -> Certificate
        {
            try Certificate(
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
        let leaf = try sign(id.description, DistinguishedName {}, key.publicKey, isAuthority: false)
        let rest = try (1...intermediates).map {
            try sign("spiffe://prod.example/\($0)", name, authority.publicKey, isAuthority: true)
        }
        return try X509SVID(chain: [leaf] + rest, privateKey: key)
    }
}

/// Counts the TLS records that come in; RFC 8446, section 5.1.
final class TLSRecords: ChannelInboundHandler, Sendable {
    typealias InboundIn = ByteBuffer
    typealias InboundOut = ByteBuffer

    private struct State {
        var count = 0
        var bytes: [UInt8] = []
    }

    private let state = Mutex(State())

    var count: Int { state.withLock { $0.count } }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let bytes = unwrapInboundIn(data).readableBytesView
        state.withLock { state in
            state.bytes.append(contentsOf: bytes)
            while state.bytes.count >= 5 {
                let length = 5 + (Int(state.bytes[3]) << 8 | Int(state.bytes[4]))
                guard state.bytes.count >= length else { break }
                state.bytes.removeFirst(length)
                state.count += 1
            }
        }
        context.fireChannelRead(data)
    }
}
