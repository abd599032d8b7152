package import Foundation
package import SPIFFE

/// `POST /v1/agents/attest`, the one call without a client certificate.
package struct AttestRequest: Sendable, Codable {
    package var joinToken: String
    /// The agent's name, a SPIFFE path segment; its ID becomes `/tidemark/agent/<group>/<name>`.
    package var name: String
    /// PKCS #10 in DER. Only its key and its proof of possession are looked at.
    package var csr: Data

    package init(joinToken: String, name: String, csr: Data) {
        self.joinToken = joinToken
        self.name = name
        self.csr = csr
    }
}

/// `POST /v1/agents/self/renew`: a new SVID for the calling agent.
package struct RenewRequest: Sendable, Codable {
    package var csr: Data

    package init(csr: Data) { self.csr = csr }
}

/// `POST /v1/svids/x509`: an SVID for a workload of the calling agent's group.
package struct X509SVIDRequest: Sendable, Codable {
    package var spiffeID: SPIFFEID
    package var csr: Data
    /// The process whose start or connection made the agent ask, for the audit.
    package var process: ProcessEvidence?

    package init(spiffeID: SPIFFEID, csr: Data, process: ProcessEvidence?) {
        self.spiffeID = spiffeID
        self.csr = csr
        self.process = process
    }
}

/// The answer to attest, renew and X.509-SVID requests.
package struct X509SVIDResponse: Sendable, Codable {
    package var spiffeID: SPIFFEID
    /// DER, leaf first, without the root.
    package var chain: [Data]
    package var notAfter: Date
    package var bundle: TrustBundle

    package init(spiffeID: SPIFFEID, chain: [Data], notAfter: Date, bundle: TrustBundle) {
        self.spiffeID = spiffeID
        self.chain = chain
        self.notAfter = notAfter
        self.bundle = bundle
    }
}

/// `POST /v1/svids/jwt`: a JWT-SVID for a workload of the calling agent's group.
package struct JWTSVIDRequest: Sendable, Codable {
    package var spiffeID: SPIFFEID
    package var audience: [String]

    package init(spiffeID: SPIFFEID, audience: [String]) {
        self.spiffeID = spiffeID
        self.audience = audience
    }
}

/// Answers ``JWTSVIDRequest``: the token is in compact form.
package struct JWTSVIDResponse: Sendable, Codable {
    package var token: String
    package var expiresAt: Date

    package init(token: String, expiresAt: Date) {
        self.token = token
        self.expiresAt = expiresAt
    }
}

/// `POST /v1/agents/self/acknowledge`: this version is enforced, or why not.
package struct Acknowledgement: Sendable, Codable {
    package var version: UInt64
    package var error: String?

    package init(version: UInt64, error: String? = nil) {
        self.version = version
        self.error = error
    }
}

/// A process, as it goes into the audit.
package struct ProcessEvidence: Hashable, Sendable, Codable {
    package var pid: Int32
    /// Nanoseconds since that host's boot.
    package var startTime: UInt64
    package var exe: String
    package var argv: [String]
    package var uid: UInt32

    package init(pid: Int32, startTime: UInt64, exe: String, argv: [String], uid: UInt32) {
        self.pid = pid
        self.startTime = startTime
        self.exe = exe
        self.argv = argv
        self.uid = uid
    }
}

/// One thing an agent saw or decided. Which members are set depends on `type`; docs/cli.md lists them.
package struct AgentAuditEvent: Hashable, Sendable, Codable {
    package var time: Date
    package var type: Kind
    /// The local workload.
    package var spiffeID: SPIFFEID?
    package var process: ProcessEvidence?
    /// Of the local workload's SVID, lower-case hexadecimal.
    package var svidSerial: String?
    /// `source address:port>destination address:port`, the same text at both ends.
    package var connection: String?
    package var peer: SPIFFEID?
    package var peerSVIDSerial: String?
    package var resource: String?
    /// `jti` of the access token.
    package var tokenID: String?
    package var decision: Decision?
    /// Of refusals: one word, as docs/cli.md lists them.
    package var cause: String?
    package var reason: String?
    package var traffic: Traffic?
    /// How many of the same kind, of one source and for one reason, this one stands for; nil: itself.
    package var count: Int?

    /// What happened, as the audit names it; docs/cli.md has them all.
    package enum Kind: String, Sendable, Codable, CaseIterable {
        /// A process was given an identity.
        case processIdentified = "process.identified"
        /// A local workload opened a connection.
        case connectionOutbound = "connection.outbound"
        /// A connection to a local workload came in.
        case connectionInbound = "connection.inbound"
        /// An HTTP request was given a token.
        case requestOutbound = "request.outbound"
        /// An HTTP request's token was checked.
        case requestInbound = "request.inbound"
        /// Connections that had been allowed ended.
        case connectionClosed = "connection.closed"
        /// Live connections were cut.
        case connectionCut = "connection.cut"
        /// The kernel refused a connection by itself.
        case kernelRefused = "kernel.refused"
        /// The control plane would not take an event; this one stands for it.
        case eventRefused = "audit.event_refused"
    }

    /// What passed over the connections that an event stands for, until they ended; in bytes of plain text, as their local
    /// application sent and was sent it.
    package struct Traffic: Hashable, Sendable, Codable {
        package var bytesFromApplication: Int64
        package var bytesToApplication: Int64
        /// Of the one that lasted longest.
        package var milliseconds: Int64

        package init(bytesFromApplication: Int64, bytesToApplication: Int64, milliseconds: Int64) {
            self.bytesFromApplication = bytesFromApplication
            self.bytesToApplication = bytesToApplication
            self.milliseconds = milliseconds
        }

        package static func + (one: Traffic, other: Traffic) -> Traffic {
            Traffic(
                bytesFromApplication: one.bytesFromApplication &+ other.bytesFromApplication,
                bytesToApplication: one.bytesToApplication &+ other.bytesToApplication,
                milliseconds: max(one.milliseconds, other.milliseconds))
        }
    }

    /// Of events that are decisions.
    package enum Decision: String, Sendable, Codable {
        case allowed, refused
    }

    package init(
        time: Date,
        type: Kind,
        spiffeID: SPIFFEID? = nil,
        process: ProcessEvidence? = nil,
        svidSerial: String? = nil,
        connection: String? = nil,
        peer: SPIFFEID? = nil,
        peerSVIDSerial: String? = nil,
        resource: String? = nil,
        tokenID: String? = nil,
        traffic: Traffic? = nil,
        decision: Decision? = nil,
        cause: String? = nil,
        reason: String? = nil,
        count: Int? = nil,
    ) {
        self.time = time
        self.type = type
        self.spiffeID = spiffeID
        self.process = process
        self.svidSerial = svidSerial
        self.connection = connection
        self.peer = peer
        self.peerSVIDSerial = peerSVIDSerial
        self.resource = resource
        self.tokenID = tokenID
        self.traffic = traffic
        self.decision = decision
        self.cause = cause
        self.reason = reason
        self.count = count
    }
}
