import KernelABI

/// The kernel part's own count of what it refused; see bpf/refusal.h.
struct RefusalTallies: Sendable {
    private let tallies: BPFMap<refusal_source, refusal_tally>
    private let crowded: BPFMap<UInt32, refusal_tally>

    init(of object: borrowing BPFObject) throws(KernelError) {
        tallies = try object.map("refusal_tallies")
        crowded = try object.map("crowded_refusals")
    }

    func counts() -> [KernelRefusal.Source: UInt64] {
        var counts: [KernelRefusal.Source: UInt64] = [:]
        for key in tallies.keys {
            if let source = KernelRefusal.Source(key), let tally = tallies[key] { counts[source] = tally.count }
        }
        for reason in KernelRefusal.Reason.allCases {
            guard let tally = crowded[reason.rawValue], tally.count > 0 else { continue }
            counts[KernelRefusal.Source(userID: nil, reason: reason, identity: .none)] = tally.count
        }
        return counts
    }

    func forget(_ sources: some Sequence<KernelRefusal.Source>) throws(KernelError) {
        for case let key? in sources.map(\.abi) { try tallies.remove(key) }
    }
}
