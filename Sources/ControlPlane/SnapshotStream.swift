import ControlPlaneAPI
import Foundation
import Hummingbird
import HummingbirdCore
import NIOCore
import SPIFFE
import Workloads

/// One agent's `GET /v1/agents/self/snapshots`: a line a version, the first one whole and each later one as a change of the one
/// before; a line with a change of endpoints alone, which makes no version; an empty line as heartbeat.
struct SnapshotStream: Sendable {
    let state: ControlPlaneState
    let desk: AgentDesk
    let peer: Peer
    let agent: AgentDirectory.Agent
    /// The request's, watched so that a client that hangs up ends the stream at once.
    let body: RequestBody

    func response() -> Response {
        Response(
            status: .ok,
            headers: [.contentType: "application/x-ndjson", .cacheControl: "no-store"],
            body: ResponseBody { writer in
                let wakings = await state.hub.open(for: agent.id)
                defer { wakings.end() }
                try await body.consumeWithInboundCloseHandler { _ in
                    try await send(on: wakings, to: &writer)
                } onInboundClosed: {
                    wakings.end()
                }
                try await writer.finish(nil)
            },
        )
    }

    private func send(on wakings: SnapshotHub.Wakings, to writer: inout any ResponseBodyWriter) async throws {
        var sent: Sent?
        for await _ in wakings.sequence {
            // Looked at each time, so that a removed agent, or one with an old certificate, hears nothing more.
            guard let agent = try? await desk.agent(stillStreaming: peer) else { return }
            let line = try await next(after: &sent, for: agent)
            try await writer.write(ByteBuffer(bytes: line + [newline]))
        }
    }

    /// What the agent has from this stream. The identities are those of ``RegistryContent``, so all streams of a group share them.
    private struct Sent {
        let version: UInt64
        let identities: [WorkloadIdentity]
        var endpoints: [Endpoint]
        var endpointsRevision: Int64
    }

    private enum Step {
        case nothing
        case policy(PolicySnapshot, endpointsRevision: Int64)
        case endpoints([Endpoint], revision: Int64)
    }

    private static func line(_ snapshot: PolicySnapshot, after sent: Sent?) throws -> Data {
        guard let sent else { return try WireCoding.encoder().encode(snapshot) }
        return try WireCoding.encoder().encode(SnapshotChange(since: sent.version, sent.identities, to: snapshot))
    }

    private var newline: UInt8 { UInt8(ascii: "\n") }

    /// - Returns: the next line; empty where the agent has everything, which is a heartbeat.
    private func next(after sent: inout Sent?, for agent: AgentDirectory.Agent) async throws -> Data {
        let (version, revision) = (sent?.version, sent?.endpointsRevision)
        switch try await step(after: version, revision, for: agent) {
        case .nothing: return Data()
        case .policy(let snapshot, let revision):
            let line = try Self.line(snapshot, after: sent)
            sent = Sent(
                version: snapshot.version, identities: snapshot.identities, endpoints: snapshot.endpoints,
                endpointsRevision: revision)
            return line
        case .endpoints(let endpoints, let revision):
            guard let former = sent else { return Data() }
            let change = EndpointChange(version: former.version, from: former.endpoints, to: endpoints)
            sent?.endpoints = endpoints
            sent?.endpointsRevision = revision
            return change.isEmpty ? Data() : try WireCoding.encoder().encode(change)
        }
    }

    private func step(
        after version: UInt64?, _ revision: Int64?, for agent: AgentDirectory.Agent,
    ) async throws -> Step {
        try await state.store.read { database in
            let now = try state.registry.endpointsRevision(in: database)
            guard try state.registry.version(in: database) == version else {
                let snapshot = try state.registry.snapshot(
                    forGroup: agent.group, bundle: state.bundle, svidLifetime: state.configuration.svidLifetime,
                    in: database)
                return .policy(snapshot, endpointsRevision: now)
            }
            return now == revision ? .nothing : .endpoints(try state.registry.endpoints(in: database), revision: now)
        }
    }
}
