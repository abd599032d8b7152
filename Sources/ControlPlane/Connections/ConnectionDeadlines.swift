import Limits

/// How long a peer of one of the listeners may take. Configurable; see docs/install.md.
package struct ConnectionDeadlines: Sendable, Equatable {
    /// From accept until TLS stands.
    package var handshake = Limits.Connection.handshake
    /// Until a whole request head is there: from the handshake, or from its first byte on a kept connection.
    package var requestHead = Limits.Connection.requestHead
    /// From a request's head until its last byte, and for strangers until the answer's.
    package var request = Limits.Connection.request
    /// A kept connection on which nothing moves.
    package var idle = Limits.Connection.idle

    package init() {}
}
