/// Which selector wins when several match one process.
///
/// First the more specific one, then the higher priority. What is still equal and could match one process is a
/// ``Conflict``, refused at apply; so no process ever has to be guessed.
package enum Precedence {
    /// More keys are more specific; then more words at the start of the command line; then fewer `prefix*` values.
    package struct Specificity: Comparable, Hashable, Sendable {
        package let keys: Int
        /// Of the shortest alternative: that much is certain of every process that matches.
        package let words: Int
        /// Of what is asked; what is excluded does not count.
        package let prefixes: Int

        package init(of selector: Selector) {
            keys = selector.conditions.count
            words = selector.conditions[.commandLine]?.anyOf.map(\.words).min() ?? 0
            prefixes = selector.conditions.values.reduce(0) { $0 + $1.anyOf.count(where: \.isPrefix) }
        }

        package static func < (left: Specificity, right: Specificity) -> Bool {
            (left.keys, left.words, right.prefixes) < (right.keys, right.words, left.prefixes)
        }
    }

    /// One selector with its place in the manifests.
    struct Candidate {
        let identity: WorkloadIdentity
        /// From 0, in `spec.selectors`.
        let index: Int
        let specificity: Specificity

        var selector: Selector { identity.selectors[index] }
    }

    /// Strongest first; workload id and place in the manifest only make the order the same each time.
    static func ordered(_ identities: [WorkloadIdentity]) -> [Candidate] {
        let all = candidates(identities)
        let places = all.indices.sorted { left, right in
            guard all[left].specificity == all[right].specificity else {
                return all[left].specificity > all[right].specificity
            }
            guard all[left].identity.priority == all[right].identity.priority else {
                return all[left].identity.priority > all[right].identity.priority
            }
            return (all[left].identity.workloadID, all[left].identity.name, all[left].index)
                < (all[right].identity.workloadID, all[right].identity.name, all[right].index)
        }
        // Candidates are large: they are moved once, not while they are compared.
        return places.map { all[$0] }
    }

    static func candidates(_ identities: [WorkloadIdentity]) -> [Candidate] {
        identities.flatMap { identity in
            identity.selectors.indices.map {
                Candidate(identity: identity, index: $0, specificity: Specificity(of: identity.selectors[$0]))
            }
        }
    }
}

extension Pattern {
    fileprivate var words: Int { if case .words(let words, _) = self { words.count } else { 0 } }
}
