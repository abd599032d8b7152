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

    private func message(
        after sent: SnapshotMessages.Message?, forGroup group: String,
    ) async throws -> SnapshotMessages.Message {
        let (place, next) = try await state.store.read { database -> (SnapshotMessages.Place, PolicySnapshot) in
            let place = try current(in: database)
            if var same = sent?.snapshot, same.version == place.version {
                same.endpoints = try state.registry.endpoints(in: database)
                return (place, same)
            }
            return (
                place,
                try state.registry.snapshot(
                    forGroup: group, bundle: state.bundle, svidLifetime: state.configuration.svidLifetime, in: database)
            )
        }
        return try .init(at: place, next, line: Self.line(to: next, after: sent?.snapshot))
    }

    /// - Returns: nil: nothing differs.
    private static func line(to next: PolicySnapshot, after former: PolicySnapshot?) throws -> Data? {
        let encoder = WireCoding.encoder()
        guard let former else { return try encoder.encode(next) }
        guard former.version == next.version else { return try encoder.encode(SnapshotChange(from: former, to: next)) }
        let change = EndpointChange(version: next.version, from: former.endpoints, to: next.endpoints)
        return change.isEmpty ? nil : try encoder.encode(change)
    }
}
