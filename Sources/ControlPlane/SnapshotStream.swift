import ControlPlaneAPI
import Foundation
import Hummingbird
import HummingbirdCore
import NIOCore
import SPIFFE
import Workloads

/// One agent's `GET /v1/agents/self/snapshots`: a line a version, the first one whole and each later one as a change of the one
/// before; an empty line as heartbeat.
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
            guard let agent = try? await desk.agent(peer) else { return }
            let snapshot = try await next(after: sent?.version, for: agent)
            if let snapshot {
                try await writer.write(ByteBuffer(bytes: try Self.line(snapshot, after: sent) + [newline]))
                sent = Sent(version: snapshot.version, identities: snapshot.identities)
            } else {
                try await writer.write(ByteBuffer(bytes: [newline]))
            }
        }
    }

    /// What the agent has from this stream. The identities are those of ``RegistryContent``, so all streams of a group share them.
    private struct Sent {
        let version: UInt64
        let identities: [WorkloadIdentity]
    }

    private static func line(_ snapshot: PolicySnapshot, after sent: Sent?) throws -> Data {
        guard let sent else { return try WireCoding.encoder().encode(snapshot) }
        return try WireCoding.encoder().encode(SnapshotChange(since: sent.version, sent.identities, to: snapshot))
    }

    private var newline: UInt8 { UInt8(ascii: "\n") }

    /// - Returns: nil where the agent has the current one.
    private func next(after sent: UInt64?, for agent: AgentDirectory.Agent) async throws -> PolicySnapshot? {
        try await state.store.read { database in
            if try state.registry.version(in: database) == sent { return nil }
            return try state.registry.snapshot(
                forGroup: agent.group, bundle: state.bundle, svidLifetime: state.configuration.svidLifetime,
                in: database)
        }
    }
}
