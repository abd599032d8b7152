/// What makes a list of different things of the one before, where their order says nothing.
package struct SetChange<Element: Hashable & Sendable & Codable>: Sendable, Codable, Equatable {
    package var added: [Element]
    package var removed: [Element]
    /// How many there are then.
    package var count: Int

    enum CodingKeys: String, CodingKey, CaseIterable {
        case added, removed, count
    }

    package init(from old: [Element], to new: [Element]) {
        // The same array, as it is where nothing has changed, is not looked through.
        guard old != new else {
            (added, removed, count) = ([], [], new.count)
            return
        }
        let (former, next) = (Set(old), Set(new))
        added = new.filter { !former.contains($0) }
        removed = old.filter { !next.contains($0) }
        count = new.count
    }

    package init(from decoder: any Decoder) throws {
        try decoder.refuseKeys(besides: CodingKeys.self)
        let container = try decoder.container(keyedBy: CodingKeys.self)
        added = try container.decode([Element].self, forKey: .added)
        removed = try container.decode([Element].self, forKey: .removed)
        count = try container.decode(Int.self, forKey: .count)
    }

    /// - Returns: nil where it is no change of `old`.
    package func list(after old: [Element]) -> [Element]? {
        guard !added.isEmpty || !removed.isEmpty else { return count == old.count ? old : nil }
        let gone = Set(removed)
        let kept = old.filter { !gone.contains($0) }
        guard kept.count == old.count - removed.count, Set(kept).isDisjoint(with: added) else { return nil }
        return kept.count + added.count == count ? kept + added : nil
    }
}
