package import ControlPlaneAPI
import Foundation
import Kernel
import Limits
import Logging
import Proxy
import SPIFFE
import Workloads

/// Makes a snapshot true on this host: kernel maps, listeners, routes, live connections. All of it or nothing.
package actor Enforcer {
    private let networks: ServedNamespaces
    private let kernel: KernelSession
    private let policy: PolicyBoard
    private let handles: HandleTable
    private let attestor: Attestor
    private let questions: ListenerQuestions
    private let proxy: LoopbackProxy
    private let reconsideration: Reconsideration
    private let logger: Logger
    /// Why listeners are reached by nobody, by cookie; said once each.
    private var refusedListeners: [UInt64: String] = [:]
    /// Cookies of listeners that connections may have reached as they are.
    private var openListeners: Set<UInt64> = []
    /// Listeners that are a workload's, by cookie.
    private var known: [UInt64: KnownListener]
    private let kept: KeptState<[UInt64: KnownListener]>
    /// Of workloads that listen at more places than their share.
    private var droppedPlaces: [SPIFFEID: Int] = [:]
    private var addresses = KnownAddresses()

    /// How long a policy waits until it is known who listens.
    private static let patience = Limits.Wait.listeners

    /// - Parameters:
    ///   - kept: whose the listeners were that the agent before this one knew.
    ///   - listenersChanged: called when a listener can be decided that could not in time.
    init(
        networks: ServedNamespaces, kernel: KernelSession, policy: PolicyBoard, handles: HandleTable,
        attestor: Attestor, proxy: LoopbackProxy, reconsideration: Reconsideration,
        kept: KeptState<[UInt64: KnownListener]>, logger: Logger, listenersChanged: @escaping @Sendable () -> Void,
    ) {
        self.kept = kept
        known = kept.load() ?? [:]
        self.reconsideration = reconsideration
        self.attestor = attestor
        questions = ListenerQuestions(attestor, decided: listenersChanged)
        self.networks = networks
        self.kernel = kernel
        self.policy = policy
        self.handles = handles
        self.proxy = proxy
        self.logger = logger
    }

    /// - Throws: when the kernel refuses; the policy before it is then still in force.
    ///
    /// - Parameter patience: how long to wait until it is known who listens; whoever is not known then is reached by
    ///   nobody until it is.
    package func enforce(_ snapshot: PolicySnapshot, patience: Duration = patience) async throws {
        let next = try EnforcedPolicy(snapshot, after: policy.current)
        let numbers = handles.handles(ofPolicy: next.program.slots.map(\.workloadID))
        // First, so that nobody is for a moment one who may go anywhere.
        try kernel.prepareOutbound(next.outboundRules(numbers))
        let former = policy.current
        let tellsApartAnew = next.program != former.program
        if tellsApartAnew || former.snapshot == nil {
            do { try await attestor.install(next.matcher, handles: numbers) } catch {
                try? kernel.prepareOutbound(
                    former.outboundRules(handles.handles(for: former.program.slots.map(\.workloadID))))
                throw error
            }
        }
        policy.change { current in
            var next = next
            next.listening = current.listening
            current = next
        }
        try kernel.settleOutbound()
        // Beside the listeners, some of which may have to be found out first.
        async let lost = tellsApartAnew ? reconsideration.policyChanged(from: former) : 0
        // What lost its right is cut, whatever comes of the listeners, and before anything waits for who they are.
        let early = proxy.reevaluate()
        var failure: (any Error)?
        do { try await redecideListeners(patience: patience) } catch { failure = error }
        let cut = await early + proxy.reevaluate() + lost
        if let failure { throw failure }
        logger.info(
            "policy enforced",
            metadata: [
                "version": "\(snapshot.version)", "identities": "\(snapshot.identities.count)",
                "connections_cut": "\(cut)",
            ],
        )
    }

    /// The policy stays; other hosts' workloads listen elsewhere. A few words of the kernel's, whatever the policy's size.
    package func adopt(endpoints: [Endpoint]) throws {
        policy.change { $0.adopt(endpoints: endpoints) }
        try kernel.setDestinations(policy.current.destinations, in: policy.current.localDestinations)
    }

    private static let closedReason =
        "it was a workload's, which is deleted, does not match any more, or has other selectors since its opener ended: what served with an identity serves nobody without one; "
        + "restart the program to serve without"

    /// Who listens may have changed, or what that means: reads the kernel's table and decides each listener again.
    ///
    /// What is known at once is in force at once, whoever else's long files have to be read first. Of what is not known within `patience`
    /// either, news comes.
    package func redecideListeners(patience: Duration = Limits.Wait.listenersAtHand) async throws {
        let end = ContinuousClock.now + patience
        while true {
            let left = end - .now
            // For as long each time: what is known already takes a moment too, and is not to be taken for late.
            if try await decideListeners(within: Limits.Wait.listenersAtHand), left > .zero {
                _ = await questions.decisions(on: kernel.listeners(), within: end - .now)
            } else {
                return
            }
        }
    }

    /// - Returns: whether some are not decided yet.
    private func decideListeners(within patience: Duration) async throws -> Bool {
        while true {
            let version = policy.current.version
            let decisions = await questions.decisions(on: kernel.listeners(), within: patience)
            await serveNamespaces(of: decisions)
            let namespaces = await networks.all
            // By a policy that is no longer in force: once more.
            guard version == policy.current.version else { continue }
            try apply(decisions, in: namespaces)
            return decisions.areLate
        }
    }

    /// A process that only listens is seen by its listener alone, and a new policy may make it a workload.
    private func serveNamespaces(of decisions: ListenerDecisions) async {
        for socket in kernel.listeners() {
            guard case .workload = decisions.outcome(for: socket) else { continue }
            await networks.needed(by: socket.process)
        }
    }

    private func apply(_ decisions: ListenerDecisions, in namespaces: [NetworkNamespace]) throws {
        let current = policy.current
        let sockets = kernel.listeners()
        var managed: [UInt64: [(socket: ListeningSocket, workload: SPIFFEID)]] = [:]
        var taken: [UInt64: Set<InternetEndpoint>] = [:]
        forget(allBut: sockets)
        for socket in sockets {
            taken[socket.network, default: []].insert(socket.endpoint)
            let workloadID = try settle(socket, decisions.outcome(for: socket), current)
            if case .fixed(let path)? = workloadID, let workload = current.spiffeID(at: path) {
                managed[socket.network, default: []].append((socket, workload))
            }
        }
        kept.keep(known)
        var listening: [UInt64: ListeningWorkloads] = [:]
        var shares = PlaceShares()
        var failure: KernelError?
        addresses.forget(allBut: Set(namespaces.map(\.cookie)))
        for namespace in namespaces {
            let here = managed[namespace.cookie] ?? []
            do throws(KernelError) {
                listening[namespace.cookie] = try self.listening(here, in: namespace, &shares)
            } catch {
                // As it was, and all others as they are now.
                listening[namespace.cookie] = current.listening[namespace.cookie]
                failure = error
            }
            listening[namespace.cookie]?.taken = taken[namespace.cookie] ?? []
        }
        tell(shares.dropped)
        policy.change { $0.listening = listening }
        cutUnprotected(managed.mapValues { $0.map(\.socket) }, in: namespaces)
        try kernel.setDestinations(policy.current.destinations, in: policy.current.localDestinations)
        if let failure { throw failure }
    }

    /// Addresses are read where something managed listens, and nowhere else: whoever made a namespace may have given it any number.
    private func listening(
        _ managed: [(socket: ListeningSocket, workload: SPIFFEID)], in namespace: NetworkNamespace,
        _ shares: inout PlaceShares,
    ) throws(KernelError) -> ListeningWorkloads {
        if managed.isEmpty { return ListeningWorkloads() }
        let known = try addresses.addresses(of: namespace.cookie) { () throws(KernelError) in
            try NamespaceAddresses.of(namespace)
        }
        return ListeningWorkloads(
            managed, addresses: known, isHosts: try namespace.belongsToInitialUserNamespace(), shares: &shares)
    }

    /// Once a workload, until it is within its share again.
    private func tell(_ dropped: [SPIFFEID: Int]) {
        for (workload, count) in dropped where droppedPlaces[workload] == nil {
            logger.warning(
                "a workload listens at more places than one may have managed: connections to the rest are refused",
                metadata: ["spiffe_id": "\(workload)", "places": "\(count)"])
        }
        droppedPlaces = dropped
    }

    /// - Returns: the workload that listens there, where there is one.
    private func settle(
        _ socket: ListeningSocket, _ outcome: ListenerDecisions.Outcome, _ current: EnforcedPolicy,
    ) throws -> WorkloadName? {
        let ruling = ListenerRuling.of(socket, outcome, known: known(socket, current), current)
        let (handle, workloadID) = handle(for: ruling, socket)
        if handle != socket.identity {
            // One that closed meanwhile needs no identity.
            do throws(KernelError) { try kernel.setListenerIdentity(socket, handle) } catch .unknownListener {
                return nil
            }
        }
        remember(socket, as: workloadID, handle, outcome, current)
        switch outcome {
        case _ where handle == handles.closed: note(socket, Self.closedReason)
        case .refused(let reason): note(socket, reason)
        case .orphaned where handle == .undecided:
            note(
                socket,
                "the process that listened has ended, or executed another program since, and it is not known what it was; "
                    + "restart the program")
        default: refusedListeners[socket.cookie] = nil
        }
        return workloadID
    }

    private func handle(
        for ruling: ListenerRuling, _ socket: ListeningSocket,
    ) -> (IdentityHandle, workloadID: WorkloadName?) {
        switch ruling {
        case .workload(let workloadID): (handles.handles(for: [workloadID])[workloadID] ?? .undecided, workloadID)
        case .nobodys: (.none, nil)
        case .undecided: (.undecided, nil)
        case .closed: (handles.closed, nil)
        case .asItIs: (socket.identity, nil)
        }
    }

    /// Whose it is by the number that the kernel part has of it; nil: nobody knows.
    private func known(_ socket: ListeningSocket, _ current: EnforcedPolicy) -> KnownListener? {
        if let known = known[socket.cookie], known.number == socket.identity.rawValue { return known }
        // The kernel part gave it that itself, a moment ago.
        return handles.workloadID(of: socket.identity).map {
            KnownListener(
                number: socket.identity.rawValue, workload: $0, selectors: current.selectors(giving: $0),
                isPermissive: current.mode(of: $0) == .permissive)
        }
    }

    private func remember(
        _ socket: ListeningSocket, as workloadID: WorkloadName?, _ handle: IdentityHandle,
        _ outcome: ListenerDecisions.Outcome, _ current: EnforcedPolicy,
    ) {
        guard let workloadID else {
            if outcome != .unchanged { known[socket.cookie] = nil }
            return
        }
        let former = known[socket.cookie].flatMap { $0.workload == workloadID ? $0 : nil }
        let isAsked = if case .workload = outcome { true } else { false }
        // What it was judged by when it could be asked who opened it.
        let selectors = (isAsked ? nil : former?.selectors) ?? current.selectors(giving: workloadID)
        let mode = current.mode(of: workloadID)
        known[socket.cookie] = KnownListener(
            number: handle.rawValue, workload: workloadID, selectors: selectors,
            isPermissive: mode.map { $0 == .permissive } ?? former?.isPermissive ?? false)
    }

    private func note(_ socket: ListeningSocket, _ reason: String) {
        guard refusedListeners.updateValue(reason, forKey: socket.cookie) != reason else { return }
        logger.warning(
            "listener is reached by nobody: \(reason)",
            metadata: ["listener": "\(socket.endpoint)", "pid": "\(socket.process.pid)"],
        )
    }

    /// What is remembered of a listener ends with it.
    private func forget(allBut sockets: [ListeningSocket]) {
        let cookies = Set(sockets.map(\.cookie))
        refusedListeners = refusedListeners.filter { cookies.contains($0.key) }
        openListeners.formIntersection(cookies)
        known = known.filter { cookies.contains($0.key) }
        for socket in sockets where socket.isOpen || socket.foundRunning && socket.identity == .undecided {
            openListeners.insert(socket.cookie)
        }
    }

    /// Who was connected to a listener before it was managed is cut: nothing reaches a workload that did not come through
    /// the proxy.
    private func cutUnprotected(_ managed: [UInt64: [ListeningSocket]], in namespaces: [NetworkNamespace]) {
        for namespace in namespaces {
            let closed = (managed[namespace.cookie] ?? []).filter { openListeners.remove($0.cookie) != nil }
            guard !closed.isEmpty else { continue }
            do {
                let count = try kernel.destroyUnprotected(at: closed, in: namespace)
                guard count > 0 else { continue }
                logger.info("connections cut that did not come through the proxy", metadata: ["count": "\(count)"])
            } catch {
                openListeners.formUnion(closed.map(\.cookie))
                logger.error("connections that did not come through the proxy are not cut: \(error)")
            }
        }
    }

    /// Takes former policies out of the kernel, after the new one has been acknowledged.
    package nonisolated func sweep() {
        do { try kernel.sweepPolicies() } catch { logger.warning("former policies stay in the kernel: \(error)") }
    }

    /// What other hosts may dial.
    package var reported: [Endpoint] {
        policy.current.listening.values.flatMap(\.elsewhere)
            .map { Endpoint(address: $0.key.address.description, port: $0.key.port, workload: $0.value) }
            .sorted { ($0.address, $0.port) < ($1.address, $1.port) }
    }
}

extension ListeningSocket {
    /// Its connections reach it as they are.
    fileprivate var isOpen: Bool { identity == .none }
}
