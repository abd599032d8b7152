import Foundation
import Testing
import Workloads

@testable import Kernel

extension KernelSessionTests {
    /// How a process comes to be, short of exec.
    @Suite(.serialized) struct DescentTests {
        private let agent = Selector(userIDs: [1001], commandLines: [["python3", "agent.py"]])
        private let witness = Selector(userIDs: [1001], names: ["witness"])
        private let destination = "\(Room.managedIPv4) \(Room.managedPort)"

        @Test(arguments: ["vfork", "clone"])
        func `a child of vfork, or of clone that shares memory, is what its parent is, and itself`(
            _ call: String,
        ) throws {
            try Room.with { room in
                try room.install(witness)
                let workload = try room.startWitness()
                let flow = try #require(try room.dial(workload, "\(call) \(destination)").flow)
                #expect(flow.identity == Room.identity)
                #expect(flow.process.pid != workload.pid)
                #expect(try room.dial(workload).flow?.process.pid == workload.pid)
            }
        }

        @Test func `a child of an unmanaged process is unmanaged`() throws {
            try Room.with { room in
                try room.install(agent)
                let workload = try room.start("other.py")
                #expect(try room.identity(workload, "child connect \(destination)") == .none)
            }
        }

        @Test func `a grandchild whose parent has ended keeps the identity it was born with`() throws {
            try Room.with { room in
                try room.install(agent)
                let workload = try room.start("agent.py")
                let orphan = try #require(Int32(try workload.run("orphan").split(separator: " ").last ?? ""))
                let flow = try #require(try room.dial(workload).flow)
                #expect(flow.identity == Room.identity)
                #expect(flow.process.pid == orphan)
                #expect(room.kernel.facts(of: orphan)?.arguments == ["python3", "agent.py"])
            }
        }

        @Test func `a child in a process namespace of its own is known by its number on the host`() throws {
            try Room.with { room in
                try room.install(Selector(userIDs: [0], commandLines: [["python3", "agent.py"]]))
                let workload = try room.start("agent.py", userID: 0)
                #expect(try workload.run("leave_process_namespace") == "0")
                let flow = try #require(try room.dial(workload, "child connect \(destination)").flow)
                #expect(flow.identity == Room.identity)
                #expect(flow.process.pid != 1)
            }
        }

        @Test func `a thread that connects is its process`() throws {
            try Room.with { room in
                try room.install(agent)
                let workload = try room.start("agent.py")
                let flow = try #require(try room.dial(workload, "thread connect \(destination)").flow)
                #expect(flow.identity == Room.identity)
                #expect(flow.process == room.kernel.facts(of: workload.pid)?.key)
            }
        }

        @Test func `a process whose first thread has ended stays who it is`() throws {
            try Room.with { room in
                try room.install(witness)
                let workload = try room.startWitness()
                let key = try #require(room.kernel.facts(of: workload.pid)?.key)
                #expect(try workload.run("retire") == "retired")
                #expect(try room.dial(workload).flow?.process == key)
                #expect(try room.dial(workload, "vfork \(destination)").flow?.identity == Room.identity)
                let facts = try #require(room.kernel.facts(of: workload.pid))
                #expect(facts.key == key)
                #expect(facts.userID == 1001)
                // What user space looks at is there as well.
                let files = ProcessFiles(of: workload.pid)
                #expect(try files.executable(facts.executable).version().inode == facts.executable.inode)
                #expect(try files.workingDirectory() == room.folder.resolvingSymlinksInPath().path())
                #expect(try NetworkNamespace.of(pid: workload.pid).cookie == NetworkNamespace.current().cookie)
            }
        }

        @Test func `a thread's credentials are those told of a process whose first thread has ended`() throws {
            try Room.with { room in
                try room.install(agent)
                let workload = try room.start("agent.py", userID: 0)
                #expect(try workload.run("retire") == "retired")
                #expect(try workload.run("setuid 1001") == "done")
                let facts = try #require(room.kernel.facts(of: workload.pid))
                #expect(facts.userID == 1001)
                #expect(room.kernel.ids(of: facts.key)?.effectiveUserID == 1001)
                #expect(try room.identity(workload) == Room.identity)
            }
        }

        @Test func `exec in a thread makes the whole process another, under the same key`() throws {
            try Room.with { room in
                try room.install(agent, other: Selector(userIDs: [1001], commandLines: [["claimed"]]))
                let workload = try room.start("agent.py")
                let witness = try Witness.install(as: "witness", in: room.folder)
                let before = try #require(try room.dial(workload).flow)
                try workload.become("thread become \(witness) claimed")
                let after = try #require(try room.dial(workload).flow)
                #expect(before.identity == Room.identity)
                #expect(after.identity == Room.otherIdentity)
                #expect(after.process == before.process)
                #expect(room.kernel.facts(of: workload.pid)?.arguments == ["claimed"])
            }
        }

        @Test func `a child of vfork that executes another program is that program, and its parent is not`() throws {
            try Room.with { room in
                try room.install(agent, other: Selector(userIDs: [1001], commandLines: [["./witness"]]))
                let workload = try room.start("agent.py")
                _ = try Witness.install(as: "witness", in: room.folder)
                let spawn = "spawn 'connect \(destination)' ./witness"
                #expect(try room.identity(workload, spawn) == Room.otherIdentity)
                #expect(try room.identity(workload) == Room.identity)
            }
        }

        @Test func `a process that is gone leaves no facts behind`() throws {
            try Room.with { room in
                try room.install(agent)
                let workload = try room.start("agent.py")
                let child = try #require(try room.dial(workload, "fork \(destination)").flow?.process.pid)
                workload.stop()
                #expect(!room.kernel.processes().contains { [workload.pid, child].contains($0.key.pid) })
                #expect(room.kernel.facts(of: workload.pid) == nil)
            }
        }
    }
}
