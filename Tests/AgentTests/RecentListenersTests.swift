import Kernel
import Synchronization
import Testing
import Workloads

@testable import Agent

@Suite("Recent listeners") struct RecentListenersTests {
    @Test func `however often somebody asks, the table is read for a small part of the time`() {
        let clock = Mutex(ContinuousClock.now)
        let reads = Mutex(0)
        let endpoint = InternetEndpoint(address: .wildcardIPv4, port: 9000)
        let recent = RecentListeners(now: { clock.withLock { $0 } }) {
            reads.withLock { $0 += 1 }
            // As long as a table of some thousands takes.
            clock.withLock { $0 += .milliseconds(3) }
            return [Self.socket(at: endpoint)]
        }
        let elsewhere = InternetEndpoint(address: .wildcardIPv4, port: 9001)
        for _ in 0..<1000 {
            #expect(recent.sockets(atFirstOf: [elsewhere], network: 1).isEmpty)
            clock.withLock { $0 += .microseconds(100) }
        }
        // 100 ms of asking.
        #expect(reads.withLock { $0 } == 4)
        #expect(recent.sockets(atFirstOf: [elsewhere, endpoint], network: 1).map(\.cookie) == [1])
        #expect(recent.sockets(atFirstOf: [endpoint], network: 2).isEmpty)
    }

    private static func socket(at endpoint: InternetEndpoint) -> ListeningSocket {
        ListeningSocket(
            cookie: 1, endpoint: endpoint, network: 1,
            image: ProcessImage(process: ProcessKey(pid: 7, startTime: 1), number: 1),
            credentials: ProcessIDs(effectiveUserID: 1, realUserID: 1, effectiveGroupID: 0, realGroupID: 0),
            identity: .none)
    }
}
