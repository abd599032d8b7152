package import Foundation

// What `tidemark` says to the control plane over its Unix socket. docs/cli.md documents the JSON.

/// `POST /v1/manifests`: one file, all or nothing.
package struct ApplyRequest: Sendable, Codable {
    /// For error messages only; `-` for standard input.
    package var file: String
    package var yaml: String

    package init(file: String, yaml: String) {
        self.file = file
        self.yaml = yaml
    }
}

/// Answers ``ApplyRequest``, once that is committed.
package struct ApplyResponse: Sendable, Codable {
    /// The snapshot version that holds these documents.
    package var version: UInt64
    package var documents: [Outcome]

    /// What became of one document of the file.
    package struct Outcome: Sendable, Codable, Equatable {
        package var kind: String
        package var name: String
        package var result: Result
        /// Such as an identity that rests on claimed facts alone.
        package var warnings: [String]
        /// What could be better.
        package var remarks: [String]

        /// Against what was applied before.
        package enum Result: String, Sendable, Codable {
            case created, changed, unchanged
        }

        package init(kind: String, name: String, result: Result, warnings: [String] = [], remarks: [String] = []) {
            self.kind = kind
            self.name = name
            self.result = result
            self.warnings = warnings
            self.remarks = remarks
        }
    }

    package init(version: UInt64, documents: [Outcome]) {
        self.version = version
        self.documents = documents
    }
}

/// `GET /v1/manifests[?kind=&name=]`: stored documents; `DELETE /v1/manifests/<kind>/<name>` answers with the new version.
package struct StoredManifest: Sendable, Codable, Equatable {
    package var kind: String
    package var name: String
    /// Of this document: 1 when created, then one more each change.
    package var generation: Int
    package var updatedAt: Date
    /// Canonical YAML.
    package var yaml: String
    /// Such as the SPIFFE ID of an identity.
    package var spiffeID: String?
    package var warnings: [String]

    package init(
        kind: String, name: String, generation: Int, updatedAt: Date, yaml: String, spiffeID: String?,
        warnings: [String],
    ) {
        self.kind = kind
        self.name = name
        self.generation = generation
        self.updatedAt = updatedAt
        self.yaml = yaml
        self.spiffeID = spiffeID
        self.warnings = warnings
    }
}

/// Answers `DELETE`, with the snapshot version that has the manifest no more.
package struct DeleteResponse: Sendable, Codable {
    package var version: UInt64

    package init(version: UInt64) { self.version = version }
}

/// `POST /v1/join-tokens`.
package struct JoinTokenRequest: Sendable, Codable {
    package var agentGroup: String
    /// Seconds until it can no longer be used.
    package var lifetime: Int

    package init(agentGroup: String, lifetime: Int) {
        self.agentGroup = agentGroup
        self.lifetime = lifetime
    }
}

/// Answers ``JoinTokenRequest``.
package struct JoinTokenResponse: Sendable, Codable {
    /// Shown once; the control plane keeps its hash.
    package var token: String
    package var agentGroup: String
    package var expiresAt: Date

    package init(token: String, agentGroup: String, expiresAt: Date) {
        self.token = token
        self.agentGroup = agentGroup
        self.expiresAt = expiresAt
    }
}

/// The answer to `DELETE /v1/agents/<group>/<name>`, and to `POST` and `DELETE` of `/v1/agents/<group>/<name>/ban`.
package struct AgentChangeResponse: Sendable, Codable {
    package var spiffeID: String
    /// To how many IDs what was issued was taken back.
    package var withdrawn: Int

    package init(spiffeID: String, withdrawn: Int) {
        self.spiffeID = spiffeID
        self.withdrawn = withdrawn
    }
}

/// `GET /v1/status`.
package struct ControlPlaneStatus: Sendable, Codable {
    package var trustDomain: String
    package var version: UInt64
    package var issuer: String
    package var agents: [AgentStatus]

    /// One agent, as the control plane knows it.
    package struct AgentStatus: Sendable, Codable {
        package var spiffeID: String
        package var agentGroup: String
        /// Holds a snapshot stream now.
        package var connected: Bool
        package var acknowledgedVersion: UInt64
        /// Why the latest snapshot is not enforced, as the agent says.
        package var error: String?
        package var endpoints: [Endpoint]
        /// Endpoints it claims that are not taken, and why; some of them, where they are many.
        package var refusedEndpoints: [RefusedEndpoint]
        /// Why it is no agent any more, until it attests anew.
        package var evicted: String?

        package init(
            spiffeID: String, agentGroup: String, connected: Bool, acknowledgedVersion: UInt64, error: String?,
            endpoints: [Endpoint], refusedEndpoints: [RefusedEndpoint] = [], evicted: String? = nil,
        ) {
            self.spiffeID = spiffeID
            self.agentGroup = agentGroup
            self.connected = connected
            self.acknowledgedVersion = acknowledgedVersion
            self.error = error
            self.endpoints = endpoints
            self.refusedEndpoints = refusedEndpoints
            self.evicted = evicted
        }
    }

    package init(trustDomain: String, version: UInt64, issuer: String, agents: [AgentStatus]) {
        self.trustDomain = trustDomain
        self.version = version
        self.issuer = issuer
        self.agents = agents
    }
}

/// `GET /v1/audit?after=<sequence>&limit=&spiffeID=&wait=<seconds>`, oldest first.
package struct AuditRecord: Sendable, Codable, Equatable {
    /// 1, 2, 3 …: the place in the chain.
    package var sequence: Int64
    package var time: Date
    /// Who reports it: `tidemark-server`, or the agent's SPIFFE ID.
    package var source: String
    /// An `AgentAuditEvent.Kind`, or one of the server's own, see docs/cli.md.
    package var type: String
    /// The event's members as they were hashed, a JSON object.
    package var details: [String: AuditValue]
    /// SHA-256 over the record before and this one's canonical text, lower-case hexadecimal.
    package var hash: String

    package init(
        sequence: Int64, time: Date, source: String, type: String, details: [String: AuditValue], hash: String,
    ) {
        self.sequence = sequence
        self.time = time
        self.source = source
        self.type = type
        self.details = details
        self.hash = hash
    }
}

/// `GET /v1/audit/head`: where the chain ends now, for keeping elsewhere.
package struct AuditHead: Sendable, Codable, Equatable {
    /// The newest record's number: how many were ever written.
    package var count: Int64
    /// Its hash; empty where there is none.
    package var head: String
    /// Of these, by the checkpoint key: see docs/cli.md.
    package var signature: String
    /// The checkpoint key's public half, PEM.
    package var key: String
    /// How many of the oldest were removed by retention.
    package var removed: Int64

    package init(count: Int64, head: String, signature: String, key: String, removed: Int64) {
        self.count = count
        self.head = head
        self.signature = signature
        self.key = key
        self.removed = removed
    }
}

/// `GET /v1/audit/verify[?expect=HEAD[:COUNT]]`.
package struct AuditVerification: Sendable, Codable, Equatable {
    package var records: Int64
    package var intact: Bool
    /// The first record that does not fit, and why.
    package var brokenAt: Int64?
    package var reason: String?

    package init(records: Int64, intact: Bool, brokenAt: Int64? = nil, reason: String? = nil) {
        self.records = records
        self.intact = intact
        self.brokenAt = brokenAt
        self.reason = reason
    }
}

/// Any refusal of the control plane or of an agent's local socket.
package struct Problem: Error, Sendable, Codable, CustomStringConvertible {
    /// Machine-readable, lower case with underscores: `manifest_invalid`, `join_token_used`, `not_in_group` …
    package var error: String
    /// What was wrong and what to do, in words.
    package var message: String
    /// For `manifest_invalid`: each finding as `file:line:column: key: what was expected`.
    package var findings: [String]?

    /// Seconds until the same may be asked again, where that is known.
    package var retryAfter: Int?

    package init(error: String, message: String, findings: [String]? = nil, retryAfter: Int? = nil) {
        self.error = error
        self.message = message
        self.findings = findings
        self.retryAfter = retryAfter
    }

    package var description: String {
        ([message] + (findings ?? [])).joined(separator: "\n")
    }
}
