package import Workloads

/// Manifests to be tried on the live processes of a host. The body of `POST /v1/draft`.
package struct DraftQuestion: Sendable, Codable {
    package var identities: [WorkloadIdentity]
    /// `metadata.name` of documents of other kinds: they give no process an identity.
    package var resources: [String]

    package init(_ manifests: [Manifest]) {
        identities = []
        resources = []
        for manifest in manifests {
            switch manifest {
            case .workloadIdentity(let identity): identities.append(identity)
            case .protectedResource(let resource): resources.append(resource.name)
            }
        }
    }
}

/// What would change if a draft was applied. Nothing was.
package struct DraftReport: Sendable, Codable, Equatable {
    package var agentGroup: String
    /// Of the policy the draft was merged into.
    package var version: UInt64
    package var documents: [Document]
    /// Conflicts as at apply; where there are any no process is compared.
    package var conflicts: [String]
    package var counts: Counts
    package var changes: [Change]

    /// What one manifest of the draft would do.
    package struct Document: Sendable, Codable, Equatable {
        /// Against what is applied.
        package enum Effect: String, Sendable, Codable {
            case created, changed, unchanged
            /// It leaves this agent's group.
            case removed
            /// Of another agent group, or of a kind that gives no identity.
            case ignored
        }

        package var kind: String
        package var name: String
        package var effect: Effect
        package var warnings: [String]
        /// Of an ignored one.
        package var reason: String?

        package init(kind: String, name: String, effect: Effect, warnings: [String] = [], reason: String? = nil) {
            self.kind = kind
            self.name = name
            self.effect = effect
            self.warnings = warnings
            self.reason = reason
        }
    }

    /// Of processes.
    package struct Counts: Sendable, Codable, Equatable {
        package var processes = 0
        package var gain = 0
        package var lose = 0
        package var change = 0
        /// Those whose template cannot be filled, before or after.
        package var nameless = 0
        package init() {}
    }

    /// A process that would be somebody else.
    package struct Change: Sendable, Codable, Equatable {
        /// On its identity.
        package enum Effect: String, Sendable, Codable {
            case gains, loses, changes
        }

        package var process: ProcessKey
        package var name: String
        package var arguments: [String]
        package var userID: UInt32
        package var effect: Effect
        /// Workload IDs; nil: none.
        package var from: String?
        package var to: String?
        /// Where a selector matches and its template cannot be filled: why there is no `to`, or no `from`.
        package var reason: String?

        package init(
            process: ProcessKey, name: String, arguments: [String], userID: UInt32, effect: Effect, from: String?,
            to: String?, reason: String?,
        ) {
            self.process = process
            self.name = name
            self.arguments = arguments
            self.userID = userID
            self.effect = effect
            self.from = from
            self.to = to
            self.reason = reason
        }
    }

    package init(
        agentGroup: String, version: UInt64, documents: [Document], conflicts: [String], counts: Counts,
        changes: [Change],
    ) {
        self.agentGroup = agentGroup
        self.version = version
        self.documents = documents
        self.conflicts = conflicts
        self.counts = counts
        self.changes = changes
    }
}
