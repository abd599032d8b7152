import ControlPlaneAPI
import Limits
package import Logging

/// Tells the control plane where this host's managed workloads listen: everything once a stream, then what changes; and looks
/// every half minute in case an address changed.
package actor EndpointReporter {
    private let look: @Sendable () async throws -> [Endpoint]
    private let tell: @Sendable (EndpointReport) async throws -> EndpointReceipt
    private let logger: Logger
    private var telling = EndpointTelling()
    private var isReporting = false
    private var isDue = false
    private var warned: Set<String> = []

    package init(enforcer: Enforcer, link: ControlPlaneLink, logger: Logger) {
        self.init(
            logger: logger,
            looking: {
                try await enforcer.redecideListeners()
                return await enforcer.reported
            }, telling: { try await link.agentClient().report(endpoints: $0) })
    }

    /// - Parameters:
    ///   - look: finds all endpoints there are now.
    ///   - tell: brings one piece to the control plane.
    init(
        logger: Logger, looking look: @escaping @Sendable () async throws -> [Endpoint],
        telling tell: @escaping @Sendable (EndpointReport) async throws -> EndpointReceipt,
    ) {
        self.look = look
        self.tell = tell
        self.logger = logger
    }

    /// Something may have changed. What changes while a report is on its way goes with the next one.
    package func refresh() async {
        isDue = true
        guard !isReporting else { return }
        isReporting = true
        defer { isReporting = false }
        while isDue, !Task.isCancelled {
            isDue = false
            do { try await report() } catch {
                logger.warning("listeners not reported: \(error)")
                guard let wait = (error as? ControlPlaneError)?.wait else { return }
                isDue = true
                // Ends early where it is cancelled, and so does the loop.
                try? await Task.sleep(for: wait)
                continue
            }
            // A listener that flaps is told of so often and no oftener.
            if isDue { try? await Task.sleep(for: Limits.Updates.ofAgent) }
        }
    }

    /// A new stream: the control plane may have forgotten.
    package func repeatReport() async {
        telling.begin()
        await refresh()
    }

    package func run() async {
        while (try? await Task.sleep(for: Limits.Namespaces.addressLook)) != nil {
            telling.retryRefused()
            await refresh()
        }
    }

    private func report() async throws {
        let endpoints = telling.bounded(try await look())
        for (workload, count) in telling.newlyDropped {
            logger.warning(
                "\(count) endpoints of a workload are beyond \(Limits.Endpoints.ofWorkload) and not told to other hosts",
                metadata: ["spiffe_id": "\(workload)"])
        }
        for piece in telling.pieces(for: endpoints) {
            // Begun anew meanwhile, which is due.
            guard telling.isNamed(in: piece) else { return }
            let receipt = try await tell(piece)
            telling.took(piece, receipt)
            for refused in receipt.refused { warn(refused) }
        }
    }

    /// Each reason once, as long as there are not too many.
    private func warn(_ refused: RefusedEndpoint) {
        if warned.count >= Limits.Endpoints.toldOfAgent { warned = [] }
        guard warned.insert(refused.reason).inserted else { return }
        logger.warning(
            "endpoint not taken by the control plane: \(refused.reason)",
            metadata: ["endpoint": "\(refused.endpoint.address):\(refused.endpoint.port)"])
    }
}
