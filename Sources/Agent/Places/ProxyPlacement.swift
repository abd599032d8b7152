package import Kernel
package import Proxy
package import Workloads

/// Puts the proxy into network namespaces and takes it out again.
package protocol ProxyPlacement: Sendable {
    /// Cookies of the namespaces it is in, or was by a former agent.
    var placed: Set<UInt64> { get }
    /// The processes that are known of.
    var residents: [ProcessKey] { get }

    func put(into namespace: NetworkNamespace, own: NetworkNamespace) throws
    /// Connections there are refused from then on, and asked for again.
    func takeOut(of cookie: UInt64) throws
    /// What is left of namespaces that have ended.
    func forgetEnded() throws
    func connectionCount(in cookie: UInt64) -> Int
    func isAlive(_ process: ProcessKey) -> Bool
    /// Whose share it burdens, see ``UserNamespace/payer(ofPID:)``; nil where it has ended.
    func payer(of process: ProcessKey) -> UInt32?
}

/// The kernel part, which leads connections there, and the proxy, which listens there.
package struct KernelPlacement: ProxyPlacement {
    private let kernel: KernelSession
    private let proxy: LoopbackProxy
    private let outboundPort: UInt16

    package init(kernel: KernelSession, proxy: LoopbackProxy, outboundPort: UInt16) {
        self.kernel = kernel
        self.proxy = proxy
        self.outboundPort = outboundPort
    }

    package var placed: Set<UInt64> { kernel.servedNetworks }

    package var residents: [ProcessKey] { kernel.processes().map(\.key) }

    package func put(into namespace: NetworkNamespace, own: NetworkNamespace) throws {
        do {
            let listeners = try proxy.bind(outboundPort: outboundPort, in: KernelNetwork(namespace, own: own))
            try kernel.serve(
                namespace,
                listeners: ProxyListeners(
                    outbound4: listeners.outbound4, outbound6: listeners.outbound6,
                    inbound4: listeners.inbound4, inbound6: listeners.inbound6,
                ),
            )
        } catch {
            proxy.unbind(network: namespace.cookie, cut: true)
            throw error
        }
    }

    package func takeOut(of cookie: UInt64) throws {
        // First the kernel part: from then on connections are refused, and asked for again.
        try kernel.abandon(network: cookie)
        proxy.unbind(network: cookie, cut: true)
    }

    package func forgetEnded() throws { try kernel.forgetEndedNetworks() }

    package func connectionCount(in cookie: UInt64) -> Int { proxy.connectionCount(in: cookie) }

    package func isAlive(_ process: ProcessKey) -> Bool { kernel.isAlive(process) }

    package func payer(of process: ProcessKey) -> UInt32? { kernel.payer(of: process) }
}

/// A network namespace as the proxy wants it.
struct KernelNetwork: Network {
    private let namespace: NetworkNamespace
    let origin: NetworkOrigin

    /// - Throws: where it cannot be told who made it.
    init(_ namespace: NetworkNamespace, own: NetworkNamespace) throws(KernelError) {
        self.namespace = namespace
        if namespace.cookie == own.cookie {
            origin = .host
        } else if let user = try namespace.makerOfItsUserNamespace(), user != 0 {
            origin = .ofUser(user)
        } else {
            origin = .other(namespace.cookie)
        }
    }

    var cookie: UInt64 { namespace.cookie }

    func socket(family: CInt) throws -> CInt {
        if origin == .host { return try HostNetwork(cookie: cookie).socket(family: family) }
        do { return try namespace.socket(family: family) } catch {
            guard case .socketRefused(let code) = error else { throw error }
            throw ProxyError.socket(operation: "socket", address: "in network \(cookie)", errno: code)
        }
    }

    func links() throws -> [CUnsignedInt] {
        Set(try namespace.addresses().filter { $0.address.isLinkLocal && !$0.address.isIPv4 }.map(\.interface)).sorted()
    }
}
