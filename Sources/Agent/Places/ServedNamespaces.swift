package import Kernel
import Limits
package import Logging
package import Workloads

/// The network namespaces of this host that have the proxy in them: the agent's own, each that has a name, and each in
/// which a managed process was seen, for as long as there is one.
///
/// Those with a name are served ahead of need: a program that connects as its first act finds the proxy there.
package actor ServedNamespaces {
    /// One of them, with the managed processes that were seen in it.
    private struct Served {
        let namespace: NetworkNamespace
        var residents: Set<ProcessKey> = []
        /// In whose share it is; nil: the host's own.
        var holder: UInt32?
    }

    /// Of those with a name as many as this are served before a managed process is seen in them.
    private static let maximumAhead = Limits.Namespaces.ahead

    private let placement: any ProxyPlacement
    private let logger: Logger
    private let changed: @Sendable () -> Void
    private let own: NetworkNamespace
    private var others: [UInt64: Served] = [:]
    /// Of namespaces that have a name.
    private var named: Set<UInt64> = []
    /// Of those that could not be served ahead of need: not tried again before somebody asks.
    private var unready: Set<UInt64> = []
    private var shares: NamespaceShares
    /// Cookies of those that could not be served: each is told of once, until it is served.
    private var toldUnserved: Set<UInt64> = []

    /// - Parameter changed: called when listeners may be reachable that were not.
    package init(
        placement: any ProxyPlacement, logger: Logger, changed: @escaping @Sendable () -> Void,
    ) throws {
        try self.init(placement: placement, shares: NamespaceShares(), logger: logger, changed: changed)
    }

    init(
        placement: any ProxyPlacement, shares: NamespaceShares, logger: Logger,
        changed: @escaping @Sendable () -> Void,
    ) throws {
        self.placement = placement
        self.shares = shares
        self.logger = logger
        self.changed = changed
        own = try .current()
    }

    package var all: [NetworkNamespace] { [own] + others.values.map(\.namespace) }

    /// The agent's own first. What a former agent served besides is taken up again where a process is found in it, and
    /// given up where none is.
    package func serveOwn() throws {
        try placement.put(into: own, own: own)
        for (cookie, resident) in residents(of: placement.placed.subtracting([own.cookie])) {
            if let resident { needed(by: resident) }
            if others[cookie] == nil { try placement.takeOut(of: cookie) }
        }
    }

    /// A managed process was seen: where it is has to be served.
    package func needed(by process: ProcessKey) {
        guard let inode = NetworkNamespace.inode(ofPID: process.pid), inode != own.inode,
            let namespace = try? NetworkNamespace.of(pid: process.pid), namespace.cookie != own.cookie
        else { return }
        serve(namespace, for: [process])
    }

    /// Some of these managed processes may be in namespaces that are not served, and nobody has told of it.
    func lookAgain(at processes: some Sequence<ProcessKey> & Sendable) async {
        var seen = Set(others.values.map(\.namespace.inode)).union([own.inode])
        for process in processes {
            guard let inode = NetworkNamespace.inode(ofPID: process.pid), seen.insert(inode).inserted,
                named.contains(inode) || !isBeyondShare(process)
            else { continue }
            needed(by: process)
            // There may be thousands, as in ``prepare(_:)``.
            await Task.yield()
        }
    }

    /// A cheap guess, by who it runs as: no namespace is opened for it.
    private func isBeyondShare(_ process: ProcessKey) -> Bool {
        placement.payer(of: process).map { $0 != 0 && shares.isUsedUp(by: $0) } ?? true
    }

    /// These have a name now, and no others.
    ///
    /// - Parameter paths: by inode.
    package func prepare(_ paths: [UInt64: String]) async {
        named = Set(paths.keys)
        unready.formIntersection(named)
        for (cookie, served) in others where named.contains(served.namespace.inode) { release(cookie, served.holder) }
        // Whatever users have made for themselves beside them.
        var left = Self.maximumAhead - others.values.count { named.contains($0.namespace.inode) }
        for (inode, path) in paths.sorted(by: { $0.value < $1.value }) where left > 0 {
            guard inode != own.inode, !unready.contains(inode),
                !others.values.contains(where: { $0.namespace.inode == inode }),
                // Gone again, or about to be: then there is nothing to prepare.
                let namespace = try? NetworkNamespace.mounted(at: path), namespace.cookie != own.cookie
            else { continue }
            serve(namespace, for: [])
            if others[namespace.cookie] == nil { unready.insert(inode) }
            left -= 1
            // There may be thousands, and a process that was seen meanwhile is not to wait for all of them.
            await Task.yield()
        }
    }

    private func serve(_ namespace: NetworkNamespace, for residents: Set<ProcessKey>) {
        let cookie = namespace.cookie
        if others[cookie] != nil {
            others[cookie]?.residents.formUnion(residents)
            return
        }
        do {
            let holder = try holder(of: namespace, neededBy: residents.first)
            guard shares.take(for: holder) else { return refuse(holder) }
            do { try placement.put(into: namespace, own: own) } catch {
                shares.giveBack(holder)
                throw error
            }
            others[cookie] = Served(namespace: namespace, residents: residents, holder: holder)
            toldUnserved.remove(cookie)
            logger.info("network namespace served", metadata: ["netns_cookie": "\(cookie)"])
            changed()
        } catch {
            tellUnserved(cookie, error)
        }
    }

    /// Who made it, where that was nobody but a user: what runs in a user namespace may run by any of its ids. Else who pays for the
    /// process that needed it first. Nobody's share is burdened with what root made a name for, or runs.
    private func holder(of namespace: NetworkNamespace, neededBy process: ProcessKey?) throws -> UInt32? {
        guard let process, !named.contains(namespace.inode) else { return nil }
        guard let user = try namespace.makerOfItsUserNamespace() ?? placement.payer(of: process) else {
            // Fail closed: whoever is there besides is told of when it dials.
            throw AgentError.nobodyToCount(process)
        }
        return user == 0 ? nil : user
    }

    /// It has a name now: root's doing.
    private func release(_ cookie: UInt64, _ holder: UInt32?) {
        guard let holder else { return }
        shares.giveBack(holder)
        _ = shares.take(for: nil)
        others[cookie]?.holder = nil
    }

    /// It is tried at each connection there, and whoever holds the proxy's port in a namespace of his own makes as many as he likes.
    private func tellUnserved(_ cookie: UInt64, _ error: any Error) {
        if toldUnserved.count >= Limits.Namespaces.inAll { toldUnserved = [] }
        guard toldUnserved.insert(cookie).inserted else { return }
        logger.error(
            """
            network namespace not served, connections in it are refused until it is; told once, tried at each of them: \(error)
            """,
            metadata: ["netns_cookie": "\(cookie)"])
    }

    private func refuse(_ holder: UInt32?) {
        guard let holder, let count = shares.newlyBeyond(holder) else { return }
        logger.warning(
            """
            a user has as many network namespaces served as one may have: connections of managed processes in further ones are refused; \
            end what runs in some, or have root give them names in /run/netns
            """,
            metadata: ["uid": "\(holder)", "networks": "\(count)"])
    }

    /// Gives up the namespaces that have ended, once a second, until cancelled.
    package func run() async {
        while (try? await Task.sleep(for: Limits.Namespaces.look)) != nil { giveUpEmptyOnes() }
    }

    /// Our own listeners keep a namespace alive, so it ends when its processes have and its name is gone.
    func giveUpEmptyOnes() {
        do { try placement.forgetEnded() } catch {
            logger.error("what is left of network namespaces that have ended was not taken out: \(error)")
        }
        for (cookie, served) in others {
            let residents = served.residents.filter {
                placement.isAlive($0) && served.namespace.contains(pid: $0.pid)
            }
            others[cookie]?.residents = residents
            guard residents.isEmpty, !named.contains(served.namespace.inode),
                placement.connectionCount(in: cookie) == 0
            else { continue }
            do {
                try placement.takeOut(of: cookie)
                others[cookie] = nil
                shares.giveBack(served.holder)
                logger.info("network namespace given up", metadata: ["netns_cookie": "\(cookie)"])
                changed()
            } catch {
                logger.error("network namespace not given up: \(error)")
            }
        }
    }

    /// A process in each, where there is one.
    private func residents(of cookies: Set<UInt64>) -> [UInt64: ProcessKey?] {
        var found = Dictionary(uniqueKeysWithValues: cookies.map { ($0, ProcessKey?.none) })
        guard !cookies.isEmpty else { return found }
        var seen: Set<UInt64> = [own.inode]
        for process in placement.residents {
            guard let inode = NetworkNamespace.inode(ofPID: process.pid), seen.insert(inode).inserted,
                let cookie = try? NetworkNamespace.of(pid: process.pid).cookie, found[cookie] != nil
            else { continue }
            found[cookie] = process
        }
        return found
    }
}
