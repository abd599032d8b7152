import Limits

/// What is kept of the SVIDs of one agent: an agent is the serial that was issued last.
package struct AgentStanding: Sendable, Equatable {
    /// Lower-case hexadecimal; nil of an agent that was let in by a release that kept none.
    package var serial: String?
    /// `notBefore` of the certificate with that serial, milliseconds.
    package var notBefore: Int64
    /// The one before, as the answer to a renewal may have been lost.
    package var former: String?
    /// Until when the one before is still answered: set when the new one is used for the first time.
    package var formerUntil: Int64?
    /// `notBefore` of the first one since the agent attested: what is older ended with an earlier attestation.
    package var lifeBegan: Int64
    /// Why it is no agent any more, until it attests anew.
    package var evicted: String?
    package var isBanned: Bool

    package init(
        serial: String?, notBefore: Int64, former: String? = nil, formerUntil: Int64? = nil, lifeBegan: Int64,
        evicted: String? = nil, isBanned: Bool = false,
    ) {
        self.serial = serial
        self.notBefore = notBefore
        self.former = former
        self.formerUntil = formerUntil
        self.lifeBegan = lifeBegan
        self.evicted = evicted
        self.isBanned = isBanned
    }

    /// How long requests that were under way with the one before may still come, once the new one has been used.
    package static let grace = Int64(Limits.SVID.formerAgent / .milliseconds(1))

    /// What becomes of one who shows a certificate.
    package enum Decision: Sendable, Equatable {
        case current
        /// The newest one, for the first time: from now on the one before has an end.
        case firstUse
        /// The one before; it may renew while nobody has used the newer one.
        case former(mayRenew: Bool)
        /// Newer than all that is known: the records are older than the keys, as after a restored backup.
        case unrecorded
        /// Of before the last attestation: refused, and no harm to the agent of now.
        case ended
        case refused(because: String)
        /// One that was replaced, and is shown again: two hold this agent's credentials, or held them.
        case replaced
    }

    /// - Parameters:
    ///   - shown: the serial, and `notBefore` in milliseconds.
    package func decision(onSerial shown: String, notBefore shownAt: Int64, now: Int64) -> Decision {
        if isBanned { return .refused(because: "it is banned") }
        if let evicted { return .refused(because: evicted) }
        guard let serial else { return .unrecorded }
        if shown == serial { return former != nil && formerUntil == nil ? .firstUse : .current }
        // Before the newer one was used, its answer may have been lost; after that, requests may be under way.
        if shown == former, now < formerUntil ?? .max { return .former(mayRenew: formerUntil == nil) }
        if shownAt < lifeBegan { return .ended }
        return shownAt > notBefore ? .unrecorded : .replaced
    }
}
