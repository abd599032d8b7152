import Foundation
import Testing
import Workloads

@testable import Kernel

extension KernelSessionTests {
    /// `process:host`: in none of the namespaces that containers are made of.
    @Suite(.serialized) struct HostTests {
        /// Into the initial mount namespace, which the tests themselves need not be in; nil where none of theirs is, as in
        /// a container: then nobody they can start is on the host.
        private static let enter = HostMounts.path.map { "nsenter --mount=\($0)" }
        private let onHost = Condition(anyOf: [.text("true")])

        /// - Parameters: how the program is started; whether it is on the host then.
        @Test(arguments: [
            ("", true), (" unshare --uts", true), (" unshare --mount", false),
            (" unshare --user --map-root-user", false), (" unshare --pid --fork", false),
        ])
        func `root in a namespace of users, mounts or processes is not root of the host`(
            _ unsharing: String, _ sharesAll: Bool,
        ) throws {
            let isOnHost = sharesAll && Self.enter != nil
            try Room.with { room in
                let workload = try room.startElsewhere((Self.enter ?? "") + unsharing)
                let root = Condition(anyOf: [.number(0)])
                for (asked, holds) in [("true", isOnHost), ("false", !isOnHost)] {
                    try room.install(
                        Selector(conditions: [.userID: root, .host: Condition(anyOf: [.text(asked)])]))
                    let flow = try room.dial(workload).flow
                    #expect(flow?.identity == (holds ? Room.identity : nil), "\(asked)")
                    try room.install(
                        Selector(conditions: [.userID: root, .host: Condition(noneOf: [.text(asked)])]))
                    #expect(try room.identity(workload) == (holds ? .none : Room.identity), "not \(asked)")
                    if let flow { #expect(room.kernel.facts(of: flow.process.pid)?.isOnHost == isOnHost) }
                }
            }
        }

        @Test func `who leaves the host is there until it forks or executes`() throws {
            try Room.with { room in
                let before: IdentityHandle = Self.enter == nil ? .none : Room.identity
                let workload = try room.startElsewhere(Self.enter ?? "")
                try room.install(Selector(conditions: [.host: onHost]))
                #expect(try workload.run("leave_user_namespace 0") == "0")
                #expect(try room.identity(workload) == before)
                #expect(
                    try room.identity(workload, "child connect \(Room.managedIPv4) \(Room.managedPort)") == .none)
                #expect(try room.identity(workload) == before)
                try workload.become("become /usr/bin/python3 python3 \(room.folder.path())/agent.py")
                #expect(try room.identity(workload) == .none)
            }
        }

        /// The tests themselves may be anywhere.
        @Test func `a process older than the kernel part is where it is`() throws {
            let isHosts = HostMounts.isInitial("/proc/self/ns/mnt")
            try Room.with(older: ["agent.py": []]) { room in
                #expect(room.kernel.facts(of: room.workloads[0].pid)?.isOnHost == isHosts)
            }
        }
    }
}

/// The mount namespace the kernel began with.
private enum HostMounts {
    /// Since Linux 6.18 it has a fixed number; before that it was among the first to get one.
    private static let numbers: Set<UInt64> = [0xefff_fff8, 0xf000_0000, 0xf000_0001]

    static func isInitial(_ path: String) -> Bool { FileStatus(path: path).map { numbers.contains($0.inode) } ?? false }

    /// Where a process shows it that the tests descend from, or that runs them.
    static let path: String? = {
        var pid = getpid()
        while pid > 0 {
            if isInitial("/proc/\(pid)/ns/mnt") { return "/proc/\(pid)/ns/mnt" }
            guard let status = try? String(contentsOfFile: "/proc/\(pid)/status", encoding: .utf8),
                let line = status.split(separator: "\n").first(where: { $0.hasPrefix("PPid:") }),
                let parent = line.split(separator: "\t").last.flatMap({ Int32($0) })
            else { return nil }
            pid = parent
        }
        return nil
    }()
}

extension Room {
    /// As root; by a program that becomes it, or starts it.
    fileprivate func startElsewhere(_ launcher: String) throws -> Workload {
        let script = folder.appending(path: "agent.py")
        try workloadProgram.write(to: script, atomically: true, encoding: .utf8)
        return try start(
            launcher.split(separator: " ").map(String.init) + ["/usr/bin/python3", script.path()], userID: 0)
    }
}
