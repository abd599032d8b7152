import Foundation
import Testing
import Workloads

@testable import Kernel

extension KernelSessionTests {
    /// ICMP datagram sockets, which anybody may have where a network namespace allows it.
    @Suite(.serialized) struct ICMPTests {
        private let agent = Selector(commandLines: [["python3", "agent.py"]])
        private let places = [(Room.managedIPv4, "4"), (Room.managedIPv6, "6")]

        /// The kernel tells nobody what became of an ICMPv6 datagram: the call succeeds, and nothing has left.
        private func refusal(_ way: String, _ family: String) -> String {
            family == "6" && way != "connected" ? "error TIMEOUT" : "error EPERM"
        }

        @Test(arguments: ["connected", "named", "message"])
        func `an ICMP datagram is refused or let go by the same list as others, where all ports are in it`(
            _ way: String
        ) throws {
            try Room.with { room in
                try Room.allowICMP()
                try room.install(agent)
                let workload = try room.start("agent.py"), nobody = try room.start("other.py")
                for (host, family) in places {
                    let echo = "echo \(way) \(host) \(family)", refused = refusal(way, family)
                    try room.confine([Room.identity: [:]])
                    #expect(try workload.run("\(echo) 0 1") == refused)
                    #expect(try nobody.run(echo) == "hello")
                    // The port of a name means nothing here.
                    try room.confine([Room.identity: room.list(host, ["53", "60-65535"])])
                    #expect(try workload.run("\(echo) 53 1") == refused)
                    try room.confine([Room.identity: room.list(host, ["1-65535"])])
                    #expect(try workload.run(echo) == "hello")
                    try room.confine([:])
                    #expect(try workload.run(echo) == "hello")
                    try room.confine([:], room.networks(host))
                    #expect(try workload.run("\(echo) 0 1") == refused)
                    #expect(try nobody.run(echo) == "hello")
                }
                #expect(room.kernel.statistics().datagramsRefused == 6)
                let reasons = room.kernel.refusalCounts().map { ($0.key.reason, $0.value) }
                #expect(
                    Dictionary(uniqueKeysWithValues: reasons) == [.datagramNotListed: 4, .datagramInManagedNetwork: 2])
            }
        }

        @Test(arguments: ["connected", "named", "message"])
        func `who is not known yet, or was a workload until a moment ago, sends no ICMP where that matters`(
            _ way: String
        ) throws {
            try Room.with { room in
                try Room.allowICMP()
                try room.install(
                    Selector(conditions: [
                        .userID: Condition(anyOf: [.number(1001)]), .binaryHash: Condition(anyOf: [.text("00")]),
                    ]), other: Selector(userIDs: [1002]))
                let undecided = try room.start("agent.py"), other = try room.start("agent.py", userID: 1002)
                try room.confine([Room.otherIdentity: [:]])
                for (host, family) in places {
                    #expect(try undecided.run("echo \(way) \(host) \(family) 0 1") == refusal(way, family))
                }
                try room.install(Selector(userIDs: [4711]))
                try room.confine([:], room.networks(Room.managedIPv4))
                for (place, answer) in zip(places, ["error EPERM", "hello"]) {
                    #expect(try other.run("echo \(way) \(place.0) \(place.1)") == answer)
                    #expect(try undecided.run("echo \(way) \(place.0) \(place.1)") == "hello")
                }
            }
        }
    }
}

extension Room {
    /// Of this thread's network namespace.
    fileprivate static func allowICMP() throws {
        try "0 2147483647".write(toFile: "/proc/sys/net/ipv4/ping_group_range", atomically: false, encoding: .utf8)
    }

    fileprivate func list(_ host: String, _ ports: [String]) throws -> [AddressRange: [PortRange]] {
        [try AddressRange(host): try ports.map { try #require(PortRange($0)) }]
    }

    fileprivate func networks(_ host: String) throws -> ManagedNetworks {
        var networks = ManagedNetworks()
        try networks.add(host)
        return networks
    }
}
