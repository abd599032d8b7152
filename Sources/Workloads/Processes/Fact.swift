/// What a process has for one key of a selector.
enum Fact: Hashable {
    case number(UInt32)
    case numbers([UInt32])
    /// - Parameter isCut: more may follow; it then equals nothing.
    case text(String, isCut: Bool = false)
    case texts([String])
    /// argv; with `isCut` the last word may go on, and more may follow.
    case words([String], isCut: Bool)
    /// The process has no such thing: no pattern matches, and `!value` holds.
    case absent
    /// It has one that cannot be told: the key does not hold, whatever it asks.
    case unknown
}

extension ProcessFacts {
    func fact(for key: SelectorKey) -> Fact {
        switch key {
        case .userID: .number(userID)
        case .realUserID: .number(realUserID)
        case .groupID: .number(groupID)
        case .realGroupID: .number(realGroupID)
        case .additionalGroupID: hasAllAdditionalGroups ? .numbers(additionalGroupIDs) : .unknown
        case .name: .text(name)
        case .commandLine: .words(arguments, isCut: argumentsTruncated)
        case .argument(let index): argument(index)
        case .binaryPath: executable.pathIsForeign ? .unknown : .text(executable.path)
        case .binaryHash: executable.hash.map { .text($0) } ?? .unknown
        case .scriptPath: scriptFact { executable.pathIsForeign || $0.path.isEmpty ? nil : $0.path }
        case .scriptHash: scriptFact(\.hash)
        case .cgroup: hasComparedCgroup ? .text(cgroup) : .unknown
        case .parent: parentIdentity.map { .text($0) } ?? .absent
        case .ancestor: .texts(ancestorIdentities)
        case .systemdUnit: unitFact
        case .host: .text(isOnHost ? "true" : "false")
        }
    }

    private var hasAllAdditionalGroups: Bool {
        !additionalGroupsTruncated && additionalGroupIDs.count <= Self.maximumAdditionalGroups
    }

    /// As much as the kernel part looks at.
    private var hasComparedCgroup: Bool {
        cgroup.namedBytes.count <= 255 && cgroup.utf8.split(separator: UInt8(ascii: "/")).count < 22
    }

    private var unitFact: Fact {
        guard let systemdUnit else { return hasComparedCgroup ? .absent : .unknown }
        return hasComparedCgroup && systemdUnit.namedBytes.count <= 126 ? .text(systemdUnit) : .unknown
    }

    private func argument(_ index: Int) -> Fact {
        guard arguments.indices.contains(index) else { return .absent }
        return .text(arguments[index], isCut: argumentsTruncated && index == arguments.count - 1)
    }

    private func scriptFact(_ value: (Script) -> String?) -> Fact {
        guard let script else { return .absent }
        return value(script).map { .text($0) } ?? .unknown
    }
}

extension Condition {
    func holds(for fact: Fact) -> Bool {
        guard fact != .unknown else { return false }
        return (anyOf.isEmpty || anyOf.contains { $0.matches(fact) }) && !noneOf.contains { $0.matches(fact) }
    }
}

extension Pattern {
    func matches(_ fact: Fact) -> Bool {
        switch (self, fact) {
        case (.number(let number), .number(let own)): number == own
        case (.number(let number), .numbers(let all)): all.contains(number)
        case (.text(let wanted), .text(let text, let isCut)): !isCut && text.hasSameBytes(as: wanted)
        case (.prefix(let wanted), .text(let text, _)): text.hasBytes(beginningWith: wanted)
        case (.text(let wanted), .texts(let all)): all.contains { $0.hasSameBytes(as: wanted) }
        case (.prefix(let wanted), .texts(let all)): all.contains { $0.hasBytes(beginningWith: wanted) }
        case (.words(let words, let lastIsPrefix), .words(let arguments, let isCut)):
            Self.begin(arguments, isCut: isCut, with: words, lastIsPrefix: lastIsPrefix)
        default: false
        }
    }

    private static func begin(_ arguments: [String], isCut: Bool, with words: [String], lastIsPrefix: Bool) -> Bool {
        guard words.count <= arguments.count else { return false }
        let whole = lastIsPrefix ? words.count - 1 : words.count
        // The last word that was kept may be only the beginning of one.
        guard whole < arguments.count || !isCut else { return false }
        guard zip(words.prefix(whole), arguments).allSatisfy({ $0.hasSameBytes(as: $1) }) else { return false }
        return !lastIsPrefix || arguments[whole].hasBytes(beginningWith: words[whole])
    }
}
