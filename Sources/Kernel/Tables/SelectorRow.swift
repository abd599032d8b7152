import KernelABI

/// A set of selectors by their slots: what the kernel part ANDs.
struct SelectorRow: Hashable {
    private(set) var words = [UInt64](repeating: 0, count: Int(SELECTOR_WORDS))

    init() {}

    init(_ slots: some Sequence<Int>) {
        for slot in slots { insert(slot) }
    }

    mutating func insert(_ slot: Int) { words[slot / 64] |= 1 << UInt64(slot % 64) }
    mutating func remove(_ slot: Int) { words[slot / 64] &= ~(1 << UInt64(slot % 64)) }

    var abi: selector_row {
        var row = selector_row()
        withUnsafeMutableBytes(of: &row.words) { bytes in
            words.withUnsafeBytes { bytes.copyBytes(from: $0) }
        }
        return row
    }
}
