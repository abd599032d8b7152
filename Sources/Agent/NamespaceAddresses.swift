import Kernel
import NIOCore
import Proxy

/// The addresses that the devices of one network namespace have.
struct NamespaceAddresses: Sendable {
    private let devices: [Int: Set<InternetAddress>]

    /// - Parameter devices: by index.
    init(_ devices: [Int: Set<InternetAddress>]) {
        self.devices = devices
    }

    static func of(_ namespace: NetworkNamespace) throws(KernelError) -> NamespaceAddresses {
        try namespace.run { NamespaceAddresses(ofThread: ()) }
    }

    private init(ofThread: ()) {
        let found = (try? System.enumerateDevices()) ?? []
        devices = found.reduce(into: [:]) { devices, device in
            guard let address = device.address?.ipAddress.flatMap(InternetAddress.init) else { return }
            devices[device.interfaceIndex, default: []].insert(address)
        }
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
