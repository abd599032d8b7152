extension Limits {
    /// Where managed workloads listen, as agents report it.
    package enum Endpoints {
        /// Of one workload at one agent: a wildcard on a host with many addresses, in all its network namespaces. What is beyond is dropped,
        /// and told.
        package static let ofWorkload = 512
        /// Of one host: places that its own processes are led to, those of its other network namespaces included.
        package static let ofHost = 65_536
        /// Of one agent.
        package static let ofAgent = 8192
        /// Of all; about 8 MiB of a snapshot.
        package static let inAll = 65_536
        /// In one piece of a report; some 150 bytes each.
        package static let inPiece = 1000
        /// How long an agent is away until one that claims an endpoint of it after it has it.
        package static let absence = Duration.seconds(600)
        /// Reasons for refusals that are remembered of one agent.
        package static let toldOfAgent = 64
    }

    /// How often somebody is told of changes, however many there are. The first one is told at once.
    package enum Updates {
        /// Between two wakings of the agents' streams.
        package static let ofFleet = Duration.milliseconds(100)
        /// Between two reports of one agent's listeners.
        package static let ofAgent = Duration.milliseconds(100)
        /// Between two looks whether listeners of nobody, or lost news, give reason to read the kernel part's tables.
        package static let ofListenersRead = Duration.seconds(1)
        /// Connections that policy does not know a listener for have the table read for one in so many parts of the time.
        package static let listenersReadOneIn = 10
        /// Between two reports of one agent's audit; what is lost in a crash is of so long at most.
        package static let ofAudit = Duration.milliseconds(100)
        /// Between two writings of a snapshot in which only endpoints are others.
        package static let ofSnapshotFile = Duration.seconds(5)
        /// Between two looks for connections that processes opened directly as somebody they are not any more: a look goes
        /// over all sockets of the host.
        package static let ofDirectConnections = Duration.milliseconds(50)
        /// Between two looks whether somebody is managed by now where a connection that is held wants to go.
        package static let ofHeldPlaces = Duration.milliseconds(50)
        /// Between two looks at the first message of a program's own TLS, at last: the first ones come sooner.
        package static let ofClientHello = Duration.milliseconds(20)
        /// Between two looks at the ids of processes with open connections, where the kernel does not tell of changes.
        package static let ofCredentials = Duration.milliseconds(50)
        /// Processes looked at so; 20 microseconds each.
        package static let credentialsPerSecond = 2000
    }

    static let endpoints = [
        Limit("Endpoints.ofWorkload", .count(Endpoints.ofWorkload)),
        Limit("Endpoints.ofHost", .count(Endpoints.ofHost)),
        Limit("Endpoints.ofAgent", .count(Endpoints.ofAgent)),
        Limit("Endpoints.inAll", .count(Endpoints.inAll)),
        Limit("Endpoints.inPiece", .count(Endpoints.inPiece)),
        Limit("Endpoints.absence", .time(Endpoints.absence)),
        Limit("Endpoints.toldOfAgent", .count(Endpoints.toldOfAgent)),
        Limit("Updates.ofFleet", .time(Updates.ofFleet)),
        Limit("Updates.ofAgent", .time(Updates.ofAgent)),
        Limit("Updates.ofListenersRead", .time(Updates.ofListenersRead)),
        Limit("Updates.listenersReadOneIn", .count(Updates.listenersReadOneIn)),
        Limit("Updates.ofAudit", .time(Updates.ofAudit)),
        Limit("Updates.ofSnapshotFile", .time(Updates.ofSnapshotFile)),
        Limit("Updates.ofDirectConnections", .time(Updates.ofDirectConnections)),
        Limit("Updates.ofHeldPlaces", .time(Updates.ofHeldPlaces)),
        Limit("Updates.ofClientHello", .time(Updates.ofClientHello)),
        Limit("Updates.ofCredentials", .time(Updates.ofCredentials)),
        Limit("Updates.credentialsPerSecond", .count(Updates.credentialsPerSecond)),
    ]
}
