import NIOCore
import Proxy
import SPIFFE
import Testing
import Workloads

@Suite("Unknown places") struct UnknownPlaceTests {
    private let process = ProcessKey(pid: 4711, startTime: 1)

    private func dial(_ hosts: TwoHosts, _ destination: SocketAddress) async throws -> Wire {
        let port = Int(hosts.client.descriptors.outboundPort)
        return try await Wire.connect(to: SocketAddress(ipAddress: "127.0.0.1", port: port), in: hosts) { source in
            hosts.client.flows.expect(
                OutboundFlow(
                    opener: Opener(process: process), workload: hosts.agent, destination: destination,
                    placeIsKnown: false),
                from: source)
        }
    }

    @Test func `a connection waits until somebody managed is known there, and goes on by mutual TLS`() async throws {
        let hosts = try await TwoHosts()
        hosts.client.routes.change { $0.passage = Passage.closed(because: "unknown") }
        let wire = try await dial(hosts, hosts.destination)
        try await wire.send("early")
        #expect(hosts.applicationIsUntouched)
        hosts.client.routes.change { $0.passage = nil }
        try await hosts.application.connection().receive(through: "early")
        let entry = try await hosts.client.journal.entry(.connectionOutbound, allowed: true)
        #expect(entry.workload == hosts.agent && entry.peer == hosts.tool)
    }

    @Test func `where nobody becomes known it is refused with the reason, and not a byte has left`() async throws {
        let hosts = try await TwoHosts()
        let outside = try await Application()
        hosts.client.routes.change { $0.passage = Passage.closed(because: "no entry of egress covers it") }
        let wire = try await dial(hosts, outside.address)
        try await wire.send("secret")
        _ = try await wire.end()
        let entry = try await hosts.client.journal.entry(.connectionOutbound, allowed: false)
        #expect(entry.reason.hasSuffix("may not be reached: no entry of egress covers it"))
        #expect(entry.workload == hosts.agent && entry.process == process && entry.dialled != nil)
        #expect(outside.waiting == 0)
    }

    @Test func `what egress lists as plain goes on as it is`() async throws {
        let hosts = try await TwoHosts()
        let outside = try await Application()
        hosts.client.routes.change { $0.passage = .plain(because: "egress lists it as plain") }
        let wire = try await dial(hosts, outside.address)
        try await wire.send("ping")
        try await outside.connection().receive(through: "ping")
        let entry = try await hosts.client.journal.entry(.connectionOutbound, allowed: true)
        #expect(entry.workload == hosts.agent && entry.reason == "egress lists it as plain" && entry.peer == nil)
        #expect(hosts.client.proxy.connections().first?.plainText == true)

        hosts.client.routes.change { $0.passage = Passage.closed(because: "no entry of egress covers it") }
        #expect(hosts.client.proxy.reevaluate() == 1)
        _ = try await wire.end()
    }

    /// - Parameter begins: what the program sends first.
    @Test(arguments: [
        ("api.example.com", true), ("other.example.com", false), (nil, false),
    ])
    func `what egress lists as tls goes on if it begins TLS for one of its names`(
        _ name: String?, _ goesOn: Bool,
    ) async throws {
        let hosts = try await TwoHosts()
        let outside = try await Application()
        let entry = Egress(names: [try #require(ServerNamePattern("api.example.com"))], form: .tls)
        hosts.client.routes.change { $0.passage = .ownTLS([entry]) }
        let wire = try await dial(hosts, outside.address)
        let hello = ClientHelloTests.records(ClientHelloTests.hello(name: name))
        try await wire.send(Array(hello.prefix(9)))
        try await Task.sleep(for: .milliseconds(30))
        try await wire.send(Array(hello.dropFirst(9)))
        if goesOn {
            #expect(try await outside.connection().receive(count: hello.count) == hello)
            let told = try await hosts.client.journal.entry(.connectionOutbound, allowed: true)
            #expect(told.reason == "egress lists it as tls, asked for as api.example.com")
        } else {
            _ = try await wire.end()
            let told = try await hosts.client.journal.entry(.connectionOutbound, allowed: false)
            #expect(told.reason.contains("no tls entry of egress admits \(name ?? "a client that names no server")"))
            #expect(outside.waiting == 0)
        }
    }

    @Test func `what egress lists as tls, and begins in plain text, is refused`() async throws {
        let hosts = try await TwoHosts()
        let outside = try await Application()
        hosts.client.routes.change { $0.passage = .ownTLS([Egress(form: .tls)]) }
        let wire = try await dial(hosts, outside.address)
        try await wire.send("GET / HTTP/1.1\r\n")
        _ = try await wire.end()
        let told = try await hosts.client.journal.entry(.connectionOutbound, allowed: false)
        #expect(told.reason.contains("does not begin TLS"))
        #expect(outside.waiting == 0)
    }
}
