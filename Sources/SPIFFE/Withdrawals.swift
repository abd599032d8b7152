package import Foundation
import Limits
package import X509

/// When a credential was issued, by its issuer's clock: the whole second, since 1970.
package struct IssueTime: Hashable, Comparable, Sendable, Codable, CustomStringConvertible {
    package let seconds: Int64

    package init(seconds: Int64) { self.seconds = seconds }

    /// The second this moment is in.
    package init(_ moment: Date) { seconds = Int64(moment.timeIntervalSince1970.rounded(.down)) }

    /// Of a leaf of our issuer, whose `notBefore` is earlier by ``Limits/SVID/backdating``.
    package init(of leaf: Certificate) {
        self.init(leaf.notValidBefore.addingTimeInterval(Limits.SVID.backdating / .seconds(1)))
    }

    package var date: Date { Date(timeIntervalSince1970: TimeInterval(seconds)) }
    package var next: IssueTime { IssueTime(seconds: seconds + 1) }

    package static func < (one: IssueTime, other: IssueTime) -> Bool { one.seconds < other.seconds }

    package var description: String { date.formatted(.iso8601) }

    package init(from decoder: any Decoder) throws {
        seconds = try decoder.singleValueContainer().decode(Int64.self)
    }

    package func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(seconds)
    }
}

/// Which credentials are taken back though they have not run out.
package struct Withdrawals: Sendable, Equatable {
    /// Nobody has these IDs any more.
    package let gone: Set<SPIFFEID>
    /// These are given, again or to others than before: what was issued in that second or earlier is taken back.
    package let through: [SPIFFEID: IssueTime]

    package init(gone: Set<SPIFFEID> = [], through: [SPIFFEID: IssueTime] = [:]) {
        self.gone = gone
        self.through = through
    }

    /// - Returns: why a credential of `id` is not good any more, or nil where it is.
    package func objection(to id: SPIFFEID, issuedAt: IssueTime) -> String? {
        if gone.contains(id) { return "\(id) was deleted; apply its manifest again to let it back in" }
        guard let through = through[id], issuedAt <= through else { return nil }
        return
            "the SVID of \(id) was issued at \(issuedAt), and all until \(through) were withdrawn; its agent fetches another"
    }
}

extension Withdrawals: ExpressibleByArrayLiteral {
    /// IDs that are gone.
    package init(arrayLiteral gone: SPIFFEID...) { self.init(gone: Set(gone)) }
}
