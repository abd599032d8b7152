import Crypto
import Foundation
import NIOCore
import NIOPosix
import NIOSSL
import Proxy
import SPIFFE
import Testing
import Workloads

@Suite("Handshake") struct HandshakeTests {
    @Test func `a server of another trust domain is refused by the client's side`() async throws {
        let stranger = try Authority("other.example")
        let hosts = try await TwoHosts(trusting: [stranger.bundle])
        let impostor = try stranger.svid("weather-mcp-server")
        hosts.server.svids.hold(impostor)
        hosts.server.routes.change { $0.listener = impostor.id }
        hosts.client.routes.change { $0.expected = nil }
        #expect(try await hosts.dial().end() == .reset)
        let entry = try await hosts.client.journal.entry(.connectionOutbound, allowed: false)
        #expect(entry.reason.contains("spiffe://other.example/weather-mcp-server is not of trust domain prod.example"))
        #expect(hosts.applicationIsUntouched)
    }

    @Test func `a trust domain without a bundle is refused whatever it signed`() async throws {
        let stranger = try Authority("other.example")
        let hosts = try await TwoHosts()
        #expect(try await hosts.dialDirectly(as: stranger.svid("weather-agent")).end() == .failed)
        let entry = try await hosts.server.journal.entry(.connectionInbound, allowed: false)
        #expect(entry.reason.contains("no bundle is known for trust domain other.example"))
    }

    @Test func `a look-alike authority of the same name is refused`() async throws {
        let hosts = try await TwoHosts()
        let impostor = try Authority("prod.example")
        #expect(try await hosts.dialDirectly(as: impostor.svid("weather-agent")).end() == .failed)
        let entry = try await hosts.server.journal.entry(.connectionInbound, allowed: false)
        #expect(entry.reason.contains("is not signed by an authority of its trust domain"))
    }

    @Test func `another workload than the one expected there is refused`() async throws {
        let hosts = try await TwoHosts()
        let other = try hosts.authority.svid("somebody-else")
        hosts.server.svids.hold(other)
        hosts.server.routes.change { $0.listener = other.id }
        #expect(try await hosts.dial().end() == .reset)
        let entry = try await hosts.client.journal.entry(.connectionOutbound, allowed: false)
        #expect(entry.reason == "\(other.id) answers where \(hosts.tool) is expected")
    }

    @Test func `a peer outside allowedSPIFFEIDs is refused by the server's side`() async throws {
        let hosts = try await TwoHosts()
        let onlyAdmins = try PeerPolicy(
            trustDomain: hosts.authority.trustDomain, allowed: [SPIFFEIDPattern("spiffe://prod.example/admin/*")],
        )
        hosts.server.routes.change { $0.inboundPeers = onlyAdmins }
        #expect(try await hosts.dial().end() == .reset)
        let entry = try await hosts.server.journal.entry(.connectionInbound, allowed: false)
        #expect(entry.reason == "\(hosts.agent) is not in allowedSPIFFEIDs")
        #expect(hosts.applicationIsUntouched)
    }

    @Test func `a withdrawn peer is refused though its SVID is valid`() async throws {
        let hosts = try await TwoHosts()
        let agent = hosts.agent
        let withdrawn = PeerPolicy(trustDomain: hosts.authority.trustDomain, withdrawn: [agent])
        hosts.server.routes.change { $0.inboundPeers = withdrawn }
        #expect(try await hosts.dial().end() == .reset)
        let entry = try await hosts.server.journal.entry(.connectionInbound, allowed: false)
        #expect(entry.reason.hasPrefix("\(agent) was deleted"))
    }

    @Test func `an SVID stolen before its identity was withdrawn stays refused, a newer one is taken`() async throws {
        let hosts = try await TwoHosts()
        let stolen = try hosts.authority.svid("weather-agent")
        let through = IssueTime(of: stolen.leaf)
        let policy = { (through: IssueTime) in
            PeerPolicy(
                trustDomain: hosts.authority.trustDomain, withdrawn: Withdrawals(through: [stolen.id: through]))
        }
        hosts.server.routes.change { $0.inboundPeers = policy(through) }
        #expect(try await hosts.dialDirectly(as: stolen).end() == .failed)
        let entry = try await hosts.server.journal.entry(.connectionInbound, allowed: false)
        #expect(entry.reason.contains("all until \(through) were withdrawn"))
        #expect(hosts.applicationIsUntouched)
        hosts.server.routes.change { $0.inboundPeers = policy(IssueTime(seconds: through.seconds - 1)) }
        let wire = try await hosts.dialDirectly(as: stolen)
        try await wire.send("newer")
        try await hosts.application.connection().receive(through: "newer")
    }

    @Test func `a server's SVID stolen before its identity was withdrawn stays refused by clients`() async throws {
        let hosts = try await TwoHosts()
        let stolen = try hosts.authority.svid("weather-mcp-server")
        hosts.server.svids.hold(stolen)
        let withdrawn = PeerPolicy(
            trustDomain: hosts.authority.trustDomain,
            withdrawn: Withdrawals(through: [stolen.id: IssueTime(of: stolen.leaf)]))
        hosts.client.routes.change { $0.outboundPeers = withdrawn }
        #expect(try await hosts.dial().end() == .reset)
        let entry = try await hosts.client.journal.entry(.connectionOutbound, allowed: false)
        #expect(entry.reason.contains("were withdrawn"))
    }

    @Test func `a workload that was withdrawn itself does not even dial`() async throws {
        let hosts = try await TwoHosts()
        let agent = hosts.agent
        let withdrawn = PeerPolicy(trustDomain: hosts.authority.trustDomain, withdrawn: [agent])
        hosts.client.routes.change { $0.outboundPeers = withdrawn }
        #expect(try await hosts.dial().end() == .reset)
        let entry = try await hosts.client.journal.entry(.connectionOutbound, allowed: false)
        #expect(entry.reason.hasPrefix("\(agent) was deleted"))
        #expect(hosts.server.journal.all.isEmpty)
    }

    @Test func `an expired SVID is refused`() async throws {
        let hosts = try await TwoHosts()
        #expect(try await hosts.dialDirectly(as: hosts.authority.svid("weather-agent", notAfter: -5)).end() == .failed)
        let entry = try await hosts.server.journal.entry(.connectionInbound, allowed: false)
        #expect(
            entry.reason.contains("\(hosts.agent) is not signed by an authority of its trust domain, or not valid now"))
    }

    @Test func `a client without a certificate is refused`() async throws {
        let hosts = try await TwoHosts()
        #expect(try await hosts.dialDirectly(as: nil).end() == .failed)
        let entry = try await hosts.server.journal.entry(.connectionInbound, allowed: false)
        #expect(entry.reason.hasPrefix("the peer presented no certificate"))
    }

    @Test func `a client of TLS 1.2 is refused`() async throws {
        let hosts = try await TwoHosts()
        let wire = try await hosts.dialDirectly(as: hosts.authority.svid("weather-agent")) {
            $0.maximumTLSVersion = .tlsv12
        }
        #expect(try await wire.end() == .failed)
        let entry = try await hosts.server.journal.entry(.connectionInbound, allowed: false)
        #expect(entry.reason.contains("does not offer TLS 1.3"))
    }

    @Test func `a server of TLS 1.2 is refused, and told nothing; of TLS 1.3 it is not`() async throws {
        for version in [TLSVersion.tlsv12, .tlsv13] {
            let hosts = try await TwoHosts()
            let server = try await TLSServer(as: hosts.authority.svid("weather-mcp-server"), upTo: version)
            let flow = OutboundFlow(
                opener: Opener(process: ProcessKey(pid: 4711, startTime: 1)), workload: hosts.agent,
                destination: server.address)
            let wire = try await hosts.dial(flow)
            try? await wire.send("secret")
            if version == .tlsv13 {
                try await server.wire.receive(through: "secret")
            } else {
                #expect(try await wire.end() == .reset)
                let entry = try await hosts.client.journal.entry(.connectionOutbound, allowed: false)
                #expect(entry.reason.contains("does not offer TLS 1.3"))
                _ = try await server.wire.end()
                #expect(server.wire.peek.isEmpty)
            }
        }
    }

    @Test func `a SPIFFE peer that knows nothing of Tidemark is welcome`() async throws {
        let hosts = try await TwoHosts()
        let wire = try await hosts.dialDirectly(as: hosts.authority.svid("weather-agent"))
        try await wire.send("hello")
        let server = try await hosts.application.connection()
        try await server.receive(through: "hello")
        let entry = try await hosts.server.journal.entry(.connectionInbound, allowed: true)
        #expect(entry.peer == hosts.agent)
    }

    @Test func `plain text is refused with a reset, and the journal names who tried`() async throws {
        let hosts = try await TwoHosts()
        let wire = try await Wire.connect(to: hosts.destination)
        let source = try #require(wire.channel.localAddress?.port)
        try await wire.send("GET / HTTP/1.1\r\n\r\n")
        #expect(try await wire.end() == .reset)
        let entry = try await hosts.server.journal.entry(.connectionInbound, allowed: false)
        #expect(entry.reason == "plain text refused: the peer presented no SVID")
        #expect(entry.connection?.hasPrefix("127.0.0.1:\(source)>") == true)
        #expect(hosts.applicationIsUntouched)
    }

    @Test func `a permissive listener lets plain text by, and says so`() async throws {
        let hosts = try await TwoHosts()
        hosts.server.routes.change { $0.tlsMode = .permissive }
        let wire = try await Wire.connect(to: hosts.destination)
        try await wire.send("hello")
        let server = try await hosts.application.connection()
        try await server.receive(through: "hello")
        let entry = try await hosts.server.journal.entry(.connectionInbound, allowed: true)
        #expect(entry.peer == nil && entry.reason.contains("PERMISSIVE"))
    }

    @Test func `a connection the kernel did not redirect is closed`() async throws {
        let hosts = try await TwoHosts()
        let port = Int(hosts.client.descriptors.outboundPort)
        let wire = try await Wire.connect(to: SocketAddress(ipAddress: "127.0.0.1", port: port))
        try await wire.inputClosed()
        let entry = try await hosts.client.journal.entry(.connectionOutbound, allowed: false)
        #expect(entry.reason == "not redirected by the kernel")
    }

    @Test func `a destination nobody listens at is refused`() async throws {
        let hosts = try await TwoHosts()
        hosts.server.routes.change { $0.listener = nil }
        #expect(try await hosts.dial().end() == .reset)
        let entry = try await hosts.server.journal.entry(.connectionInbound, allowed: false)
        #expect(entry.reason.hasPrefix("no managed workload listens at 127.0.0.1:"))
    }

    @Test func `silence is not waited for`() async throws {
        var limits = ProxyLimits.patient
        limits.firstByte = .milliseconds(50)
        let hosts = try await TwoHosts(limits: limits)
        #expect(try await Wire.connect(to: hosts.destination).end() == .reset)
        let entry = try await hosts.server.journal.entry(.connectionInbound, allowed: false)
        #expect(entry.reason.hasPrefix("the first byte took longer than"))
    }

    @Test func `a handshake that stalls is not waited for`() async throws {
        var limits = ProxyLimits.patient
        limits.handshake = .milliseconds(50)
        let hosts = try await TwoHosts(limits: limits)
        let wire = try await Wire.connect(to: hosts.destination)
        try await wire.send([0x16, 0x03, 0x01])
        #expect(try await wire.end() == .reset)
        let entry = try await hosts.server.journal.entry(.connectionInbound, allowed: false)
        #expect(entry.reason.hasPrefix("the TLS handshake took longer than"))
    }

    @Test func `a workload that listens no more costs its client the connection, long before the dial's deadline`()
        async throws
    {
        var limits = ProxyLimits.patient
        // Longer than the test waits.
        limits.connect = .seconds(600)
        let hosts = try await TwoHosts(limits: limits)
        try await hosts.application.stop()
        #expect(try await hosts.dial().end() == .reset)
        let entry = try await hosts.server.journal.entry(.connectionInbound, allowed: false)
        #expect(entry.reason.contains("does not answer"))
    }

    @Test func `one connection too many is refused, and the journal says so`() async throws {
        var limits = ProxyLimits.patient
        limits.maximumConnections = 1
        let hosts = try await TwoHosts(limits: limits)
        let first = try await hosts.dial()
        try await first.send("one")
        try await hosts.application.connection().receive(through: "one")
        try await hosts.dial().inputClosed()
        let entry = try await hosts.client.journal.entry(.connectionOutbound, allowed: false)
        #expect(entry.reason.contains("connections are taken"))
    }
}

/// Speaks no more than this version of TLS, with whoever connects, and asks for no certificate.
private final class TLSServer: Sendable {
    let address: SocketAddress
    /// What the one client says.
    let wire: Wire
    private let channel: any Channel

    init(as svid: X509SVID, upTo version: TLSVersion) async throws {
        let chain = try svid.chain.map { certificate in
            NIOSSLCertificateSource.certificate(try NIOSSLCertificate(bytes: certificate.derBytes(), format: .der))
        }
        let key = try NIOSSLPrivateKey(bytes: Array(svid.privateKey.derRepresentation), format: .der)
        var configuration = TLSConfiguration.makeServerConfiguration(
            certificateChain: chain, privateKey: .privateKey(key))
        configuration.maximumTLSVersion = version
        let context = try NIOSSLContext(configuration: configuration)
        let inbox = Wire.Inbox()
        channel = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(NIOSSLServerHandler(context: context))
                    try channel.pipeline.syncOperations.addHandler(Wire.Collector(inbox))
                }
            }
            .bind(host: "127.0.0.1", port: 0).get()
        address = try #require(channel.localAddress)
        wire = Wire(channel, inbox)
    }

    deinit { channel.close(promise: nil) }
}
