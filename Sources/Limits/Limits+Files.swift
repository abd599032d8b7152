extension Limits {
    /// What `tidemark explain` looks at.
    package enum Explain {
        /// Paths of selectors that may be symbolic links, on this host.
        package static let paths = 256
        /// Refusals that an agent remembers for `explain --connection`.
        package static let refusals = 4096
        /// Workloads whose refusals it counts.
        package static let refusalWorkloads = 8192
    }

    /// Files that the agent looks at for processes, whose owners need no right to make it do so.
    package enum Files {
        /// Of longer ones there is no hash: five seconds at the rate below.
        package static let bytes: Int64 = 1 << 30
        /// Read out of files in a second, all users together: a fifth of what one core hashes.
        package static let bytesPerSecond: Int64 = 200_000_000
        /// Read at one turn; whoever comes next waits for that much.
        package static let chunkBytes = 1 << 20
        /// Turns at one time: while one waits for its disk another is hashed.
        package static let turnsAtOnce = 2
        /// Zeros that are hashed for the holes of one file, though nothing is read there. Linkers and package managers leave none.
        package static let holeBytes: Int64 = 16 << 20
        /// Files open for reading, or waiting for their turn; no user may have more of them than are left. A descriptor each.
        package static let waiting = 512
        /// Processes whose files are opened at exec already and wait for their turn, with two descriptors each; no user has more of
        /// them than are left. Those of others are opened when it comes.
        package static let openedAhead = 256
        /// Hashes that are kept.
        package static let remembered = 4096
        /// For one answer of a file system: one read, or the opening of one file. Local disks take milliseconds.
        package static let answer = Duration.seconds(2)
        /// Threads that still wait for such an answer after that time, of one user and of all. A user who has so many is not
        /// waited for any more until one comes back.
        package static let stuckOfUser = 2
        package static let stuck = 16
        /// Threads at one time that wait for a file system and are not known to be stuck; no user has more than may be stuck.
        package static let threads = 8
        /// Of such a thread without anything to do, until it ends.
        package static let idleThread = Duration.seconds(10)
        /// Since the last change of a file whose hash is remembered. Two writes within one tick leave the same time.
        package static let settled = Duration.seconds(2)
        /// Of reading, saved up.
        package static let burst = Duration.milliseconds(100)
    }
}
