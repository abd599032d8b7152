import Foundation
import Gateway
import Limits
import Proxy
import SPIFFE

/// What each bearer may still have asked about tokens that turn out not to be good. Made-up ones cost introspections that the server's
/// honest callers need; so they are paid by whoever shows them, and by the address that it comes from, as one that took over an agent
/// has many IDs.
struct TokenTrials {
    enum Payer: Hashable {
        case peer(SPIFFEID)
        case address([UInt8])

        fileprivate var times: Double {
            if case .address = self { Double(Limits.OAuth.unknownTokensOfAddress) } else { 1 }
        }
    }

    private let limit: Int
    /// nil: those for whom there is no room, together.
    private var spent: [Payer?: Spending] = [:]
    private var sweptAt = Date.distantPast

    init(payers: Int = Limits.OAuth.callers) { limit = payers }

    var count: Int { spent.count }

    /// One is to be asked about. What it costs comes back by ``giveBack(to:)``, or with time.
    ///
    /// - Throws: a ``Refusal``, having taken nothing.
    mutating func take(from bearer: TokenBearer, at now: Date) throws(Refusal) {
        let payers = bearer.payers.map { room(for: $0, at: now) }
        let waits = payers.map { payer in
            let left = left(of: payer, at: now)
            return left >= 1 ? 0 : (1 - left) / (Self.perSecond * (payer?.times ?? 1))
        }
        if let longest = waits.max(), longest > 0 { throw .tooManyTokens(after: max(1, Int(longest.rounded(.up)))) }
        for payer in payers { spend(1, of: payer, at: now) }
    }

    /// It was good, or nobody answered.
    mutating func giveBack(to bearer: TokenBearer, at now: Date) {
        for payer in bearer.payers.map({ room(for: $0, at: now) }) { spend(-1, of: payer, at: now) }
    }

    private mutating func spend(_ amount: Double, of payer: Payer?, at now: Date) {
        let most = Self.atOnce * (payer?.times ?? 1)
        let next = most - left(of: payer, at: now) + amount
        spent[payer] = next > 0 ? Spending(amount: next, at: now) : nil
    }

    private func left(of payer: Payer?, at now: Date) -> Double {
        let times = payer?.times ?? 1
        // Where the clock was set back, time counts from there.
        let former = spent[payer].map { Spending(amount: $0.amount, at: min($0.at, now)) }
        return former?.left(perSecond: Self.perSecond * times, atOnce: Self.atOnce * times, at: now)
            ?? Self.atOnce * times
    }

    private mutating func room(for payer: Payer, at now: Date) -> Payer? {
        if spent[payer] != nil || spent.count < limit { return payer }
        // Looked through once a second at most, however many come.
        if abs(now.timeIntervalSince(sweptAt)) > 1 {
            sweptAt = now
            spent = spent.filter { left(of: $0.key, at: now) < Self.atOnce * ($0.key?.times ?? 1) }
        }
        return spent.count < limit ? payer : nil
    }

    private static let perSecond = Double(Limits.OAuth.unknownTokensPerSecond)
    private static let atOnce = Double(Limits.OAuth.unknownTokensAtOnce)
}

extension TokenBearer {
    /// To whom what it asks for is accounted.
    var payers: [TokenTrials.Payer] { (peer.map { [.peer($0)] } ?? []) + [.address(address)] }
}

extension Refusal {
    fileprivate static func tooManyTokens(after seconds: Int) -> Refusal {
        Refusal(
            status: 429, .tooManyTokens,
            reason:
                "so many tokens were shown here that are not good, by this caller or from its address, that no more are asked about",
            remedy:
                "call with the token that the authorization server gave; find out what shows others as this workload, or on that host",
            retryAfter: seconds)
    }
}
