@testable import Proxy
import Crypto
import Foundation
import Logging
import NIOCore
import NIOPosix
import NIOSSL
import SPIFFE
import Workloads

/// A client's proxy and a server's proxy with an application behind it: everything real but the kernel.
final class TwoHosts: Sendable {
    let authority: Authority
    let application: Application
    let client: Host
    let server: Host
    let desk = TokenDesk()
    let agent: SPIFFEID
    let tool: SPIFFEID
    /// Where the tool's clients connect to: the server's proxy stands there.
    let destination: SocketAddress

    final class Host: Sendable {
        let flows = FlowTable()
        let svids: SVIDTable
        let routes: RouteTable
        let journal = Journal()
        let proxy: LoopbackProxy
        private let running: Task<Void, any Error>
        let descriptors: LoopbackProxy.ListeningDescriptors

        init(
            trusting bundles: BundleSet, _ rules: RouteTable.Rules, _ desk: TokenDesk, _ limits: ProxyLimits,
            application: SocketAddress,
        ) async throws {
            svids = SVIDTable(bundles)
            routes = RouteTable(rules)
            let dependencies = ProxyDependencies(
                flows: flows, svids: svids, routes: routes, tokens: desk, introspector: desk, journal: journal,
                limits: limits, logger: Logger(label: "proxy"),
            )
            let proxy = LoopbackProxy(dependencies: dependencies, group: .singleton) { _ in application }
            descriptors = try proxy.bind(outboundPort: 0)
            self.proxy = proxy
            running = Task { try await proxy.run() }
        }

        deinit { running.cancel() }
    }

    /// - Parameters:
    ///   - resources: paths below the server's address that need a token.
    ///   - trusting: further bundles both hosts know.
    ///   - serverLimits: where the server's are others.
    ///   - application: where the server's proxy dials; nil: ``application``.
    init(
        resources paths: [String] = [], trusting others: [TrustBundle] = [], limits: ProxyLimits = .patient,
        serverLimits: ProxyLimits? = nil, application elsewhere: SocketAddress? = nil,
    )
        async throws
    {
        authority = try Authority("prod.example")
        application = try await Application()
        agent = try SPIFFEID("spiffe://prod.example/weather-agent")
        tool = try SPIFFEID("spiffe://prod.example/weather-mcp-server")
        let policy = PeerPolicy(trustDomain: authority.trustDomain)
        let resources = try paths.map { try Self.resource($0) }
        let rules = RouteTable.Rules(
            expected: tool, outboundPeers: policy, inboundPeers: policy, listener: tool, resources: resources,
        )
        let bundles = BundleSet([authority.bundle] + others)
        let address = elsewhere ?? application.address
        client = try await Host(trusting: bundles, rules, desk, limits, application: address)
        server = try await Host(trusting: bundles, rules, desk, serverLimits ?? limits, application: address)
        client.svids.hold(try authority.svid("weather-agent"))
        server.svids.hold(try authority.svid("weather-mcp-server"))
        destination = try Self.address(of: server.descriptors.inbound4)
    }

    /// Nothing has reached the application, and nothing is on its way there.
    var applicationIsUntouched: Bool { application.waiting == 0 && server.flows.announced.isEmpty }

    /// Of a connection that a process of the agent opened to the tool.
    var flow: OutboundFlow {
        OutboundFlow(
            opener: Opener(process: ProcessKey(pid: 4711, startTime: 1)), workload: agent, destination: destination)
    }

    func flow(of workload: SPIFFEID) -> OutboundFlow {
        OutboundFlow(
            opener: Opener(process: ProcessKey(pid: 4712, startTime: 1)), workload: workload, destination: destination)
    }

    func dial(_ flow: OutboundFlow) async throws -> Wire {
        let port = Int(client.descriptors.outboundPort)
        return try await Wire.connect(to: SocketAddress(ipAddress: "127.0.0.1", port: port), in: self) {
            source in
            self.client.flows.expect(flow, from: source)
        }
    }

    static func resource(
        _ path: String, name: String? = nil, scopes: [String] = ["forecast"], stripping: [String] = [],
    ) throws -> ProtectedResource {
        guard let url = ResourceURL("http://server.example:8000\(path)") else { throw TimedOut(description: path) }
        return ProtectedResource(
            name: name ?? "weather\(path)", resource: url, servedBy: "weather-mcp-server", scopes: scopes, allowed: [],
            stripHeaders: stripping,
        )
    }

    /// What a redirected `connect()` of the agent's process gives.
    ///
    /// - Parameters:
    ///   - loopback: `127.0.0.1`, or `::1` for the listeners of IPv6.
    ///   - source: the listeners of the agent's network; nil: the client's host.
    ///   - target: the listeners of the tool's network; nil: the server's host.
    func dial(
        over loopback: String = "127.0.0.1", from source: LoopbackProxy.ListeningDescriptors? = nil,
        to target: LoopbackProxy.ListeningDescriptors? = nil,
    ) async throws -> Wire {
        let listener = try target.map { try Self.address(of: $0.inbound4) } ?? destination
        let destination = loopback == "::1" ? try address6() : listener
        let flow = OutboundFlow(
            opener: Opener(process: ProcessKey(pid: 4711, startTime: 1)), workload: agent, destination: destination,
        )
        let port = Int((source ?? client.descriptors).outboundPort)
        return try await Wire.connect(to: SocketAddress(ipAddress: loopback, port: port), in: self) { source in
            self.client.flows.expect(flow, from: source)
        }
    }

    /// Straight to the server's proxy, around the client's.
    func dialDirectly(
        as svid: X509SVID?, to target: SocketAddress? = nil, watching records: TLSRecords? = nil,
        configure: (inout TLSConfiguration) -> Void = { _ in },
    ) async throws -> Wire {
        var configuration = TLSConfiguration.makeClientConfiguration()
        if let svid {
            configuration.certificateChain = try svid.chain.map {
                .certificate(try NIOSSLCertificate(bytes: $0.derBytes(), format: .der))
            }
            let key = try NIOSSLPrivateKey(bytes: Array(svid.privateKey.derRepresentation), format: .der)
            configuration.privateKey = .privateKey(key)
        }
        configuration.certificateVerification = .noHostnameVerification
        configuration.trustRoots = .certificates([])
        configure(&configuration)
        return try await Wire.connect(
            to: target ?? destination, tls: NIOSSLContext(configuration: configuration), in: self, watching: records)
    }

    private func address6() throws -> SocketAddress {
        guard let descriptor = server.descriptors.inbound6 else { throw TimedOut(description: "no IPv6 here") }
        return try SocketAddress(ipAddress: "::1", port: Int(ListeningSocket.port(of: descriptor)))
    }

    static func address(of descriptor: CInt) throws -> SocketAddress {
        try SocketAddress(ipAddress: "127.0.0.1", port: Int(ListeningSocket.port(of: descriptor)))
    }
}

extension ProxyLimits {
    /// For tests of anything but deadlines: many of them share a few threads, and wait for each other.
    static var patient: ProxyLimits {
        var limits = ProxyLimits()
        limits.handshake = .seconds(60)
        limits.firstByte = .seconds(60)
        limits.requestHead = .seconds(60)
        limits.svidWait = .seconds(60)
        limits.decision = .seconds(60)
        return limits
    }
}
