package import ControlPlaneAPI
package import Kernel
package import Proxy
package import SPIFFE
package import Workloads

/// One snapshot made ready for use, with what listens on this host. A value: every answer is a pure function of it.
package struct EnforcedPolicy: Sendable {
    package let snapshot: PolicySnapshot?
    package let bundles: BundleSet
    package let matcher: Matcher
    private let identities: [SPIFFEID: WorkloadIdentity]
    /// Those whose IDs are not written out.
    private let templates: [WorkloadIdentity]
    private let withdrawn: Set<SPIFFEID>
    private let remote: [InternetEndpoint: SPIFFEID]
    /// Managed listeners of this host, by network namespace.
    package var listening: [UInt64: ListeningWorkloads] = [:]

    package static let nothing = EnforcedPolicy()

    private init() {
        snapshot = nil
        bundles = BundleSet()
        matcher = Matcher([])
        identities = [:]
        templates = []
        withdrawn = []
        remote = [:]
    }

    /// - Parameter former: one that was made of another snapshot: what is in both was found to go together then.
    package init(_ snapshot: PolicySnapshot, after former: EnforcedPolicy = .nothing) throws {
        let others = former.identitiesByName
        let suspects = snapshot.identities.lazy.filter { others[$0.name] != $0 }.map(\.name)
        if let conflict = Precedence.conflicts(of: Set(suspects), in: snapshot.identities).first {
            throw AgentError.policyConflict("\(conflict)")
        }
        self.snapshot = snapshot
        bundles = BundleSet([snapshot.bundle])
        matcher = Matcher(snapshot.identities)
        templates = snapshot.identities.filter(\.isTemplated)
        identities = Dictionary(
            try snapshot.identities.lazy.filter { !$0.isTemplated }
                .map { (try $0.spiffeID(in: snapshot.trustDomain), $0) },
            uniquingKeysWith: { first, _ in first },
        )
        withdrawn = Set(snapshot.withdrawn)
        remote = Dictionary(
            snapshot.endpoints.compactMap { endpoint in
                InternetAddress(endpoint.address).map {
                    (InternetEndpoint(address: $0, port: endpoint.port), endpoint.workload)
                }
            },
            uniquingKeysWith: { first, _ in first },
        )
    }

    private var identitiesByName: [String: WorkloadIdentity] {
        Dictionary((snapshot?.identities ?? []).map { ($0.name, $0) }, uniquingKeysWith: { first, _ in first })
    }

    package var version: UInt64 { snapshot?.version ?? 0 }
    package var program: SelectorProgram { matcher.program }
    /// Where a connection of a managed workload is to be redirected, from any network namespace of this host.
    package var destinations: Set<InternetEndpoint> {
        listening.values.reduce(into: Set(remote.keys)) { $0.formUnion($1.reachable.keys.filter(\.hasOneMeaning)) }
    }

    /// The same for addresses that mean another place in each network namespace.
    package var localDestinations: [UInt64: Set<InternetEndpoint>] {
        listening.mapValues { Set($0.reachable.keys.filter { !$0.hasOneMeaning }) }
    }

    /// Who listens where a process of this network namespace dials.
    private func expected(at destination: InternetEndpoint, from network: UInt64) -> SPIFFEID? {
        if let near = listening[network]?.reachable[destination] { return near }
        guard destination.hasOneMeaning else { return nil }
        return listening.values.lazy.compactMap { $0.reachable[destination] }.first ?? remote[destination]
    }

    /// Whether connections of managed processes for there, from this network namespace, are redirected.
    package func isManaged(_ destination: InternetEndpoint, from network: UInt64) -> Bool {
        expected(at: destination, from: network) != nil
    }

    /// Whether this agent may speak as `workload`.
    package func owns(_ workload: SPIFFEID) -> Bool {
        identity(of: workload) != nil && !withdrawn.contains(workload)
    }

    /// Whether some identity gives this workload ID, or is written so.
    func knows(_ workloadID: String) -> Bool {
        spiffeID(forWorkloadID: workloadID).map(owns) == true || program.slots.contains { $0.workloadID == workloadID }
    }

    package func spiffeID(forWorkloadID workloadID: String) -> SPIFFEID? {
        guard let domain = snapshot?.trustDomain else { return nil }
        return try? SPIFFEID(trustDomain: domain, path: "/" + workloadID)
    }

    /// The one that gives this ID, by itself or by a template.
    package func identity(of workload: SPIFFEID) -> WorkloadIdentity? {
        guard let domain = snapshot?.trustDomain else { return nil }
        return identities[workload] ?? templates.first { $0.covers(workload, in: domain) }
    }

    /// What the proxy should know when `workload` dials `destination`.
    package func outbound(
        workload: SPIFFEID, destination: InternetEndpoint, network: UInt64,
    ) -> OutboundRoute? {
        guard let domain = snapshot?.trustDomain, owns(workload), let identity = identity(of: workload) else {
            return nil
        }
        let expected = expected(at: destination, from: network)
        return OutboundRoute(
            expected: expected,
            peers: PeerPolicy(trustDomain: domain, allowed: identity.allowedOutbound, withdrawn: withdrawn),
            resources: expected.map { resources(servedBy: $0, port: destination.port) } ?? [],
        )
    }

    /// What the proxy should know of a connection that came in for `destination`.
    package func inbound(destination: InternetEndpoint, workload: SPIFFEID) -> InboundRoute? {
        guard let domain = snapshot?.trustDomain, owns(workload), let identity = identity(of: workload) else {
            return nil
        }
        return InboundRoute(
            workload: workload,
            peers: PeerPolicy(trustDomain: domain, allowed: identity.allowedInbound, withdrawn: withdrawn),
            tlsMode: identity.tlsMode,
            resources: resources(servedBy: workload, port: destination.port),
        )
    }

    /// The exact address first, then the wildcards, as the kernel part does.
    package func listener(at destination: InternetEndpoint, network: UInt64) -> SPIFFEID? {
        guard let bound = listening[network]?.bound else { return nil }
        return bound[destination] ?? destination.wildcards.lazy.compactMap { bound[$0] }.first
    }

    private func resources(servedBy workload: SPIFFEID, port: UInt16) -> [ProtectedResource] {
        guard let snapshot else { return [] }
        return snapshot.resources.filter { resource in
            resource.resource.port == port && "/" + resource.servedBy == workload.path
        }
    }
}

/// Who listens where in one network namespace.
package struct ListeningWorkloads: Sendable, Equatable {
    /// As bound: wildcards are wildcards.
    package var bound: [InternetEndpoint: SPIFFEID]
    /// The same with each wildcard spelt out as the namespace's own addresses, loopback included.
    package var reachable: [InternetEndpoint: SPIFFEID]

    package init(bound: [InternetEndpoint: SPIFFEID] = [:], reachable: [InternetEndpoint: SPIFFEID] = [:]) {
        self.bound = bound
        self.reachable = reachable
    }
}

extension InternetEndpoint {
    /// Not so loopback and link-local addresses, which every network namespace has for itself.
    package var hasOneMeaning: Bool { !address.isLoopback && !address.isLinkLocal }
}
