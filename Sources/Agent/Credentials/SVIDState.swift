package import Foundation
import Limits
package import SPIFFE

/// Where the certificate of one identity stands. Pure; `SVIDKeeper` carries it.
package enum SVIDState: Sendable {
    case held(X509SVID)
    /// Renewal fails; the old one is still valid and still used.
    case stale(X509SVID, failures: Int, retryAt: Date, reason: String)
    case lost(failures: Int, retryAt: Date, reason: String)

    /// The SVID to use now.
    package func usable(at now: Date) -> X509SVID? {
        switch self {
        case .held(let svid), .stale(let svid, _, _, _): svid.notAfter > now ? svid : nil
        case .lost: nil
        }
    }

    /// The one it has, whether it is good or not.
    package var svid: X509SVID? {
        switch self {
        case .held(let svid), .stale(let svid, _, _, _): svid
        case .lost: nil
        }
    }

    /// When something is to be done about it. Each SVID keeps its own moment: drawn anew whenever it is asked, the earliest
    /// one would win.
    package var due: Date { due(jitter: svid?.thumbprint.fraction ?? 0) }

    package func due(jitter: Double) -> Date {
        switch self {
        case .held(let svid):
            // Up to a tenth of the half life early, so that a host's identities do not all renew in one second.
            svid.halfLife.addingTimeInterval(-jitter * svid.halfLife.timeIntervalSince(svid.issuedAt) / 10)
        case .stale(_, _, let retryAt, _), .lost(_, let retryAt, _): retryAt
        }
    }

    /// After one more attempt that failed: ``stale`` while the old SVID is good, ``lost`` from then on.
    package func failing(because reason: String, at now: Date) -> SVIDState {
        let failures = self.failures + 1
        let retryAt = now.addingTimeInterval(Self.backOff(failures: failures))
        if let svid = usable(at: now) {
            return .stale(svid, failures: failures, retryAt: retryAt, reason: reason)
        }
        return .lost(failures: failures, retryAt: retryAt, reason: reason)
    }

    /// Of an identity that never had an SVID.
    package static func firstFailure(because reason: String, at now: Date) -> SVIDState {
        .lost(failures: 1, retryAt: now.addingTimeInterval(backOff(failures: 1)), reason: reason)
    }

    private var failures: Int {
        switch self {
        case .held: 0
        case .stale(_, let failures, _, _), .lost(let failures, _, _): failures
        }
    }

    /// 1, 2, 4 … 60 seconds.
    private static func backOff(failures: Int) -> TimeInterval {
        min(Limits.SVID.longestRetry / .seconds(1), Double(1 << min(failures - 1, 6)))
    }
}
