import NIOCore
import Proxy
import Testing
import Workloads

@Suite("Raw lane") struct RawLaneTests {
    @Test func `bytes go from host to host, and both journals name the same connection`() async throws {
        let hosts = try await TwoHosts()
        let wire = try await hosts.dial()
        try await wire.send("ping")
        let server = try await hosts.application.connection()
        #expect(try await server.receive(through: "ping") == "ping")
        try await server.send("pong")
        #expect(try await wire.receive(through: "pong") == "pong")

        let outbound = try await hosts.client.journal.entry(.connectionOutbound, allowed: true)
        let inbound = try await hosts.server.journal.entry(.connectionInbound, allowed: true)
        #expect(outbound.connection == inbound.connection)
        #expect(outbound.workload == hosts.agent && outbound.peer == hosts.tool)
        #expect(inbound.workload == hosts.tool && inbound.peer == hosts.agent)
        #expect(outbound.svidSerial == inbound.peerSVIDSerial)
        #expect(inbound.svidSerial == outbound.peerSVIDSerial)
        #expect(outbound.process?.pid == 4711)
    }

    @Test func `IPv6 goes the same way`() async throws {
        let hosts = try await TwoHosts()
        let wire = try await hosts.dial(over: "::1")
        try await wire.send("ping")
        try await hosts.application.connection().receive(through: "ping")
        let outbound = try await hosts.client.journal.entry(.connectionOutbound, allowed: true)
        let inbound = try await hosts.server.journal.entry(.connectionInbound, allowed: true)
        #expect(outbound.connection?.hasPrefix("[::1]:") == true && outbound.connection == inbound.connection)
    }

    @Test func `the application is told of its client before the dial`() async throws {
        let hosts = try await TwoHosts()
        let wire = try await hosts.dial()
        _ = try await hosts.application.connection()
        let inbound = try await hosts.server.journal.entry(.connectionInbound, allowed: true)
        let announced = try #require(hosts.server.flows.announced.first)
        #expect(inbound.connection?.hasPrefix("127.0.0.1:\(announced.client.port ?? 0)>") == true)
        #expect(announced.workload == hosts.tool && announced.isBeforeConnect)
        #expect(hosts.server.flows.announced.count == 1)
        wire.close()
    }

    @Test func `an application that cannot be told of its client is not dialled`() async throws {
        let hosts = try await TwoHosts()
        hosts.server.flows.prepareNone(because: "there is no room for another client")
        #expect(try await hosts.dial().end() == .reset)
        let refused = try await hosts.server.journal.entry(.connectionInbound, allowed: false)
        #expect(refused.reason.contains("there is no room for another client"))
        #expect(hosts.applicationIsUntouched)
    }

    @Test func `eight megabytes arrive byte by byte, both ways at once`() async throws {
        let hosts = try await TwoHosts()
        let wire = try await hosts.dial()
        let server = try await hosts.application.connection()
        let up = Self.pattern(8 << 20, seed: 3)
        let down = Self.pattern(8 << 20, seed: 5)
        async let sendUp: Void = wire.send(up)
        async let sendDown: Void = server.send(down)
        _ = try await (sendUp, sendDown)
        #expect(try await server.receive(count: up.count) == up)
        #expect(try await wire.receive(count: down.count) == down)
    }

    @Test func `a slow reader holds the sender back, and loses nothing`() async throws {
        let hosts = try await TwoHosts()
        let wire = try await hosts.dial()
        let server = try await hosts.application.connection()
        try await server.channel.setOption(.autoRead, value: false).get()
        let bytes = Self.pattern(48 << 20, seed: 7)
        async let sent: Void = wire.send(bytes)
        let taken = try await Self.standstill(of: hosts.client)
        #expect(taken > 0 && taken < bytes.count)
        try await server.channel.setOption(.autoRead, value: true).get()
        #expect(try await server.receive(count: bytes.count) == bytes)
        try await sent
    }

    @Test func `a half that was closed leaves the other half open`() async throws {
        let hosts = try await TwoHosts()
        let wire = try await hosts.dial()
        let server = try await hosts.application.connection()
        try await wire.send("question")
        try await wire.closeOutput()
        try await server.inputClosed()
        #expect(server.peek == "question")
        try await server.send("answer")
        #expect(try await wire.receive(through: "answer") == "answer")
        server.close()
        #expect(try await wire.end() == .closed)
        _ = try await eventually("no connection left") { hosts.client.proxy.connectionCount == 0 ? true : nil }
        _ = try await eventually("no connection left") { hosts.server.proxy.connectionCount == 0 ? true : nil }
    }

    @Test func `a reset stays a reset`() async throws {
        let hosts = try await TwoHosts()
        let wire = try await hosts.dial()
        let server = try await hosts.application.connection()
        try await server.send("beginning")
        try await wire.receive(through: "beginning")
        try await server.reset()
        #expect(try await wire.end() == .reset)
    }

    /// Bytes taken from the application, once there were any and no more come.
    private static func standstill(of host: TwoHosts.Host) async throws -> UInt64 {
        var (last, since) = (UInt64(0), ContinuousClock.now)
        return try await eventually("a standstill") {
            let taken = host.proxy.connections().first?.bytesFromApplication ?? 0
            if taken != last || taken == 0 { (last, since) = (taken, .now) }
            return ContinuousClock.now - since > .milliseconds(400) ? taken : nil
        }
    }

    /// Repeats after a prime number of bytes, so that a lost, doubled or moved block shows.
    private static func pattern(_ count: Int, seed: Int) -> [UInt8] {
        let block = (0..<65_521).map { UInt8(truncatingIfNeeded: ($0 &* seed) ^ ($0 >> 8)) }
        var bytes: [UInt8] = []
        bytes.reserveCapacity(count + block.count)
        while bytes.count < count { bytes += block }
        return Array(bytes[..<count])
    }
}
