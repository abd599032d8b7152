import Foundation
import Testing
import Workloads

@testable import Kernel

extension KernelSessionTests {
    /// Keys that user space has to find out: until it has, a process counts as managed.
    @Suite(.serialized) struct UserSpaceKeyTests {
        private let hashed = Selector(conditions: [
            .userID: Condition(anyOf: [.number(1001)]), .binaryHash: Condition(anyOf: [.text("00")]),
        ])

        @Test func `until user space has answered a process is redirected as undecided`() throws {
            try Room.with { room in
                let generation = try room.install(hashed)
                let workload = try room.start("agent.py")
                #expect(try room.identity(workload) == .undecided)
                let image = try room.image(of: workload)
                #expect(try room.kernel.answer(image, holding: [0], generation: generation))
                #expect(try room.identity(workload) == Room.identity)
                #expect(try room.kernel.answer(image, holding: [], generation: generation))
                #expect(try room.identity(workload) == .none)
            }
        }

        @Test func `a process whose other keys do not hold is decided at once`() throws {
            try Room.with { room in
                try room.install(hashed)
                #expect(try room.identity(room.start("agent.py", userID: 1002)) == .none)
            }
        }

        private static let script = Selector(conditions: [.scriptHash: Condition(anyOf: [.text("00")])])

        /// Undecided it would be held, and refused at bind() where its namespace is not served.
        @Test func `where a script's hash alone is asked for, a program that runs no script is nobody at once`()
            async throws
        {
            var told: AsyncStream<KernelEvent>?
            try Room.with { room in
                try room.install(Self.script)
                let server = try room.startInterpreter(named: "node_exporter", userID: 0)
                #expect(try room.identity(server) == .none)
                for _ in 1...3 {
                    #expect(try server.run("leave_network") == "left")
                    #expect(try server.run("listen 127.0.0.1 9000") == "listening")
                    #expect(try server.run("close") == "closed")
                }
                #expect(room.kernel.refusalCounts() == [:])
                told = room.kernel.events
            }
            for await event in try #require(told) {
                if case .undecided = event { Issue.record("user space is asked: \(event)") }
                if case .unserved = event { Issue.record("its namespace is to be served: \(event)") }
            }
        }

        @Test(arguments: ["python3.11", "perl", "node20-dbg"])
        func `whatever is named as an interpreter is has to wait`(_ name: String) throws {
            try Room.with { room in
                try room.install(Self.script)
                let workload = try room.startInterpreter(named: name)
                #expect(try room.identity(workload) == .undecided)
                let facts = try #require(room.kernel.facts(of: workload.pid))
                #expect(facts.mayRunScript)
            }
        }

        @Test func `so does whatever the kernel starts through #!, and what leaves the script open does not`() throws {
            try Room.with { room in
                let interpreter = try room.installInterpreter(named: "no-family")
                let script = room.folder.appending(path: "script")
                try ("#!\(interpreter)\n" + workloadProgram).write(to: script, atomically: true, encoding: .utf8)
                chmod(script.path(), 0o755)
                try room.install(Self.script, other: Selector(userIDs: [1001]))
                #expect(try room.identity(room.start([script.path()], userID: 1001)) == .undecided)
                #expect(
                    try room.identity(room.start([interpreter, script.path()], userID: 1001)) == Room.otherIdentity)
                try room.install(Selector(conditions: [.scriptHash: Condition(noneOf: [.text("00")])]))
                #expect(try room.identity(room.start([interpreter, script.path()], userID: 1001)) == .undecided)
            }
        }

        /// What is kept of such a name could lead to another file: a link of the attacker's to a trusted script.
        @Test func `a script whose name is longer than what is kept is not told by what is kept`() throws {
            try Room.with { room in
                let interpreter = try room.installInterpreter(named: "python3")
                let script = room.folder.resolvingSymlinksInPath().appending(path: "trusted-not")
                try ("#!\(interpreter)\n" + workloadProgram).write(to: script, atomically: true, encoding: .utf8)
                chmod(script.path(), 0o755)
                let folder = script.deletingLastPathComponent().path()
                let slashes = String(repeating: "/", count: 255 - folder.utf8.count - "trusted".utf8.count)
                let workload = try room.start([folder + slashes + "trusted-not"], userID: 1001)
                let facts = try #require(room.kernel.facts(of: workload.pid))
                #expect(facts.script?.path == folder + slashes + "trusted")
                let reading = Interpreter.read(
                    executable: facts.executable.path, arguments: facts.arguments, shebang: facts.script?.path)
                #expect(reading == .undecidable(.cut))
            }
        }

        /// - Parameters: what holds, and which slot decides then.
        @Test(arguments: [(nil, IdentityHandle.undecided), ([0], Room.identity), ([Int](), Room.otherIdentity)])
        func `where the stronger selector waits for user space the weaker one does not come first`(
            _ holding: [Int]?, _ expected: IdentityHandle,
        ) throws {
            try Room.with { room in
                let generation = try room.install(hashed, other: Selector(userIDs: [1001]))
                let workload = try room.start("agent.py")
                if let holding {
                    let image = try room.image(of: workload)
                    #expect(try room.kernel.answer(image, holding: holding, generation: generation))
                }
                #expect(try room.identity(workload) == expected)
            }
        }

        @Test func `user space is asked once a policy, and told the result once`() async throws {
            var told: AsyncStream<KernelEvent>?
            var expected: [KernelEvent] = [], identified: [KernelNotice] = []
            var noticed: AsyncStream<KernelNotice>?
            try Room.with { room in
                let first = try room.install(hashed)
                let workload = try room.start("agent.py")
                let image = try room.image(of: workload)
                for _ in 1...2 { #expect(try room.identity(workload) == .undecided) }
                #expect(try room.kernel.answer(image, holding: [0], generation: first))
                for _ in 1...2 { #expect(try room.identity(workload) == Room.identity) }
                try room.install(hashed)
                for _ in 1...2 { #expect(try room.identity(workload) == .undecided) }
                let key = image.process
                expected = [.undecided(key), .undecided(key)]
                identified = [.identified(key, Room.identity)]
                told = room.kernel.events
                noticed = room.kernel.notices
                #expect(try workload.run("listen 127.0.0.1 9000") == "listening")
                let listener = try InternetEndpoint("127.0.0.1 9000")
                expected.append(.listenerOpened(listener, process: key, identity: .undecided))
            }
            var seen: [KernelEvent] = []
            for await event in try #require(told) {
                seen.append(event)
                if seen.count == expected.count { break }
            }
            #expect(seen == expected)
            var notices: [KernelNotice] = []
            for await notice in try #require(noticed) { notices.append(notice) }
            #expect(notices == identified)
        }

        @Test func `an answer holds for the image it was given for, and for no other`() throws {
            try Room.with { room in
                let generation = try room.install(hashed)
                let workload = try room.start("agent.py")
                let former = try room.image(of: workload)
                #expect(try room.kernel.answer(former, holding: [0], generation: generation))
                #expect(try room.identity(workload) == Room.identity)
                try workload.become("become /usr/bin/python3 python3 agent.py")
                #expect(try room.identity(workload) == .undecided)
                // One that comes late, for what the process was before.
                #expect(try room.kernel.answer(former, holding: [0], generation: generation))
                #expect(try room.identity(workload) == .undecided)
                let image = try room.image(of: workload)
                #expect(image.process == former.process)
                #expect(image.number == former.number + 1)
                #expect(try room.kernel.answer(image, holding: [0], generation: generation))
                #expect(try room.identity(workload) == Room.identity)
            }
        }

        @Test func `a forked child has to be answered for itself`() throws {
            try Room.with { room in
                let generation = try room.install(hashed)
                let workload = try room.start("agent.py")
                #expect(try room.kernel.answer(room.image(of: workload), holding: [0], generation: generation))
                let connect = "connect \(Room.managedIPv4) \(Room.managedPort)"
                #expect(try room.identity(workload, "child \(connect)") == .undecided)
                #expect(try room.identity(workload) == Room.identity)
            }
        }

        @Test func `an answer for a former policy is refused`() throws {
            try Room.with { room in
                let workload = try room.start("agent.py")
                let former = try room.install(hashed), generation = try room.install(hashed)
                let image = try room.image(of: workload)
                #expect(try !room.kernel.answer(image, holding: [0], generation: former))
                #expect(try room.identity(workload) == .undecided)
                #expect(try room.kernel.answer(image, holding: [0], generation: generation))
                #expect(try room.identity(workload) == Room.identity)
            }
        }

        @Test func `what user space knows comes into force with the policy`() throws {
            try Room.with { room in
                let workload = try room.start("agent.py")
                let program = SelectorProgram(slots: [.init(selector: hashed, workloadID: "weather-agent")])
                try room.kernel.install(
                    program, handles: ["weather-agent": Room.identity], known: [room.image(of: workload): [0]])
                #expect(try room.identity(workload) == Room.identity)
            }
        }

        /// Its number is given to the next one; an answer left behind would be taken for one that was given for that.
        @Test func `an answer that came with a policy that was refused does not hold for the next one`() throws {
            try Room.with(ownObject: true) { room in
                let generation = try room.install(hashed)
                let looked = try (0..<8).map { _ in try room.start("agent.py") }
                for workload in looked {
                    #expect(try room.kernel.answer(room.image(of: workload), holding: [0], generation: generation))
                }
                let filled = try room.fillAnswers()
                // There is room for answers of those that have one, and for no other.
                let late = try room.start("agent.py")
                let images = try (looked + [late]).map(room.image)
                let program = SelectorProgram(slots: [.init(selector: hashed, workloadID: "weather-agent")])
                #expect(throws: KernelError.self) {
                    try room.kernel.install(
                        program, handles: ["weather-agent": Room.identity],
                        known: Dictionary(uniqueKeysWithValues: images.map { ($0, [0]) }))
                }
                for workload in looked { #expect(try room.identity(workload) == Room.identity) }
                try filled.empty()
                #expect(try room.install(hashed) != generation)
                for workload in looked { #expect(try room.identity(workload) == .undecided) }
            }
        }

        @Test func `a connection that is not redirected is nobody's matter, answered or not`() throws {
            try Room.with { room in
                try room.install(hashed)
                let elsewhere = "connect \(Room.managedIPv4) \(Room.unmanagedPort)"
                #expect(try room.dial(room.start("agent.py"), elsewhere) == .direct)
            }
        }

        @Test func `nobody reaches the listener of a process that is undecided`() throws {
            try Room.with { room in
                try room.install(hashed)
                let workload = try room.start("agent.py")
                #expect(try workload.run("listen 0.0.0.0 9000") == "listening")
                #expect(room.kernel.listeners().map(\.identity) == [.undecided])
                let endpoint = try InternetEndpoint("10.99.0.1 9000")
                #expect(throws: POSIXError(.ECONNREFUSED)) { try Socket(family: endpoint).connect(to: endpoint) }
            }
        }
    }
}

extension Room {
    /// A copy of Python.
    func installInterpreter(named name: String) throws -> String {
        let path = folder.appending(path: name).path()
        try Data(contentsOf: URL(filePath: "/usr/bin/python3").resolvingSymlinksInPath()).write(to: URL(filePath: path))
        guard chmod(path, 0o755) == 0 else { throw POSIXError(.EPERM) }
        return path
    }

    /// The workload's program, run by a copy of Python.
    func startInterpreter(named name: String, userID: UInt32 = 1001) throws -> Workload {
        let script = folder.appending(path: "program")
        try workloadProgram.write(to: script, atomically: true, encoding: .utf8)
        return try start([installInterpreter(named: name), script.path()], userID: userID)
    }

    func image(of workload: Workload) throws -> ProcessImage {
        try #require(kernel.record(of: workload.pid)).image
    }
}
