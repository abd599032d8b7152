package import Kernel
package import Logging
import NIOCore
package import Proxy
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
    }

    /// Of those with a name as many as this are served before a managed process is seen in them.
    private static let maximumAhead = 4096

    private let kernel: KernelSession
    private let proxy: LoopbackProxy
    private let outboundPort: UInt16
    private let logger: Logger
    private let changed: @Sendable () -> Void
    private let own: NetworkNamespace
    private var others: [UInt64: Served] = [:]
    /// Of namespaces that have a name.
    private var named: Set<UInt64> = []
    /// Of those that could not be served ahead of need: not tried again before somebody asks.
    private var unready: Set<UInt64> = []

    /// - Parameter changed: called when listeners may be reachable that were not.
    package init(
        kernel: KernelSession, proxy: LoopbackProxy, outboundPort: UInt16, logger: Logger,
        changed: @escaping @Sendable () -> Void,
    ) throws {
        self.kernel = kernel
        self.proxy = proxy
        self.outboundPort = outboundPort
        self.logger = logger
        self.changed = changed
        own = try .current()
    }

    package var all: [NetworkNamespace] { [own] + others.values.map(\.namespace) }

    /// The agent's own first. What a former agent served besides is taken up again where a process is found in it, and
    /// given up where none is.
    package func serveOwn() throws {
        try begin(own)
        for (cookie, resident) in residents(of: kernel.servedNetworks.subtracting([own.cookie])) {
            guard let resident else {
                try kernel.abandon(network: cookie)
                continue
            }
            needed(by: resident)
        }
    }

    /// A managed process was seen: where it is has to be served.
    package func needed(by process: ProcessKey) {
        guard let inode = NetworkNamespace.inode(ofPID: process.pid), inode != own.inode,
            let namespace = try? NetworkNamespace.of(pid: process.pid), namespace.cookie != own.cookie
        else { return }
        serve(namespace, for: [process])
    }

    /// These have a name now, and no others.
    ///
    /// - Parameter paths: by inode.
    package func prepare(_ paths: [UInt64: String]) async {
        named = Set(paths.keys)
        unready.formIntersection(named)
        var left = Self.maximumAhead - others.count
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
            try begin(namespace)
            others[cookie] = Served(namespace: namespace, residents: residents)
            logger.info("network namespace served", metadata: ["netns_cookie": "\(cookie)"])
            changed()
        } catch {
            proxy.unbind(network: cookie, cut: true)
            logger.error("network namespace not served, connections in it are refused: \(error)")
        }
    }

    /// Gives up the namespaces that have ended, once a second, until cancelled.
    package func run() async {
        while (try? await Task.sleep(for: .seconds(1))) != nil { giveUpEmptyOnes() }
    }

    private func begin(_ namespace: NetworkNamespace) throws {
        let listeners = try proxy.bind(outboundPort: outboundPort, in: KernelNetwork(namespace, own: own))
        try kernel.serve(
            namespace,
            listeners: ProxyListeners(
                outbound4: listeners.outbound4, outbound6: listeners.outbound6,
                inbound4: listeners.inbound4, inbound6: listeners.inbound6,
            ),
        )
    }

    /// Our own listeners keep a namespace alive, so it ends when its processes have and its name is gone.
    private func giveUpEmptyOnes() {
        do { try kernel.forgetEndedNetworks() } catch {
            logger.error("what is left of network namespaces that have ended was not taken out: \(error)")
        }
        for (cookie, served) in others {
            let residents = served.residents.filter {
                kernel.isAlive($0) && served.namespace.contains(pid: $0.pid)
            }
            others[cookie]?.residents = residents
            guard residents.isEmpty, !named.contains(served.namespace.inode),
                proxy.connectionCount(in: cookie) == 0
            else { continue }
            do {
                // First the kernel part: from then on connections are refused, and asked for again.
                try kernel.abandon(network: cookie)
                proxy.unbind(network: cookie, cut: true)
                others[cookie] = nil
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
        for facts in kernel.processes() {
            guard let inode = NetworkNamespace.inode(ofPID: facts.key.pid), seen.insert(inode).inserted,
                let cookie = try? NetworkNamespace.of(pid: facts.key.pid).cookie, found[cookie] != nil
            else { continue }
            found[cookie] = facts.key
        }
        return found
    }
}

/// A network namespace as the proxy wants it.
private struct KernelNetwork: Network {
    private let namespace: NetworkNamespace
    private let isOwn: Bool

    init(_ namespace: NetworkNamespace, own: NetworkNamespace) {
        self.namespace = namespace
        isOwn = namespace.cookie == own.cookie
    }

    var cookie: UInt64 { namespace.cookie }

    func socket(family: CInt) throws -> CInt {
        if isOwn { return try HostNetwork(cookie: cookie).socket(family: family) }
        do { return try namespace.socket(family: family) } catch {
            guard case .socketRefused(let code) = error else { throw error }
            throw ProxyError.socket(operation: "socket", address: "in network \(cookie)", errno: code)
        }
    }

    func links() throws -> [CUnsignedInt] { try namespace.run { HostNetwork.linksOfThread } }
}
