extension Limits {
    /// What is under way in an agent because processes act.
    package enum Queues {
        /// Events of the kernel part that wait in the agent; more are counted, and the tables read again. An execve
        /// each.
        package static let events = 65_536
        /// An event that wakes nobody may lie.
        package static let eventPause = Duration.milliseconds(50)
        /// Between two lines of the log on one counter.
        package static let lossTold = Duration.seconds(60)
        /// Between two looks at the counters for the log.
        package static let lossLook = Duration.seconds(5)
        /// Processes of one user that wait to be looked at, beyond which it is looked for those that have ended. All that there are may
        /// wait: as many as the kernel part knows.
        package static let ended = 1024
        /// Processes whose files are opened at one time; they wait for file systems. No user has more of them than are left.
        package static let openingsAtOnce = 32
        /// Processes that are looked at, likewise.
        package static let examinationsAtOnce = 16
        /// Processes that were identified, or are to be served, and wait for that; more are counted, and the tables read again.
        package static let arrivals = 65_536
        /// The same, at one time.
        package static let arrivalsAtOnce = 4
        /// Programs of which it is remembered who they are.
        package static let images = 8192
        /// Until a process that became another is asked for again.
        package static let standingPause = Duration.milliseconds(1)
        /// One message of the kernel about sockets.
        package static let netlinkBytes = 64 << 10
    }

    static let queues = [
        Limit("Queues.events", .count(Queues.events)),
        Limit("Queues.eventPause", .time(Queues.eventPause)),
        Limit("Queues.lossTold", .time(Queues.lossTold)),
        Limit("Queues.lossLook", .time(Queues.lossLook)),
        Limit("Queues.ended", .count(Queues.ended)),
        Limit("Queues.openingsAtOnce", .count(Queues.openingsAtOnce)),
        Limit("Queues.examinationsAtOnce", .count(Queues.examinationsAtOnce)),
        Limit("Queues.arrivals", .count(Queues.arrivals)),
        Limit("Queues.arrivalsAtOnce", .count(Queues.arrivalsAtOnce)),
        Limit("Queues.images", .count(Queues.images)),
        Limit("Queues.standingPause", .time(Queues.standingPause)),
        Limit("Queues.netlinkBytes", .bytes(Queues.netlinkBytes)),
    ]
}
