package import Foundation
package import SPIFFE
package import Workloads

/// One live connection as an operator sees it.
package struct ConnectionReport: Sendable, Codable, Equatable {
    /// As the local workload sees it.
    package enum Direction: String, Sendable, Codable {
        /// A local workload opened it.
        case outbound
        /// A local workload listens.
        case inbound
    }

    /// Unique in one life of the proxy, rising with time.
    package let id: UInt64
    package let direction: Direction
    /// Who opened it; nil for inbound ones.
    package let process: ProcessKey?
    /// Execs of that process when it did; nil for inbound ones, and where no workload opened it.
    package let image: UInt32?
    /// The local one; nil: relayed for a process without an identity.
    package let workload: SPIFFEID?
    /// nil: not established yet, or plain text.
    package let peer: SPIFFEID?
    /// Why policy let the peer through when it was established; nil as for `peer`.
    package let peerBecause: String?
    /// `address:port`, an IPv6 address in brackets, as the application sees it: its own end for outbound connections,
    /// the true client for inbound ones.
    package let source: String
    /// Like `source`: where the application dialled, or what its client dialled.
    package let destination: String
    /// The cookie of the network namespace the application is in.
    package let network: UInt64
    package let startedAt: Date
    /// Plain text handed to the local application, with every byte of HTTP's heads and framing.
    package let bytesToApplication: UInt64
    /// Plain text taken from the local application, likewise.
    package let bytesFromApplication: UInt64
    /// No SVID on the other side: a PERMISSIVE listener let it by, or the process has no identity.
    package let plainText: Bool
    /// Of the local workload's SVID, and of the peer's.
    package let svidSerial: String?
    package let peerSVIDSerial: String?
    /// `source address:port>destination address:port` of the connection between the hosts; nil: not established yet.
    package let connection: String?
}

extension ConnectionReport {
    init(_ id: UInt64, _ entry: LiveConnections.Entry) {
        self.init(
            id: id, direction: entry.direction, process: entry.journal.process,
            image: entry.opener?.image, workload: entry.workload,
            peer: entry.peer?.id, peerBecause: entry.peer?.because, source: entry.source.text,
            destination: entry.destination.text,
            network: entry.network,
            startedAt: entry.startedAt, bytesToApplication: entry.bytes.toApplication,
            bytesFromApplication: entry.bytes.fromApplication, plainText: entry.isPlainText,
            svidSerial: entry.journal.svidSerial, peerSVIDSerial: entry.journal.peerSVIDSerial,
            connection: entry.journal.connection,
        )
    }
}
