import Foundation
import Testing
import Workloads

@testable import Kernel

extension KernelSessionTests {
    /// Each key the kernel part decides itself, on a process that has the fact.
    @Suite(.serialized) struct SelectorKeyTests {
        /// - Parameters: of a process that is root besides: a command, and who it makes it; the key that looks at it.
        @Test(arguments: [
            ("setresuid -1 1001 -1", SelectorKey.userID), ("setresuid 1001 -1 -1", .realUserID),
            ("setresgid -1 1001 -1", .groupID), ("setresgid 1001 -1 -1", .realGroupID),
        ])
        func `each of the ids is one key, and no other`(_ command: String, _ key: SelectorKey) throws {
            try Room.with { room in
                let workload = try room.start("agent.py", userID: 0)
                #expect(try workload.run(command) == "done")
                for asked in [SelectorKey.userID, .realUserID, .groupID, .realGroupID] {
                    try room.install(asked, [.number(1001)])
                    #expect(try room.identity(workload) == (asked == key ? Room.identity : .none))
                    try room.install(asked, not: [.number(1001)])
                    #expect(try room.identity(workload) == (asked == key ? .none : Room.identity))
                }
            }
        }

        /// The same process is asked about twice by one policy, and what was decided before is not who it is now.
        @Test(arguments: [
            ("setresuid -1 1001 -1", SelectorKey.userID), ("setresuid 1001 -1 -1", .realUserID),
            ("setresgid -1 1001 -1", .groupID), ("setresgid 1001 -1 -1", .realGroupID),
        ])
        func `an id that changes is decided anew, whichever of the four it is`(
            _ command: String, _ key: SelectorKey,
        ) throws {
            try Room.with { room in
                let workload = try room.start("agent.py", userID: 0)
                try room.install(key, [.number(1001)])
                for (command, expected) in [(command, Room.identity), (command.replacing("1001", with: "0"), .none)] {
                    #expect(try workload.run(command) == "done")
                    #expect(try room.identity(workload) == expected)
                }
            }
        }

        @Test func `who drops a group is not who had it`() throws {
            try Room.with { room in
                let workload = try room.start("agent.py", userID: 0)
                #expect(try workload.run("setgroups 2001 2002") == "done")
                try room.install(.additionalGroupID, [.number(2001)])
                #expect(try room.identity(workload) == Room.identity)
                #expect(try workload.run("setgroups 2002") == "done")
                #expect(try room.identity(workload) == .none)
            }
        }

        @Test func `an additional group is one of several, and another key than the group`() throws {
            try Room.with { room in
                let workload = try room.startWitness(options: ["--groups=2001,2002"])
                for (group, isOne) in [(UInt32(2001), true), (2002, true), (2003, false), (0, false)] {
                    try room.install(.additionalGroupID, [.number(group), .number(4000)])
                    #expect(try room.identity(workload) == (isOne ? Room.identity : .none))
                    try room.install(.additionalGroupID, not: [.number(group)])
                    #expect(try room.identity(workload) == (isOne ? .none : Room.identity))
                }
            }
        }

        /// - Parameter count: 32 are looked at.
        @Test(arguments: [32, 33])
        func `with more groups than are looked at none of them counts, nor does its absence`(_ count: UInt32) throws {
            try Room.with { room in
                let groups = (0..<count).map { "\(2001 + $0)" }.joined(separator: ",")
                let workload = try room.startWitness(options: ["--groups=" + groups])
                let expected = count > 32 ? IdentityHandle.none : Room.identity
                try room.install(.additionalGroupID, [.number(2032)])
                #expect(try room.identity(workload) == expected)
                try room.install(.additionalGroupID, not: [.number(3000)])
                #expect(try room.identity(workload) == expected)
            }
        }

        @Test(arguments: [
            (Pattern.text("witness"), true), (.prefix("wit"), true), (.text("wit"), false),
            (.prefix("witnesses"), false),
        ])
        func `the name is compared whole, or by its beginning`(_ pattern: Pattern, _ holds: Bool) throws {
            try Room.with { room in
                try room.expect(.name, pattern, holds, for: room.startWitness())
            }
        }

        @Test(arguments: [
            (["python3", "agent.py"], false, true), (["python3", "age"], true, true),
            (["python3", "age"], false, false),
            (["pyth"], true, true), (["agent.py"], false, false), (["python3", "agent.py", "x"], true, false),
        ])
        func `the last word of a command line may be a beginning`(
            _ words: [String], _ lastIsPrefix: Bool, _ holds: Bool,
        ) throws {
            try Room.with { room in
                try room.expect(
                    .commandLine, .words(words, lastIsPrefix: lastIsPrefix), holds, for: room.start("agent.py"))
            }
        }

        @Test(arguments: [
            (1, Pattern.text("--role"), true), (2, .text("weather"), true), (2, .prefix("wea"), true),
            (2, .text("wea"), false), (3, .text("weather"), false), (63, .text("weather"), false),
        ])
        func `a word of argv is compared at its place, and one that is not there equals nothing`(
            _ index: Int, _ pattern: Pattern, _ holds: Bool,
        ) throws {
            try Room.with { room in
                let workload = try room.startWitness("witness", ["--role", "weather"])
                try room.expect(.argument(index), pattern, holds, for: workload)
            }
        }

        @Test func `eight places of argv are looked at in one policy, and no more`() throws {
            try Room.with { room in
                let words = (1...9).map { "word-\($0)" }
                let workload = try room.startWitness("witness", words)
                let conditions = (1...9).map { (SelectorKey.argument($0), Condition(anyOf: [.text("word-\($0)")])) }
                let selector = Selector(conditions: Dictionary(uniqueKeysWithValues: conditions.dropLast()))
                try room.install(selector)
                #expect(try room.identity(workload) == Room.identity)
                #expect(throws: KernelError.tooManyArgumentIndexes(Array(1...9), maximum: 8)) {
                    try room.install(Selector(conditions: Dictionary(uniqueKeysWithValues: conditions)))
                }
                // What was in force stays in force.
                #expect(try room.identity(workload) == Room.identity)
            }
        }
    }

    /// The path of the executable, and who can choose it.
    @Suite(.serialized) struct BinaryPathTests {
        @Test func `a path is compared without its links, whole or by its beginning`() throws {
            try Room.with { room in
                let workload = try room.start("agent.py"), trusted = room.resolved("/usr/bin/python3")
                for (pattern, holds) in [
                    (Pattern.text(trusted), true), (.prefix("/usr/"), true), (.text("/usr/bin/python3"), false),
                    (.text("/usr/"), false), (.prefix("/opt/"), false),
                ] { try room.expect(.binaryPath, pattern, holds, for: workload) }
            }
        }

        /// Of a path that is too long its end is kept, which can be made to be any path.
        @Test func `a path that is longer than what is kept is none, and no other either`() throws {
            try Room.with { room in
                let trusted = room.resolved("/usr/bin/python3")
                let folder = room.folder.appending(path: String(repeating: "f", count: 250) + "/usr/bin")
                try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
                let program = try Witness.install(as: URL(filePath: trusted).lastPathComponent, in: folder)
                let workload = try room.start("agent.py")
                try workload.become("become \(program) python3 agent.py")
                try room.install(.binaryPath, [.text(trusted)])
                #expect(try room.identity(workload) == .none)
                try room.install(.binaryPath, not: [.text("/opt/other")])
                #expect(try room.identity(workload) == .none)
            }
        }

        @Test func `a program bound over a trusted path in a mount namespace anybody can make does not have that path`()
            throws
        {
            try Room.with { room in
                let trusted = room.resolved("/usr/bin/python3")
                let workload = try room.start("agent.py", userID: 1002)
                let witness = try Witness.install(as: "witness", in: room.folder)
                try room.install(.binaryPath, [.text(trusted)])
                #expect(try room.identity(workload) == Room.identity)
                #expect(try workload.run("leave_user_namespace 0") == "0")
                #expect(try workload.run("mount_over \(witness) \(trusted)") == "mounted")
                try workload.become("become \(trusted) python3 agent.py")
                let executable = try #require(room.kernel.facts(of: workload.pid)?.executable)
                #expect(executable.path == trusted)
                #expect(executable.pathIsForeign)
                #expect(try room.identity(workload) == .none)
                // Nor does it count as another path.
                try room.install(.binaryPath, not: [.text("/opt/other")])
                #expect(try room.identity(workload) == .none)
            }
        }

        @Test func `a program of a mount namespace anybody can make is foreign, from wherever it is executed`() throws {
            try Room.with { room in
                let trusted = room.resolved("/usr/bin/python3")
                let witness = try Witness.install(as: "witness", in: room.folder)
                try room.install(.binaryPath, [.text(trusted)])
                let maker = try room.start("maker.py", userID: 1002),
                    attacker = try room.start("agent.py", userID: 1002)
                #expect(try maker.run("leave_user_namespace 0") == "0")
                #expect(try maker.run("cover_folder \(witness) \(trusted)") == "covered")
                // In the host's mount namespace all along.
                try attacker.become("become /proc/\(maker.pid)/root\(trusted) python3 agent.py")
                let executable = try #require(room.kernel.facts(of: attacker.pid)?.executable)
                #expect(executable.path == trusted)
                #expect(executable.pathIsForeign)
                #expect(try room.identity(attacker) == .none)
            }
        }

        @Test func `a program of the host executed from a mount namespace anybody can make is foreign`() throws {
            try Room.with { room in
                let trusted = room.resolved("/usr/bin/python3")
                let attacker = try room.start("agent.py", userID: 1002)
                try room.install(.binaryPath, [.text(trusted)])
                // Its libraries are the attacker's choice.
                try attacker.become("leave_with \(trusted) python3 agent.py")
                #expect(room.kernel.facts(of: attacker.pid)?.executable.pathIsForeign == true)
                #expect(try room.identity(attacker) == .none)
            }
        }

        @Test(arguments: ["tree", "unmounted"])
        func `a program found by a mount that is in no mount namespace is foreign`(_ way: String) throws {
            try Room.with { room in
                let trusted = room.resolved("/usr/bin/python3"), aside = room.folder.appending(path: "aside")
                try FileManager.default.createDirectory(at: aside, withIntermediateDirectories: false)
                let workload = try room.start("agent.py", userID: 0)
                try room.install(.binaryPath, [.text(trusted)])
                try workload.become("become_beside \(way) \(aside.path()) \(trusted) python3 agent.py")
                let executable = try #require(room.kernel.facts(of: workload.pid)?.executable)
                #expect(executable.path == trusted)
                #expect(executable.pathIsForeign)
                #expect(try room.identity(workload) == .none)
            }
        }

        @Test func `in a mount namespace that root made below the same root the path counts`() throws {
            try Room.with { room in
                let trusted = room.resolved("/usr/bin/python3")
                let workload = try room.start("agent.py", userID: 0)
                try room.install(.binaryPath, [.text(trusted)])
                #expect(try workload.run("leave_mount_namespace") == "0")
                try workload.become("become \(trusted) python3 agent.py")
                #expect(room.kernel.facts(of: workload.pid)?.executable.pathIsForeign == false)
                #expect(try room.identity(workload) == Room.identity)
            }
        }

        /// - Parameter foreign: the path is told from the mount namespace's root, whatever a process takes for its own.
        @Test(arguments: [("pivot", true), ("chroot", false)])
        func `the same path below another root is not that path`(_ way: String, _ foreign: Bool) throws {
            try Room.with { room in
                let trusted = room.resolved("/usr/bin/python3"), root = room.folder.appending(path: "root")
                try FileManager.default.createDirectory(at: root, withIntermediateDirectories: false)
                let workload = try room.start("agent.py", userID: 0)
                try room.install(.binaryPath, [.text(trusted)])
                #expect(try room.identity(workload) == Room.identity)
                #expect(try workload.run("leave_root \(root.path()) \(way)") == "left")
                try workload.become("become \(trusted) python3 agent.py")
                let executable = try #require(room.kernel.facts(of: workload.pid)?.executable)
                #expect(executable.pathIsForeign == foreign)
                #expect(executable.path == (foreign ? trusted : root.path() + trusted))
                #expect(try room.identity(workload) == .none)
            }
        }

        @Test func `a program in memory has no path, which is as good as any excluded one`() throws {
            try Room.with { room in
                let workload = try room.start("agent.py")
                try workload.become("become_from_memory \(room.resolved("/usr/bin/python3")) python3 agent.py")
                try room.expect(.binaryPath, .prefix("/"), false, for: workload)
            }
        }
    }
}

extension Room {
    /// One key, one identity.
    @discardableResult
    func install(_ key: SelectorKey, _ wanted: [Pattern] = [], not excluded: [Pattern] = []) throws -> PolicyGeneration
    {
        try install(Selector(conditions: [key: Condition(anyOf: wanted, noneOf: excluded)]))
    }

    /// Asked for, and excluded.
    func expect(_ key: SelectorKey, _ pattern: Pattern, _ holds: Bool, for workload: Workload) throws {
        try install(key, [pattern])
        #expect(try identity(workload) == (holds ? Self.identity : .none), "\(key) \(pattern)")
        try install(key, not: [pattern])
        #expect(try identity(workload) == (holds ? .none : Self.identity), "\(key) not \(pattern)")
    }
}
