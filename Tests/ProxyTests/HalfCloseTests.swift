import NIOCore
import Proxy
import Testing
import Workloads

/// What two programs do at the ends of one connection, and what each of them sees: the same through two proxies as on a
/// direct connection.
@Suite("Half-close", .serialized) struct HalfCloseTests {
    /// What one end does. It reads all the time.
    struct Part {
        /// Speaks when it has read so many bytes; nil: when the other one has said that it sends nothing more.
        var after: Int?
        var pause: Duration
        var sends: [Int]
        var seed: Int
    }

    struct Seen: Equatable {
        var bytes: [UInt8]
        var end: PlainSocket.End
    }

    @Test func `a client that asks, closes its half and waits is answered, whatever the sizes`() async throws {
        let hosts = try await World()
        for size in [0, 10, 1000, 70_000, 5 << 20] {
            for pause in [Duration.zero, .milliseconds(300)] {
                let client = Part(after: 0, pause: .zero, sends: [size], seed: 3)
                let server = Part(after: nil, pause: pause, sends: [size + 1], seed: 5)
                try await hosts.check(client, server, "\(size) bytes, answered after \(pause)")
            }
        }
    }

    @Test(arguments: 0..<6) func `whatever two programs say and when each is done, both see it all`(
        _ seed: Int
    ) async throws {
        var random = Random(state: UInt64(seed) &* 0x9e37_79b9_7f4a_7c15 | 1)
        let hosts = try await World()
        for round in 0..<25 {
            let client = Part(random: &random, after: 0)
            let total = client.sends.reduce(0, +)
            let after: Int? = [0, total / 2, total, nil].randomElement(using: &random) ?? nil
            let server = Part(random: &random, after: after)
            let isTurned = after != nil && Bool.random(using: &random)
            try await hosts.check(
                isTurned ? server.speaking(after: 0) : client,
                isTurned ? client.speaking(after: after.map { min($0, server.sends.reduce(0, +)) }) : server,
                "seed \(seed), round \(round)",
            )
        }
    }

    @Test func `a client that is gone is told to the server as a reset, also when it had closed its half`() async throws
    {
        let world = try await World()
        let (client, server) = try await world.pair(isDirect: false)
        await client.send([1, 2, 3])
        _ = await server.read(count: 3)
        await client.reset()
        #expect(await server.readToEnd().end == .reset)
    }

    @Test func `a server that is gone before it answered is a reset for a client that closed its half`() async throws {
        let world = try await World()
        let (client, server) = try await world.pair(isDirect: false)
        await client.send([1, 2, 3])
        await client.finish()
        #expect(await server.readToEnd().end == .orderly)
        await server.reset()
        #expect(await client.readToEnd().end == .reset)
    }

    /// The same two programs on a direct connection and through two proxies.
    final class World: Sendable {
        private let hosts: TwoHosts
        private let port: ListeningPort

        init() async throws {
            port = try ListeningPort()
            hosts = try await TwoHosts(application: port.address)
        }

        func check(_ client: Part, _ server: Part, _ what: String) async throws {
            let direct = try await run(client, server, isDirect: true)
            let carried = try await run(client, server, isDirect: false)
            #expect(direct.client.end == .orderly && direct.server.end == .orderly, "\(what), directly")
            #expect(carried.client.end == .orderly && carried.server.end == .orderly, "\(what)")
            let sizes = [direct.client, carried.client, direct.server, carried.server].map(\.bytes.count)
            #expect(direct.client.bytes == carried.client.bytes, "\(what): \(sizes)")
            #expect(direct.server.bytes == carried.server.bytes, "\(what): \(sizes)")
        }

        func pair(isDirect: Bool) async throws -> (client: PlainSocket, server: PlainSocket) {
            async let accepted = port.accept()
            let client: PlainSocket
            if isDirect {
                client = try PlainSocket.connect(to: port.address)
            } else {
                let flow = hosts.flow
                let target = try SocketAddress(ipAddress: "127.0.0.1", port: Int(hosts.client.descriptors.outboundPort))
                client = try PlainSocket.connect(to: target) { hosts.client.flows.expect(flow, from: $0) }
            }
            return (client, await accepted)
        }

        private func run(_ client: Part, _ server: Part, isDirect: Bool) async throws -> (client: Seen, server: Seen) {
            let (left, right) = try await pair(isDirect: isDirect)
            async let here = client.play(left)
            async let there = server.play(right)
            return (client: await here, server: await there)
        }
    }

    /// Small and reproducible: xorshift64.
    struct Random: RandomNumberGenerator {
        var state: UInt64

        mutating func next() -> UInt64 {
            state ^= state << 13
            state ^= state >> 7
            state ^= state << 17
            return state
        }
    }
}

extension HalfCloseTests.Part {
    init(random: inout HalfCloseTests.Random, after: Int?) {
        let sizes = [0, 1, 10, 500, 16_384, 70_000, 1 << 20]
        self.init(
            after: after, pause: .milliseconds([0, 0, 0, 1, 20].randomElement(using: &random) ?? 0),
            sends: (0..<Int.random(in: 0...3, using: &random)).map { _ in sizes.randomElement(using: &random) ?? 0 },
            seed: Int.random(in: 1...97, using: &random),
        )
    }

    func speaking(after: Int?) -> Self {
        var part = self
        part.after = after
        return part
    }

    func play(_ socket: PlainSocket) async -> HalfCloseTests.Seen {
        async let seen = socket.readToEnd()
        if let after { _ = await socket.read(count: after) } else { _ = await socket.readToEnd() }
        try? await Task.sleep(for: pause)
        for count in sends {
            await socket.send((0..<count).map { UInt8(truncatingIfNeeded: ($0 &* seed) ^ ($0 >> 8)) })
        }
        await socket.finish()
        let (bytes, end) = await seen
        return HalfCloseTests.Seen(bytes: bytes, end: end)
    }
}
