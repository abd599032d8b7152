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
            let agent = try await agent(context)
            return try Response.json(await desk.renew(request.json(RenewRequest.self), for: agent))
        }
        router.post("/v1/svids/x509") { request, context in
            let agent = try await agent(context)
            return try Response.json(await desk.x509SVID(request.json(X509SVIDRequest.self), for: agent))
        }
        router.post("/v1/svids/jwt") { request, context in
            let agent = try await agent(context)
            return try Response.json(await desk.jwtSVID(request.json(JWTSVIDRequest.self), for: agent))
        }
        addReports(to: router)
    }

    private func addReports(to router: Router<ConnectionContext>) {
        router.get("/v1/agents/self/snapshots") { request, context in
            guard let peer = try await Peer.onConnection(context.channel) else {
                throw ControlPlaneRefusal.certificateMissing
            }
            let agent = try await desk.agent(peer)
            return SnapshotStream(state: desk.state, desk: desk, peer: peer, agent: agent, body: request.body)
                .response()
        }
        router.post("/v1/agents/self/acknowledge") { request, context in
            let agent = try await agent(context)
            try await desk.acknowledge(request.json(Acknowledgement.self), by: agent)
            return Response(status: .noContent)
        }
        router.put("/v1/agents/self/endpoints") { request, context in
            let agent = try await agent(context)
            try await desk.report(request.json(EndpointReport.self), by: agent)
            return Response(status: .noContent)
        }
        router.post("/v1/agents/self/audit") { request, context in
            let agent = try await agent(context)
            try await desk.report(request.json(AuditReport.self), by: agent)
            return Response(status: .noContent)
        }
    }

    private func agent(_ context: ConnectionContext) async throws -> AgentDirectory.Agent {
        try await desk.agent(Peer.onConnection(context.channel))
    }
}
