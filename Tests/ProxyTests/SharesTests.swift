import Glibc
import Limits
import NIOCore
import NIOPosix
import SPIFFE
import Testing
import Workloads

@testable import Proxy

/// Who takes a host's connections away from whom: nobody.
@Suite("Shares of connections") struct SharesTests {
    @Test func `silent strangers make room for each other, and never for want of it refuse a peer`()
        async throws
    {
        var limits = ProxyLimits.patient
        limits.maximumConnections = 40
        let hosts = try await TwoHosts(limits: limits)
        var strangers: [Wire] = []
        for _ in 0..<60 { strangers.append(try await Wire.connect(to: hosts.destination)) }
        _ = try await eventually("strangers to be down to their part") {
            strangers.count(where: \.isLeft) >= 56 ? true : nil
        }
        #expect(try await strangers[0].end() == .reset)
        _ = try await eventually("their places to be free") {
            hosts.server.proxy.connectionCount <= 4 ? true : nil
        }
        let wire = try await hosts.dial()
        try await wire.send("ping")
        try await hosts.application.connection().receive(through: "ping")
    }

    @Test func `one workload cannot take the places of another`() async throws {
        var limits = ProxyLimits.patient
        limits.maximumConnections = 20
        let hosts = try await TwoHosts(limits: limits, serverLimits: .patient)
        var greedy: [Wire] = []
        for _ in 0..<6 {
            let wire = try await hosts.dial()
            try await wire.send("ping")
            try await hosts.application.connection().receive(through: "ping")
            greedy.append(wire)
        }
        let early = hosts.client.journal.all.filter { !$0.allowed }
        #expect(early.isEmpty)
        // It may be over before the test's end of it is set up.
        let seventh = try? await hosts.dial()
        let refused = try await eventually("a refusal") {
            hosts.client.journal.all.first { !$0.allowed && $0.reason.contains("left for everybody") }
        }
        seventh?.close()
        #expect(refused.workload == hosts.agent && greedy.count == 6)
        _ = try await eventually("the refused one to be gone") {
            hosts.client.proxy.connectionCount == 6 ? true : nil
        }
        let other = hosts.flow(of: hosts.tool)
        hosts.client.svids.hold(try hosts.authority.svid("weather-mcp-server"))
        hosts.client.routes.change { $0.expected = nil }
        let wire = try await hosts.dial(other)
        try await wire.send("ping")
        try await hosts.application.connection().receive(through: "ping")
    }

    @Test func `connections of one user that wait to be known leave room for another's`() async throws {
        var limits = ProxyLimits.patient
        limits.maximumConnections = 20
        let hosts = try await TwoHosts(limits: limits)
        hosts.client.flows.hold()
        hosts.client.flows.isOf(1001)
        var held: [Wire] = []
        var dialled = 0
        while !hosts.client.journal.all.contains(where: { !$0.allowed && $0.reason.contains("left for everybody") }) {
            // It may be over before the test's end of it is set up.
            if let wire = try? await hosts.dial() { held.append(wire) }
            dialled += 1
            _ = try await eventually("it to be asked about, or refused") {
                hosts.client.flows.asked + hosts.client.journal.all.count == dialled ? true : nil
            }
            try #require(held.count < 20)
        }
        hosts.client.flows.isOf(1002)
        let refused = hosts.client.journal.all.count
        held.append(try await hosts.dial())
        let before = hosts.client.flows.asked
        held.append(try await hosts.dial())
        _ = try await eventually("another user's to be asked about") { hosts.client.flows.asked > before ? true : nil }
        #expect(hosts.client.journal.all.count == refused)
        hosts.client.flows.release()
    }

    @Test
    func `an IPv6 source is its first 64 bits, so a network of its own does not multiply a stranger`() throws {
        let slots = ConnectionSlots(capacity: 100)
        let one = ConnectionSlots.Source(bytes: [0x20, 1, 0xd, 0xb8, 0, 0, 0, 1])
        let held = try (0..<10).map { _ in try slots.admit(strangerFrom: one, in: 7) }
        #expect(slots.count(in: 7) == 10 && slots.count == 10)
        held.forEach { $0.release() }
        #expect(slots.count == 0 && slots.count(in: 7) == 0)
    }

    @Test func `of whoever connects over IPv6 no more than that is looked at`() async throws {
        let hosts = try await TwoHosts()
        let listener = try #require(hosts.server.descriptors.inbound6)
        let address = try SocketAddress(ipAddress: "::1", port: Int(ListeningSocket.port(of: listener)))
        let eventLoop = MultiThreadedEventLoopGroup.singleton.next()
        let descriptor = try await DialledSocket.connect(
            to: address, in: HostNetwork(), on: eventLoop, within: .seconds(60))
        defer { close(descriptor) }
        // The other end has the address of this one.
        let source = try #require(ConnectionSlots.source(of: descriptor, in: .host))
        #expect(source.bytes == [UInt8](repeating: 0, count: 8) && source.network.bytes.count == 6)
    }

    @Test func `clients that a PERMISSIVE listener let by, from wherever they come, leave half of the places to peers`()
        throws
    {
        let slots = ConnectionSlots(capacity: 100)
        func letBy(_ number: Int) -> ConnectionSlots.Connection? {
            let source = ConnectionSlots.Source(bytes: [10, 0, UInt8(number), 1])
            guard let place = try? slots.admit(strangerFrom: source, in: 1) else { return nil }
            if (try? place.vouch(for: .clients(from: source))) != nil { return place }
            place.release()
            return nil
        }
        let clients = (0..<90).compactMap(letBy)
        #expect(clients.count == 45)
        for number in 0..<45 {
            let place = try slots.admit(strangerFrom: .init(bytes: [10, 1, UInt8(number), 1]), in: 1)
            try place.vouch(for: .peer(SPIFFEID("spiffe://prod.example/peer-\(number)")))
        }
        #expect(slots.count == 90)
    }

    @Test func `a client that is let by counts as one, a peer as who it is`() async throws {
        var limits = ProxyLimits.patient
        // Of these two are for strangers, and half of the others, 9, for those who are no peers: 3 for any one address.
        limits.maximumConnections = 20
        let hosts = try await TwoHosts(limits: limits)
        hosts.server.routes.change { $0.tlsMode = .permissive }
        var clients: [Wire] = []
        for _ in 0..<3 {
            let wire = try await Wire.connect(to: hosts.destination)
            try await wire.send("hello")
            try await hosts.application.connection().receive(through: "hello")
            clients.append(wire)
        }
        let fourth = try await Wire.connect(to: hosts.destination)
        try await fourth.send("hello")
        #expect(try await fourth.end() == .reset)
        let refused = try await hosts.server.journal.entry(.connectionInbound, allowed: false)
        #expect(refused.reason.contains("it holds 3 connections already and 6 are left"))
        for _ in 0..<2 {
            let peer = try await hosts.dialDirectly(as: hosts.authority.svid("weather-agent"))
            try await peer.send("ping")
            try await hosts.application.connection().receive(through: "ping")
            clients.append(peer)
        }
        _ = try await eventually("the refused one to be gone") {
            hosts.server.proxy.connectionCount == clients.count ? true : nil
        }
    }

    @Test func `a place is given back once, whoever has it by then`() throws {
        let slots = ConnectionSlots(capacity: 20)
        let place = try slots.admitOutbound(in: 1, of: 7)
        try place.vouch(for: .nobody(user: 7))
        #expect(throws: (any Error).self) { try place.vouch(for: .nobody(user: 7)) }
        place.release()
        #expect(slots.count == 0)
        for _ in 0..<5 { _ = try slots.admitOutbound(in: 1, of: 7) }
        #expect(slots.count == 5)
    }

    @Test func `a user whose connections wait to be known takes none of another's places`() throws {
        let slots = ConnectionSlots(capacity: 100)
        var held: [ConnectionSlots.Connection] = []
        // Network namespaces cost him nothing, and bring him nothing.
        var network: UInt64 = 0
        while let place = try? slots.admitOutbound(in: network, of: 1001) {
            held.append(place)
            network += 1
        }
        #expect(held.count == 29)
        let others = try (0..<10).map { _ in try slots.admitOutbound(in: 1, of: 1002) }
        try others.forEach { try $0.vouch(for: .nobody(user: 1002)) }
        // Neither does one whose processes are nobody.
        held.forEach { try? $0.vouch(for: .nobody(user: 1001)) }
        _ = try slots.admitOutbound(in: 1, of: 1002)
    }

    @Test func `IDs that one user makes of a template have one share together, another user and other IDs their own`()
        throws
    {
        let slots = ConnectionSlots(capacity: 100)
        func open(_ name: String, of template: String?, by user: UInt32) throws {
            let place = try slots.admitOutbound(in: 1, of: user)
            do { try place.vouch(for: .workload(SPIFFEID("spiffe://prod.example/\(name)")), madeOf: template) } catch {
                place.release()
                throw error
            }
        }
        for number in 0..<90 { try? open("made/\(number)", of: "made/{process:name}", by: 1001) }
        #expect(slots.count == 29)
        #expect(throws: SlotRefusal.payersShare(held: 29, free: 61)) {
            try open("made/new", of: "made/{process:name}", by: 1001)
        }
        try open("made/new", of: "made/{process:name}", by: 1002)
        try open("tool", of: nil, by: 1001)
        #expect(slots.count == 31)
    }

    @Test func `peers of one source have one share together, and so have those of a user's network namespaces`() throws
    {
        let slots = ConnectionSlots(capacity: 100)
        func come(_ name: String, from source: ConnectionSlots.Source) throws {
            let place = try slots.admit(strangerFrom: source, in: 1)
            do { try place.vouch(for: .peer(SPIFFEID("spiffe://prod.example/\(name)"))) } catch {
                place.release()
                throw error
            }
        }
        for number in 0..<90 { try? come("stolen-\(number)", from: .init(bytes: [10, 0, 0, 1])) }
        #expect(slots.count == 29)
        for number in 0..<90 {
            try? come("own-\(number)", from: .init(bytes: [10, 0, UInt8(number), 1], in: .ofUser(7)))
        }
        #expect(slots.count == 29 + 14)
        for number in 0..<90 {
            try? come("in-\(number)", from: .init(bytes: [10, 0, UInt8(number), 1], in: .other(8)))
        }
        #expect(slots.count == 29 + 14 + 8)
        try come("peer", from: .init(bytes: [10, 0, 0, 2]))
    }

    @Test func `addresses of a namespace are one network, and none of them is known for being a host's`() throws {
        let slots = ConnectionSlots(capacity: 100)
        let host = ConnectionSlots.Source(bytes: [10, 0, 0, 1])
        let proven = try slots.admit(strangerFrom: host, in: 1)
        try proven.vouch(for: .peer(SPIFFEID("spiffe://prod.example/peer")))
        // Where they count as the host's they put out each other: there are as many networks as strangers.
        var forged: [ConnectionSlots.Connection] = []
        for number in 0..<9 {
            let place = try slots.admit(strangerFrom: .init(bytes: [10, UInt8(number), 0, 1], in: .other(8)), in: 8)
            place.heard()
            forged.append(place)
        }
        let honest = try slots.admit(strangerFrom: .init(bytes: [192, 0, 2, 1]), in: 1)
        honest.heard()
        let second = try slots.admit(strangerFrom: .init(bytes: [198, 51, 100, 1]), in: 1)
        second.heard()
        // It takes a place of its own network, never that of somebody with an address.
        for number in 0..<100 {
            if let place = try? slots.admit(
                strangerFrom: .init(bytes: [10, 0, UInt8(number), 1], in: .other(8)), in: 8)
            {
                place.heard()
            }
        }
        #expect((try? slots.admit(strangerFrom: .init(bytes: host.bytes, in: .other(8)), in: 8)) == nil)
        for place in [honest, second] { try place.vouch(for: .peer(SPIFFEID("spiffe://prod.example/late"))) }
    }

    @Test func `what a peer holds is its source's, and a network namespace is another source than the host`()
        async throws
    {
        var limits = ProxyLimits.patient
        limits.maximumConnections = 20
        let hosts = try await TwoHosts(limits: limits)
        let inside = try hosts.server.proxy.bind(outboundPort: 0, in: RecordingNetwork(cookie: 7))
        var wires: [Wire] = []
        func carry(_ name: String, to target: SocketAddress? = nil) async throws {
            let wire = try await hosts.dialDirectly(as: hosts.authority.svid(name), to: target)
            wires.append(wire)
            try await wire.send("ping")
            try await hosts.application.connection().receive(through: "ping")
        }
        for number in 0..<6 { try await carry("stolen-\(number)") }
        let refused = try? await hosts.dialDirectly(as: hosts.authority.svid("stolen-6"))
        try? await refused?.send("ping")
        let entry = try await hosts.server.journal.entry(.connectionInbound, allowed: false)
        #expect(entry.reason.contains("hold 6 connections already and 12 are left for everybody"))
        try await carry("stolen-7", to: TwoHosts.address(of: inside.inbound4))
        #expect(hosts.server.proxy.connectionCount(in: 7) == 1 && wires.count == 7)
    }
}
