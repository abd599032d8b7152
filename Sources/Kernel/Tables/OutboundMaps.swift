import KernelABI
import Synchronization
package import Workloads

/// What managed processes may reach besides managed places.
package struct OutboundRules: Sendable, Equatable {
    /// Of each identity with `connection.outbound: MUTUAL`, what its egress lets be reached as it is: the ports of each
    /// range, those of the ranges around it included.
    package var lists: [IdentityHandle: [AddressRange: [PortRange]]]
    package var managedNetworks: ManagedNetworks

    package init(
        lists: [IdentityHandle: [AddressRange: [PortRange]]] = [:], managedNetworks: ManagedNetworks = ManagedNetworks(),
    ) {
        self.lists = lists
        self.managedNetworks = managedNetworks
    }

    var confines: Bool { !lists.isEmpty || !managedNetworks.ranges.isEmpty }
}

/// The same in the kernel. A list is written whole under a number of its own, then the identity goes over to it, then the
/// former one is taken out: nobody is ever judged by half a list.
final class OutboundMaps: Sendable {
    private struct State {
        var wanted = OutboundRules()
        var numbers: [[AddressRange: [PortRange]]: UInt32] = [:]
        /// The last one given, be it by a former agent.
        var last: UInt32
    }

    private let settings: BPFMap<UInt32, outbound_settings>
    private let lists: BPFMap<UInt32, UInt32>
    private let ranges: BPFMap<egress_range, egress_ports>
    private let networks: BPFMap<managed_network, UInt32>
    private let state: Mutex<State>

    /// Whoever may be anybody has a list as soon as anybody has: an empty one.
    private static let unclear = [IdentityHandle.undecided, .unknown]

    init(of object: borrowing BPFObject) throws(KernelError) {
        settings = try object.map("outbound_settings")
        lists = try object.map("outbound_lists")
        ranges = try object.map("egress")
        networks = try object.map("managed_networks")
        state = Mutex(
            State(
                last: max(ranges.keys.map(\.list).max() ?? 0, lists.keys.compactMap { [lists] in lists[$0] }.max() ?? 0)
            ))
    }

    /// Stricter first, more freely last: in between it is the stricter one that holds.
    func prepare(_ rules: OutboundRules) throws(KernelError) {
        try state.withLock { (state) throws(KernelError) in
            for (range, kind) in rules.managedNetworks.kinds { try networks.set(kind, for: managed_network(range)) }
            if rules.confines { try settings.set(outbound_settings(confines: 1, reserved: 0), for: 0) }
            var lists = rules.lists
            if !lists.isEmpty { for handle in Self.unclear { lists[handle] = [:] } }
            for (handle, list) in lists {
                let number = try number(of: list, &state)
                if self.lists[handle.rawValue] != number { try self.lists.set(number, for: handle.rawValue) }
            }
            state.wanted = rules
        }
    }

    func settle() throws(KernelError) {
        try state.withLock { (state) throws(KernelError) in
            let rules = state.wanted
            var handles = Set(rules.lists.keys.map(\.rawValue))
            if !handles.isEmpty { handles.formUnion(Self.unclear.map(\.rawValue)) }
            for handle in lists.keys where !handles.contains(handle) { try lists.remove(handle) }
            let used = Set(lists.keys.compactMap { lists[$0] })
            try ranges.remove(ranges.keys.filter { !used.contains($0.list) })
            state.numbers = state.numbers.filter { used.contains($0.value) }
            let wanted = Set(rules.managedNetworks.kinds.map { ManagedRange(managed_network($0.key)) })
            for key in networks.keys where !wanted.contains(ManagedRange(key)) { try networks.remove(key) }
            if !rules.confines { try settings.set(outbound_settings(), for: 0) }
        }
    }

    private func number(of list: [AddressRange: [PortRange]], _ state: inout State) throws(KernelError) -> UInt32 {
        if let number = state.numbers[list] { return number }
        state.last += 1
        let number = state.last
        for (range, ports) in list.keepingIPv4Apart(as: []) {
            try ranges.set(egress_ports(ports), for: egress_range(range, list: number))
        }
        state.numbers[list] = number
        return number
    }
}

/// Keys of C have no equality.
private struct ManagedRange: Hashable {
    let bits: UInt32
    let address: [UInt8]

    init(_ network: managed_network) {
        bits = network.prefix_bits
        address = withUnsafeBytes(of: network.address) { Array($0) }
    }
}

extension ManagedNetworks {
    fileprivate var kinds: [AddressRange: UInt32] {
        var kinds: [AddressRange: UInt32] = [:]
        for range in ranges { kinds[range] = UInt32(NETWORK_MANAGED) }
        for range in exceptions { kinds[range] = UInt32(NETWORK_EXCEPTED) }
        return kinds.keepingIPv4Apart(as: UInt32(NETWORK_EXCEPTED))
    }
}

extension [AddressRange: [PortRange]] {
    fileprivate func keepingIPv4Apart(as nothing: [PortRange]) -> Self { separated(self, nothing) }
}

extension [AddressRange: UInt32] {
    fileprivate func keepingIPv4Apart(as nothing: UInt32) -> Self { separated(self, nothing) }
}

/// The tries have all addresses in one space, so a short IPv6 range would hold IPv4.
private func separated<Value>(_ ranges: [AddressRange: Value], _ nothing: Value) -> [AddressRange: Value] {
    guard ranges.keys.contains(where: { $0.prefixBits < AddressRange.allIPv4.prefixBits }) else { return ranges }
    return ranges.merging([AddressRange.allIPv4: nothing]) { written, _ in written }
}

extension managed_network {
    fileprivate init(_ range: AddressRange) {
        self.init()
        prefix_bits = UInt32(range.prefixBits)
        withUnsafeMutableBytes(of: &address) { $0.copyBytes(from: range.bytes) }
    }
}

extension egress_range {
    fileprivate init(_ range: AddressRange, list: UInt32) {
        self.init()
        prefix_bits = UInt32(32 + range.prefixBits)
        self.list = list
        withUnsafeMutableBytes(of: &address) { $0.copyBytes(from: range.bytes) }
    }
}

extension egress_ports {
    /// - Parameter ports: at most `EGRESS_PORTS`, as manifests are held to.
    fileprivate init(_ ports: [PortRange]) {
        self.init()
        let kept = ports.prefix(Int(EGRESS_PORTS))
        count = UInt32(kept.count)
        withUnsafeMutableBytes(of: &ranges) { bytes in
            for (place, ports) in kept.enumerated() {
                bytes.storeBytes(
                    of: port_range(first: ports.first, last: ports.last),
                    toByteOffset: place * MemoryLayout<port_range>.stride, as: port_range.self)
            }
        }
    }
}
