import Foundation
import Testing
import Workloads

@testable import Kernel

extension KernelSessionTests {
    /// Transports besides TCP and UDP, which are judged packet by packet as they leave.
    @Suite(.serialized) struct UnhookedTests {
        private let agent = Selector(commandLines: [["python3", "agent.py"]])
        private let places = [(Room.managedIPv4, "4"), (Room.managedIPv6, "6")]

        @Test(arguments: ["connected", "named", "message"])
        func `a datagram of UDP-Lite is refused or let go by the same list as one of UDP`(_ way: String) throws {
            try Room.with { room in
                try room.install(agent)
                let workload = try room.start("agent.py"), nobody = try room.start("other.py")
                for (host, family) in places {
                    let send = "send_lite \(way) \(host) 5300 \(family)"
                    try room.confine([Room.identity: [:]])
                    #expect(try workload.run(send) == "error EPERM")
                    #expect(try nobody.run(send) == "hello")
                    try room.confine([Room.identity: room.ranges(host, ["5299", "5301-65535"])])
                    #expect(try workload.run(send) == "error EPERM")
                    try room.confine([Room.identity: room.ranges(host, ["5300"])])
                    #expect(try workload.run(send) == "hello")
                    try room.confine([:])
                    #expect(try workload.run(send) == "hello")
                    try room.confine([:], room.managed(host))
                    #expect(try workload.run(send) == "error EPERM")
                    #expect(try nobody.run(send) == "hello")
                }
                expectRefusals(room, [.datagramNotListed: 4, .datagramInManagedNetwork: 2])
            }
        }

        @Test(arguments: ["connected", "named", "message", "whole"])
        func `a raw packet is refused or let go by the same list, where all ports are in it`(_ way: String) throws {
            try Room.with { room in
                try room.install(agent)
                let workload = try room.start("agent.py", userID: 0), nobody = try room.start("other.py", userID: 0)
                for (host, family) in places {
                    let send = "send_raw \(way) \(host) \(family)"
                    try room.confine([Room.identity: room.ranges(host, ["1-65534"])])
                    #expect(try workload.run(send) == "error EPERM")
                    #expect(try nobody.run(send) == "hello")
                    try room.confine([Room.identity: room.ranges(host, ["1-65535"])])
                    #expect(try workload.run(send) == "hello")
                    try room.confine([:], room.managed(host))
                    #expect(try workload.run(send) == "error EPERM")
                    #expect(try nobody.run(send) == "hello")
                }
                expectRefusals(room, [.datagramNotListed: 2, .datagramInManagedNetwork: 2])
            }
        }

        /// There it may have raw sockets, which it may not here.
        @Test func `a workload that makes namespaces of its own sends no raw packets there either`() throws {
            try Room.with { room in
                try room.install(agent)
                try room.confine([Room.identity: [:]])
                for (script, answer) in [("other.py", "hello"), ("agent.py", "error EPERM")] {
                    let program = try room.start(script, userID: 1002)
                    #expect(try program.run("send_raw named \(Room.managedIPv4)") == "error EPERM")
                    #expect(room.kernel.statistics().datagramsRefused == 0)
                    #expect(try program.run("leave_user_namespace 0") == "0")
                    #expect(try program.run("leave_network") == "left")
                    for way in ["named", "whole"] { #expect(try program.run("send_raw \(way) 127.0.0.1") == answer) }
                }
                #expect(room.kernel.statistics().datagramsRefused == 2)
            }
        }

        /// They stand in the cgroup of whoever made their network namespace, and send while anybody runs.
        @Test func `the kernel's own sockets of a network namespace that a workload made find its neighbours`() throws {
            try Room.with { room in
                try room.install(agent)
                try room.confine([Room.identity: [:]], room.managed("fd00::/8"))
                let workload = try room.start("agent.py", userID: 0)
                #expect(try workload.run("leave_network") == "left")
                #expect(try workload.run("find_neighbours") == "asked True")
                #expect(room.kernel.statistics().datagramsRefused == 0)
            }
        }

        private func expectRefusals(_ room: Room, _ expected: [KernelRefusal.Reason: UInt64]) {
            let reasons = room.kernel.refusalCounts().map { ($0.key.reason, $0.value) }
            #expect(Dictionary(uniqueKeysWithValues: reasons) == expected)
        }
    }
}

extension Room {
    fileprivate func ranges(_ host: String, _ ports: [String]) throws -> [AddressRange: [PortRange]] {
        [try AddressRange(host): try ports.map { try #require(PortRange($0)) }]
    }

    fileprivate func managed(_ texts: String...) throws -> ManagedNetworks {
        try texts.reduce(into: ManagedNetworks()) { try $0.add($1) }
    }
}
