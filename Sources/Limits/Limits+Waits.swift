extension Limits {
    /// How long a connection, or a policy, is held until what it depends on is known; then it is refused, or goes on without.
    package enum Wait {
        /// A connection, for whose it is. Default of the agent.
        package static let identity = Duration.seconds(5)
        /// A connection, for a first SVID of its workload.
        package static let svid = Duration.seconds(5)
        /// A request, for a token or what introspection says.
        package static let grant = Duration.seconds(15)
        /// A policy, or a change of listeners, for who listens. Who is not known then is reached by nobody until it is.
        package static let listeners = Duration.seconds(2)
        /// The same when the agent starts: programs that ran before are never interrupted by that.
        package static let listenersAtStart = Duration.seconds(60)
        /// An agent's audit that was not taken, until it is sent again; unless the control plane says when.
        package static let audit = Duration.seconds(2)
    }
}
