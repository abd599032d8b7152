import Foundation
import Testing
import Workloads

@testable import Kernel

extension KernelSessionTests {
    @Suite(.serialized) struct EventTests {
        /// As many as races; a tenth of what a whole run has where these are few.
        private let rounds = UInt64(
            max(10_000, min(100_000, ProcessInfo.processInfo.environment["TIDEMARK_RACES"].flatMap { Int($0) } ?? 0)))
        private let flooded = "127.0.0.1:9500"

        @Test func `listening, identification and refusal are told in order`() async throws {
            var told: AsyncStream<KernelEvent>?
            var expected: [KernelEvent] = [], expectedNotices: [KernelNotice] = []
            var noticed: AsyncStream<KernelNotice>?
            try Room.with { room in
                try room.install(Selector(userIDs: [1001]))
                let workload = try room.start("server.py")
                let key = try #require(room.kernel.facts(of: workload.pid)?.key)
                let listener = try InternetEndpoint("127.0.0.1 9000"),
                    proxy = try InternetEndpoint("127.0.0.1 \(Room.outboundPort)")
                _ = try workload.run("listen 127.0.0.1 9000")
                _ = try workload.run("close")
                _ = try workload.run("connect 127.0.0.1 \(Room.outboundPort)")
                expected = [
                    .listenerOpened(listener, process: key, identity: Room.identity), .listenerClosed(listener),
                ]
                let source = KernelRefusal.Source(userID: 1001, reason: .directDial, identity: .none)
                expectedNotices = [
                    .identified(key, Room.identity),
                    .refused(KernelRefusal(process: key, destination: proxy, source: source, count: 1)),
                ]
                told = room.kernel.events
                noticed = room.kernel.notices
                #expect(room.kernel.statistics().eventsLost == 0)
                #expect(room.kernel.statistics().noticesLost == 0)
            }
            var seen: [KernelEvent] = []
            for await event in try #require(told) {
                seen.append(event)
                if seen.count == expected.count { break }
            }
            #expect(seen == expected)
            var notices: [KernelNotice] = []
            for await notice in try #require(noticed) {
                notices.append(notice)
                if notices.count == expectedNotices.count { break }
            }
            #expect(notices == expectedNotices)
        }

        /// What any local user can do, as fast as he can.
        @Test func `a hundred thousand refusals displace no listener, and are told of once a second`() async throws {
            let dials: UInt64 = 100_000
            var told: AsyncStream<KernelEvent>?, noticed: AsyncStream<KernelNotice>?
            var opened: [KernelEvent] = []
            var longest = 0
            try Room.with { room in
                try room.install(Selector(commandLines: [["python3", "server.py"]]))
                let server = try room.start("server.py"), stranger = try room.start("stranger.py", userID: 1002)
                let key = try #require(room.kernel.facts(of: server.pid)?.key)
                let begin = ContinuousClock.now
                try stranger.send("dial_often 127.0.0.1 \(Room.outboundPort) \(dials)")
                for port in 9000..<9020 {
                    _ = try server.run("listen 127.0.0.1 \(port)")
                    opened.append(
                        .listenerOpened(
                            try InternetEndpoint("127.0.0.1 \(port)"), process: key, identity: Room.identity))
                }
                #expect(try stranger.answer() == "EPERM \(dials)")
                longest = Int((ContinuousClock.now - begin) / .seconds(1)) + 2
                let source = KernelRefusal.Source(userID: 1002, reason: .directDial, identity: .none)
                #expect(room.kernel.refusalCounts() == [source: dials])
                #expect(room.kernel.statistics().refusals == dials)
                #expect(room.kernel.statistics().eventsLost == 0 && room.kernel.statistics().noticesLost == 0)
                told = room.kernel.events
                noticed = room.kernel.notices
            }
            var seen: [KernelEvent] = []
            for await event in try #require(told) {
                if case .listenerOpened = event { seen.append(event) }
                if seen.count == opened.count { break }
            }
            #expect(seen == opened)
            var refusals = 0
            for await notice in try #require(noticed) { if case .refused = notice { refusals += 1 } }
            #expect((1...longest).contains(refusals), "told of \(refusals) times in \(longest) seconds")
        }

        /// The same with listeners.
        @Test func `a hundred thousand listeners of nobody displace none of a workload, and take no room`() async throws
        {
            var told: AsyncStream<KernelEvent>?
            var expected: [KernelEvent] = []
            try Room.with { room in
                try room.install(Selector(commandLines: [["python3", "server.py"]]))
                let server = try room.start("server.py"), stranger = try room.startRacer("stranger", userID: 1002)
                try stranger.send("serve 127.0.0.1 9500 \(rounds)")
                expected = try room.openListeners(of: server, at: 9000..<9010)
                #expect(try stranger.answer() == "0 accepted")
                expected += try room.openListeners(of: server, at: 9010..<9020)
                #expect(room.kernel.statistics().listenersOfNobody == 2 * rounds)
                #expect(room.kernel.statistics().eventsLost == 0)
                told = room.kernel.events
            }
            var seen: [KernelEvent] = []
            // To the end: there is nothing else.
            for await event in try #require(told) {
                if case .listenerClosed = event { continue }
                seen.append(event)
            }
            #expect(seen == expected)
        }

        @Test func `who is a workload and opens listeners without end has a share, and others are told of at once`()
            async throws
        {
            var told: AsyncStream<KernelEvent>?
            var expected: [KernelEvent] = []
            var longest = 0, lost: UInt64 = 0
            try Room.with { room in
                try room.install(Selector(userIDs: [1001, 1002]))
                let server = try room.start("server.py"), flooder = try room.startRacer("flooder", userID: 1002)
                let begin = ContinuousClock.now
                try flooder.send("serve 127.0.0.1 9500 \(rounds)")
                expected = try room.openListeners(of: server, at: 9000..<9010)
                #expect(try flooder.answer() == "0 accepted")
                longest = Int((ContinuousClock.now - begin) / .milliseconds(100)) + 2
                expected += try room.openListeners(of: server, at: 9010..<9020)
                // The others are in the tables, and this says that they have to be read.
                lost = room.kernel.statistics().eventsLost
                #expect(room.kernel.listeners().count == 20)
                told = room.kernel.events
            }
            var seen: [KernelEvent] = []
            var others: UInt64 = 0
            for await event in try #require(told) {
                if expected.contains(event) { seen.append(event) }
                switch event {
                case .listenerOpened(let place, _, _) where place.description == flooded: others += 1
                case .listenerClosed(let place) where place.description == flooded: others += 1
                default: break
                }
            }
            #expect(seen == expected)
            #expect(others <= longest * 1024, "\(others) events in \(longest) tenths of a second")
            #expect(others + lost == 2 * rounds)
        }

        @Test func `with more sources than there is room for all are counted, some of them together`() async throws {
            var noticed: AsyncStream<KernelNotice>?
            var counted: [KernelRefusal.Source: UInt64] = [:]
            try Room.with { room in
                let root = try room.start("root.py", userID: 0)
                let sources = 1100
                #expect(
                    try root.run("dial_as_many 127.0.0.1 \(Room.outboundPort) \(sources)") == "EPERM \(sources)")
                let counts = room.kernel.refusalCounts()
                #expect(counts.values.reduce(0, +) == UInt64(sources))
                #expect(counts.count <= 1024 + KernelRefusal.Reason.allCases.count)
                let many = KernelRefusal.Source(userID: nil, reason: .directDial, identity: .none)
                #expect(counts.values.count { $0 == 1 } == counts.count - 1)
                #expect(counts[many] == UInt64(sources + 1 - counts.count))
                counted = counts
                noticed = room.kernel.notices
                try room.kernel.forgetRefusals(of: counts.keys)
                #expect(room.kernel.refusalCounts().allSatisfy { $0.key.userID == nil })
            }
            // Of many: once, and as such. None of them is told as if it were counted alone.
            var told: [KernelRefusal.Source: UInt64] = [:]
            for await notice in try #require(noticed) {
                if case .refused(let refusal) = notice { told[refusal.source] = refusal.count }
            }
            #expect(told.keys.contains { $0.userID == nil })
            #expect(told.allSatisfy { counted[$0.key].map { $0 >= 1 } ?? false })
            #expect(told.values.reduce(0, +) <= counted.values.reduce(0, +))
        }

        /// The agent looks at all others not at all, however long that goes on.
        @Test func `of whom something was not told is known, and is nobody else`() throws {
            try Room.with { room in
                try room.install(Selector(userIDs: [0, 1001]))
                let server = try room.start("server.py"), flooder = try room.start("flooder.py", userID: 0)
                for workload in [server, flooder] { #expect(try room.dial(workload).isRedirected) }
                let begin = KernelMoment.now
                #expect(room.kernel.untold(since: begin).isEmpty)
                // Of a namespace that is not served so little is told that the slowest machine asks oftener.
                #expect(try flooder.run("unshare") == "0")
                let dials = "dial_often \(Room.managedIPv4) \(Room.managedPort) 20000"
                #expect(try flooder.run(dials) == "EHOSTUNREACH 20000")
                #expect(room.kernel.statistics().eventsLost > 0)
                _ = try room.openListeners(of: server, at: 9000..<9010)
                let key = try #require(room.kernel.facts(of: flooder.pid)?.key)
                #expect(room.kernel.untold(since: begin) == [key: .throughProxy])
                #expect(room.kernel.untold(since: begin.later(seconds: 4)).isEmpty)
                #expect(room.kernel.connected().count == 2)
                // Another program is another matter, but what it opened is not.
                try flooder.become("become /usr/bin/python3 python3 flooder.py")
                #expect(room.kernel.connected()[key] == .throughProxy)
            }
        }

        @Test func `of whom something was not told is known before it is known who he is`() throws {
            try Room.with { room in
                try room.install(
                    Selector(conditions: [
                        .userID: Condition(anyOf: [.number(0)]), .binaryHash: Condition(anyOf: [.text("00")]),
                    ]))
                let begin = KernelMoment.now
                let (workload, _) = try room.startElsewhere("agent.py")
                let key = try #require(room.kernel.facts(of: workload.pid)?.key)
                let dials = "dial_often \(Room.managedIPv4) \(Room.managedPort) 20000"
                #expect(try workload.run(dials) == "EHOSTUNREACH 20000")
                #expect(room.kernel.identified()[key] == nil)
                #expect(room.kernel.untold(since: begin) == [key: []])
                #expect(room.kernel.untoldPerhaps()[key] == [])
            }
        }
    }
}

extension KernelMoment {
    fileprivate func later(seconds: UInt64) -> KernelMoment {
        KernelMoment(nanoseconds: nanoseconds + seconds * 1_000_000_000)
    }
}

extension Room {
    /// - Returns: what has to be told of it.
    fileprivate func openListeners(of server: Workload, at ports: Range<Int>) throws -> [KernelEvent] {
        let process = try #require(kernel.facts(of: server.pid)?.key)
        return try ports.map { port in
            #expect(try server.run("listen 127.0.0.1 \(port)") == "listening")
            return .listenerOpened(
                try InternetEndpoint("127.0.0.1 \(port)"), process: process, identity: Self.identity)
        }
    }
}
