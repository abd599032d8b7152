import Foundation
import Testing
import Workloads

@testable import Kernel

extension KernelSessionTests {
    /// The effective uid of the initial user namespace, at the moment of connect, is what counts.
    @Suite(.serialized) struct CredentialTests {
        private let agent = Selector(userIDs: [1001], commandLines: [["python3", "agent.py"]])
        private let connect = "connect \(Room.managedIPv4) \(Room.managedPort)"

        /// - Parameters: real, effective and saved uid, -1 for unchanged.
        @Test(arguments: [
            ("1001 -1 -1", false), ("-1 -1 1001", false), ("1001 0 1001", false), ("-1 1001 -1", true),
            ("0 1001 0", true),
        ])
        func `of the uids a process has, the effective one decides`(_ users: String, _ matches: Bool) throws {
            try Room.with { room in
                try room.install(agent)
                let workload = try room.start("agent.py", userID: 0)
                #expect(try workload.run("setresuid \(users)") == "done")
                #expect(try room.identity(workload) == (matches ? Room.identity : .none))
                #expect(room.kernel.facts(of: workload.pid)?.userID == (matches ? 1001 : 0))
                #expect(room.kernel.facts(of: workload.pid)?.realUserID == (users.hasPrefix("1001") ? 1001 : 0))
            }
        }

        @Test func `a process that changes its effective uid back and forth is decided each time`() throws {
            try Room.with { room in
                try room.install(agent)
                let workload = try room.start("agent.py", userID: 0)
                for _ in 1...2 {
                    #expect(try workload.run("setresuid -1 1001 0") == "done")
                    #expect(try room.identity(workload) == Room.identity)
                    #expect(try workload.run("setresuid -1 0 -1") == "done")
                    #expect(try room.identity(workload) == .none)
                }
            }
        }

        @Test func `an effective uid taken before exec stays, and the way back from it is closed`() throws {
            try Room.with { room in
                let words = Selector(userIDs: [1001], commandLines: [["python3", "second.py"]])
                try room.install(words)
                let workload = try room.start("first.py", userID: 0)
                try workloadProgram.write(
                    to: room.folder.appending(path: "second.py"), atomically: true, encoding: .utf8)
                #expect(try workload.run("setresuid 1001 1001 0") == "done")
                try workload.become("become /usr/bin/python3 python3 second.py")
                #expect(try room.identity(workload) == Room.identity)
                #expect(try workload.run("setresuid -1 0 -1") == "error EPERM")
            }
        }

        @Test func `groups and the file system uid change nothing`() throws {
            try Room.with { room in
                try room.install(agent)
                let workload = try room.start("agent.py", userID: 0)
                #expect(try workload.run("setresgid 1001 1001 1001") == "done")
                #expect(room.kernel.facts(of: workload.pid)?.groupID == 1001)
                #expect(try workload.run("setfsuid 1001") == "0")
                #expect(try workload.run("setfsuid 1001") == "1001")
                #expect(try room.identity(workload) == .none)
                #expect(try workload.run("setuid 1001") == "done")
                #expect(try room.identity(workload) == Room.identity)
            }
        }

        @Test func `a thread with credentials of its own is decided by these`() throws {
            try Room.with { room in
                try room.install(agent)
                let workload = try room.start("agent.py", userID: 0)
                #expect(try room.identity(workload, "thread_as 1001 \(connect)") == Room.identity)
                #expect(try room.identity(workload) == .none)
            }
        }

        @Test func `beside these, its connection has those of the first thread, by which it is asked later`() throws {
            try Room.with { room in
                try room.install(agent)
                let workload = try room.start("agent.py", userID: 0)
                guard case .redirected(let flow?, _) = try room.dial(workload, "thread_as 1001 \(connect)") else {
                    Issue.record("not redirected")
                    return
                }
                #expect(flow.credentials.effectiveUserID == 1001)
                #expect(flow.processCredentials.effectiveUserID == 0)
                #expect(room.kernel.ids(of: flow.process) == flow.processCredentials)
                #expect(try workload.run("setresuid 1003 1002 1001") == "done")
                let now = try #require(room.kernel.ids(of: flow.process))
                #expect(now.effectiveUserID == 1002 && now.realUserID == 1003)
                #expect(room.kernel.ids(of: ProcessKey(pid: workload.pid, startTime: 1)) == nil)
            }
        }

        @Test func `dropping all capabilities changes nothing`() throws {
            try Room.with { room in
                try room.install(Selector(userIDs: [0], commandLines: [["python3", "agent.py"]]))
                let workload = try room.start("agent.py", userID: 0)
                #expect(try workload.run("drop_capabilities") == "done")
                #expect(try workload.run("setuid 1001") == "error EPERM")
                #expect(try room.identity(workload) == Room.identity)
            }
        }

        @Test func `whoever may set its uid can become a workload of that uid, nobody else`() throws {
            try Room.with { room in
                try room.install(Selector(userIDs: [1001]))
                let setuid = ["--inh-caps=+setuid", "--ambient-caps=+setuid"]
                let capable = try room.startWitness(userID: 1002, options: setuid)
                let other = try room.start("agent.py", userID: 1002)
                #expect(try room.identity(capable) == .none)
                try capable.become("become /usr/bin/python3 python3 agent.py")
                #expect(try capable.run("setuid 1001") == "done")
                #expect(try room.identity(capable) == Room.identity)
                #expect(try other.run("setuid 1001") == "error EPERM")
                #expect(try room.identity(other) == .none)
            }
        }

        /// - Parameter options: of setpriv; without new privileges the bit means nothing.
        @Test(arguments: [([String](), true), (["--no-new-privs"], false)])
        func `a setuid binary runs as its owner, where the kernel honours the bit`(
            _ options: [String], _ honoured: Bool,
        ) throws {
            try Room.with { room in
                try room.install(Selector(userIDs: [1001]))
                let path = try room.installSetuidWitness(owner: 1001)
                let workload = try room.startWitness("plain", userID: 1002, options: options)
                try workload.become("become \(path) \(path)")
                let facts = try #require(room.kernel.facts(of: workload.pid))
                let expected = honoured && room.honoursSetuid
                #expect(facts.realUserID == 1002)
                #expect(facts.userID == (expected ? 1001 : 1002))
                #expect(try room.identity(workload) == (expected ? Room.identity : .none))
            }
        }
    }
}

extension Room {
    func installSetuidWitness(owner: uid_t) throws -> String {
        let path = try Witness.install(as: "setuid-witness", in: folder)
        guard chown(path, owner, owner) == 0, chmod(path, 0o4755) == 0 else { throw POSIXError(.EPERM) }
        return path
    }

    /// False where the folder's file system is mounted `nosuid`.
    var honoursSetuid: Bool {
        var status = statvfs()
        return statvfs(folder.path(), &status) == 0 && status.f_flag & UInt(ST_NOSUID) == 0
    }
}
