package import Foundation

/// `GET /v1/connection?source=ADDRESS:PORT&destination=ADDRESS:PORT`.
package struct ConnectionExplanation: Sendable, Codable {
    /// Where the connection is found.
    package enum State: String, Sendable, Codable {
        /// The proxy carries it.
        case carried
        /// It is there, and not through the proxy.
        case direct
        /// Not there: it was refused lately.
        case refused
    }

    /// As the local workload sees it.
    package enum Direction: String, Sendable, Codable {
        case outbound, inbound
    }

    package var state: State
    /// Sentence: why it goes through the proxy, goes directly, or was refused.
    package var because: String
    /// Of the local workload; nil where that is not known.
    package var direction: Direction?
    /// `address:port` as the local application sees it, the one that opened the connection first. Of a refusal by the
    /// kernel part the source is not known.
    package var source: String?
    package var destination: String
    /// `source>destination` between the hosts, where the proxy carries it.
    package var wire: String?
    /// The cookie of the network namespace the local application is in.
    package var network: UInt64?
    /// When it began, or was refused; nil where nobody saw that.
    package var at: Date?
    package var bytesToApplication: UInt64?
    package var bytesFromApplication: UInt64?
    /// SPIFFE IDs of the local workload and of the other end.
    package var workload: String?
    package var peer: String?
    /// Of the local workload's SVID, and of the peer's.
    package var svidSerial: String?
    package var peerSVIDSerial: String?
    /// Without an SVID on the other side, as a PERMISSIVE listener may be called.
    package var plainText: Bool = false
    /// Who opened it; of an inbound one who listens. nil for a process that is gone, or of another host.
    package var process: Explanation?

    package init(state: State, because: String, destination: String) {
        self.state = state
        self.because = because
        self.destination = destination
    }
}
