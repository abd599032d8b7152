package import ControlPlaneAPI
import Foundation
package import Kernel
package import Proxy
import SPIFFE
import Workloads

/// Answers "whose connection is this, and why does it go where it goes".
///
/// First of the proxy's live connections, then of the kernel's sockets, then of what was refused lately.
package struct ConnectionFinder: Sendable {
    private let kernel: KernelSession
    private let proxy: LoopbackProxy
    private let policy: PolicyBoard
    private let refusals: RecentRefusals
    private let explainer: Explainer
    private let networks: @Sendable () async -> [NetworkNamespace]

    package init(
        kernel: KernelSession, proxy: LoopbackProxy, policy: PolicyBoard, refusals: RecentRefusals,
        explainer: Explainer, networks: @escaping @Sendable () async -> [NetworkNamespace],
    ) {
        self.kernel = kernel
        self.proxy = proxy
        self.policy = policy
        self.refusals = refusals
        self.explainer = explainer
        self.networks = networks
    }

    /// - Parameters: both ends, in either order, as either end sees them.
    package func find(_ one: InternetEndpoint, _ other: InternetEndpoint) async throws(Problem) -> ConnectionExplanation
    {
        if let report = proxy.connections().last(where: { $0.joins(one, other) }) { return await carried(report) }
        if let direct = await direct(one, other) { return direct }
        if let refusal = refusals.between(one, other) { return await refused(refusal, one, other) }
        throw Problem(
            .connectionUnknown,
            message:
                "no live connection between \(one) and \(other) in a network namespace this agent serves, and none was "
                + "refused lately; give both ends as one process sees them (ss -tnp), on the host where it runs",
        )
    }

    // MARK: Through the proxy

    private func carried(_ report: ConnectionReport) async -> ConnectionExplanation {
        var found = ConnectionExplanation(
            state: .carried, because: Self.reason(report), destination: report.destination)
        found.direction = report.direction == .outbound ? .outbound : .inbound
        found.source = report.source
        found.wire = report.connection
        found.network = report.network
        found.at = report.startedAt
        found.bytesToApplication = report.bytesToApplication
        found.bytesFromApplication = report.bytesFromApplication
        found.workload = report.workload?.description
        found.peer = report.peer?.description
        found.svidSerial = report.svidSerial
        found.peerSVIDSerial = report.peerSVIDSerial
        found.plainText = report.plainText
        if let because = report.peerBecause { found.because += "; the peer may speak: \(because)" }
        if let note = keptNote(report) { found.because += note }
        if let process = report.process ?? listener(at: report.destination, in: report.network) {
            found.process = await explainer.explain(process)
        }
        return found
    }

    private func keptNote(_ report: ConnectionReport) -> String? {
        guard let process = report.process, let image = report.image,
            !kernel.isRunning(ProcessImage(process: process, number: image)), kernel.isAlive(process)
        else { return nil }
        return "; the process has executed another program since, and keeps it: it is the same workload still, or the "
            + "identity says connection.keepAcrossExec"
    }

    private static func reason(_ report: ConnectionReport) -> String {
        guard let workload = report.workload else {
            return
                "redirected until it was known what its process is; as that has no identity, it is passed on as it is"
        }
        if report.direction == .outbound, report.plainText {
            return
                "redirected until it was known whether \(workload) may reach the destination: its egress lists it, and it is "
                + "passed on as it is"
        }
        let established = report.peer != nil || report.plainText
        return switch report.direction {
        case .outbound:
            "redirected: its process is \(workload), and a managed workload listens at the destination"
                + (established ? "" : "; still being established")
        case .inbound:
            "redirected: \(workload) listens at the destination"
                + (report.plainText ? ", in mode PERMISSIVE" : established ? "" : "; still being established")
        }
    }

    private func listener(at destination: String, in network: UInt64) -> ProcessKey? {
        guard let endpoint = InternetEndpoint(parsing: destination) else { return nil }
        let sockets = kernel.listeners().filter { $0.network == network }
        return ([endpoint] + endpoint.wildcards).lazy
            .compactMap { place in sockets.first { $0.endpoint == place }?.process }.first
    }

    // MARK: Not through the proxy

    private func direct(_ one: InternetEndpoint, _ other: InternetEndpoint) async -> ConnectionExplanation? {
        for namespace in await networks() {
            let sockets = (try? kernel.sockets(between: one, and: other, in: namespace)) ?? []
            // Its own end of both that are here: the first one asked for.
            guard let socket = sockets.first(where: { $0.source == one }) ?? sockets.first else { continue }
            return await direct(socket, in: namespace.cookie)
        }
        return nil
    }

    private func direct(_ socket: KernelSocket, in network: UInt64) async -> ConnectionExplanation {
        let accepted = listener(at: "\(socket.source)", in: network)
        var process: Explanation?
        if let opener = socket.record?.process { process = await explainer.explain(opener) }
        if process == nil, let holder = socket.holders().first { process = try? await explainer.explain(pid: holder) }
        let isInbound = socket.record == nil && accepted != nil
        let far = socket.record.map { $0.isRedirected ? $0.destination : socket.destination } ?? socket.destination
        let (source, destination) = isInbound ? (far, socket.source) : (socket.source, far)
        var found = ConnectionExplanation(
            state: .direct,
            because: isInbound ? Self.inboundReason(process) : outboundReason(socket, process, destination, network),
            destination: "\(destination)",
        )
        found.direction = isInbound ? .inbound : .outbound
        found.source = "\(source)"
        found.network = network
        found.bytesFromApplication = socket.bytesSent
        found.bytesToApplication = socket.bytesReceived
        found.workload = process?.spiffeID
        found.process = process
        return found
    }

    private static func inboundReason(_ process: Explanation?) -> String {
        guard let id = process?.spiffeID else {
            return "direct: the process that listens has no identity, so its connections reach it as they are"
        }
        return "direct: it came in before the listener of \(id) was managed; only new connections go through the proxy"
    }

    private func outboundReason(
        _ socket: KernelSocket, _ process: Explanation?, _ destination: InternetEndpoint, _ network: UInt64,
    ) -> String {
        if socket.record?.isRedirected == true, let process, process.spiffeID == nil {
            return
                "redirected until it was known what its process is; as that has no identity, the proxy passes it on as it is"
        }
        if socket.record?.isRedirected == true {
            return "redirected to the proxy, which has not taken it up yet, or has just ended it"
        }
        guard let process else {
            return "direct: its process is gone or of the kernel itself, and no identity was recorded with it"
        }
        if process.facts.key.pid == ProcessInfo.processInfo.processIdentifier {
            return "direct: it is the proxy's own end of a connection it carries, or the agent's to the control plane"
        }
        if let identity = process.spiffeID, policy.current.isManaged(destination, from: network) {
            return "direct: opened before its process was \(identity), or before the destination was managed; "
                + "only new connections are redirected"
        }
        if let outbound = passage(of: process, to: destination) { return outbound }
        return process.spiffeID.map {
            "direct: no managed workload listens at \(destination), so that \($0) dials it itself"
        }
            ?? "direct: its process has no identity, so its connections are left alone"
    }

    /// Why a workload that may not go everywhere goes there.
    private func passage(of process: Explanation, to destination: InternetEndpoint) -> String? {
        guard let text = process.spiffeID, let workload = try? SPIFFEID(text),
            let identity = policy.current.identity(of: workload), identity.outbound != nil,
            case .plain(let reason) = policy.current.passage(of: identity, to: destination)
        else { return nil }
        return "direct: \(reason), so that \(workload) dials it itself"
    }

    // MARK: Refused

    private func refused(
        _ refusal: RecentRefusals.Refusal, _ one: InternetEndpoint, _ other: InternetEndpoint,
    ) async -> ConnectionExplanation {
        let ends = refusal.connections.first?.split(separator: ">").map(String.init)
        var found = ConnectionExplanation(
            state: .refused, because: refusal.reason,
            destination: ends?.last ?? "\(refusal.destination ?? other)",
        )
        found.direction = refusal.isInbound ? .inbound : .outbound
        found.source = ends?.first
        found.wire = refusal.connections.count > 1 ? refusal.connections.last : nil
        found.at = refusal.time
        found.workload = refusal.workload?.description
        found.peer = refusal.peer?.description
        if let process = refusal.process { found.process = await explainer.explain(process) }
        return found
    }
}

extension ConnectionReport {
    /// By its own ends, or by those of the connection between the hosts.
    fileprivate func joins(_ one: InternetEndpoint, _ other: InternetEndpoint) -> Bool {
        let names = ["\(one)>\(other)", "\(other)>\(one)"]
        return names.contains("\(source)>\(destination)") || connection.map(names.contains) == true
    }
}
