import Foundation
import Testing
import Workloads

@testable import Kernel

extension KernelSessionTests {
    /// A process is what it executed last, whichever way it did.
    @Suite(.serialized) struct ExecTests {
        private let agent = Selector(userIDs: [1001], commandLines: [["python3", "agent.py"]])
        private let claimed = Selector(userIDs: [1001], commandLines: [["claimed", "words"]])

        @Test func `in a chain of exec each program is itself alone`() throws {
            try Room.with { room in
                try room.install(agent, other: claimed)
                let workload = try room.start("agent.py")
                let witness = try Witness.install(as: "witness", in: room.folder)
                let key = room.kernel.facts(of: workload.pid)?.key
                #expect(try room.identity(workload) == Room.identity)
                try workload.become("become \(witness) nobody")
                #expect(try room.identity(workload) == .none)
                try workload.become("become \(witness) claimed words")
                #expect(try room.identity(workload) == Room.otherIdentity)
                try workload.become("become /usr/bin/python3 python3 agent.py")
                #expect(try room.identity(workload) == Room.identity)
                #expect(room.kernel.facts(of: workload.pid)?.key == key)
            }
        }

        @Test func `a connection says which program of its process opened it`() throws {
            try Room.with { room in
                try room.install(Selector(userIDs: [1001]))
                let workload = try room.startWitness()
                let before = try #require(try room.dial(workload).flow)
                #expect(before.image == room.kernel.record(of: workload.pid)?.image)
                try workload.become("become \(Witness.install(as: "other", in: room.folder)) other")
                let after = try #require(try room.dial(workload).flow)
                #expect(after.image == room.kernel.record(of: workload.pid)?.image)
                #expect(after.image.process == before.image.process && after.image.number > before.image.number)
            }
        }

        @Test func `an answer for the program before an exec says nothing of the one after it`() throws {
            try Room.with { room in
                let selector = Selector(conditions: [.binaryHash: Condition(noneOf: [.text("0")])])
                let program = SelectorProgram(slots: [.init(selector: selector, workloadID: "weather-agent")])
                let generation = try room.kernel.install(program, handles: ["weather-agent": Room.identity])
                let workload = try room.startWitness()
                let former = try #require(room.kernel.record(of: workload.pid)?.image)
                try workload.become("become \(Witness.install(as: "other", in: room.folder)) other")
                #expect(try room.kernel.answer(former, holding: [0], generation: generation))
                #expect(try room.identity(workload) == .undecided)
                let image = try #require(room.kernel.record(of: workload.pid)?.image)
                #expect(try room.kernel.answer(image, holding: [0], generation: generation))
                #expect(try room.identity(workload) == Room.identity)
            }
        }

        @Test func `where a program was executed is kept, for all that were forked since`() throws {
            try Room.with { room in
                let workload = try room.start("agent.py", userID: 0)
                let image = try #require(room.kernel.record(of: workload.pid)?.image)
                let execution = try #require(room.kernel.execution(of: image))
                let surroundings = try #require(execution.surroundings)
                #expect(execution.program == image && !surroundings.isShared)
                #expect(
                    surroundings.working == folder(workload, "cwd") && surroundings.root == folder(workload, "root"))
                #expect(surroundings.precede(try OpenFile(path: room.folder.path() + "/agent.py").version()))

                let orphan = try #require(Int32(try workload.run("orphan").split(separator: " ").last ?? ""))
                let child = try #require(room.kernel.record(of: orphan)?.image)
                #expect(child.number == 0 && room.kernel.execution(of: child) == execution)
                #expect(room.kernel.programs().contains(image))

                // Which answers from now on.
                let files = ProcessFiles(of: orphan, since: surroundings)
                let path = room.folder.resolvingSymlinksInPath().path() + "/agent.py"
                #expect(try files.file(at: "agent.py").path == path)
                #expect(try workload.run("go /") == "there")
                #expect(throws: FileError.moved(path: "agent.py")) { try files.file(at: "agent.py") }
                #expect(try files.file(at: path).path == path)
                #expect(try workload.run("leave_mount_namespace") == "0")
                #expect(throws: FileError.moved(path: path)) { try files.file(at: path) }
                #expect(throws: FileError.moved(path: path)) { try files.standings(to: path) }
                #expect(room.kernel.execution(of: image) == execution)
            }
        }

        @Test func `an exec begins anew, and tells whose working directory was shared then`() throws {
            try Room.with { room in
                let workload = try room.start("agent.py")
                let before = try #require(room.kernel.record(of: workload.pid)?.image)
                let former = try #require(room.kernel.execution(of: before)?.surroundings)
                try "".write(to: room.folder.appending(path: "new"), atomically: false, encoding: .utf8)
                let new = try OpenFile(path: room.folder.path() + "/new").version()
                #expect(!former.precede(new))
                #expect(try workload.run("go /") == "there")
                #expect(try workload.run("share_folder") == "shared")
                try workload.become("become /usr/bin/python3 python3 \(room.folder.path())/agent.py")
                #expect(room.kernel.execution(of: before) == nil)
                let image = try #require(room.kernel.record(of: workload.pid)?.image)
                let execution = try #require(room.kernel.execution(of: image))
                #expect(execution.program == image)
                let surroundings = try #require(execution.surroundings)
                #expect(surroundings.isShared && surroundings.working == folder(workload, "cwd"))
                #expect(surroundings.precede(new))
                let files = ProcessFiles(of: workload.pid, since: surroundings)
                #expect(throws: FileError.moved(path: "etc")) { try files.file(at: "etc") }
            }
        }

        private func folder(_ workload: Workload, _ name: String) -> Execution.Folder? {
            let descriptor = open("/proc/\(workload.pid)/\(name)", O_RDONLY | O_DIRECTORY | O_CLOEXEC)
            defer { close(descriptor) }
            return Execution.Folder(of: descriptor)
        }

        @Test func `names and words that are not UTF-8 are told as bytes, and selectors name them`() throws {
            try Room.with { room in
                let name = #"caf\xe9"#, words = ["witness", #"a\xffb"#, "c\u{1b}\nd"]
                let selector = Selector(conditions: [
                    .name: Condition(anyOf: [.text(name)]), .argument(1): Condition(anyOf: [.prefix(#"a\xff"#)]),
                    .commandLine: Condition(anyOf: [.words(Array(words.prefix(2)), lastIsPrefix: false)]),
                ])
                try room.install(selector)
                let workload = try room.start("other.py")
                let path = room.folder.path() + "/" + name
                #expect(link(try Witness.install(as: "witness", in: room.folder), path.kernelName) == 0)
                defer { unlink(path.kernelName) }
                try workload.become("become_bytes " + ([path] + words).map(Self.digits).joined(separator: " "))
                #expect(try room.identity(workload) == Room.identity)
                let facts = try #require(room.kernel.facts(of: workload.pid), "its name hides it")
                #expect(facts.name == name && facts.arguments == words)
                #expect(facts.executable.path.hasSuffix("/" + name))
                #expect(selector.matches(facts))
                #expect(
                    try ProcessFiles(of: workload.pid).file(at: facts.executable.path).path == facts.executable.path)
            }
        }

        private static func digits(_ text: String) -> String {
            text.namedBytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
        }

        @Test func `an exec that fails changes nothing`() throws {
            try Room.with { room in
                try room.install(agent)
                let workload = try room.start("agent.py"), other = try room.start("other.py")
                #expect(try workload.run("become /nowhere nobody") == "error ENOENT")
                #expect(try other.run("become /nowhere python3 agent.py") == "error ENOENT")
                #expect(try room.identity(workload) == Room.identity)
                #expect(try room.identity(other) == .none)
            }
        }

        @Test func `a program executed by its descriptor has its path and its argv`() throws {
            try Room.with { room in
                try room.install(claimed)
                let workload = try room.start("other.py")
                let witness = try Witness.install(as: "witness", in: room.folder)
                try workload.become("become_open \(witness) claimed words")
                #expect(try room.identity(workload) == Room.identity)
                let facts = try #require(room.kernel.facts(of: workload.pid))
                #expect(facts.executable.path == room.resolved(witness))
                #expect(facts.arguments == ["claimed", "words"])
            }
        }

        @Test func `a program executed from memory has no path, and its argv counts`() throws {
            try Room.with { room in
                try room.install(claimed)
                let witness = try Witness.install(as: "witness", in: room.folder)
                let workload = try room.start("other.py")
                try workload.become("become_from_memory \(witness) claimed words")
                #expect(try room.identity(workload) == Room.identity)
                let facts = try #require(room.kernel.facts(of: workload.pid))
                #expect(facts.executable.path == "")
                #expect(facts.executable.inode != room.inode(witness))
                #expect(facts.arguments == ["claimed", "words"])

                let other = try room.start("other.py")
                try other.become("become_from_memory \(witness) claimed otherwise")
                #expect(try room.identity(other) == .none)
            }
        }

        @Test func `a process whose binary is deleted stays who it is`() throws {
            try Room.with { room in
                try room.install(Selector(userIDs: [1001], names: ["fleeting"]))
                let workload = try room.startWitness("fleeting")
                let path = room.folder.appending(path: "fleeting").path()
                let before = try #require(room.kernel.facts(of: workload.pid))
                let inode = room.inode(path), resolved = room.resolved(path)
                #expect(unlink(path) == 0)
                #expect(try room.identity(workload) == Room.identity)
                #expect(room.kernel.facts(of: workload.pid)?.executable == before.executable)
                #expect(before.executable.inode == inode)
                #expect(before.executable.path == resolved)
            }
        }

        @Test func `a binary that is replaced has the same path and another inode`() throws {
            try Room.with { room in
                try room.install(Selector(userIDs: [1001]))
                let old = try room.startWitness("program")
                let path = room.folder.appending(path: "program").path()
                let first = room.inode(path)
                let new = try room.startWitness("program")
                let second = room.inode(path)
                #expect(first != second)
                let before = try #require(room.kernel.facts(of: old.pid)?.executable)
                let after = try #require(room.kernel.facts(of: new.pid)?.executable)
                #expect([before.inode, after.inode] == [first, second])
                #expect(before.path == after.path)
                #expect(try room.identity(old) == Room.identity)
            }
        }

        /// - Parameters: the first line of the script, and what becomes of argv in front of its path.
        @Test(arguments: [
            ("#!/usr/bin/python3", ["/usr/bin/python3"]), ("#!/usr/bin/python3 -E", ["/usr/bin/python3", "-E"]),
            ("#! /usr/bin/env python3", ["python3"]),
        ])
        func `a script is its interpreter with the words the kernel makes, not the argv it was given`(
            _ line: String, _ words: [String],
        ) throws {
            try Room.with { room in
                let tool = room.folder.appending(path: "tool").path()
                try (line + "\n" + workloadProgram).write(toFile: tool, atomically: true, encoding: .utf8)
                #expect(chmod(tool, 0o755) == 0)
                try room.install(
                    Selector(userIDs: [1001], commandLines: [words + ["./tool"]]),
                    other: Selector(userIDs: [1001], commandLines: [["claimed"]]))
                let workload = try room.start("other.py")
                try workload.become("become ./tool claimed further")
                #expect(try room.identity(workload) == Room.identity)
                let facts = try #require(room.kernel.facts(of: workload.pid))
                #expect(facts.arguments == words + ["./tool", "further"])
                #expect(facts.executable.path == room.resolved("/usr/bin/python3"))
                #expect(facts.name == (line.contains("env") ? "python3" : "tool"))
            }
        }

        @Test func `a script whose interpreter is a script has the words of both`() throws {
            try Room.with { room in
                let inner = room.folder.appending(path: "inner").path(),
                    outer = room.folder.appending(path: "outer").path()
                try ("#!/usr/bin/python3\n" + workloadProgram).write(toFile: inner, atomically: true, encoding: .utf8)
                try "#!\(inner) option\n".write(toFile: outer, atomically: true, encoding: .utf8)
                #expect(chmod(inner, 0o755) == 0 && chmod(outer, 0o755) == 0)
                let words = ["/usr/bin/python3", inner, "option", "./outer"]
                try room.install(Selector(userIDs: [1001], commandLines: [words]))
                let workload = try room.start("other.py")
                try workload.become("become ./outer claimed")
                #expect(try room.identity(workload) == Room.identity)
                #expect(room.kernel.facts(of: workload.pid)?.arguments == words)
            }
        }
    }
}

extension Room {
    func inode(_ path: String) -> UInt64 {
        var status = stat()
        return stat(path, &status) == 0 ? UInt64(status.st_ino) : 0
    }

    /// Without symbolic links.
    func resolved(_ path: String) -> String { URL(filePath: path).resolvingSymlinksInPath().path() }
}
