extension Limits {
    /// The control plane's database.
    package enum Store {
        /// Transactions that read at one time. Beside the one that writes.
        package static let readers = 3
        /// For a lock that another process has. A copy is made.
        package static let busy = Duration.seconds(10)
    }

    static let store = [
        Limit("Store.readers", .count(Store.readers)),
        Limit("Store.busy", .time(Store.busy)),
    ]
}
