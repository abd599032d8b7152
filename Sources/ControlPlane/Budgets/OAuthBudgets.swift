package import AuthorizationServer
package import Foundation
import Limits
package import SPIFFE
import ServiceLifecycle
import Synchronization

/// What each caller may still ask of the authorization server. Each request is a transaction and a record of the audit: a workload
/// that was taken over makes no more of them than this. What is refused so is told together.
package final class OAuthBudgets: OAuthAdmission, Service {
    private struct Caller: Hashable {
        let id: SPIFFEID
        let stands: Bool
        let introspects: Bool

        /// So many times what others have.
        var times: Double { introspects ? Double(Limits.OAuth.introspectionsForOne) : 1 }
    }

    private struct Source: RepeatedSource {
        let caller: SPIFFEID
        let kind: OAuthEvent.Kind

        var payer: SPIFFEID { caller }
    }

    private struct State {
        /// nil: those for whom there is no room, together.
        var spent: [Caller?: Spending] = [:]
        var refused = RepeatedEvents<Source, OAuthEvent.Kind, OAuthEvent>()
    }

    private let store: Store
    private let limit: Int
    private let now: @Sendable () -> Date
    private let state = Mutex(State())

    package init(store: Store, callers: Int = Limits.OAuth.callers, now: @escaping @Sendable () -> Date) {
        self.store = store
        self.limit = callers
        self.now = now
    }

    /// How many are remembered: those that spent something they have not got back.
    var count: Int { state.withLock { $0.spent.count } }

    package func admit(_ caller: SPIFFEID, stands: Bool, telling event: OAuthEvent) async -> Int? {
        let time = now()
        let introspects = event.kind == .introspectionRefused || event.kind == .tokenIntrospected
        guard let wait = take(Caller(id: caller, stands: stands, introspects: introspects), at: time) else {
            return nil
        }
        let seconds = max(1, Int(wait.rounded(.up)))
        var refusal = event
        refusal.reason = "temporarily_unavailable: \(caller) asks more than a client may; it was told to wait"
        let told = refusal
        let noted = state.withLock {
            $0.refused.note(Source(caller: caller, kind: told.kind), kind: told.kind, told)
        }
        if let due = noted.due { await record(told, count: due) }
        return seconds
    }

    /// - Returns: seconds until there is something, having taken nothing; nil where it was taken.
    private func take(_ caller: Caller, at now: Date) -> Double? {
        state.withLock { state in
            let key = Self.room(for: caller, in: &state.spent, limit: limit, at: now)
            let former = state.spent[key].map { Spending(amount: $0.amount, at: min($0.at, now)) }
            let most = Self.atOnce * (key?.times ?? 1)
            let left = former.map { Self.left($0, of: key, at: now) } ?? most
            // Where the clock was set back, time counts from there.
            state.spent[key] = Spending(amount: most - left + (left < 1 ? 0 : 1), at: now)
            return left < 1 ? (1 - left) / (Self.perSecond * (key?.times ?? 1)) : nil
        }
    }

    private static func room(
        for caller: Caller, in spent: inout [Caller?: Spending], limit: Int, at now: Date,
    ) -> Caller? {
        if spent[caller] != nil || spent.count < limit { return caller }
        // To stay in the table costs as much as a caller may ask: who has everything again leaves.
        spent = spent.filter { left($0.value, of: $0.key, at: now) < atOnce * ($0.key?.times ?? 1) }
        return spent.count < limit ? caller : nil
    }

    private static let perSecond = Double(Limits.OAuth.requestsPerSecond)
    private static let atOnce = Double(Limits.OAuth.requestsAtOnce)

    /// - Parameter caller: nil: those for whom there is no room.
    private static func left(_ spending: Spending, of caller: Caller?, at now: Date) -> Double {
        let times = caller?.times ?? 1
        return spending.left(perSecond: perSecond * times, atOnce: atOnce * times, at: now)
    }

    /// Each window, and at the end: what was held back since.
    package func run() async throws {
        while (try? await cancelWhenGracefulShutdown({ try await Task.sleep(for: Limits.Refusals.window) })) != nil {
            await endWindow()
        }
        await endWindow()
    }

    private func endWindow() async {
        for (event, count) in state.withLock({ $0.refused.endWindow() }) { await record(event, count: count) }
    }

    /// Best effort: what is refused stays refused where the audit cannot take it.
    private func record(_ event: OAuthEvent, count: Int) async {
        let entry = event.entry(at: now(), count: count)
        try? await store.write(for: event.caller) { try AuditChain.append([entry], to: $0) }
    }
}
