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
        /// The same for what is known without reading: before anything waits for what is not.
        package static let listenersAtHand = Duration.milliseconds(100)
        /// The same when the agent starts: programs that ran before are not interrupted by that, and one of long files keeps nobody waiting
        /// for longer.
        package static let listenersAtStart = Duration.seconds(10)
        /// An agent's audit that was not taken, until it is sent again; unless the control plane says when.
        package static let audit = Duration.seconds(2)
    }
}
