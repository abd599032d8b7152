import ControlPlaneAPI
import Foundation
import Hummingbird
import HummingbirdCore
import Limits
import SPIFFE

/// The operator's Unix socket. Whoever may open it may do all of this; the audit names the uid.
struct OperatorRoutes: Sendable {
    let desk: OperatorDesk

    func add(to router: Router<ConnectionContext>) {
        router.post("/v1/manifests") { request, context in
            try Response.json(await desk.apply(request.json(ApplyRequest.self), by: OperatorName.of(context.channel)))
        }
        router.get("/v1/manifests") { request, _ in
            try Response.json(await desk.manifests(kind: request.parameter("kind"), name: request.parameter("name")))
        }
        router.delete("/v1/manifests/:kind/:name") { _, context in
            let kind = try decoded("kind", context)
            let name = try decoded("name", context)
            return try Response.json(await desk.delete(kind: kind, name: name, by: OperatorName.of(context.channel)))
        }
        router.post("/v1/join-tokens") { request, context in
            try Response.json(
                await desk.joinToken(request.json(JoinTokenRequest.self), by: OperatorName.of(context.channel)))
        }
        router.delete("/v1/agents/:group/:name") { _, context in try await change(.delete, context) }
        router.post("/v1/agents/:group/:name/ban") { _, context in try await change(.ban, context) }
        router.delete("/v1/agents/:group/:name/ban") { _, context in try await change(.unban, context) }
        router.get("/v1/status") { _, _ in try Response.json(await desk.status()) }
        router.get("/v1/audit/head") { _, _ in try Response.json(await desk.auditHead()) }
        router.get("/v1/audit/verify") { request, _ in try await verification(request) }
        router.get("/v1/audit") { request, _ in try await audit(request) }
    }

    private func change(_ removal: AgentDirectory.Removal, _ context: ConnectionContext) async throws -> Response {
        let (group, name) = (try decoded("group", context), try decoded("name", context))
        return try Response.json(
            await desk.apply(removal, group: group, name: name, by: OperatorName.of(context.channel)))
    }

    private func audit(_ request: Request) async throws -> Response {
        let after = try request.integer("after", in: 0...Int64.max, standard: 0)
        let limit = try request.integer(
            "limit", in: 1...Int64(Limits.Calls.auditRecords), standard: Int64(Limits.Calls.auditRecords))
        let wait = try request.integer("wait", in: 0...Int64(OperatorClient.maximumWait), standard: 0)
        var id: SPIFFEID?
        if let text = request.parameter("spiffeID") {
            do { id = try SPIFFEID(text) } catch {
                throw ControlPlaneRefusal.parameter("spiffeID", value: text, expected: "\(error)")
            }
        }
        return try Response.json(await desk.audit(after: after, limit: Int(limit), spiffeID: id, wait: .seconds(wait)))
    }

    private func verification(_ request: Request) async throws -> Response {
        let text = request.parameter("expect")
        let head = text.flatMap(ExpectedHead.init)
        if let text, head == nil {
            throw ControlPlaneRefusal.parameter(
                "expect", value: text, expected: "HEAD or HEAD:COUNT, as tidemark audit head printed it")
        }
        return try Response.json(await desk.verifyAudit(expecting: head))
    }

    private func decoded(_ name: String, _ context: ConnectionContext) throws -> String {
        let text = try context.parameters.require(name)
        return text.removingPercentEncoding ?? text
    }
}
