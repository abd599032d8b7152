import Kernel

/// The addresses that the devices of one network namespace have.
struct NamespaceAddresses: Sendable {
    private let devices: [Int: Set<InternetAddress>]

    /// - Parameter devices: by index.
    init(_ devices: [Int: Set<InternetAddress>]) {
        self.devices = devices
    }

    static func of(_ namespace: NetworkNamespace) throws(KernelError) -> NamespaceAddresses {
        NamespaceAddresses(
            try namespace.addresses().reduce(into: [:]) { $0[Int($1.interface), default: []].insert($1.address) })
    }

    /// Where its own processes find it.
    var all: Set<InternetAddress> { devices.values.reduce(into: []) { $0.formUnion($1) } }

    /// Where others find it: by what is routed, and on the link of such a device by its IPv6 address there. Devices that lead to
    /// containers and bridges alone have link-local addresses too, some hundreds on one host, that nobody else reaches.
    var elsewhere: Set<InternetAddress> {
        devices.values.reduce(into: []) { found, addresses in
            guard addresses.contains(where: \.isRoutable) else { return }
            found.formUnion(addresses.filter(\.isTold))
        }
    }
}

/// The last answer of each network namespace. It stands where another one cannot be had: a host that seems to have no
/// addresses would be one whose workloads are dialled in plain text.
struct KnownAddresses {
    private var last: [UInt64: NamespaceAddresses] = [:]

    /// - Parameter cookie: of the network namespace.
    /// - Throws: what `read` throws, where it was never answered.
    mutating func addresses(
        of cookie: UInt64, _ read: () throws(KernelError) -> NamespaceAddresses,
    ) throws(KernelError) -> NamespaceAddresses {
        do throws(KernelError) {
            let found = try read()
            last[cookie] = found
            return found
        } catch {
            guard let known = last[cookie] else { throw error }
            return known
        }
    }

    mutating func forget(allBut cookies: Set<UInt64>) { last = last.filter { cookies.contains($0.key) } }
}
