import CLibBPF
import Foundation
import KernelABI

@testable import Kernel

/// What the package itself has no use for, read from the pinned maps.
extension Room {
    /// The record on the last socket a workload made, as the kernel part wrote it.
    func record(onSocketOf workload: Workload) throws -> flow? {
        guard let descriptor = CInt(try workload.run("descriptor")) else { throw POSIXError(.EBADF) }
        let process = pidfd_open(workload.pid, 0)
        defer { close(process) }
        var socket = pidfd_getfd(process, descriptor, 0)
        defer { close(socket) }
        let flows = try pinned("flows")
        defer { close(flows) }
        var record = kept_flow()
        return bpf_map_lookup_elem(flows, &socket, &record) == 0 ? record.flow : nil
    }

    /// Makes the kernel part forget a process, as if it were older than it.
    func forget(_ workload: Workload) throws {
        let processes = try pinned("processes")
        defer { close(processes) }
        var key = UInt32(workload.pid)
        guard bpf_map_delete_elem(processes, &key) == 0 else { throw POSIXError(.ENOENT) }
    }

    func pinned(_ map: String) throws -> CInt {
        let descriptor = bpf_obj_get(configuration.pinDirectory + "/" + map)
        guard descriptor >= 0 else { throw POSIXError(.ENOENT) }
        return descriptor
    }
}

/// pidfd_open(2) and pidfd_getfd(2), which Glibc's headers show to GNU sources alone.
private func pidfd_open(_ pid: pid_t, _ flags: UInt32) -> CInt {
    guard let symbol = dlsym(nil, "pidfd_open") else { return -1 }
    return unsafeBitCast(symbol, to: (@convention(c) (pid_t, UInt32) -> CInt).self)(pid, flags)
}

private func pidfd_getfd(_ process: CInt, _ descriptor: CInt, _ flags: UInt32) -> CInt {
    guard let symbol = dlsym(nil, "pidfd_getfd") else { return -1 }
    return unsafeBitCast(symbol, to: (@convention(c) (CInt, CInt, UInt32) -> CInt).self)(process, descriptor, flags)
}
