import CLibBPF
import Foundation
import Testing

@testable import Kernel

/// The kernel part, verified once for all tests that do not ask for their own: that takes a second each time, and ten where
/// the machine is emulated. What a test has left in its maps is gone before the next one begins.
///
/// For the thread that runs the serial kernel tests alone.
final class SharedObject: @unchecked Sendable {
    nonisolated(unsafe) private static var current: SharedObject?

    private let programs: KernelPrograms
    /// Of the session that ran it last.
    private var deliveries: DispatchGroup?

    private init(pinningMapsIn directory: String) throws { programs = try KernelPrograms(pinningMapsIn: directory) }

    /// As ``KernelSession/open(_:)`` with an empty pin directory.
    static func open(_ configuration: KernelConfiguration) throws -> KernelSession {
        let pins = try PinDirectory(path: configuration.pinDirectory)
        if let current, current.isAtRest {
            for map in current.maps { try map.renew(in: pins) }
        } else {
            current = try SharedObject(pinningMapsIn: pins.path)
        }
        return try #require(current).open(configuration, pins)
    }

    /// One that still reads the rings would take the next one's events: then the object is not used again.
    private var isAtRest: Bool { deliveries?.wait(timeout: .now() + 10) != .timedOut }

    private func open(_ configuration: KernelConfiguration, _ pins: PinDirectory) throws -> KernelSession {
        let cgroup = try Cgroup(path: configuration.cgroupPath)
        let session = try KernelSession.open(configuration, programs, cgroup: cgroup, pins: pins, adopted: false)
        deliveries = session.deliveries
        return session
    }

    private var maps: [SharedMap] {
        var maps: [SharedMap] = []
        var map = bpf_object__next_map(programs.host.handle, nil)
        while let current = map {
            if !bpf_map__is_internal(current) { maps.append(SharedMap(current)) }
            map = bpf_object__next_map(programs.host.handle, current)
        }
        return maps
    }

    struct Refusal: Error {
        let map: String, operation: String, errno: CInt

        fileprivate init(_ map: SharedMap, _ operation: String) {
            (self.map, self.operation, errno) = (map.name, operation, Glibc.errno)
        }
    }
}

private struct SharedMap {
    let name: String
    let descriptor: CInt
    private let map: OpaquePointer
    private var keySize: Int { Int(bpf_map__key_size(map)) }

    init(_ map: OpaquePointer) {
        self.map = map
        name = String(cString: bpf_map__name(map))
        descriptor = bpf_map__fd(map)
    }

    /// Empty, and pinned there.
    func renew(in pins: PinDirectory) throws {
        try empty()
        guard bpf_obj_pin(descriptor, pins.path + "/" + name) == 0 else { throw SharedObject.Refusal(self, "pin") }
    }

    private func empty() throws {
        switch bpf_map__type(map) {
        case BPF_MAP_TYPE_HASH, BPF_MAP_TYPE_LPM_TRIE, BPF_MAP_TYPE_SOCKHASH: try removeAll()
        case BPF_MAP_TYPE_ARRAY, BPF_MAP_TYPE_PERCPU_ARRAY: try clear()
        case BPF_MAP_TYPE_RINGBUF: try drain()
        // What sockets keep ends with them.
        case BPF_MAP_TYPE_SK_STORAGE: break
        case let type: preconditionFailure("\(name) is a map of type \(type), which tests do not know how to empty")
        }
    }

    private func removeAll() throws {
        var key = [UInt8](repeating: 0, count: keySize)
        while bpf_map_get_next_key(descriptor, nil, &key) == 0 {
            guard bpf_map_delete_elem(descriptor, key) == 0 || errno == ENOENT else {
                throw SharedObject.Refusal(self, "remove from")
            }
        }
    }

    private func clear() throws {
        let copies = bpf_map__type(map) == BPF_MAP_TYPE_PERCPU_ARRAY ? max(1, Int(libbpf_num_possible_cpus())) : 1
        var count = bpf_map__max_entries(map)
        let keys = Array(0..<count)
        let size = (Int(bpf_map__value_size(map)) + 7) / 8 * 8 * copies
        let nothing = [UInt8](repeating: 0, count: size * keys.count)
        let status =
            count == 1
            ? bpf_map_update_elem(descriptor, keys, nothing, 0)
            : bpf_map_update_batch(descriptor, keys, nothing, &count, nil)
        guard status == 0 else { throw SharedObject.Refusal(self, "write to") }
    }

    private func drain() throws {
        guard let reader = ring_buffer__new(descriptor, { _, _, _ in 0 }, nil, nil) else {
            throw SharedObject.Refusal(self, "read")
        }
        ring_buffer__consume(reader)
        ring_buffer__free(reader)
    }
}
