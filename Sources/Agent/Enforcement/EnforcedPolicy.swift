package import ControlPlaneAPI
package import Kernel
package import Proxy
package import SPIFFE
package import Workloads

/// One snapshot made ready for use, with what listens on this host. A value: every answer is a pure function of it.
package struct EnforcedPolicy: Sendable {
    package private(set) var snapshot: PolicySnapshot?
    package let bundles: BundleSet
    package let matcher: Matcher
    private let identities: [SPIFFEID: WorkloadIdentity]
    /// Those whose IDs are not written out.
    private let templates: [WorkloadIdentity]
    let withdrawn: Withdrawals
    private var remote: [InternetEndpoint: SPIFFEID]
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
        templates = snapshot.identities.filter { $0.workloadID.template != nil }
        identities = Dictionary(
            snapshot.identities.lazy.compactMap { identity in
                identity.spiffeID(in: snapshot.trustDomain).map { ($0, identity) }
            },
            uniquingKeysWith: { first, _ in first },
        )
        withdrawn = snapshot.takenBack
        remote = Self.places(snapshot.endpoints)
    }

    /// The same policy with other endpoints, which are none.
    package mutating func adopt(endpoints: [Endpoint]) {
        snapshot?.endpoints = endpoints
        remote = Self.places(endpoints)
    }

    private static func places(_ endpoints: [Endpoint]) -> [InternetEndpoint: SPIFFEID] {
        Dictionary(
            endpoints.compactMap { endpoint in
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
        listening.values.reduce(into: Set(remote.keys)) { $0.formUnion($1.elsewhere.keys) }
    }

    /// The same for addresses that mean another place in each network namespace.
    package var localDestinations: [UInt64: Set<InternetEndpoint>] {
        listening.mapValues { namespace in
            Set(namespace.reachable.keys.filter { namespace.elsewhere[$0] == nil })
        }
    }

    /// Who listens where a process of this network namespace dials.
    private func expected(at destination: InternetEndpoint, from network: UInt64) -> SPIFFEID? {
        if let near = listening[network]?.reachable[destination] { return near }
        // All of 127.0.0.0/8 is the host's, whatever addresses its devices have.
        if destination.address.isLoopback, let near = listener(at: destination, network: network) { return near }
        guard destination.hasOneMeaning else { return nil }
        return listening.values.lazy.compactMap { $0.elsewhere[destination] }.first ?? remote[destination]
    }

    /// Whether connections of managed processes for there, from this network namespace, are redirected.
    package func isManaged(_ destination: InternetEndpoint, from network: UInt64) -> Bool {
        expected(at: destination, from: network) != nil
    }

    /// Whether this agent may speak as `workload`.
    package func owns(_ workload: SPIFFEID) -> Bool {
        identity(of: workload) != nil && !withdrawn.gone.contains(workload)
    }

    /// What the selector that gives a process its identity says of who runs it; nil where none does.
    func accountability(of facts: ProcessFacts) -> Accountability? {
        guard let slot = matcher.firstMatch(facts).map({ program.slots[$0] }) else { return nil }
        let group = snapshot?.identities ?? []
        let identity = group.first { $0.workloadID == slot.workloadID && $0.selectors.contains(slot.selector) }
        return identity.map { Accountabilities(group).of(slot.selector, $0) }
    }

    /// Those of identities written so, in order of precedence.
    func selectors(of workloadIDs: Set<WorkloadName>) -> [Selector] {
        program.slots.filter { workloadIDs.contains($0.workloadID) }.map(\.selector)
    }

    /// nil of a template's name, whose IDs may be of several identities.
    func mode(of workloadID: WorkloadName) -> WorkloadIdentity.TLSMode? {
        guard case .fixed(let path) = workloadID else { return nil }
        return spiffeID(at: path).flatMap(identity(of:))?.tlsMode
    }

    /// Those that give processes this ID, by itself or by a template.
    func selectors(giving workloadID: WorkloadName) -> Set<Selector> {
        let own = Set(selectors(of: [workloadID]))
        guard own.isEmpty, case .fixed(let path) = workloadID else { return own }
        return Set(spiffeID(at: path).flatMap(identity(of:))?.selectors ?? [])
    }

    /// Why an SVID of this host is not to be used, though it has not run out; nil where it may be.
    func objection(toOwn svid: X509SVID) -> String? {
        withdrawn.objection(to: svid.id, issuedAt: IssueTime(of: svid.leaf))
    }

    /// Whether something on this host listens as `workload`.
    func listens(_ workload: SPIFFEID) -> Bool {
        listening.values.contains { $0.bound.values.contains(workload) }
    }

    /// Whether some identity gives this name, or is written so.
    func knows(_ workloadID: WorkloadName) -> Bool {
        if case .fixed(let path) = workloadID, spiffeID(at: path).map(owns) == true { return true }
        return program.slots.contains { $0.workloadID == workloadID }
    }

    /// Of the identity that is written so.
    func keepsAcrossExec(_ workloadID: WorkloadName) -> Bool {
        snapshot?.identities.contains { $0.workloadID == workloadID && $0.keepAcrossExec } ?? false
    }

    /// nil where no policy says of which trust domain.
    package func spiffeID(at path: SPIFFEPath) -> SPIFFEID? {
        guard let domain = snapshot?.trustDomain else { return nil }
        return try? SPIFFEID(trustDomain: domain, path: path)
    }

    /// The one that gives this ID, by itself or by a template.
    package func identity(of workload: SPIFFEID) -> WorkloadIdentity? {
        guard let domain = snapshot?.trustDomain else { return nil }
        if let identity = identities[workload] { return identity }
        return workload.trustDomain == domain ? templates.first { $0.workloadID.covers(workload.path) } : nil
    }

    /// The template that gives this ID; nil where it is one of its own.
    package func template(of workload: SPIFFEID) -> String? {
        identity(of: workload)?.workloadID.template?.description
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
            passage: expected == nil ? passage(of: identity, to: destination) : nil,
        )
    }

    /// How it may reach where nobody is known to be managed.
    package func passage(of identity: WorkloadIdentity, to destination: InternetEndpoint) -> Passage {
        Passage.of(
            identity.outbound, to: destination.address.bytes, port: destination.port,
            managedNetworks: snapshot?.managedNetworks)
    }

    /// Whether only managed workloads may be spoken to there, as far as is known from here.
    package func isManagedPlace(_ destination: InternetEndpoint, from network: UInt64) -> Bool {
        isManaged(destination, from: network)
            || snapshot?.managedNetworks?.range(of: destination.address.bytes) != nil
    }

    /// What the kernel part has to know of it.
    ///
    /// - Parameter handles: of the workload IDs of the program.
    package func outboundRules(_ handles: [WorkloadName: IdentityHandle]) -> OutboundRules {
        var lists: [IdentityHandle: [AddressRange: [PortRange]]] = [:]
        for identity in snapshot?.identities ?? [] {
            if let outbound = identity.outbound, let handle = handles[identity.workloadID] {
                lists[handle] = outbound.plainPorts
            }
        }
        return OutboundRules(lists: lists, managedNetworks: snapshot?.managedNetworks ?? ManagedNetworks())
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

    /// Whether anybody listens there, managed or not.
    package func isTaken(_ destination: InternetEndpoint, network: UInt64) -> Bool {
        let taken = listening[network]?.taken ?? []
        return ([destination] + destination.wildcards).contains(where: taken.contains)
    }

    /// The exact address first, then the wildcards, as the kernel part does.
    package func listener(at destination: InternetEndpoint, network: UInt64) -> SPIFFEID? {
        guard let bound = listening[network]?.bound else { return nil }
        return bound[destination] ?? destination.wildcards.lazy.compactMap { bound[$0] }.first
    }

    private func resources(servedBy workload: SPIFFEID, port: UInt16) -> [ProtectedResource] {
        guard let snapshot else { return [] }
        return snapshot.resources.filter { resource in
            resource.resource.port == port && resource.servedBy == workload.path
        }
    }
}

extension InternetEndpoint {
    /// Not so loopback and IPv4's link-local addresses, which every network namespace has for itself, nor such as nobody has.
    package var hasOneMeaning: Bool { address.isTold }
}
