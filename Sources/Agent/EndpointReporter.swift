import ControlPlaneAPI
package import Logging

/// Tells the control plane where this host's managed workloads listen: on each change, and every half minute in case an address changed.
package actor EndpointReporter {
    private let enforcer: Enforcer
    private let link: ControlPlaneLink
    private let logger: Logger
    private var reported: [Endpoint]?

    package init(enforcer: Enforcer, link: ControlPlaneLink, logger: Logger) {
        self.enforcer = enforcer
        self.link = link
        self.logger = logger
    }

    package func refresh() async {
        do {
            try await enforcer.redecideListeners()
            let now = await enforcer.reported
            guard now != reported else { return }
            try await link.agentClient().report(endpoints: EndpointReport(endpoints: now))
            reported = now
        } catch {
            logger.warning("listeners not reported: \(error)")
        }
    }

    /// A new stream: the control plane may have forgotten.
    package func repeatReport() async {
        reported = nil
        await refresh()
    }

    package func run() async {
        while (try? await Task.sleep(for: .seconds(30))) != nil {
            await enforcer.forgetClosedListeners()
            await refresh()
        }
    }
}
