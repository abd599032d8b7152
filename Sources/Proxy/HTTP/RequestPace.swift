import NIOCore

/// How far behind a request's body may fall: a client that keeps on sending a byte now and then is never silent, and would hold its
/// connection for as long as it likes.
struct RequestPace {
    /// How far it may be behind.
    private let slack: TimeAmount
    /// 0: any will do.
    private let bytesPerSecond: Int
    /// When it is too late; nil: never.
    private(set) var deadline: NIODeadline?

    init(_ limits: ProxyLimits) {
        slack = limits.idle.timeAmount
        bytesPerSecond = limits.bodyBytesPerSecond
    }

    /// It is the client that is waited for, from now on.
    mutating func begin(at now: NIODeadline = .now()) {
        deadline = bytesPerSecond > 0 ? now + slack : nil
    }

    /// Each byte buys time, and none of it can be saved beyond the slack.
    mutating func receive(_ bytes: Int, at now: NIODeadline = .now()) {
        guard let until = deadline else { return }
        let (seconds, rest) = bytes.quotientAndRemainder(dividingBy: bytesPerSecond)
        let bought =
            TimeAmount.seconds(Int64(seconds)) + .nanoseconds(Int64(rest) * 1_000_000_000 / Int64(bytesPerSecond))
        deadline = min(now + slack, until + bought)
    }
}
