import Foundation
import Testing

@testable import Workloads

@Suite struct EgressTests {
    private func bytes(_ address: String) throws -> [UInt8] { try AddressRange(address).bytes }

    // MARK: What is written

    @Test(arguments: [
        ("10.1.0.0/16", "10.1.2.3", "10.2.0.1"), ("192.0.2.7", "192.0.2.7", "192.0.2.8"),
        ("0.0.0.0/0", "255.255.255.255", "2001:db8::1"), ("::/0", "2001:db8::1", "192.0.2.1"),
        ("2001:db8::/33", "2001:db8:7fff::1", "2001:db8:8000::1"),
        ("10.0.0.0/9", "10.127.255.255", "10.128.0.0"),
    ])
    func `a range holds its addresses and no others`(_ text: String, _ within: String, _ outside: String) throws {
        let range = try AddressRange(text)
        #expect(range.description == text)
        #expect(range.contains(try bytes(within)))
        #expect(!range.contains(try bytes(outside)))
    }

    @Test(arguments: [
        ("10.1.2.3/16", "did you mean 10.1.0.0/16?"), ("10.1.0.0/33", "0 to 32 bits"), ("10.1/16", "an IPv4 or IPv6"),
        ("::1/129", "0 to 128 bits"), ("::ffff:10.0.0.1", "an IPv4 or IPv6"), ("10.0.0.0/08", "0 to 32 bits"),
        ("example.com", "an IPv4 or IPv6"), ("10.0.0.0/", "0 to 32 bits"), ("", "an IPv4 or IPv6"),
    ])
    func `what is no range is refused, with what is meant`(_ text: String, _ reason: String) {
        #expect { try AddressRange(text) } throws: { "\($0)".contains(reason) }
    }

    @Test func `ports are numbers from 1, and ranges of them`() {
        #expect(PortRange("443")?.description == "443")
        #expect(PortRange("6000-6010")?.contains(6010) == true)
        for text in ["0", "65536", "7-6", "-7", "7-", "a", "", "0-7", "07", "1-2-3"] { #expect(PortRange(text) == nil) }
        let merged = PortRange.merged(["5-9", "80", "1-4", "8-20", "65535", "82"].compactMap { PortRange($0) })
        #expect(merged.map(\.description) == ["1-20", "80", "82", "65535"])
    }

    @Test func `a name is asked for whole, a pattern stands for one label`() throws {
        let name = try #require(ServerNamePattern("API.example.com")),
            any = try #require(ServerNamePattern("*.example.com"))
        #expect(
            name.matches("api.EXAMPLE.com") && !name.matches("x.api.example.com") && !name.matches("api.example.com."))
        #expect(any.matches("a.example.com") && any.matches("B.example.com"))
        for name in ["example.com", ".example.com", "a.b.example.com", "a.example.com.evil", "aexample.com"] {
            #expect(!any.matches(name), "\(name)")
        }
        for text in ["localhost", "10.0.0.1", "*", "*.", "a..b", "-a.b", "a.*.b", "a.b.1", "ä.example.com", "a b.c"] {
            #expect(ServerNamePattern(text) == nil, "\(text)")
        }
    }

    // MARK: The decision

    private let networks = ManagedNetworks(
        ranges: ["10.0.0.0/8", "10.1.2.0/24"].compactMap { try? AddressRange($0) },
        exceptions: ["10.1.0.0/16", "10.2.0.53"].compactMap { try? AddressRange($0) })

    @Test func `of managed networks and what is excepted from them the longest range decides`() throws {
        #expect(networks.range(of: try bytes("10.9.9.9"))?.description == "10.0.0.0/8")
        #expect(networks.range(of: try bytes("10.1.9.9")) == nil)
        #expect(networks.range(of: try bytes("10.1.2.9"))?.description == "10.1.2.0/24")
        #expect(networks.range(of: try bytes("10.2.0.53")) == nil)
        #expect(networks.range(of: try bytes("11.0.0.1")) == nil)
    }

    @Test(arguments: ["127.0.0.0/8", "0.0.0.0/0", "::/0", "224.0.0.1", "::1"])
    func `what every namespace has for itself is no managed network`(_ text: String) {
        var networks = ManagedNetworks()
        #expect(throws: ManagedNetworksError.self) { try networks.add(text) }
    }

    @Test func `one that is open goes anywhere but into managed networks`() throws {
        guard case .plain = Passage.of(nil, to: try bytes("192.0.2.1"), port: 80, managedNetworks: networks),
            case .closed = Passage.of(nil, to: try bytes("10.9.9.9"), port: 80, managedNetworks: networks)
        else { return #expect(Bool(false), "plain, then none") }
    }

    @Test func `one that is mutual goes where its egress says, as it says`() throws {
        let outbound = Outbound(egress: [
            Egress(
                addresses: [try AddressRange("192.0.2.0/24")], ports: [try #require(PortRange("5432"))], form: .plain),
            Egress(addresses: [try AddressRange("10.0.0.0/8")], ports: [.all], form: .plain),
            Egress(
                names: [try #require(ServerNamePattern("api.example.com"))], ports: [try #require(PortRange("443"))],
                form: .tls),
        ])
        let passage = { (address: String, port: UInt16) in
            Passage.of(outbound, to: try bytes(address), port: port, managedNetworks: networks)
        }
        #expect(try passage("192.0.2.9", 5432) == .plain(because: "egress lists it as plain"))
        guard case .closed = try passage("192.0.2.9", 5433),
            case .ownTLS(let entries) = try passage("203.0.113.1", 443),
            // Listed as plain, and in a managed network.
            case .closed(let reason) = try passage("10.9.9.9", 80), case .plain = try passage("10.1.9.9", 80),
            case .ownTLS = try passage("10.9.9.9", 443)
        else { return #expect(Bool(false), "none, TLS, none, plain, TLS") }
        #expect(reason.contains("the managed network 10.0.0.0/8"))
        #expect(entries[0].admits(serverName: "api.example.com"))
        #expect(!entries[0].admits(serverName: "other.example.com") && !entries[0].admits(serverName: nil))
    }

    @Test func `of each range the ports of those around it are known with it`() throws {
        let outbound = Outbound(egress: [
            Egress(addresses: [try AddressRange("10.0.0.0/8")], ports: [try #require(PortRange("1-9"))], form: .plain),
            Egress(addresses: [try AddressRange("10.1.0.0/16")], ports: [try #require(PortRange("10"))], form: .plain),
            Egress(addresses: [try AddressRange("10.1.0.0/16")], ports: [try #require(PortRange("443"))], form: .tls),
        ])
        #expect(
            outbound.plainPorts.reduce(into: [:]) { $0["\($1.key)"] = $1.value.map(\.description) } == [
                "10.0.0.0/8": ["1-9"], "10.1.0.0/16": ["1-10"],
            ])
    }

    // MARK: The manifest

    private func identity(_ connection: String) throws -> WorkloadIdentity {
        let yaml = """
            apiVersion: tidemark.dev/v1alpha1
            kind: WorkloadIdentity
            metadata:
              name: a
            spec:
              scope:
                agentGroup:
                  id: g
              selectors:
                - process:uid: 1001
              workloadID: a
              connection:

            """ + connection.split(separator: "\n").map { "    \($0)\n" }.joined()
        guard case .workloadIdentity(let identity)? = try Manifest.decode(yaml: yaml, file: "f").first else {
            throw ManifestError(findings: [])
        }
        return identity
    }

    @Test(arguments: [("keepAcrossExec: true", true), ("keepAcrossExec: false", false), ("outbound: OPEN", false)])
    func `what is kept over exec is said, and is nothing by default`(_ connection: String, _ isKept: Bool) throws {
        let manifest = Manifest.workloadIdentity(try identity(connection))
        #expect(try identity(connection).keepAcrossExec == isKept)
        #expect(manifest.canonicalYAML.contains("    keepAcrossExec: true\n") == isKept)
        #expect(try Manifest.decode(yaml: manifest.canonicalYAML, file: "f") == [manifest])
    }

    @Test func `an identity goes over the wire whole, and one of before there was a key has its default`() throws {
        let kept = try identity("keepAcrossExec: true\noutbound: MUTUAL\ntls:\n  mode: PERMISSIVE")
        let json = try JSONEncoder().encode(kept)
        #expect(try JSONDecoder().decode(WorkloadIdentity.self, from: json) == kept)
        let older = String(decoding: json, as: UTF8.self).replacing(#""keepAcrossExec":true"#, with: #""other":true"#)
        var expected = kept
        expected.keepAcrossExec = false
        #expect(try JSONDecoder().decode(WorkloadIdentity.self, from: Data(older.utf8)) == expected)
    }

    @Test func `egress is read as it is written, and written as it is read`() throws {
        let identity = try identity(
            """
            outbound: MUTUAL
            egress:
              - addresses: [10.1.0.0/16, 2001:db8::/32]
                ports: [5432, 6000-6010]
                as: plain
              - names: ["*.example.com"]
                ports: 443
                as: tls
              - addresses: 192.0.2.7
                as: tls
            """)
        let egress = try #require(identity.outbound?.egress)
        #expect(egress.map(\.form) == [.plain, .tls, .tls])
        #expect(egress[0].addresses.map(\.description) == ["10.1.0.0/16", "2001:db8::/32"])
        #expect(egress[0].ports.map(\.description) == ["5432", "6000-6010"])
        #expect(egress[1].names.map(\.description) == ["*.example.com"] && egress[1].addresses.isEmpty)
        #expect(egress[2].ports == [.all])
        let manifest = Manifest.workloadIdentity(identity)
        #expect(try Manifest.decode(yaml: manifest.canonicalYAML, file: "f") == [manifest])
        #expect(identity.remark(in: nil) == nil)
    }

    @Test(arguments: [
        ("outbound: STRICT", "MUTUAL or OPEN, found \"STRICT\""),
        ("egress:\n  - addresses: 10.0.0.1\n    as: plain", "no egress without outbound: MUTUAL"),
        ("outbound: OPEN\negress:\n  - addresses: 10.0.0.1\n    as: plain", "no egress without outbound: MUTUAL"),
        ("outbound: MUTUAL\negress:\n  - names: a.example\n    as: plain", "no names with as: plain"),
        ("outbound: MUTUAL\negress:\n  - as: plain", "addresses, or names with as: tls"),
        ("outbound: MUTUAL\negress:\n  - addresses: 10.0.0.1", "plain or tls; the key is missing"),
        ("outbound: MUTUAL\negress:\n  - addresses: 10.0.0.1\n    as: tcp", "plain or tls, found \"tcp\""),
        ("outbound: MUTUAL\negress:\n  - addresses: 10.0.0.1\n    ports: 0\n    as: plain", "a port from 1 to 65535"),
        ("outbound: MUTUAL\negress:\n  - addresses: []\n    as: plain", "at least one of addresses"),
        ("keepAcrossExec: maybe", "true or false, found"),
        ("outbond: MUTUAL", "a known key; did you mean outbound?"),
    ])
    func `what cannot be meant is refused`(_ connection: String, _ reason: String) {
        #expect { try identity(connection) } throws: { "\(($0 as? ManifestError)?.findings ?? [])".contains(reason) }
    }

    @Test func `more ports than the kernel part can hold for an address are refused`() throws {
        let entry = { (count: Int) in
            let ports = (1...count).map { "\(2 * $0)" }.joined(separator: ", ")
            return "outbound: MUTUAL\negress:\n  - addresses: 10.0.0.1\n    ports: [\(ports)]\n    as: plain"
        }
        #expect(try identity(entry(16)).outbound != nil)
        #expect(throws: ManifestError.self) { try identity(entry(17)) }
    }

    @Test func `one that may send anything anywhere is remarked on`() throws {
        let open = try identity("tls:\n  mode: MUTUAL")
        #expect(open.remark(in: nil)?.contains("leaves in plain text") == true)
        #expect(open.remark(in: networks) == nil)
        #expect(Accountabilities([open]).warnings(of: open).isEmpty)
    }
}
