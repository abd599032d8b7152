package import Kernel
package import SPIFFE

/// Who listens where in one network namespace.
package struct ListeningWorkloads: Sendable, Equatable {
    /// As bound: wildcards are wildcards.
    package var bound: [InternetEndpoint: SPIFFEID]
    /// Where sockets listen at all, whoever's, as bound.
    package var taken: Set<InternetEndpoint>
    /// The same with each wildcard spelt out as the namespace's own addresses, loopback included: where its own processes
    /// find them.
    package var reachable: [InternetEndpoint: SPIFFEID]
    /// Of these the ones that mean the same everywhere: where others find them.
    package var elsewhere: [InternetEndpoint: SPIFFEID]

    package init(
        bound: [InternetEndpoint: SPIFFEID] = [:], reachable: [InternetEndpoint: SPIFFEID] = [:],
        elsewhere: [InternetEndpoint: SPIFFEID]? = nil, taken: Set<InternetEndpoint>? = nil,
    ) {
        self.bound = bound
        self.taken = taken ?? Set(bound.keys)
        self.reachable = reachable
        self.elsewhere = elsewhere ?? reachable.filter { $0.key.hasOneMeaning }
    }
}

extension ListeningWorkloads {
    /// - Parameters:
    ///   - managed: the managed listeners of the namespace.
    ///   - isHosts: false: whoever made the namespace chose its addresses, which say nothing to others then.
    ///   - shares: of all namespaces of this host.
    init(
        _ managed: [(socket: ListeningSocket, workload: SPIFFEID)], addresses: NamespaceAddresses, isHosts: Bool,
        shares: inout PlaceShares,
    ) {
        self.init()
        let places = Dictionary(grouping: managed, by: \.socket.endpoint)
        // Where they do not agree nobody answers: the kernel chooses the socket, and nobody can say which.
        bound = places.compactMapValues { Set($0.map(\.workload)).count == 1 ? $0.first?.workload : nil }
        let here = addresses.all
        // In one order: what is beyond a share is the same at each look.
        let spelt = here.sorted { $0.bytes.lexicographicallyPrecedes($1.bytes) }
        for (socket, workload) in managed.sorted(by: { $0.socket.cookie < $1.socket.cookie }) {
            if socket.endpoint.address.isWildcard {
                let places = spelt.lazy.filter(socket.serves)
                    .map { InternetEndpoint(address: $0, port: socket.endpoint.port) }
                add(places, of: spelt.count, workload, &shares)
            } else if here.contains(socket.endpoint.address) || socket.endpoint.address.isLoopback {
                // A socket can be bound to an address that no interface has (IP_FREEBIND), and is reached there by nobody: who
                // dials it means somebody else.
                add([socket.endpoint], of: 1, workload, &shares)
                // An exact listener beats a wildcard on the same port.
                reachable[socket.endpoint]? = workload
            }
        }
        guard isHosts else { return }
        let told = addresses.elsewhere
        elsewhere = reachable.filter { told.contains($0.key.address) }
    }

    /// Ends with the workload's share, not with the places: somebody may have made millions of them.
    private mutating func add(
        _ places: some Sequence<InternetEndpoint>, of count: Int, _ workload: SPIFFEID, _ shares: inout PlaceShares,
    ) {
        for (index, place) in places.enumerated() where reachable[place] == nil {
            guard shares.take(for: workload) else { return shares.drop(count - index, of: workload) }
            reachable[place] = workload
        }
    }
}
