import Foundation
import Testing
import Workloads

@testable import Kernel

extension KernelSessionTests {
    @Suite(.serialized) struct EventTests {
        @Test func `listening, identification and refusal are told in order`() async throws {
            var told: AsyncStream<KernelEvent>?
            var expected: [KernelEvent] = []
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
                    .identified(key, Room.identity),
                    .listenerOpened(listener, process: key, identity: Room.identity),
                    .listenerClosed(listener),
                    .refused(key, destination: proxy, .directDial),
                ]
                told = room.kernel.events
                #expect(room.kernel.statistics().eventsLost == 0)
            }
            var seen: [KernelEvent] = []
            for await event in try #require(told) {
                seen.append(event)
                if seen.count == expected.count { break }
            }
            #expect(seen == expected)
        }
    }
}
