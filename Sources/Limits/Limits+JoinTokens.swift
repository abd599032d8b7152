extension Limits {
    /// Join tokens, by which hosts become agents.
    package enum JoinTokens {
        /// A join token.
        package static let longestLifetime = Duration.seconds(7 * 86_400)
        /// One that has run out, so that its use is told as such.
        package static let kept = Duration.seconds(86_400)
    }

    static let joinTokens = [
        Limit("JoinTokens.longestLifetime", .time(JoinTokens.longestLifetime)),
        Limit("JoinTokens.kept", .time(JoinTokens.kept)),
    ]
}
