/// Runtimes with a kernel of their own: what runs in them is no process of the host, and all of it is the runtime to an agent.
///
/// Only a selector that asks for the very binary gives such a process an identity; see ``Selector/namesBinary``. The kernel
/// part knows the same names.
package enum HidingRuntime: String, Sendable, CaseIterable {
    case gVisor
    case firecracker = "Firecracker"
    case cloudHypervisor = "Cloud Hypervisor"
    case qemu = "QEMU"
    case crosvm
    case kata = "Kata Containers"

    /// - Parameter path: of an executable; its last component is looked at.
    package init?(executable path: String) {
        let name = path.utf8.split(separator: UInt8(ascii: "/")).last.map { String(Substring($0)) } ?? ""
        switch name {
        case "runsc", "runsc-sandbox": self = .gVisor
        case "firecracker": self = .firecracker
        case "cloud-hypervisor": self = .cloudHypervisor
        case "qemu-kvm": self = .qemu
        case _ where name.hasPrefix("qemu-system-"): self = .qemu
        case "crosvm": self = .crosvm
        case "kata-runtime", "containerd-shim-kata-v2": self = .kata
        default: return nil
        }
    }
}

extension Selector {
    /// Whether it asks for one file or another, so that a runtime is meant where it is one.
    package var namesBinary: Bool {
        [SelectorKey.binaryPath, .binaryHash].contains { conditions[$0]?.anyOf.contains { !$0.isPrefix } == true }
    }
}
