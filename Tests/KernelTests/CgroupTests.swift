import Foundation
import Testing
import Workloads

@testable import Kernel

extension KernelSessionTests {
    /// Where a process stands among the cgroups, as of each connect. The room's own cgroup is a slice.
    @Suite(.serialized) struct CgroupTests {
        @Test func `a cgroup is compared by its path below the mount, whole or by its beginning`() throws {
            try Room.with { room in
                let cgroup = try room.makeCgroup("team"), workload = try room.start("agent.py")
                try room.admit(workload, to: cgroup)
                #expect(room.kernel.facts(of: workload.pid)?.cgroup == cgroup.name)
                let own = String(cgroup.name.dropLast(5))
                for (pattern, holds) in [
                    (Pattern.text(cgroup.name), true), (.prefix(own + "/"), true), (.text(own), false),
                    (.text(cgroup.name + "s"), false), (.prefix("/system.slice/"), false),
                ] { try room.expect(.cgroup, pattern, holds, for: workload) }
            }
        }

        @Test func `a process that is moved to another cgroup is decided anew at its next connect`() throws {
            try Room.with { room in
                let team = try room.makeCgroup("team"), others = try room.makeCgroup("others")
                let workload = try room.start("agent.py")
                try room.install(.cgroup, [.text(team.name)])
                for _ in 1...2 {
                    for (cgroup, expected) in [(team, Room.identity), (others, .none)] {
                        try room.admit(workload, to: cgroup)
                        #expect(try room.identity(workload) == expected)
                    }
                }
            }
        }

        /// - Parameters: folders below a slice, and which unit that is.
        @Test(arguments: [
            (["app.service"], "app.service" as String?), (["app.service", "worker.service"], "app.service"),
            (["inner.slice", "app.scope"], "app.scope"), (["plain", "app.service"], nil), (["inner.slice"], nil),
            (["app.servicex"], nil), (["x.slice.service"], "x.slice.service"),
        ])
        func `the unit is the topmost part of the cgroup that is no slice`(_ folders: [String], _ unit: String?) throws
        {
            try Room.with { room in
                let cgroups = try folders.indices.map { try room.makeCgroup(folders[...$0].joined(separator: "/")) }
                let workload = try room.start("agent.py")
                if let last = cgroups.last { try room.admit(workload, to: last) }
                #expect(room.kernel.facts(of: workload.pid)?.systemdUnit == unit)
                for asked in ["app.service", "worker.service", "app.scope", "x.slice.service"] {
                    try room.expect(.systemdUnit, .text(asked), asked == unit, for: workload)
                }
                try room.expect(.systemdUnit, .prefix("app."), unit?.hasPrefix("app.") ?? false, for: workload)
            }
        }

        /// - Parameters: names of folders, one in the other, below the room's own.
        @Test(arguments: [
            (Array(repeating: "f", count: 20), true), (Array(repeating: "f", count: 21), false),
            ([String(repeating: "f", count: 180)], true), ([String(repeating: "f", count: 250)], false),
            ([String(repeating: "f", count: 118) + ".service"], true),
            ([String(repeating: "f", count: 119) + ".service"], false),
        ])
        func `of a cgroup too deep or too long to be looked at nothing is known`(
            _ folders: [String], _ known: Bool,
        ) throws {
            try Room.with { room in
                let cgroups = try folders.indices.map { try room.makeCgroup(folders[...$0].joined(separator: "/")) }
                let workload = try room.start("agent.py")
                if let last = cgroups.last { try room.admit(workload, to: last) }
                let facts = try #require(room.kernel.facts(of: workload.pid))
                let key = facts.systemdUnit == nil ? SelectorKey.cgroup : .systemdUnit
                let nobody = Selector(conditions: [key: Condition(noneOf: [.text("/nobody")])])
                try room.install(nobody)
                #expect(try room.identity(workload) == (known ? Room.identity : .none))
                #expect(nobody.matches(facts) == known)
            }
        }

        /// What a walk from the leaf does not come to is not the unit: in the midst of it somebody's own folders begin.
        @Test func `a unit below which folders are too deep is not asked by its name`() throws {
            try Room.with { room in
                let folders = ["plain", "trusted.service"] + Array(repeating: "f", count: 21)
                let cgroups = try folders.indices.map { try room.makeCgroup(folders[...$0].joined(separator: "/")) }
                let workload = try room.start("agent.py")
                if let last = cgroups.last { try room.admit(workload, to: last) }
                try room.install(Selector(conditions: [.systemdUnit: Condition(anyOf: [.text("trusted.service")])]))
                #expect(try room.identity(workload) == .none)
            }
        }

        @Test func `however deep its folder, a listener in scope has a record`() throws {
            try Room.with { room in
                let folders = Array(repeating: "f", count: 40)
                let cgroups = try folders.indices.map { try room.makeCgroup(folders[...$0].joined(separator: "/")) }
                let workload = try room.start("server.py")
                if let last = cgroups.last { try room.admit(workload, to: last) }
                try room.install(Selector(commandLines: [["python3", "server.py"]]))
                #expect(try workload.run("listen 0.0.0.0 9000") == "listening")
                #expect(room.kernel.listeners().map(\.identity) == [Room.identity])
            }
        }

        @Test func `a cgroup of the same name as one that is gone is decided for itself`() throws {
            try Room.with { room in
                let workload = try room.start("agent.py")
                for _ in 1...2 {
                    let cgroup = try room.makeCgroup("app.service")
                    try room.admit(workload, to: cgroup)
                    try room.expect(.systemdUnit, .text("app.service"), true, for: workload)
                    try room.admit(workload, to: Cgroup(path: room.configuration.cgroupPath))
                    try room.expect(.systemdUnit, .text("app.service"), false, for: workload)
                    let known = try room.count("cgroups", UInt64())
                    #expect(rmdir(cgroup.path) == 0)
                    #expect(try room.count("cgroups", UInt64()) == known - 1, "what is known of it goes with it")
                }
            }
        }
    }
}
