import Foundation
import Testing
import Workloads

@testable import Kernel

extension KernelSessionTests {
    /// Tricks with argv and names.
    @Suite(.serialized) struct ArgumentTests {
        private let agent = Selector(userIDs: [1001], commandLines: [["python3", "agent.py"]])

        @Test(arguments: [
            "'' python3 agent.py", "python3 '' agent.py", "'python3 agent.py'", "python3 'agent.py '", "python3",
            "python3 agent.p", "'' ''",
        ])
        func `empty words, joined words and pieces of words match nothing`(_ arguments: String) throws {
            try Room.with { room in
                try room.install(agent)
                let witness = try Witness.install(as: "witness", in: room.folder)
                let workload = try room.start("other.py")
                try workload.become("become \(witness) \(arguments)")
                #expect(try room.identity(workload) == .none)
            }
        }

        @Test func `an empty word at the end is one more word`() throws {
            try Room.with { room in
                try room.install(agent)
                let witness = try Witness.install(as: "witness", in: room.folder)
                let workload = try room.start("other.py")
                try workload.become("become \(witness) python3 agent.py ''")
                #expect(try room.identity(workload) == Room.identity)
                #expect(room.kernel.facts(of: workload.pid)?.arguments == ["python3", "agent.py", ""])
            }
        }

        @Test func `a process executed without any argv has one empty word, which no command line begins with`() throws
        {
            try Room.with { room in
                try room.install(agent, other: Selector(userIDs: [1001], names: ["witness"]))
                let witness = try Witness.install(as: "witness", in: room.folder)
                let workload = try room.start("agent.py")
                try workload.become("become_without_arguments \(witness)")
                #expect(room.kernel.facts(of: workload.pid)?.arguments == [""])
                #expect(try room.identity(workload) == Room.otherIdentity)
            }
        }

        /// The selector's own limit, the next byte, and what is kept of argv; then far beyond all of them.
        @Test(arguments: [1, 4, 5, 772, 773, 3844, 3845, 100_000])
        func `a word cut short is not the word a selector asks for`(_ excess: Int) throws {
            try Room.with { room in
                let count = Selector.maximumCommandLineBytes - "python3".utf8.count - 1 - 1
                let words = ["python3", String(repeating: "a", count: count)]
                try room.install(Selector(userIDs: [1001], commandLines: [words]))
                let witness = try Witness.install(as: "witness", in: room.folder)
                let workload = try room.start("other.py"), exact = try room.start("other.py")
                try workload.become("become_long \(witness) a \(count + excess) python3")
                try exact.become("become_long \(witness) a \(count) python3")
                #expect(try room.identity(workload) == .none)
                #expect(try room.identity(exact) == Room.identity)
                #expect(room.kernel.facts(of: exact.pid)?.argumentsTruncated == false)
            }
        }

        @Test func `an argv longer than what is kept says so, and matches by what it begins with`() throws {
            try Room.with { room in
                try room.install(agent)
                let witness = try Witness.install(as: "witness", in: room.folder)
                let workload = try room.start("other.py"), hidden = try room.start("other.py")
                try workload.become("become_long \(witness) a 100000 python3 agent.py")
                #expect(try room.identity(workload) == Room.identity)
                #expect(room.kernel.facts(of: workload.pid)?.argumentsTruncated == true)
                try hidden.become("become_long \(witness) a 100000 nobody python3 agent.py")
                #expect(try room.identity(hidden) == .none)
            }
        }

        /// The kernel keeps 15 bytes of a name; a longer one is the name of its first 15.
        @Test(arguments: [("fifteen-letters", true), ("fifteen-letters!", true), ("fifteen-letter", false)])
        func `a name counts by its first fifteen bytes`(_ name: String, _ matches: Bool) throws {
            try Room.with { room in
                try room.install(Selector(userIDs: [1001], names: ["fifteen-letters"]))
                let workload = try room.startWitness(name)
                #expect(room.kernel.facts(of: workload.pid)?.name == String(name.prefix(15)))
                #expect(try room.identity(workload) == (matches ? Room.identity : .none))
            }
        }

        @Test func `a process that says its argv is elsewhere gains nothing`() throws {
            try Room.with { room in
                try room.install(agent)
                let workload = try room.start("other.py")
                let possible = try workload.run("may_say_elsewhere") == "True"
                let shown = try workload.run("pretend_elsewhere python3 agent.py")
                #expect(shown == (possible ? "python3 agent.py" : "error EINVAL"))
                #expect(try room.identity(workload) == .none)
                #expect(room.kernel.facts(of: workload.pid)?.arguments == ["python3", "other.py"])
            }
        }

        @Test func `what a process pretends is handed on to no child, no thread and no successor`() throws {
            try Room.with { room in
                try room.install(agent)
                let workload = try room.start("other-long-enough.py")
                #expect(try workload.run("pretend python3 agent.py") == "python3 agent.py")
                let connect = "connect \(Room.managedIPv4) \(Room.managedPort)"
                #expect(try room.identity(workload, "child \(connect)") == .none)
                #expect(try room.identity(workload, "thread \(connect)") == .none)
                try workload.become("become \(try Witness.install(as: "witness", in: room.folder)) nobody")
                #expect(try room.identity(workload) == .none)
            }
        }
    }
}
