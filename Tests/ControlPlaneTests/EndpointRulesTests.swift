import ControlPlane
import ControlPlaneAPI
import SPIFFE
import Testing
import Workloads

@Suite struct EndpointRulesTests {
    private let workload: SPIFFEID

    init() throws { workload = try TestControlPlane.id("mine") }

    @Test(arguments: [
        "127.0.0.1", "127.8.9.10", "0.0.0.0", "0.1.2.3", "169.254.1.1", "224.0.0.1", "239.255.255.255",
        "255.255.255.255",
        "240.0.0.1", "::", "::1", "ff02::1", "", "x", "10.0.0.0/8", "10.0.0", "010.0.0.1", "::ffff:10.0.0.1",
        "10.0.0.1 ", "fe80::1%eth0", "1.2.3.4.5", "[2001:db8::1]",
    ])
    func `an address that is nobody's, or another's everywhere, is refused`(_ address: String) {
        let endpoint = Endpoint(address: address, port: 80, workload: workload)
        #expect(throws: EndpointRefusal.self) { try EndpointRules().decision(endpoint, by: "weather") }
    }

    @Test func `an address has one spelling, and a port`() throws {
        let rules = EndpointRules()
        let long = Endpoint(address: "2001:0DB8:0:0::1", port: 80, workload: workload)
        #expect(try rules.decision(long, by: "weather").address == "2001:db8::1")
        let none = Endpoint(address: "10.0.0.1", port: 0, workload: workload)
        #expect(throws: EndpointRefusal.noPort) { try rules.decision(none, by: "weather") }
    }

    @Test func `a range bound to a group is that group's, and all it has`() throws {
        let rules = EndpointRules(ranges: [
            "a": [try AddressRange("10.1.0.0/16"), try AddressRange("2001:db8:1::/48")],
            "b": [try AddressRange("10.2.0.0/16")],
        ])
        let cases: [(String, String, Bool)] = [
            ("10.1.2.3", "a", true), ("2001:db8:1::5", "a", true), ("10.3.0.1", "a", false), ("10.2.0.1", "a", false),
            ("10.1.2.3", "b", false), ("10.1.2.3", "c", false), ("10.3.0.1", "c", true), ("2001:db8:2::1", "a", false),
        ]
        for (address, group, isTaken) in cases {
            let endpoint = Endpoint(address: address, port: 80, workload: workload)
            #expect(((try? rules.decision(endpoint, by: group)) != nil) == isTaken, "\(address) of \(group)")
        }
    }

    @Test func `ranges of routed addresses leave link-local ones be, and a range among those binds them`() throws {
        let mine = Endpoint(address: "fe80::7", port: 80, workload: workload)
        let routed = EndpointRules(ranges: ["a": [try AddressRange("10.1.0.0/16")]])
        #expect(try routed.decision(mine, by: "a") == mine && routed.decision(mine, by: "c") == mine)
        let bound = EndpointRules(ranges: ["a": [try AddressRange("10.1.0.0/16"), try AddressRange("fe80::/10")]])
        #expect(try bound.decision(mine, by: "a") == mine)
        #expect(throws: EndpointRefusal.self) { try bound.decision(mine, by: "c") }
    }
}
