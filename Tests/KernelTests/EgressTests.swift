import Foundation
import Testing
import Workloads

@testable import Kernel

extension KernelSessionTests {
    /// What managed processes may reach where nobody is known to be managed.
    @Suite(.serialized) struct EgressTests {
        private let agent = Selector(commandLines: [["python3", "agent.py"]])
        private let elsewhere = "connect \(Room.managedIPv4) \(Room.unmanagedPort)"
        private let datagram = "\(Room.managedIPv4) \(Room.unmanagedPort)"

        private func list(_ entries: [String: [String]]) throws -> [AddressRange: [PortRange]] {
            Dictionary(
                uniqueKeysWithValues: try entries.map { range, ports in
                    (try AddressRange(range), try ports.map { try #require(PortRange($0)) })
                })
        }

        private func networks(_ texts: String...) throws -> ManagedNetworks {
            try texts.reduce(into: ManagedNetworks()) { try $0.add($1) }
        }

        @Test func `who has a list dials by himself what is in it, and asks the proxy for everything else`() throws {
            try Room.with { room in
                try room.install(agent)
                let workload = try room.start("agent.py"), nobody = try room.start("other.py")
                let rules = [
                    (["10.99.0.1": ["8001"]], true), (["10.99.0.0/16": ["1-65535"]], true),
                    (["0.0.0.0/0": ["443", "8000-8002"]], true), (["10.99.0.1": ["8000", "8002"]], false),
                    (["10.98.0.0/16": ["8001"], "::/0": ["8001"]], false), ([String: [String]](), false),
                    // The longest range says all there is to say.
                    (["10.99.0.0/16": ["8001"], "10.99.0.1": ["1"]], false),
                ]
                for (entries, isListed) in rules {
                    try room.confine([Room.identity: list(entries)])
                    let arrival = try room.dial(workload, elsewhere)
                    if isListed {
                        #expect(arrival == .direct, "\(entries)")
                    } else {
                        #expect(arrival.flow?.placeIsKnown == false, "\(entries)")
                        #expect(arrival.flow?.identity == Room.identity)
                    }
                    let managed = try room.dial(workload)
                    #expect(managed.flow?.placeIsKnown == true)
                    #expect(try room.dial(nobody, elsewhere) == .direct)
                }
                try room.confine([:])
                #expect(try room.dial(workload, elsewhere) == .direct)
                #expect(room.kernel.statistics().unknownPlaces == 4)
            }
        }

        @Test func `into a managed network no managed process goes by itself, whatever its list says`() throws {
            try Room.with { room in
                try room.install(agent)
                let workload = try room.start("agent.py"), nobody = try room.start("other.py")
                let free = try list(["0.0.0.0/0": ["1-65535"]])
                for lists in [[:], [Room.identity: free]] {
                    try room.confine(lists, networks("10.0.0.0/8"))
                    #expect(try room.dial(workload, elsewhere).flow?.placeIsKnown == false)
                    #expect(try workload.run("send_datagram \(datagram)") == "error EPERM")
                    #expect(try room.dial(nobody, elsewhere) == .direct)
                    #expect(try nobody.run("send_datagram \(datagram)") == "sent 5")
                    try room.confine(lists, networks("10.0.0.0/8", "!10.99.0.1"))
                    #expect(try room.dial(workload, elsewhere) == .direct)
                    try room.confine(lists, networks("10.0.0.0/8", "!10.99.0.0/16", "10.99.0.0/24"))
                    #expect(try room.dial(workload, elsewhere).flow?.placeIsKnown == false)
                }
            }
        }

        @Test(arguments: ["dial_datagram", "send_datagram"])
        func `a datagram is refused or let go by the same list`(_ way: String) throws {
            try Room.with { room in
                try room.install(agent)
                let workload = try room.start("agent.py"), nobody = try room.start("other.py")
                let places = [(Room.managedIPv4, "4"), (Room.managedIPv6, "6"), ("::ffff:" + Room.managedIPv4, "6")]
                for (host, family) in places {
                    let send = "\(way) \(host) 53 \(family)"
                    let went = way == "send_datagram" ? "sent 5" : "\(host)|53"
                    try room.confine([Room.identity: list([:])])
                    #expect(try workload.run(send) == "error EPERM")
                    #expect(try nobody.run(send) == went)
                    try room.confine([Room.identity: list(["10.99.0.1": ["53"], "fd99::/16": ["53"]])])
                    #expect(try workload.run(send) == went)
                    try room.confine([:])
                    #expect(try workload.run(send) == went)
                }
                #expect(room.kernel.statistics().datagramsRefused == 3)
                let source = KernelRefusal.Source(userID: 1001, reason: .datagramNotListed, identity: Room.identity)
                #expect(room.kernel.refusalCounts() == [source: 3])
            }
        }

        @Test func `who could be somebody with a list is held to none until that is known`() throws {
            try Room.with { room in
                let hashed = Selector(conditions: [
                    .userID: Condition(anyOf: [.number(1001)]), .binaryHash: Condition(anyOf: [.text("00")]),
                ])
                let generation = try room.install(hashed)
                let workload = try room.start("agent.py")
                #expect(try room.dial(workload, elsewhere) == .direct)
                try room.confine([Room.otherIdentity: list(["0.0.0.0/0": ["1-65535"]])])
                let arrival = try room.dial(workload, elsewhere)
                #expect(arrival.flow?.identity == .undecided && arrival.flow?.placeIsKnown == false)
                #expect(arrival.flow?.wasManaged == false)
                #expect(try workload.run("send_datagram \(datagram)") == "error EPERM")
                let image = try room.image(of: workload)
                #expect(try room.kernel.answer(image, holding: [], generation: generation))
                #expect(try room.dial(workload, elsewhere) == .direct)
                #expect(try workload.run("send_datagram \(datagram)") == "sent 5")
            }
        }

        @Test func `who loses its identity by a policy is kept from managed places until it executes something`() throws
        {
            try Room.with { room in
                try room.install(agent)
                let workload = try room.start("agent.py"), nobody = try room.start("other.py")
                #expect(try room.identity(workload) == Room.identity)
                for selector in [Selector(userIDs: [4711]), nil, Selector(userIDs: [4712])] {
                    if let selector {
                        try room.install(selector)
                    } else {
                        try room.kernel.install(SelectorProgram(slots: []), handles: [:])
                    }
                    for way in ["connect", "child connect", "thread connect"] {
                        let dial = "\(way) \(Room.managedIPv4) \(Room.managedPort)"
                        #expect(try room.dial(workload, dial) == .failed("error EPERM"))
                        #expect(try room.dial(nobody, dial) == .direct)
                    }
                    #expect(try room.dial(workload, elsewhere) == .direct)
                }
                try room.confine([:], networks("10.99.0.0/16"))
                #expect(try room.dial(workload, elsewhere) == .failed("error EPERM"))
                #expect(try workload.run("send_datagram \(datagram)") == "error EPERM")
                #expect(try room.dial(nobody, elsewhere) == .direct)
                #expect(room.kernel.refusalCounts().keys.allSatisfy { $0.reason == .disowned })
                try workload.become("become /usr/bin/python3 python3 agent.py")
                #expect(try room.dial(workload) == .direct)
            }
        }

        @Test func `who is a workload again is one, and who sheds its identity itself is nobody`() throws {
            try Room.with { room in
                let selector = Selector(userIDs: [1001])
                try room.install(selector)
                let workload = try room.start("agent.py"), shedding = try room.start("other.py", userID: 0)
                #expect(try room.identity(workload) == Room.identity)
                #expect(try shedding.run("setresuid 0 1001 0") == "done")
                #expect(try room.identity(shedding) == Room.identity)
                #expect(try shedding.run("setresuid 0 0 0") == "done")
                #expect(try room.dial(shedding) == .direct)
                try room.install(Selector(userIDs: [4711]))
                #expect(try room.dial(workload) == .failed("error EPERM"))
                #expect(try room.dial(shedding) == .direct)
                try room.install(selector)
                #expect(try room.identity(workload) == Room.identity)
            }
        }

        @Test func `a socket bound to a device reaches no managed place, and is told why`() throws {
            try Room.with { room in
                try room.install(agent)
                try room.makeDevice("tide0")
                let workload = try room.start("agent.py", userID: 0)
                let managed = "\(Room.managedIPv4) \(Room.managedPort)"
                #expect(try room.dial(workload, "dial_on_device tide0 \(managed)") == .failed("error EHOSTUNREACH"))
                #expect(try room.dial(workload, "dial_on_device lo \(managed)").isRedirected)
                let source = KernelRefusal.Source(userID: 0, reason: .boundToDevice, identity: Room.identity)
                #expect(room.kernel.refusalCounts() == [source: 1])
            }
        }

        @Test func `an agent that starts again takes over what its predecessor said`() throws {
            try Room.with(ownObject: true) { room in
                try room.install(agent)
                let workload = try room.start("agent.py")
                try room.confine([Room.identity: list(["10.99.0.1": ["8001"]])], networks("192.0.2.0/24"))
                #expect(try room.dial(workload, elsewhere) == .direct)
                let next = try KernelSession.open(room.configuration)
                try next.prepareOutbound(OutboundRules(lists: [Room.identity: list([:])]))
                #expect(try room.dial(workload, elsewhere).flow?.placeIsKnown == false)
                try next.settleOutbound()
                #expect(try room.dial(workload, elsewhere).flow?.placeIsKnown == false)
            }
        }
    }
}

extension Room {
    /// From now on, as the agent says it.
    func confine(
        _ lists: [IdentityHandle: [AddressRange: [PortRange]]], _ networks: ManagedNetworks = ManagedNetworks(),
    ) throws {
        try kernel.prepareOutbound(OutboundRules(lists: lists, managedNetworks: networks))
        try kernel.settleOutbound()
    }

    func makeDevice(_ name: String) throws {
        for arguments in [
            ["link", "add", name, "type", "veth", "peer", "name", name + "p"], ["link", "set", name, "up"],
        ] {
            let process = try Process.run(URL(filePath: "/usr/sbin/ip"), arguments: arguments)
            process.waitUntilExit()
            #expect(process.terminationStatus == 0)
        }
    }
}
