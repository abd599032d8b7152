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
        /// Processes whose files are to be opened.
        package static let openings = 4096
        /// The same, at one time. They wait for file systems.
        package static let openingsAtOnce = 16
        /// Processes that are to be looked at.
        package static let examinations = 4096
        /// The same, at one time.
        package static let examinationsAtOnce = 8
        /// Listeners and flows that are to be decided.
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
        Limit("Queues.openings", .count(Queues.openings)),
        Limit("Queues.openingsAtOnce", .count(Queues.openingsAtOnce)),
        Limit("Queues.examinations", .count(Queues.examinations)),
        Limit("Queues.examinationsAtOnce", .count(Queues.examinationsAtOnce)),
        Limit("Queues.arrivals", .count(Queues.arrivals)),
        Limit("Queues.arrivalsAtOnce", .count(Queues.arrivalsAtOnce)),
        Limit("Queues.images", .count(Queues.images)),
        Limit("Queues.standingPause", .time(Queues.standingPause)),
        Limit("Queues.netlinkBytes", .bytes(Queues.netlinkBytes)),
    ]
}
