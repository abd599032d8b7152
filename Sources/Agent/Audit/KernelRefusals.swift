import Kernel
import Limits
import Synchronization

/// What the kernel part refused, on its way to operators and into the audit: it tells the first of each source in a second
/// and counts the others, which are read from its table.
final class KernelRefusals: Sendable {
    private struct State {
        var repeated = RepeatedEvents<KernelRefusal.Source, KernelRefusal.Reason, KernelRefusal?>()
        /// Of each source: what is recorded already, the last one told of, when it was refused last.
        var known: [KernelRefusal.Source: (count: UInt64, last: KernelRefusal?, at: ContinuousClock.Instant)]
    }

    private let kernel: KernelSession
    private let journal: AgentJournal
    private let state: Mutex<State>

    /// What was counted before belongs to a former agent's records.
    init(kernel: KernelSession, journal: AgentJournal) {
        self.kernel = kernel
        self.journal = journal
        let now = ContinuousClock.now
        state = Mutex(State(known: kernel.refusalCounts().mapValues { ($0, nil, now) }))
    }

    func take(_ refusal: KernelRefusal) {
        journal.note(refusal)
        let due = state.withLock { state in Self.count(refusal.source, refusal.count, refusal, &state) }
        if let due { journal.record(refusal, refusal.source, count: due) }
    }

    /// Each window, and at the end: what was counted since.
    func run() async {
        while (try? await Task.sleep(for: Limits.Refusals.window)) != nil { endWindow() }
        endWindow()
    }

    private func endWindow() {
        let counts = kernel.refusalCounts()
        let (records, forgotten) = state.withLock { state in
            var records: [(KernelRefusal.Source, KernelRefusal?, Int)] = []
            for (source, count) in counts {
                if let due = Self.count(source, count, nil, &state) {
                    records.append((source, state.known[source]?.last, due))
                }
            }
            for (entry, count) in state.repeated.endWindow() {
                guard let entry else { continue }
                records.append((entry.source, entry, count))
            }
            return (records, Self.forget(&state))
        }
        for (source, last, count) in records { journal.record(last, source, count: count) }
        try? kernel.forgetRefusals(of: forgotten)
    }

    /// - Returns: how many are to be recorded at once.
    private static func count(
        _ source: KernelRefusal.Source, _ count: UInt64, _ refusal: KernelRefusal?, _ state: inout State,
    ) -> Int? {
        let known = state.known[source]
        // Counting begins anew where the source was forgotten.
        let before = known.map { $0.count <= count ? $0.count : 0 } ?? 0
        guard count > before else { return nil }
        let sample = refusal ?? known?.last
        state.known[source] = (count, sample, .now)
        return state.repeated.note(source, kind: source.reason, sample, count: Int(clamping: count - before)).due
    }

    private static func forget(_ state: inout State) -> [KernelRefusal.Source] {
        let old = state.known.filter { $0.key.userID != nil && .now - $0.value.at > Limits.Refusals.forgotten }.map(
            \.key)
        for source in old { state.known[source] = nil }
        return old
    }
}

extension KernelRefusal.Source: RepeatedSource {
    package var payer: UInt32? { userID }
}
