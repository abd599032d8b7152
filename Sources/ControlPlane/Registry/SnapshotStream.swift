import ControlPlaneAPI
import Foundation
import GRDB
import Hummingbird
import HummingbirdCore
import NIOCore
import SPIFFE
import Workloads

/// One agent's `GET /v1/agents/self/snapshots`: a line a version, the first one whole and each later one as a change of the one
/// before; a line with a change of endpoints alone, which makes no version; an empty line as heartbeat. What would be too long
/// for a line comes in pieces, a line each.
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
                if wakings.hasEndedOlder { await desk.tellStreamsEnded(of: agent) }
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
        var sent: SnapshotMessages.Message?
        for await _ in wakings.sequence {
            // Looked at each time, so that a removed agent, or one with an old certificate, hears nothing more.
            guard let agent = try? await desk.agent(stillStreaming: peer) else { return }
            let next = try await next(after: sent, for: agent)
            for line in next?.lines ?? [] { try await writer.write(line) }
            if next?.lines.isEmpty ?? true { try await writer.write(ByteBuffer(string: "\n")) }
            sent = next?.sent ?? sent
        }
    }

    /// - Returns: nil where the agent has everything, which is a heartbeat.
    private func next(
        after sent: SnapshotMessages.Message?, for agent: AgentDirectory.Agent,
    ) async throws -> SnapshotMessages.Message? {
        let place = try await state.store.read { try current(in: $0) }
        guard place != sent?.place else { return nil }
        return try await state.messages.message(.init(group: agent.group, from: sent?.place, to: place)) {
            try await message(after: sent, forGroup: agent.group)
        }
    }

    private func current(in database: Database) throws -> SnapshotMessages.Place {
        SnapshotMessages.Place(
            version: try state.registry.version(in: database),
            endpoints: try state.registry.endpointsRevision(in: database))
    }

    private enum Content {
        case policy(PolicySnapshot)
        case endpoints([Endpoint])
    }

    private func message(
        after sent: SnapshotMessages.Message?, forGroup group: String,
    ) async throws -> SnapshotMessages.Message {
        let (place, content) = try await state.store.read { database -> (SnapshotMessages.Place, Content) in
            let place = try current(in: database)
            guard place.version == sent?.place.version else {
                let snapshot = try state.registry.snapshot(
                    forGroup: group, bundle: state.bundle, svidLifetime: state.configuration.svidLifetime, in: database)
                return (place, .policy(snapshot))
            }
            return (place, .endpoints(try state.registry.endpoints(in: database)))
        }
        let encoder = WireCoding.encoder()
        switch content {
        case .policy(let snapshot):
            let line =
                if let sent {
                    try encoder.encode(SnapshotChange(since: sent.place.version, sent.identities, to: snapshot))
                } else {
                    try encoder.encode(snapshot)
                }
            return try .init(at: place, snapshot.identities, snapshot.endpoints, line: line)
        case .endpoints(let endpoints):
            let change = EndpointChange(version: place.version, from: sent?.endpoints ?? [], to: endpoints)
            let line = change.isEmpty ? nil : try encoder.encode(change)
            return try .init(at: place, sent?.identities ?? [], endpoints, line: line)
        }
    }
}
