import KernelABI
package import Workloads

/// A selector program as the kernel's maps want it. Pure; what cannot be expressed is refused here.
package struct SelectorTables {
    var userIDs: [UInt32: selector_bits] = [:]
    var names: [String: selector_bits] = [:]
    /// Words with their NULs. Each holds the bits of all its prefixes too: the trie answers with the longest alone.
    var commandLines: [[UInt8]: selector_bits] = [:]
    var wildcards = selector_wildcards()
    /// Of each slot, in order of precedence.
    var identities: [IdentityHandle] = []

    package init(_ program: SelectorProgram, handles: [String: IdentityHandle]) throws(KernelError) {
        guard program.slots.count <= Int(SELECTOR_SLOTS) else {
            throw .tooManySelectors(count: program.slots.count, maximum: Int(SELECTOR_SLOTS))
        }
        for (bit, slot) in program.slots.enumerated() {
            guard let handle = handles[slot.workloadID], handle != .none else {
                throw .noHandle(workloadID: slot.workloadID)
            }
            identities.append(handle)
            try add(slot.selector, bit: bit)
        }
        uniteWithPrefixes()
    }

    private mutating func add(_ selector: Selector, bit: Int) throws(KernelError) {
        if let wanted = selector.userIDs {
            for userID in wanted { userIDs[userID, default: selector_bits()].insert(bit) }
        } else {
            wildcards.uid.insert(bit)
        }
        if let wanted = selector.names {
            for name in wanted { names[try checked(name), default: selector_bits()].insert(bit) }
        } else {
            wildcards.name.insert(bit)
        }
        if let wanted = selector.commandLines {
            for words in wanted { commandLines[try checked(words), default: selector_bits()].insert(bit) }
        } else {
            wildcards.argv.insert(bit)
        }
    }

    private func checked(_ name: String) throws(KernelError) -> String {
        guard name.utf8.count <= Selector.maximumNameBytes else {
            throw .selectorTooLong(key: "process:name", value: name, maximumBytes: Selector.maximumNameBytes)
        }
        return name
    }

    private func checked(_ words: [String]) throws(KernelError) -> [UInt8] {
        let bytes = Array(words.map { Array($0.utf8) + [0] }.joined())
        guard bytes.count <= Int(SELECTOR_ARGV_LEN) else {
            throw .selectorTooLong(
                key: "process:cmdline", value: words.joined(separator: " "), maximumBytes: Int(SELECTOR_ARGV_LEN),
            )
        }
        return bytes
    }

    private mutating func uniteWithPrefixes() {
        let own = commandLines
        for key in own.keys {
            for (index, byte) in key.enumerated() where byte == 0 && index + 1 < key.count {
                if let shorter = own[Array(key[...index])] { commandLines[key]?.formUnion(shorter) }
            }
        }
    }
}

extension selector_bits {
    mutating func insert(_ bit: Int) {
        withUnsafeMutableBytes(of: &self) { bytes in
            bytes.withMemoryRebound(to: UInt64.self) { $0[bit / 64] |= 1 << UInt64(bit % 64) }
        }
    }

    mutating func formUnion(_ other: selector_bits) {
        withUnsafeMutableBytes(of: &self) { mine in
            withUnsafeBytes(of: other) { theirs in
                for index in mine.indices { mine[index] |= theirs[index] }
            }
        }
    }
}
