import Limits
package import SPIFFE

/// As whom those run that started a process, nearest first, as far as that is known: what `process:parent` and
/// `process:ancestor` are asked of.
package struct Lineage: Hashable, Sendable {
    /// nil: it has no identity.
    private let identities: [String?]

    /// How far up is looked.
    package static let generations = Limits.Selectors.generations
    /// Of a process whose parent has ended, or was never seen.
    package static let unknown = Lineage(identities: [])

    private init(identities: [String?]) { self.identities = identities }

    /// Of what is started by a process of this lineage that runs as `identity`.
    package func below(_ identity: SPIFFEPath?) -> Lineage {
        Lineage(identities: Array(([identity?.text] + identities).prefix(Self.generations)))
    }

    package var parent: String? { identities.first ?? nil }

    package var ancestors: [String] { identities.compactMap(\.self) }

    /// The processes above one, nearest first. Of one that has ended nothing is known, nor of those before it. A parent is
    /// older than its child, so nobody is above himself.
    ///
    /// - Parameter find: a process that is still that one, with its facts.
    package static func line<Process>(
        above facts: ProcessFacts, upTo limit: Int = generations,
        _ find: (ProcessKey) -> (process: Process, facts: ProcessFacts)?,
    ) -> [Process] {
        var line: [Process] = []
        var child = facts
        while line.count < limit, let key = child.parent, key.startTime < child.key.startTime, let found = find(key) {
            line.append(found.process)
            child = found.facts
        }
        return line
    }
}

extension ProcessFacts {
    /// With what its lineage says.
    package func of(_ lineage: Lineage) -> ProcessFacts {
        var facts = self
        facts.parentIdentity = lineage.parent
        facts.ancestorIdentities = lineage.ancestors
        return facts
    }
}
