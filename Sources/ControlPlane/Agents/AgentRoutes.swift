import ControlPlaneAPI
import Foundation
import Hummingbird
import HummingbirdCore

/// `/v1/agents/*` and `/v1/svids/*`. Who calls is read from the TLS connection, never from the request.
struct AgentRoutes: Sendable {
    let desk: AgentDesk

    func add(to router: Router<ConnectionContext>) {
        router.post("/v1/agents/attest") { request, _ in
            try Response.json(await desk.attest(request.json(AttestRequest.self)))
        }
        router.post("/v1/agents/self/renew") { request, context in
            guard let peer = try await Peer.onConnection(context.channel) else {
                throw ControlPlaneRefusal.certificateMissing
            }
            let agent = try await desk.agent(peer, recognized: context.recognizeAgent)
            return try Response.json(await desk.renew(request.json(RenewRequest.self), for: agent, showing: peer))
        }
        router.post("/v1/svids/x509") { request, context in
            let agent = try await agent(context, spending: [.issues: 1])
            return try Response.json(await desk.x509SVID(request.json(X509SVIDRequest.self), for: agent))
        }
        router.post("/v1/svids/jwt") { request, context in
            let agent = try await agent(context, spending: [.issues: 1])
            return try Response.json(await desk.jwtSVID(request.json(JWTSVIDRequest.self), for: agent))
        }
        addReports(to: router)
    }

    private func addReports(to router: Router<ConnectionContext>) {
        router.get("/v1/agents/self/snapshots") { request, context in
            guard let peer = try await Peer.onConnection(context.channel) else {
                throw ControlPlaneRefusal.certificateMissing
            }
            let agent = try await agent(context, spending: [.streams: 1])
            return SnapshotStream(state: desk.state, desk: desk, peer: peer, agent: agent, body: request.body)
                .response()
        }
        router.post("/v1/agents/self/acknowledge") { request, context in
            try await take(Acknowledgement.self, request, context) { acknowledgement, agent in
                try await desk.acknowledge(acknowledgement, by: agent)
                return Response(status: .noContent)
            }
        }
        router.put("/v1/agents/self/endpoints") { request, context in
            let amounts: [AgentBudgets.Kind: Int] = [.requests: 1, .bytes: 0, .endpoints: 0]
            return try await take(EndpointReport.self, request, context, spending: amounts) { report, agent in
                try Response.json(await desk.report(report, by: agent))
            }
        }
        router.post("/v1/agents/self/audit") { request, context in
            try await take(AuditReport.self, request, context) { report, agent in
                try Response.json(await desk.report(report, by: agent))
            }
        }
    }

    /// What an agent reports, where it may: it is not read otherwise.
    ///
    /// - Parameter amounts: 0 of what is known only when it is there.
    private func take<Body: Decodable & Sendable>(
        _ type: Body.Type, _ request: Request, _ context: ConnectionContext,
        spending amounts: [AgentBudgets.Kind: Int] = [.requests: 1, .bytes: 0],
        _ work: (Body, AgentDirectory.Agent) async throws -> Response,
    ) async throws -> Response {
        let agent = try await agent(context, spending: amounts)
        let bytes = try await request.bytes()
        desk.budgets.spend(bytes: bytes.count, of: agent.id, at: desk.state.now())
        return try await desk.state.reports.take(agent.id) {
            try await work(Request.decode(type, from: bytes), agent)
        }
    }

    private func agent(
        _ context: ConnectionContext, spending amounts: [AgentBudgets.Kind: Int],
    ) async throws -> AgentDirectory.Agent {
        let agent = try await desk.agent(Peer.onConnection(context.channel), recognized: context.recognizeAgent)
        try desk.budgets.admit(amounts, of: agent.id, at: desk.state.now())
        return agent
    }
}
