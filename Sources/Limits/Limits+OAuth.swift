extension Limits {
    /// What one caller may ask of the authorization server: registration, tokens, introspection, revocation.
    package enum OAuth {
        /// An identity that is on a thousand hosts asks for some five tokens a second.
        package static let requestsPerSecond = 50
        /// The same, saved up: a fleet that starts.
        package static let requestsAtOnce = 1000
        /// So many times as much of introspection alone: each host of a server asks of each token that comes to it.
        package static let introspectionsForOne = 10
        /// Callers of whom it is remembered what they have spent; those beyond share what one has.
        package static let callers = 16_384
        /// Of one peer at the agent of a server: introspections of tokens that turn out not to be good. What is good, and kept, costs
        /// nothing. A token that was revoked is asked about until its client has another.
        package static let unknownTokensPerSecond = 2
        /// The same at once, with those that are under way: a fleet of clients that starts.
        package static let unknownTokensAtOnce = 500
        /// So many times as much of all peers at one address, as an agent that was taken over has many IDs.
        package static let unknownTokensOfAddress = 10
        /// The body of a request to the authorization server. A form with an assertion fits many times.
        package static let bodyBytes = 64 << 10
        /// An access token. Renewed at three quarters; a revoked one is on every agent's list for so long.
        package static let tokenLifetime = Duration.seconds(300)
        /// A client's assertion, or a software statement, from issue to expiry. As JWT-SVIDs that are issued here.
        package static let assertionLifetime = Duration.seconds(300)
    }

    static let oauth = [
        Limit("OAuth.requestsPerSecond", .count(OAuth.requestsPerSecond)),
        Limit("OAuth.requestsAtOnce", .count(OAuth.requestsAtOnce)),
        Limit("OAuth.introspectionsForOne", .count(OAuth.introspectionsForOne)),
        Limit("OAuth.callers", .count(OAuth.callers)),
        Limit("OAuth.unknownTokensPerSecond", .count(OAuth.unknownTokensPerSecond)),
        Limit("OAuth.unknownTokensAtOnce", .count(OAuth.unknownTokensAtOnce)),
        Limit("OAuth.unknownTokensOfAddress", .count(OAuth.unknownTokensOfAddress)),
        Limit("OAuth.bodyBytes", .bytes(OAuth.bodyBytes)),
        Limit("OAuth.tokenLifetime", .time(OAuth.tokenLifetime)),
        Limit("OAuth.assertionLifetime", .time(OAuth.assertionLifetime)),
    ]
}
