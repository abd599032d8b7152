import Foundation
import Testing
import Workloads

@testable import Kernel

extension KernelSessionTests {
    /// Whose share a process burdens, whatever uids it may have.
    @Suite(.serialized) struct PayerTests {
        /// As newuidmap(1) writes it: root maps uids of which the user has none but the first.
        private func map(_ workload: Workload, _ outside: [UInt32]) throws {
            let lines = outside.enumerated().map { "\($0 * 100) \($1) \($0 == 0 ? 1 : 100)\n" }
            #expect(try workload.run("leave_to_be_mapped") == "left")
            for (file, text) in [("uid_map", lines.joined()), ("gid_map", "0 0 1\n")] {
                try text.write(toFile: "/proc/\(workload.pid)/\(file)", atomically: false, encoding: .utf8)
            }
        }

        @Test func `who made the outermost user namespace pays, by whatever uid he runs in it, or in one within it`()
            throws
        {
            try Room.with { room in
                let workload = try room.start("agent.py", userID: 1002)
                let key = try #require(room.kernel.facts(of: workload.pid)?.key)
                #expect(room.kernel.payer(of: key) == 1002)
                try map(workload, [1002, 200_000])
                #expect(try workload.run("setresuid 105 105 0") == "done")
                #expect(room.kernel.ids(of: key)?.realUserID == 200_005)
                #expect(room.kernel.payer(of: key) == 1002)
                #expect(try workload.run("leave_to_be_mapped") == "left")
                #expect(room.kernel.ids(of: key)?.realUserID == 200_005)
                #expect(room.kernel.payer(of: key) == 1002)
                workload.stop()
                #expect(room.kernel.payer(of: key) == nil)
            }
        }

        /// Containers that root starts: else one would take from all others, and from root.
        @Test func `in a user namespace that root made each pays for himself, and for those he makes in it`() throws {
            try Room.with { room in
                let workload = try room.start("agent.py", userID: 0)
                try map(workload, [0, 300_000])
                #expect(UserNamespace.payer(ofPID: workload.pid) == 0)
                #expect(try workload.run("setuid 107") == "done")
                #expect(UserNamespace.payer(ofPID: workload.pid) == 300_007)
                #expect(try workload.run("leave_to_be_mapped") == "left")
                #expect(UserNamespace.payer(ofPID: workload.pid) == 300_007)
            }
        }

        @Test func `who has many uids has one share of what is told, however he changes between them`() async throws {
            var told: AsyncStream<KernelEvent>?
            var longest = 0, lost: UInt64 = 0
            let users = 30, each = 300
            try Room.with { room in
                try room.install(Selector(commandLines: [["python3", "agent.py"]]))
                let flooder = try room.start("agent.py", userID: 1002)
                try map(flooder, [1002, 200_000])
                let begin = ContinuousClock.now
                #expect(try flooder.run("listen_as_many 100 \(users) \(each) 127.0.0.1 9500") == "done")
                longest = Int((ContinuousClock.now - begin) / .milliseconds(100)) + 2
                lost = room.kernel.statistics().eventsLost
                told = room.kernel.events
            }
            var count = 0
            for await _ in try #require(told) { count += 1 }
            #expect(count <= longest * 1024, "\(count) events in \(longest) tenths of a second")
            // Where there is BPF LSM each change of ids is told of as well.
            let listeners = 2 * users * each
            #expect((listeners...listeners + users + 1).contains(count + Int(lost)))
        }
    }
}
