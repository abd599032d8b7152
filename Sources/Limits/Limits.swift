/// Every bound on what others can make us do, in one place: how much, how long, how many.
///
/// Each has a unit and a reason. Configuration may change those that are called defaults; the others are fixed, as code
/// and documents rest on them. A new one goes into ``all`` and into docs/limits.md as well.
package enum Limits {
    /// What a peer may present as its certificate chain, before possession of the key is proven.
    package enum CertificateChain {
        /// Leaf, up to two intermediates and a cross-signed root; SPIRE and we send two.
        package static let certificates = 4
        /// Of all certificates together, DER encoded. Ours are below 1 KiB each.
        package static let bytes = 16 << 10
        /// Chains being verified at one time in one process. Verifying takes a fraction of a millisecond of one core.
        package static let verificationsAtOnce = 2
    }

    /// Deadlines of a connection to one of our listeners. Defaults, configurable.
    package enum Connection {
        /// From accept until TLS stands. A round trip around the world takes 0.3 seconds.
        package static let handshake = Duration.seconds(5)
        /// From accept, or from the end of the request before, until a whole request head is there.
        package static let requestHead = Duration.seconds(10)
        /// From the first byte of a request until its last.
        package static let request = Duration.seconds(60)
        /// A kept connection on which nothing moves.
        package static let idle = Duration.seconds(60)
        /// Of a request's body through a proxy, each second; ``idle`` is how far it may fall behind. A request may be as large as
        /// it likes, so it has no deadline as a whole. Slower lines than that carry no TLS.
        package static let bodyBytesPerSecond = 128
        /// Until a dialled destination has answered; longer than ARP takes to tell that nobody is there.
        package static let dial = Duration.seconds(10)
        /// How long a peer may read nothing of what is left to send when a connection ends.
        package static let lingering = Duration.seconds(60)
        /// What a peer is given to take a last answer, or what was sent before, until a reset says that nobody listens.
        package static let refusal = Duration.seconds(1)
        /// Until it is known who a process is now that executed another program, changed its ids or came under another
        /// policy; else what it opened is cut. What only has to be compared is known in a millisecond.
        package static let standing = Duration.seconds(1)
        /// For the other end of TLS to close.
        package static let closing = Duration.seconds(2)
        /// Until a listener that cannot accept tries again. It would spin.
        package static let acceptPause = Duration.milliseconds(50)
        /// Read at once of a busy connection.
        package static let readBytes = 256 << 10
        /// The same of a quiet one.
        package static let quietReadBytes = 4 << 10
        /// Until the first message of a program's own TLS is looked at; longer each time.
        package static let firstLook = Duration.milliseconds(1)
        /// Connections to the proxy that wait to be accepted, of one listener.
        package static let backlog = 1024
        /// Without a packet until the kernel asks whether the other end is there.
        package static let keepAlive = Duration.seconds(60)
        /// Until it asks again.
        package static let keepAlivePause = Duration.seconds(15)
        /// Times that it asks.
        package static let keepAliveTries = 4
        /// That wait to be written to one end, beyond which nothing is read from the other.
        package static let writeBytes = 256 << 10
        /// Left of these when it is read again.
        package static let writeAgainBytes = 64 << 10
    }

    /// What a daemon keeps of memory that it does not use. See ``Heap``.
    package enum Memory {
        /// Among which threads are shared out. Cores are few, and threads allocate little.
        package static let heaps = 2
        /// Bytes free at the end of a heap, above which they are given back.
        package static let freeAtEnd = 256 << 10
        /// Bytes that a heap grows by beyond what is needed.
        package static let asked = 64 << 10
    }

    /// What a daemon writes to its log.
    package enum Log {
        /// Of one message, and of each value beside it; the rest is cut. A verifier's log of the kernel part fits.
        package static let textBytes = 8 << 10
        /// For a reader that does not read; once it is over, lines are lost until it reads again.
        package static let patience = Duration.milliseconds(100)
        /// Lines a minute of connections that were closed to make room. Strangers make them as fast as they dial.
        package static let closedPerMinute = 6
        /// The same of requests that were refused, of those that failed, and of client certificates that do not verify: of each.
        package static let refusedPerMinute = 60
        /// Of such a line, and of the path in it. A stranger chooses what it says.
        package static let refusalBytes = 512
        /// Lines of what the kernel's loader says that are kept. The end tells why.
        package static let loaderLines = 40
        /// An answer that is not of this protocol, in an error.
        package static let answerBytes = 200
    }

    /// Of the certificates we issue.
    package enum SVID {
        /// How much earlier than its issue a certificate is valid, for clocks that are behind.
        package static let backdating = Duration.seconds(30)
        /// What a configuration may ask for.
        package static let longestLifetime = Duration.seconds(30 * 86_400)
        /// How much later than now one may count as issued, as all until then are withdrawn. Verifiers allow JWTs so much.
        package static let ahead = Duration.seconds(5)
        /// A withdrawal of what has run out, or was never issued: agents may still tell of that identity.
        package static let withdrawnAtLeast = Duration.seconds(3600)
        /// A workload's SVID, where a configuration says nothing else.
        package static let lifetime = Duration.seconds(3600)
        /// An agent's, likewise. A host may be away for a night.
        package static let agentLifetime = Duration.seconds(86_400)
        /// An SVID, as a configuration asks for it. A renewal takes a call to the control plane.
        package static let shortestLifetime = Duration.seconds(10)
        /// A JWT-SVID at most. Whoever has one is its workload.
        package static let jwtLifetime = Duration.seconds(300)
        /// Until a trust bundle is looked at again, where it says nothing else.
        package static let bundleRefresh = Duration.seconds(300)
        /// An agent's former SVID is answered, once the new one has been used. Requests under way.
        package static let formerAgent = Duration.seconds(60)
        /// Between two tries to renew the server's certificate, and at most between two of an agent's.
        package static let retry = Duration.seconds(30)
        /// At most between two tries to get a workload's SVID.
        package static let longestRetry = Duration.seconds(60)
        /// Between two looks at which SVIDs are to be renewed.
        package static let look = Duration.seconds(1)
        /// The root authority.
        package static let rootLifetime = Duration.seconds(3650 * 86_400)
        /// The intermediate authority. Renewed when the server starts.
        package static let intermediateLifetime = Duration.seconds(365 * 86_400)
    }

    /// Who may hold how much of a listener's connections; see ``SlotShares``.
    package enum Slots {
        /// Of the control plane's HTTPS listener.
        package static let controlPlane = 4096
        /// Of the operator's Unix socket.
        package static let operators = 256
        /// Of a host's proxy, both directions together; each has two sockets.
        package static let proxy = 10_000
        /// The part of all slots that those without a verified certificate, or a known process, may hold together: one in
        /// so many.
        package static let strangersOneIn = 10
        /// Of what they leave, the part that guests hold together: workloads at the control plane, which is the agents' first, and
        /// clients without an SVID that a PERMISSIVE listener let by at a proxy, which is the workloads'. One in so many.
        package static let guestsOneIn = 2
        /// Connections that one holder may have as long as any is free, whatever its share is: an agent's stream, and its requests.
        package static let always = 2
        /// In which one of them that has spoken is not put out for others like it. Two round trips around the world take 0.6 seconds.
        package static let chance = Duration.seconds(1)
        /// Addresses without a connection from which somebody has proven who it is within that time: they go before others.
        package static let knownSources = 8192
        package static let knownFor = Duration.seconds(3600)
        /// Connections that a server may be configured to.
        package static let leastOfServer = 16
        /// The same. Ports of one address.
        package static let mostOfServer = 60_000
        /// Connections that an agent may be configured to.
        package static let leastOfProxy = 100
        /// The same.
        package static let mostOfProxy = 1_000_000
        /// A deadline of a connection, as a configuration asks for it.
        package static let longestDeadline = Duration.seconds(3600)
    }

    /// What is held, and looked at, of connections to where nobody is known to be managed.
    package enum Egress {
        /// How long one waits until somebody managed is known there. A new listener is known to the fleet in 0.2 seconds.
        package static let hold = Duration.seconds(3)
        /// The first message of a program's own TLS. With keys that quantum computers do not break it has some 2 KiB.
        package static let clientHello = 16 << 10
    }

    /// Refusals, before the audit keeps them, and what else is done without a right: who repeats it makes no more records than this.
    package enum Refusals {
        /// In which those of one source, kind and reason are one record, after the first one.
        package static let window = Duration.seconds(1)
        /// Different ones of a window that get records of their own; the others share one of each kind.
        package static let sources = 64
        /// Of one source in a window that `tidemark explain --connection` can tell of each by itself.
        package static let explained = 16
        /// Of those who prove nothing, at `/oauth` and where agents are attested; the others are not recorded.
        package static let strangersPerMinute = 60
        /// A source that was not refused for so long makes room for others.
        package static let forgotten = Duration.seconds(60)
    }
}
