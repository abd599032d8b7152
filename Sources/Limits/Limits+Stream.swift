extension Limits {
    /// The stream of snapshots to each agent.
    package enum Stream {
        /// Of one line. What would be longer comes in pieces, a line each.
        package static let lineBytes = 1 << 20
        /// Of what pieces make up together: every table full of the longest there can be fits, as a test adds up.
        package static let messageBytes = 256 << 20
        /// Messages that are kept for the next agent at the same place: its group, and what it has.
        package static let messages = 16
        /// Of these in bytes, the newest counted, which is kept whatever its size.
        package static let heldBytes = 64 << 20
        /// Of one agent at one time: one, and those of which neither end knows yet that they broke. The oldest ends for a new one.
        package static let ofAgent = 4
        /// The longest silence on a stream.
        package static let heartbeat = Duration.seconds(5)
        /// At most between two tries of an agent to have a stream.
        package static let longestRetry = Duration.seconds(5)
        /// The same where the control plane is there and closed the connection before it stood, as its door does in a flood: drawn
        /// between half of it and all, so that agents do not come together.
        package static let retryAtDoor = Duration.milliseconds(500)
        /// So many of these tries are soon after each other, and then ever slower: where one newcomer in ten gets in, one agent in a
        /// thousand needs more.
        package static let triesAtDoor = 64
    }

    static let stream = [
        Limit("Stream.lineBytes", .bytes(Stream.lineBytes)),
        Limit("Stream.messageBytes", .bytes(Stream.messageBytes)),
        Limit("Stream.messages", .count(Stream.messages)),
        Limit("Stream.heldBytes", .bytes(Stream.heldBytes)),
        Limit("Stream.ofAgent", .count(Stream.ofAgent)),
        Limit("Stream.heartbeat", .time(Stream.heartbeat)),
        Limit("Stream.longestRetry", .time(Stream.longestRetry)),
        Limit("Stream.retryAtDoor", .time(Stream.retryAtDoor)),
        Limit("Stream.triesAtDoor", .count(Stream.triesAtDoor)),
    ]
}
