import Foundation
import Testing
import Workloads

@testable import Kernel

extension KernelSessionTests {
    /// Every way to open a TCP connection.
    @Suite(.serialized) struct ConnectTests {
        private let agent = Selector(userIDs: [1001], commandLines: [["python3", "agent.py"]])
        private let destination = "\(Room.managedIPv4) \(Room.managedPort)"
        private let elsewhere = "\(Room.managedIPv4) \(Room.unmanagedPort)"
        private let peer = "\(Room.managedIPv4)|\(Room.managedPort)"

        @Test func `a connect that blocks is redirected`() throws {
            try Room.with { room in
                try room.install(Selector(userIDs: [1001], names: ["witness"]))
                let arrival = try room.dial(room.startWitness())
                #expect(arrival.flow?.identity == Room.identity)
                #expect(arrival == .redirected(arrival.flow, peer: peer))
            }
        }

        @Test func `a connect that does not block is redirected`() throws {
            try Room.with { room in
                try room.install(agent)
                let arrival = try room.dial(room.start("agent.py"), "dial_without_blocking \(destination)")
                #expect(arrival.flow?.identity == Room.identity)
                #expect(arrival == .redirected(arrival.flow, peer: peer))
            }
        }

        /// By the caller, by a worker thread of the kernel, by a polling thread of the kernel.
        @Test(arguments: ["ring", "ring-worker", "ring-poller"])
        func `a connect by io_uring is the program's that asked for it`(_ way: String) throws {
            try Room.with { room in
                try room.install(Selector(userIDs: [1001], names: ["witness"]))
                let workload = try room.startWitness(), nobody = try room.startWitness("nobody")
                let arrival = try room.dial(workload, "\(way) \(destination)")
                if let reason = Room.reasonAgainstRings {
                    #expect(arrival == .failed("error \(reason)"))
                } else {
                    #expect(arrival.flow?.process == room.kernel.facts(of: workload.pid)?.key)
                    #expect(arrival == .redirected(arrival.flow, peer: peer))
                    #expect(try room.identity(nobody, "\(way) \(destination)") == .none)
                }
            }
        }

        /// - Parameter setting: of the room's network namespace; 0x607 lets both ends do it without a cookie.
        @Test(arguments: ["dial_fast", "dial_fast_by_option"], ["1", "0x607"])
        func `a TCP fast open is redirected, with its data`(_ way: String, _ setting: String) throws {
            try Room.with { room in
                try room.install(agent)
                try setting.write(
                    toFile: "/proc/sys/net/ipv4/tcp_fastopen", atomically: false, encoding: .utf8)
                // A listener takes the setting of the moment it was made.
                room.stopProxy()
                try room.startProxy()
                let workload = try room.start("agent.py")
                let arrival = try room.dial(workload, "\(way) \(destination)")
                #expect(arrival.flow?.identity == Room.identity)
                #expect(arrival == .redirected(arrival.flow, peer: peer))
                #expect(try workload.run("data_in_syn") == (setting == "1" ? "False" : "True"))
            }
        }

        @Test func `an IPv6-only socket is redirected, also on its way to an IPv4-mapped address`() throws {
            try Room.with { room in
                try room.install(agent)
                let workload = try room.start("agent.py")
                for host in [Room.managedIPv6, "::ffff:" + Room.managedIPv4] {
                    let arrival = try room.dial(workload, "connect \(host) \(Room.managedPort) 6only")
                    #expect(arrival.flow?.identity == Room.identity)
                    #expect(arrival.flow?.destination == (try InternetEndpoint("\(host) \(Room.managedPort)")))
                    #expect(arrival == .redirected(arrival.flow, peer: "\(host)|\(Room.managedPort)"))
                }
            }
        }

        /// - Parameters: bound, dialled, family.
        @Test(arguments: [
            ("127.0.0.5", "10.99.0.1", "4"), ("10.99.0.1", "10.99.0.1", "4"), ("fd99::1", "fd99::1", "6"),
            ("::1", "fd99::1", "6"), ("::ffff:10.99.0.1", "::ffff:10.99.0.1", "6"),
        ])
        func `a socket bound to an address of its own is redirected`(
            _ source: String, _ host: String, _ family: String,
        ) throws {
            try Room.with { room in
                try room.install(agent)
                let dial = "dial_from \(source) \(host) \(Room.managedPort) \(family)"
                #expect(try room.identity(room.start("agent.py"), dial) == Room.identity)
            }
        }

        @Test func `a connect tried again on the same socket after a refusal is redirected`() throws {
            try Room.with { room in
                try room.install(agent)
                let workload = try room.start("agent.py")
                room.stopProxy()
                _ = try workload.run("make")
                #expect(try room.dial(workload, "dial \(destination)") == .failed("error ECONNREFUSED"))
                try room.startProxy()
                let arrival = try room.dial(workload, "dial \(destination)")
                #expect(arrival.flow?.identity == Room.identity)
                #expect(arrival == .redirected(arrival.flow, peer: peer))
            }
        }

        @Test func `a refused redirection leaves nothing on a socket that then connects elsewhere`() throws {
            try Room.with { room in
                try room.install(agent)
                let workload = try room.start("agent.py")
                room.stopProxy()
                _ = try workload.run("make")
                #expect(try room.dial(workload, "dial \(destination)") == .failed("error ECONNREFUSED"))
                // Direct, and told the true peer.
                #expect(try room.dial(workload, "dial \(elsewhere)") == .direct)
            }
        }

        @Test func `a socket that disconnects is decided anew, and keeps nothing of before`() throws {
            try Room.with { room in
                try room.install(agent)
                let workload = try room.start("agent.py", userID: 0)
                #expect(try workload.run("setresuid 0 1001 0") == "done")
                _ = try workload.run("make")
                for _ in 1...2 {
                    let arrival = try room.dial(workload, "dial \(destination)")
                    #expect(arrival == .redirected(arrival.flow, peer: peer))
                    #expect(try workload.run("disconnect") == "disconnected")
                    #expect(try room.dial(workload, "dial \(elsewhere)") == .direct)
                    #expect(try workload.run("disconnect") == "disconnected")
                }
                #expect(try room.identity(workload, "dial \(destination)") == Room.identity)
                #expect(try workload.run("disconnect") == "disconnected")
                #expect(try workload.run("setresuid 0 0 0") == "done")
                #expect(try room.dial(workload, "dial \(destination)") == .direct)
                #expect(try room.record(onSocketOf: workload) == nil)
            }
        }
    }
}

extension Room {
    /// The error with which this kernel answers who asks for io_uring; nil where it has it.
    static var reasonAgainstRings: String? {
        guard let symbol = dlsym(nil, "syscall") else { return "ENOSYS" }
        // io_uring_setup(2) without parameters: EFAULT from a kernel that would do it.
        let call = unsafeBitCast(symbol, to: (@convention(c) (Int, UInt, UInt) -> Int).self)
        _ = call(425, 4, 0)
        let disabled = try? String(contentsOfFile: "/proc/sys/kernel/io_uring_disabled", encoding: .utf8)
        return switch errno {
        case ENOSYS: "ENOSYS"
        case EPERM: "EPERM"
        default: disabled?.hasPrefix("0") ?? true ? nil : "EPERM"
        }
    }
}
