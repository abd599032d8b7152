import Foundation
import Testing
import Workloads

@testable import Kernel

extension KernelSessionTests {
    /// Inside a user namespace a process may call itself any uid; the host's is the one that counts.
    @Suite(.serialized) struct UserNamespaceTests {
        /// - Parameter inside: the uid it has in its own eyes.
        @Test(arguments: [0, 1001])
        func `a uid of a user namespace is not that uid of the host`(_ inside: UInt32) throws {
            try Room.with { room in
                try room.install(Selector(userIDs: [inside]))
                let workload = try room.start("agent.py", userID: 1002)
                #expect(try workload.run("leave_user_namespace \(inside)") == "\(inside)")
                #expect(room.kernel.facts(of: workload.pid)?.userID == 1002)
                #expect(try room.identity(workload) == .none)
                #expect(try room.identity(workload, "child connect 10.99.0.1 8000") == .none)
                try workload.become("become /usr/bin/python3 python3 agent.py")
                #expect(try room.identity(workload) == .none)
            }
        }

        @Test(arguments: [0, 1001, 65534])
        func `a process in a user namespace keeps the identity of its uid of the host`(_ inside: UInt32) throws {
            try Room.with { room in
                try room.install(Selector(userIDs: [1002]))
                let workload = try room.start("agent.py", userID: 1002)
                #expect(try workload.run("leave_user_namespace \(inside)") == "\(inside)")
                #expect(try room.identity(workload) == Room.identity)
                try workload.become("become /usr/bin/python3 python3 agent.py")
                #expect(try room.identity(workload) == Room.identity)
                #expect(room.kernel.facts(of: workload.pid)?.userID == 1002)
            }
        }

        /// The path is then the attacker's own word; the file is not. Selectors by path have to ask for the mount
        /// namespace, or for the file.
        @Test func `a program mounted over a trusted path in a private mount namespace is still another file`() throws {
            try Room.with { room in
                let trusted = room.resolved("/usr/bin/python3")
                let workload = try room.start("agent.py", userID: 1002)
                let witness = try Witness.install(as: "witness", in: room.folder)
                #expect(try workload.run("leave_user_namespace 0") == "0")
                #expect(try workload.run("mount_over \(witness) \(trusted)") == "mounted")
                try workload.become("become \(trusted) python3 agent.py")
                let executable = try #require(room.kernel.facts(of: workload.pid)?.executable)
                #expect(executable.inode == room.inode(witness))
                #expect(executable.inode != room.inode(trusted))
            }
        }
    }
}
