import Limits

/// What a workload with `connection.outbound: MUTUAL` may reach where no managed workload listens.
///
/// One entry of `connection.egress`; see docs/decisions/0011-nothing-leaves-for-lack-of-knowledge.md.
package struct Egress: Hashable, Sendable, Codable {
    /// What has to be on the wire.
    package enum Form: String, Sendable, Codable {
        /// As the program sends it.
        case plain
        /// TLS of the program's own, which the proxy sees begin.
        case tls
    }

    /// Empty: anywhere, for entries with names alone.
    package var addresses: [AddressRange]
    /// What the TLS client asks for; empty: whatever it does.
    package var names: [ServerNamePattern]
    /// Never empty.
    package var ports: [PortRange]
    package var form: Form

    package init(
        addresses: [AddressRange] = [], names: [ServerNamePattern] = [], ports: [PortRange] = [.all], form: Form,
    ) {
        self.addresses = addresses
        self.names = names
        self.ports = ports
        self.form = form
    }

    /// Whether it is about this place, whatever is sent there.
    package func covers(_ address: [UInt8], port: UInt16) -> Bool {
        (addresses.isEmpty || addresses.contains { $0.contains(address) }) && ports.contains { $0.contains(port) }
    }

    /// - Parameter name: that a TLS client asks for; nil: it names none.
    package func admits(serverName name: String?) -> Bool {
        names.isEmpty || name.map { name in names.contains { $0.matches(name) } } == true
    }
}

/// `connection.outbound: MUTUAL`: managed workloads by mutual TLS, what is listed as it is listed, nothing else.
package struct Outbound: Hashable, Sendable, Codable {
    package var egress: [Egress]

    package init(egress: [Egress] = []) { self.egress = egress }

    package static let maximumEntries = Limits.Manifests.egressEntries
    /// Ranges of ports that one address can have; what a kernel map's entry holds.
    package static let maximumPortRanges = Limits.Manifests.portRanges

    /// What may be reached as it is: of each range its ports, those of the ranges around it included. So the longest range
    /// an address lies in says all there is to say of it.
    package var plainPorts: [AddressRange: [PortRange]] {
        let plain = egress.filter { $0.form == .plain }
        let ranges = Set(plain.flatMap(\.addresses))
        return Dictionary(
            ranges.map { range in
                let around = plain.filter { $0.addresses.contains { $0.contains(range) } }
                return (range, PortRange.merged(around.flatMap(\.ports)))
            }, uniquingKeysWith: { first, _ in first })
    }
}
