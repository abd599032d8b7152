/// All conflicts within one agent group.
///
/// Only selectors of equal strength can be in conflict, and of those only such that share a value of a key, or leave it open: so thousands
/// of selectors are compared with a few each.
struct ConflictSearch {
    private let members: [WorkloadIdentity]
    private let group: String
    private var found: [Pair: Conflict.Cause] = [:]

    /// Places in `members`, the lesser one first.
    private struct Pair: Hashable {
        let first: Int
        let second: Int
    }

    /// One selector.
    private struct Entry {
        let member: Int
        let index: Int
        let selector: Selector
    }

    /// - Parameter members: all of one group, by name.
    init(_ members: [WorkloadIdentity], of group: String) {
        self.members = members
        self.group = group
        findWorkloads()
        findSelectors()
    }

    var conflicts: [Conflict] {
        found.sorted { ($0.key.first, $0.key.second) < ($1.key.first, $1.key.second) }.map { pair, cause in
            Conflict(names: [members[pair.first].name, members[pair.second].name], agentGroup: group, cause: cause)
        }
    }

    private var isFull: Bool { found.count >= Precedence.maximumConflicts }

    private mutating func findWorkloads() {
        var tree = WorkloadIDTree()
        for (place, member) in members.enumerated() {
            guard !isFull else { return }
            for earlier in tree.insert(member.workloadID, as: place) {
                let other = members[earlier].workloadID
                let cause: Conflict.Cause =
                    other == member.workloadID ? .sameWorkload(other) : .meetingTemplates(other, member.workloadID)
                found[Pair(first: earlier, second: place)] = cause
                if isFull { return }
            }
        }
    }

    private mutating func findSelectors() {
        var byStrength: [Strength: [Entry]] = [:]
        for (place, member) in members.enumerated() {
            for (index, selector) in member.selectors.enumerated() {
                let strength = Strength(of: selector, priority: member.priority)
                byStrength[strength, default: []].append(Entry(member: place, index: index, selector: selector))
            }
        }
        for entries in byStrength.values where entries.count > 1 { findMeeting(entries) }
    }

    private mutating func findMeeting(_ entries: [Entry]) {
        let order = Self.keys(of: entries).map { SharedValues(of: $0, in: entries.map(\.selector)) }.min {
            $0.cost < $1.cost
        }
        order?.visitPairs { first, second in
            compare(entries[min(first, second)], entries[max(first, second)])
            return !isFull
        }
    }

    private mutating func compare(_ left: Entry, _ right: Entry) {
        let pair = Pair(first: left.member, second: right.member)
        guard left.member != right.member, isBetter((left.index, right.index), than: found[pair]),
            !Precedence.areDisjoint(left.selector, right.selector)
        else {
            return
        }
        found[pair] = .equallyStrong(first: left.index, second: right.index)
    }

    /// Of several causes the first in the manifests is told, whatever the order they are found in.
    private func isBetter(_ places: (Int, Int), than cause: Conflict.Cause?) -> Bool {
        switch cause {
        case nil: true
        case .equallyStrong(let first, let second): places < (first, second)
        case .sameWorkload, .meetingTemplates: false
        }
    }

    private static func keys(of entries: [Entry]) -> [SelectorKey] {
        Set(entries.flatMap { $0.selector.conditions.keys }).sorted()
    }
}

/// Selectors of different strength are never in conflict.
private struct Strength: Hashable {
    let specificity: Precedence.Specificity
    let priority: Int

    init(of selector: Selector, priority: Int) {
        specificity = Precedence.Specificity(of: selector)
        self.priority = priority
    }
}

/// An identity that joins others.
struct Newcomer {
    private let identity: WorkloadIdentity
    private let strengths: [Strength]

    init(_ identity: WorkloadIdentity) {
        self.identity = identity
        strengths = identity.selectors.map { Strength(of: $0, priority: identity.priority) }
    }

    /// Whether ``ConflictSearch`` may find a conflict between them; errs towards yes.
    func mayConflict(with other: WorkloadIdentity) -> Bool {
        if identity.workloadID.meets(other.workloadID) { return true }
        guard identity.priority == other.priority else { return false }
        return other.selectors.contains { selector in
            let strength = Strength(of: selector, priority: other.priority)
            return zip(identity.selectors, strengths).contains {
                $1 == strength && !Precedence.areDisjoint($0, selector)
            }
        }
    }
}

/// Selectors arranged by what they ask of one key: which of them can meet in it.
struct SharedValues {
    private struct Value {
        let compared: Pattern.Compared
        let owner: Int
    }

    /// In the order of their bytes, so that what begins another stands before it.
    private var values: [Value] = []
    /// Those that take any value.
    private var open: [Int] = []
    private let count: Int

    init(of key: SelectorKey, in selectors: [Selector]) {
        count = selectors.count
        for (owner, selector) in selectors.enumerated() {
            let asked = key.isSet ? [] : selector.conditions[key]?.anyOf ?? []
            if asked.isEmpty { open.append(owner) }
            values += asked.map { Value(compared: $0.compared, owner: owner) }
        }
        values.sort { $0.compared.bytes.lexicographicallyPrecedes($1.compared.bytes) }
    }

    /// About how many pairs there are.
    var cost: Int {
        let runs = Dictionary(values.map { ($0.compared.bytes, 1) }, uniquingKeysWith: +).values
        return open.count * count + runs.reduce(0) { $0 + $1 * $1 }
    }

    /// - Parameter visit: gets the places of two selectors that can meet in this key; a pair may come several times. Answers whether to
    ///   go on.
    func visitPairs(_ visit: (Int, Int) -> Bool) {
        // Values that begin the current one, outermost first.
        var around: [Value] = []
        for value in values {
            while let last = around.last, !last.compared.meets(value.compared) { around.removeLast() }
            for other in around where other.compared.meets(value.compared) {
                guard visit(other.owner, value.owner) else { return }
            }
            around.append(value)
        }
        for one in open {
            for other in 0..<count {
                guard visit(one, other) else { return }
            }
        }
    }
}

/// Workload IDs and templates by their segments: which of them can name the same workload.
struct WorkloadIDTree {
    private typealias Segment = WorkloadIDTemplate.Segment

    private struct Node {
        var literals: [String: Int] = [:]
        var places: [Segment: Int] = [:]
        /// Who ends here.
        var owners: [Int] = []
    }

    private var nodes = [Node()]

    /// - Returns: the owners before it that can give an ID this one can give, in order.
    mutating func insert(_ name: WorkloadName, as owner: Int) -> [Int] {
        let segments = name.segments
        let meeting = owners(meeting: segments[...], below: 0)
        var node = 0
        for segment in segments { node = child(segment, of: node) }
        nodes[node].owners.append(owner)
        return meeting.sorted()
    }

    private func owners(meeting segments: ArraySlice<Segment>, below node: Int) -> [Int] {
        guard let segment = segments.first else { return nodes[node].owners }
        let rest = segments.dropFirst()
        var next = nodes[node].places.filter { $0.key.meets(segment) }.map(\.value)
        if segment.place == nil {
            next += [nodes[node].literals[segment.before]].compactMap(\.self)
        } else {
            next += nodes[node].literals.filter { segment.covers($0.key[...]) }.map(\.value)
        }
        return next.flatMap { owners(meeting: rest, below: $0) }
    }

    private mutating func child(_ segment: Segment, of node: Int) -> Int {
        let known = segment.place == nil ? nodes[node].literals[segment.before] : nodes[node].places[segment]
        if let known { return known }
        nodes.append(Node())
        let new = nodes.count - 1
        if segment.place == nil {
            nodes[node].literals[segment.before] = new
        } else {
            nodes[node].places[segment] = new
        }
        return new
    }
}
