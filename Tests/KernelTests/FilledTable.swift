import CLibBPF
import Foundation
import KernelABI

@testable import Kernel

/// A map of the kernel part without any room left, filled with entries that mean nobody.
final class FilledTable<Key: BitwiseCopyable, Value: BitwiseCopyable> {
    private let descriptor: CInt
    private let key: (UInt32) -> Key
    private let value: Value
    private var count: UInt32 = 0

    /// - Parameter key: distinct ones, of nobody.
    init(_ map: String, of room: Room, value: Value, key: @escaping (UInt32) -> Key) throws {
        descriptor = try room.pinned(map)
        self.key = key
        self.value = value
        try refill()
    }

    deinit { close(descriptor) }

    /// Again, after others have left room.
    func refill() throws {
        var status: CInt = 0
        while status == 0 { status = add(1000) }
        guard status == -E2BIG else { throw POSIXError(.init(rawValue: -status) ?? .EIO) }
    }

    /// Removes its entries.
    func empty() throws {
        while count > 0 {
            var number = min(count, 1000)
            var keys = (count - number..<count).map(key)
            let status = bpf_map_delete_batch(descriptor, &keys, &number, nil)
            guard status == 0 else { throw POSIXError(.init(rawValue: -status) ?? .EIO) }
            count -= number
        }
    }

    private func add(_ wanted: UInt32) -> CInt {
        var added = wanted
        var keys = (count..<count + wanted).map(key), values = Array(repeating: value, count: Int(wanted))
        let status = bpf_map_update_batch(descriptor, &keys, &values, &added, nil)
        count += added
        return status
    }
}

extension Room {
    /// Numbers that no process has: PID_MAX_LIMIT is 2^22.
    func fillProcesses() throws -> FilledTable<UInt32, process_facts> {
        try FilledTable("processes", of: self, value: process_facts()) { 1 << 23 + $0 }
    }

    /// In a network namespace that there is not.
    func fill<Value: BitwiseCopyable>(_ map: String, _ value: Value) throws -> FilledTable<place, Value> {
        try FilledTable(map, of: self, value: value) { number in
            place(netns_cookie: 1 << 60 + UInt64(number), endpoint: endpoint(), ipv6_only: 0)
        }
    }

    /// Cookies that no socket has.
    func fillListeners() throws -> FilledTable<UInt64, listener> {
        try FilledTable("listeners", of: self, value: listener()) { 1 << 60 + UInt64($0) }
    }

    func fillAnswers() throws -> FilledTable<process_key, user_space_answer> {
        try FilledTable("user_space_answers", of: self, value: user_space_answer()) { number in
            process_key(start_boottime_ns: 1, tgid: 1 << 23 + number, image: 0)
        }
    }

    /// Any: where the map is full of cgroups that there are not.
    func fillCgroups() throws -> FilledTable<UInt64, cgroup_facts> {
        try FilledTable("cgroups", of: self, value: cgroup_facts()) { 1 << 60 + UInt64($0) }
    }
}
