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

package struct ApplyResponse: Sendable, Codable {
    /// The snapshot version that holds these documents.
    package var version: UInt64
    package var documents: [Outcome]

    package struct Outcome: Sendable, Codable, Equatable {
        package var kind: String
        package var name: String
        package var result: Result
        /// Such as an identity that rests on claimed facts alone.
        package var warnings: [String]

        package enum Result: String, Sendable, Codable {
            case created, changed, unchanged
        }

        package init(kind: String, name: String, result: Result, warnings: [String] = []) {
            self.kind = kind
            self.name = name
            self.result = result
            self.warnings = warnings
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

/// `GET /v1/status`.
package struct ControlPlaneStatus: Sendable, Codable {
    package var trustDomain: String
    package var version: UInt64
    package var issuer: String
    package var agents: [AgentStatus]

    package struct AgentStatus: Sendable, Codable {
        package var spiffeID: String
        package var agentGroup: String
        /// Holds a snapshot stream now.
        package var connected: Bool
        package var acknowledgedVersion: UInt64
        /// Why the latest snapshot is not enforced, as the agent says.
        package var error: String?
        package var endpoints: [Endpoint]

        package init(
            spiffeID: String, agentGroup: String, connected: Bool, acknowledgedVersion: UInt64, error: String?,
            endpoints: [Endpoint],
        ) {
            self.spiffeID = spiffeID
            self.agentGroup = agentGroup
            self.connected = connected
            self.acknowledgedVersion = acknowledgedVersion
            self.error = error
            self.endpoints = endpoints
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

/// `GET /v1/audit/verify`.
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

    package init(error: String, message: String, findings: [String]? = nil) {
        self.error = error
        self.message = message
        self.findings = findings
    }

    package var description: String {
        ([message] + (findings ?? [])).joined(separator: "\n")
    }
}
