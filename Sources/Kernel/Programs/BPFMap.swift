import CLibBPF
import Glibc

/// A file descriptor with one owner.
final class OwnedDescriptor: Sendable {
    let number: CInt

    init(_ number: CInt) {
        self.number = number
    }

    deinit { close(number) }
}

/// A BPF map whose keys and values have the shape of the shared C headers.
struct BPFMap<Key: BitwiseCopyable, Value: BitwiseCopyable>: Sendable {
    let name: String
    private let descriptor: OwnedDescriptor

    init(name: String, descriptor: OwnedDescriptor) {
        self.name = name
        self.descriptor = descriptor
    }

    var fileDescriptor: CInt { descriptor.number }

    subscript(key: Key) -> Value? {
        withUnsafeTemporaryAllocation(of: Value.self, capacity: 1) { buffer in
            let status = withUnsafePointer(to: key) {
                bpf_map_lookup_elem(descriptor.number, $0, buffer.baseAddress)
            }
            return status == 0 ? buffer[0] : nil
        }
    }

    func set(_ value: Value, for key: Key) throws(KernelError) {
        let status = withUnsafePointer(to: key) { key in
            withUnsafePointer(to: value) { bpf_map_update_elem(descriptor.number, key, $0, UInt64(BPF_ANY)) }
        }
        guard status == 0 else { throw .mapRefused(operation: "write to", map: name, errno: -status) }
    }

    /// All of them in a few system calls.
    ///
    /// - Throws: the first refusal; entries before it have been written.
    func set(_ entries: [(Key, Value)]) throws(KernelError) {
        let keys = entries.map(\.0), values = entries.map(\.1)
        try inBatches(of: keys, operation: "write to") { start, count in
            keys.withUnsafeBufferPointer { keys in
                values.withUnsafeBufferPointer { values in
                    bpf_map_update_batch(
                        descriptor.number, keys.baseAddress?.advanced(by: start),
                        values.baseAddress?.advanced(by: start), &count, nil)
                }
            }
        }
    }

    /// Keys that are not there are no error.
    func remove(_ keys: [Key]) throws(KernelError) {
        try inBatches(of: keys, operation: "remove from", passing: ENOENT) { start, count in
            keys.withUnsafeBufferPointer {
                bpf_map_delete_batch(descriptor.number, $0.baseAddress?.advanced(by: start), &count, nil)
            }
        }
    }

    /// - Parameters:
    ///   - passed: an error that only means to go on behind the entry it is about.
    ///   - work: a batch from this place on. Its `count` says how many are to be done, then how many were; the one behind
    ///     those is what the error is about.
    private func inBatches(
        of keys: [Key], operation: String, passing passed: CInt? = nil,
        _ work: (_ start: Int, _ count: inout UInt32) -> CInt,
    ) throws(KernelError) {
        var done = 0
        while done < keys.count {
            var count = UInt32(keys.count - done)
            let status = work(done, &count)
            guard status != 0 else { return }
            done += Int(count)
            guard -status == passed else { throw .mapRefused(operation: operation, map: name, errno: -status) }
            done += 1
        }
    }

    /// A key that is not there is no error.
    func remove(_ key: Key) throws(KernelError) {
        let status = withUnsafePointer(to: key) { bpf_map_delete_elem(descriptor.number, $0) }
        guard status == 0 || status == -ENOENT else {
            throw .mapRefused(operation: "remove from", map: name, errno: -status)
        }
    }

    /// All keys, one after the other; entries that come and go meanwhile may or may not be among them.
    var keys: [Key] {
        var keys: [Key] = []
        withUnsafeTemporaryAllocation(of: Key.self, capacity: 1) { buffer in
            var status = bpf_map_get_next_key(descriptor.number, nil, buffer.baseAddress)
            while status == 0 {
                let key = buffer[0]
                keys.append(key)
                status = withUnsafePointer(to: key) {
                    bpf_map_get_next_key(descriptor.number, $0, buffer.baseAddress)
                }
            }
        }
        return keys
    }
}
