import ControlPlaneAPI
import Foundation
import Hummingbird
import HummingbirdCore
import NIOCore
import SPIFFE

/// One agent's `GET /v1/agents/self/snapshots`: a line a version, an empty line as heartbeat.
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
        var sent: UInt64?
        for await _ in wakings.sequence {
            // Looked at each time, so that a removed agent, or one with an old certificate, hears nothing more.
            guard let agent = try? await desk.agent(peer) else { return }
            let snapshot = try await next(after: sent, for: agent)
            if let snapshot {
                try await writer.write(ByteBuffer(bytes: try WireCoding.encoder().encode(snapshot) + [newline]))
                sent = snapshot.version
            } else {
                try await writer.write(ByteBuffer(bytes: [newline]))
            }
        }
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
