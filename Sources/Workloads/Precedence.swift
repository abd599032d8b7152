/// Which selector wins when several match one process.
///
/// First the more specific one, then the higher priority. What is still equal and could match one process is a
/// ``Conflict``, refused at apply; so no process ever has to be guessed.
package enum Precedence {
    /// More keys are more specific; then more words at the start of the command line.
    package struct Specificity: Comparable, Hashable, Sendable {
        package let keys: Int
        /// Of the shortest alternative: that much is certain of every process that matches.
        package let words: Int

        package init(of selector: Selector) {
            keys = [selector.userIDs != nil, selector.names != nil, selector.commandLines != nil].count { $0 }
            words = selector.commandLines?.map(\.count).min() ?? 0
        }

        package static func < (left: Specificity, right: Specificity) -> Bool {
            (left.keys, left.words) < (right.keys, right.words)
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
        candidates(identities).sorted { left, right in
            guard left.specificity == right.specificity else { return left.specificity > right.specificity }
            guard left.identity.priority == right.identity.priority else {
                return left.identity.priority > right.identity.priority
            }
            return (left.identity.workloadID, left.identity.name, left.index)
                < (right.identity.workloadID, right.identity.name, right.index)
        }
    }

    static func candidates(_ identities: [WorkloadIdentity]) -> [Candidate] {
        identities.flatMap { identity in
            identity.selectors.indices.map {
                Candidate(identity: identity, index: $0, specificity: Specificity(of: identity.selectors[$0]))
            }
        }
    }
}
