import CLibBPF
import Glibc
import Testing

@testable import Kernel

struct BPFMapTests {
    static let capacity = 8

    private func map() throws -> BPFMap<UInt32, UInt64> {
        let descriptor = bpf_map_create(BPF_MAP_TYPE_HASH, "batches", 4, 8, UInt32(Self.capacity), nil)
        try #require(descriptor >= 0, "bpf_map_create: \(descriptor)")
        return BPFMap(name: "batches", descriptor: OwnedDescriptor(descriptor))
    }

    private func entries(_ keys: some Sequence<Int>) -> [(UInt32, UInt64)] {
        keys.map { (UInt32($0), UInt64($0 * 10)) }
    }

    @Test func `entries are written and removed many at once`() throws {
        let map = try map()
        try map.set(entries(1...8))
        #expect(map.keys.sorted() == [1, 2, 3, 4, 5, 6, 7, 8])
        #expect(map[7] == 70)
        try map.remove([2, 4, 6])
        #expect(map.keys.sorted() == [1, 3, 5, 7, 8])
        try map.set([])
        try map.remove([])
    }

    @Test func `of keys that are not there the others are removed all the same`() throws {
        let map = try map()
        try map.set(entries([1, 4, 5]))
        try map.remove([0, 1, 2, 3, 4, 6])
        #expect(map.keys == [5])
    }

    @Test func `a full map refuses, and says which and why`() throws {
        let map = try map()
        #expect(throws: KernelError.mapRefused(operation: "write to", map: "batches", errno: E2BIG)) {
            try map.set(entries(1...9))
        }
        #expect(map.keys.count == Self.capacity)
    }
}
