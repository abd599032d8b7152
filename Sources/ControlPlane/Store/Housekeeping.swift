import Logging
import ServiceLifecycle

/// What has to be done again and again, and is asked for by nobody.
struct Housekeeping: Service {
    let desk: AgentDesk
    let logger: Logger
    let interval: Duration

    func run() async throws {
        await keepAudit()
        while (try? await cancelWhenGracefulShutdown({ try await Task.sleep(for: interval) })) != nil {
            await attempt("endpoints of absent agents") { try await desk.passEndpoints() }
            await attempt("credentials that have run out") { try await desk.forgetEnded() }
            await keepAudit()
        }
        await keepAudit()
    }

    private func keepAudit() async {
        await attempt("the audit's checkpoint") { try await desk.state.audit.keep(logger: logger) }
    }

    private func attempt(_ what: String, _ work: () async throws -> Void) async {
        do { try await work() } catch { logger.error("\(what): \(error)") }
    }
}
