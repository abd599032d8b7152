package import Gateway
package import SPIFFE
package import Workloads

/// One decision of the proxy, for the audit.
package struct JournalEntry: Sendable, Equatable {
    /// What was decided, or ended.
    package enum Kind: Sendable, Equatable {
        case connectionOutbound, connectionInbound, requestOutbound, requestInbound, connectionCut, connectionClosed
    }

    package var kind: Kind
    /// The local workload, where one was established.
    package var workload: SPIFFEID?
    package var process: ProcessKey?
    /// The real uid that opened an outgoing one; nil where nobody knows.
    package var user: UInt32?
    /// Of the local workload's SVID.
    package var svidSerial: String?
    /// `source address:port>destination address:port` of the connection between the hosts.
    package var connection: String?
    /// The same as the local application sees it: its own end for outbound connections; nil for inbound ones.
    package var dialled: String?
    package var peer: SPIFFEID?
    package var peerSVIDSerial: String?
    package var resource: String?
    package var tokenID: String?
    /// What passed over a connection that is over; nil where it is not, or was not the proxy's.
    package var passed: Passed?
    package var decision: Decision

    /// Allowed or refused, and why.
    package enum Decision: Sendable, Equatable {
        case allowed(because: String)
        case refused(RefusalCause, because: String)
    }

    package init(kind: Kind, _ decision: Decision) {
        self.kind = kind
        self.decision = decision
    }
}

extension JournalEntry {
    package var allowed: Bool {
        if case .allowed = decision { true } else { false }
    }

    package var reason: String {
        switch decision {
        case .allowed(let reason), .refused(_, let reason): reason
        }
    }

    /// nil where it is allowed.
    package var cause: RefusalCause? {
        if case .refused(let cause, _) = decision { cause } else { nil }
    }
}

extension JournalEntry.Decision {
    /// Fail closed: until there is one.
    static let pending = JournalEntry.Decision.refused(.unavailable, because: "")

    static func refused(_ error: any Error) -> JournalEntry.Decision {
        .refused(RefusalCause(of: error), because: "\(error)")
    }
}

/// What passed over one connection from its acceptance to its end.
package struct Passed: Sendable, Equatable {
    /// Plain text, see ``ConnectionReport/bytesToApplication``.
    package let bytesToApplication: UInt64
    package let bytesFromApplication: UInt64
    package let lasted: Duration

    package init(bytesToApplication: UInt64, bytesFromApplication: UInt64, lasted: Duration) {
        self.bytesToApplication = bytesToApplication
        self.bytesFromApplication = bytesFromApplication
        self.lasted = lasted
    }
}

/// Where the proxy tells what it did. Must not block.
package protocol ConnectionJournal: Sendable {
    func record(_ entry: JournalEntry)
}
