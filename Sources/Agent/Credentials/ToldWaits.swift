import ControlPlaneAPI
import SPIFFE

/// Whom the authorization server told to ask later, and until when: nobody asks for them until then.
struct ToldWaits {
    private var told: [SPIFFEID: (until: ContinuousClock.Instant, error: ControlPlaneError)] = [:]

    /// - Parameter error: what an answer was; most are no such.
    mutating func note(_ error: any Error, of caller: SPIFFEID, at now: ContinuousClock.Instant) {
        told = told.filter { $0.value.until > now }
        guard let error = error as? ControlPlaneError, let wait = error.wait else { return }
        told[caller] = (now + wait, error)
    }

    /// - Throws: what it was told, while that holds.
    func check(_ caller: SPIFFEID, at now: ContinuousClock.Instant) throws {
        if let told = told[caller], told.until > now { throw told.error }
    }
}
