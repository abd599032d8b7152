/// What those do who have no right to make records, on its way into the audit: refusals, what strangers are let do, programs
/// that are executed. The first of a source is a record at once, those of each window after it are one, and sources beyond a
/// number share one of each kind. So whoever it is makes a bounded number of records, however often and from wherever, and their
/// counts add up to what was done.
///
/// Pure bookkeeping. A source is who caused it, and why. Whoever can be many sources is one payer: of the records of a window it has no more
/// than are left for others.
package struct RepeatedEvents<Source: RepeatedSource, Kind: Hashable & Sendable, Sample: Sendable>: Sendable {
    /// What became of one that was noted.
    package struct Noted: Equatable, Sendable {
        /// How many the record stands for that is due at once; nil: none is.
        package let due: Int?
        /// How many times this source was noted in this window; of one that shares a record, more than any limit.
        package let place: Int
    }

    private struct Entry {
        var waiting = 0
        var seen = 0
        var sample: Sample
    }

    private let limit: Int
    private var entries: [Source: Entry] = [:]
    /// How many of them each has.
    private var held: [Source.Payer: Int] = [:]
    private var crowd: [Kind: Entry] = [:]
    private var former: Set<Source> = []

    package init(limit: Int = Limits.Refusals.sources) { self.limit = limit }

    /// - Parameter adding: what a record says that stands for both: the one that waits, and the next. The last one's, if not given.
    package mutating func note(
        _ source: Source, kind: Kind, _ sample: Sample, count: Int = 1,
        adding: (Sample, Sample) -> Sample = { _, next in next },
    ) -> Noted {
        if var entry = entries[source] {
            entry.sample = entry.waiting > 0 ? adding(entry.sample, sample) : sample
            entry.waiting += count
            entry.seen += 1
            entries[source] = entry
            return Noted(due: nil, place: entry.seen)
        }
        let (own, free) = (held[source.payer, default: 0], limit - entries.count)
        guard free > 0, own == 0 || own < free else {
            var entry = crowd[kind] ?? Entry(sample: sample)
            entry.sample = entry.waiting > 0 ? adding(entry.sample, sample) : sample
            entry.waiting += count
            crowd[kind] = entry
            return Noted(due: nil, place: .max)
        }
        held[source.payer] = own + 1
        let isNew = !former.contains(source)
        entries[source] = Entry(waiting: isNew ? 0 : count, seen: 1, sample: sample)
        return Noted(due: isNew ? count : nil, place: 1)
    }

    /// The window is over.
    ///
    /// - Returns: the records that are due: the last sample of each, and how many it stands for beside what was told before.
    package mutating func endWindow() -> [(sample: Sample, count: Int)] {
        let due = (Array(entries.values) + Array(crowd.values)).filter { $0.waiting > 0 }
        former = Set(entries.keys)
        entries = [:]
        held = [:]
        crowd = [:]
        return due.map { ($0.sample, $0.waiting) }
    }
}

/// Who caused what repeats itself, and why.
package protocol RepeatedSource: Hashable, Sendable {
    associatedtype Payer: Hashable & Sendable
    /// Who can be many such sources.
    var payer: Payer { get }
}
