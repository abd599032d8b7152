extension Limits {
    /// What is remembered of identities, their processes and their tokens.
    package enum Identities {
        /// Numbers of identities that the kernel part may still know, in an agent.
        package static let handles = 131_072
        /// Processes that were announced, in an agent: as many as its kernel part knows at first.
        package static let announced = 16_384
        /// Identities of a host with an SVID at one time; each has a key and a client.
        package static let svids = 16_384
        /// Identities whose ended connections are counted.
        package static let traffic = 8192
        /// IDs of one agent group that templates gave, while their credentials may be good.
        package static let ofGroup = 65_536
        /// The same of all groups. Of these no group has more than are left for others.
        package static let inAll = 131_072
        /// What a template takes from a process, into one of its places. The longest names of units, those of containers' scopes,
        /// have some 90.
        package static let placeBytes = 128
        /// The longest path of an ID that a template gives: places for two hashes and a unit, and as much that is literal.
        package static let templateBytes = 512
        /// The longest path that a manifest gives. With any trust domain it is a SPIFFE ID then.
        package static let pathBytes = 1024
    }

    /// Access tokens that one client may have, and an agent remember.
    package enum Tokens {
        /// Of one SVID of a client that have not run out, revoked or not: one for each resource and set of scopes is what it needs.
        package static let ofSVID = 256
        /// The same of all clients of one agent group. What is revoked is told to every agent.
        package static let ofGroup = 65_536
        /// Of all groups. Of these no group has more than are left for others.
        package static let inAll = 131_072
        /// Answers of introspection that an agent remembers: tokens that are good, and those that are not.
        package static let active = 16_384
        package static let inactive = 2048
        /// An answer that a token is not good. It may have been said before a grant.
        package static let inactiveLifetime = Duration.seconds(2)
    }

    /// What operators apply.
    package enum Manifests {
        /// Of all manifests together, as they are stored.
        package static let bytes = 16 << 20
        /// One manifest file. Is a request's body.
        package static let fileBytes = Request.body
        /// YAML aliases in a file. Trees of aliases grow exponentially.
        package static let aliases = 16
        /// Faults of a file that are told. Beyond, it is not looked at.
        package static let findings = 50
        /// Conflicts of an agent group that are told. An operator needs one to begin with.
        package static let conflicts = 50
        /// The highest priority, and with a minus the lowest.
        package static let priority = 1_000_000
        /// Entries of one `egress`.
        package static let egressEntries = 256
        /// Ranges of ports that one address can have in it. What an entry of a kernel map holds.
        package static let portRanges = 16
        /// Ranges and exceptions of `managedNetworks`. A kernel map has room for twice as many, as two policies are in
        /// it for a moment.
        package static let managedNetworks = 2048
    }

    /// What one agent may cost the control plane. It is told when to come again.
    package enum Reports {
        package static let requestsPerSecond = 50
        package static let requestsAtOnce = 500
        package static let bytesPerSecond = 1 << 20
        /// What an agent keeps while the control plane is away fits.
        package static let bytesAtOnce = 32 << 20
        /// Where its workloads listen, as it tells of it: new, gone, or once more. Each costs all who write to the store its
        /// time, and each stream of the fleet a line.
        package static let endpointsPerSecond = 500
        /// Whoever tells of everything there may be, and once more after a restart, waits for nothing.
        package static let endpointsAtOnce = 2 * Endpoints.ofAgent
        /// SVIDs that are asked for, given or refused.
        package static let issuesPerSecond = 100
        /// A host that starts asks for all of its identities.
        package static let issuesAtOnce = 8192
        /// Streams that are opened. Each begins with everything, whole.
        package static let streamsPerSecond = 1
        /// The line breaks, and comes back, many times within a minute.
        package static let streamsAtOnce = 20
        /// The longest an agent waits when it is told to.
        package static let longestWait = Duration.seconds(60)
    }
}
