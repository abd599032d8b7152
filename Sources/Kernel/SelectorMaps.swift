import CLibBPF
import KernelABI
import Synchronization

/// The policy in the kernel: two banks of selector maps, and the word that says which one counts.
final class SelectorMaps: Sendable {
    private let userIDs: BPFMap<selector_uid, selector_bits>
    private let names: BPFMap<selector_name, selector_bits>
    private let commandLines: BPFMap<selector_argv, selector_bits>
    private let wildcards: BPFMap<UInt32, selector_wildcards>
    private let identities: BPFMap<UInt32, UInt32>
    private let active: BPFMap<UInt32, UInt32>
    private let installing = Mutex(())

    init(of object: borrowing BPFObject) throws(KernelError) {
        userIDs = try object.map("uid_bits")
        names = try object.map("name_bits")
        commandLines = try object.map("argv_bits")
        wildcards = try object.map("wildcard_bits")
        identities = try object.map("slot_identity")
        active = try object.map("active_generation")
    }

    /// All or nothing: the policy in force is not touched until the new one is complete.
    func install(_ tables: SelectorTables) throws(KernelError) {
        try installing.withLock { (_) throws(KernelError) in
            let current = active[0] ?? 0
            let next = current >= .max - 1 ? 2 - (current & 1) : current + 1
            try sweep(keeping: current)
            try write(tables, generation: next)
            try active.set(next, for: 0)
            // Whoever still decides by the old bank is done with it before it can be swept.
            _ = membarrier_global()
        }
    }

    /// What an older policy, or an installation that failed, left behind.
    private func sweep(keeping generation: UInt32) throws(KernelError) {
        for key in userIDs.keys where key.generation != generation { try userIDs.remove(key) }
        for key in names.keys where key.generation != generation { try names.remove(key) }
        for key in commandLines.keys where key.generation != generation { try commandLines.remove(key) }
    }

    private func write(_ tables: SelectorTables, generation: UInt32) throws(KernelError) {
        let bank = generation & 1
        try wildcards.set(tables.wildcards, for: bank)
        for (slot, handle) in tables.identities.enumerated() {
            try identities.set(handle.rawValue, for: bank * UInt32(SELECTOR_SLOTS) + UInt32(slot))
        }
        for (userID, bits) in tables.userIDs {
            try userIDs.set(bits, for: selector_uid(generation: generation, uid: userID))
        }
        for (name, bits) in tables.names {
            try names.set(bits, for: selector_name(generation: generation, name: name))
        }
        for (words, bits) in tables.commandLines {
            try commandLines.set(bits, for: selector_argv(generation: generation, words: words))
        }
    }
}

extension selector_name {
    /// - Parameter name: at most 15 bytes.
    init(generation: UInt32, name: String) {
        self.init()
        self.generation = generation
        withUnsafeMutableBytes(of: &self.name) { $0.copyBytes(from: name.utf8.prefix($0.count)) }
    }
}

extension selector_argv {
    /// - Parameter words: each with its NUL; at most 252 bytes.
    init(generation: UInt32, words: [UInt8]) {
        self.init()
        self.generation = generation
        prefix_bits = UInt32(8 * (MemoryLayout<UInt32>.size + words.count))
        withUnsafeMutableBytes(of: &argv) { $0.copyBytes(from: words.prefix($0.count)) }
    }
}
