import SPIFFE

/// Whether a selector says who runs a process, and not only what runs. The kernel vouches for both; but any user can run a very file, with
/// libraries, modules and a configuration of its own.
package enum Accountability: Hashable, Sendable {
    /// By this key, or by a place of the identity's template.
    case who(SelectorKey)
    /// Attested facts say what runs, and none who runs it.
    case onlyWhat([SelectorKey])
    /// Attested facts are excluded, and none is asked for.
    case onlyExclusions
    /// No fact is attested.
    case claims

    /// What is missing, and its remedy; nil where nothing is.
    ///
    /// - Parameter whose: the identity that is to be had.
    package func objection(_ whose: String = "this identity") -> String? {
        switch self {
        case .who: nil
        case .claims:
            "rests on claimed facts alone: whoever can start a process in scope can have \(whose); add process:uid"
        case .onlyExclusions:
            "only excludes by attested facts: whoever can start a process in scope can have \(whose); add process:uid"
        case .onlyWhat(let keys):
            "says what runs (\(keys.map(\.description).joined(separator: ", "))) and not who runs it: any user in scope can run "
                + "that, with libraries, modules and settings of its own, and have \(whose); "
                + "add process:uid, process:gid, systemd:unit or process:cgroup"
        }
    }
}

/// Who is said to run what, of the identities of one agent group: a parent says it where each identity it can have does.
package struct Accountabilities: Sendable {
    private var answering: [WorkloadIdentity] = []
    private let identities: [WorkloadIdentity]

    package init(_ identities: [WorkloadIdentity]) {
        self.identities = identities
        // Identities that name each other as parents say nothing of who: found from the ground up.
        var open = identities
        while true {
            let found = open.filter { identity in identity.selectors.allSatisfy { isAnswered($0, identity) } }
            guard !found.isEmpty else { return }
            answering += found
            let names = Set(found.map(\.name))
            open.removeAll { names.contains($0.name) }
        }
    }

    private func isAnswered(_ selector: Selector, _ identity: WorkloadIdentity) -> Bool {
        if case .who = of(selector, identity) { true } else { false }
    }

    package func of(_ selector: Selector, _ identity: WorkloadIdentity) -> Accountability {
        let asked = selector.conditions.filter { !$0.value.anyOf.isEmpty }
        if let key = asked.keys.sorted().first(where: { saysWho($0, asked[$0]) }) { return .who(key) }
        let attested = asked.keys.filter(\.isTelling).sorted()
        if !attested.isEmpty {
            // Each of them has an ID of its own then.
            return identity.workloadID.keys.sorted().first(where: \.namesRunner).map { .who($0) } ?? .onlyWhat(attested)
        }
        return selector.conditions.keys.contains(where: \.isTelling) ? .onlyExclusions : .claims
    }

    private func saysWho(_ key: SelectorKey, _ condition: Condition?) -> Bool {
        guard let condition else { return false }
        if key == .parent { return condition.anyOf.allSatisfy(isAnswered(parent:)) }
        // Every cgroup is below the root.
        return key.namesRunner && !(key == .cgroup && condition.anyOf.contains(.prefix("/")))
    }

    private func isAnswered(parent: Pattern) -> Bool {
        let meant = identities.filter { $0.canBe(parent) }
        let names = Set(answering.map(\.name))
        return !meant.isEmpty && meant.allSatisfy { names.contains($0.name) }
    }

    /// What an operator should know of an identity that is otherwise accepted.
    package func warnings(of identity: WorkloadIdentity) -> [String] {
        let whose =
            identity.workloadID.template.map { "an identity of \($0), with its own values in it" } ?? "this identity"
        return identity.selectors.indices.compactMap { index in
            of(identity.selectors[index], identity).objection(whose).map { "spec.selectors[\(index)] \($0)" }
        }
    }
}

extension SelectorKey {
    /// Attested, and of the process. Where one is says neither who started it nor what it is.
    fileprivate var isTelling: Bool { grade == .attested && self != .host }

    /// Whether its values belong to users, or to what only root makes. An ancestor's do not: below a service that logs users in, everybody is.
    fileprivate var namesRunner: Bool {
        switch self {
        case .userID, .realUserID, .groupID, .realGroupID, .additionalGroupID, .cgroup, .systemdUnit: true
        default: false
        }
    }
}

extension WorkloadIdentity {
    /// Whether what a selector says depends on other identities.
    package var asksForParents: Bool { selectors.contains { $0.conditions[.parent]?.anyOf.isEmpty == false } }

    /// Whether a process with this identity could be of that ID; errs towards yes.
    fileprivate func canBe(_ pattern: Pattern) -> Bool {
        switch (pattern, workloadID) {
        case (.text(let text), _): (try? SPIFFEPath(text)).map(workloadID.covers) ?? false
        case (_, .fixed(let path)): pattern.compared.covers(Pattern.text(path.text).compared)
        case (_, .template(let template)): pattern.compared.meets(Pattern.prefix(template.literalStart).compared)
        }
    }
}
