extension Limits {
    /// What one caller may ask of the authorization server: registration, tokens, introspection, revocation.
    package enum OAuth {
        /// An identity that is on a thousand hosts asks for some five tokens a second.
        package static let requestsPerSecond = 50
        /// The same, saved up: a fleet that starts.
        package static let requestsAtOnce = 1000
        /// Callers of whom it is remembered what they have spent; those beyond share what one has.
        package static let callers = 16_384
    }

    static let oauth = [
        Limit("OAuth.requestsPerSecond", .count(OAuth.requestsPerSecond)),
        Limit("OAuth.requestsAtOnce", .count(OAuth.requestsAtOnce)),
        Limit("OAuth.callers", .count(OAuth.callers)),
    ]
}
