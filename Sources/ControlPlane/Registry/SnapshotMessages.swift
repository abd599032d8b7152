import ControlPlaneAPI
import Foundation
import Limits
import NIOCore
import Workloads

/// What streams have to send, made once for all agents of a group that have the same.
///
/// So a fleet costs one encoding and one copy in memory, however many agents are sent it and however slowly they read.
package actor SnapshotMessages {
    /// How far a stream has come. The same place has the same content, for agents of one group.
    struct Place: Hashable, Sendable {
        let version: UInt64
        let endpoints: Int64
    }

    struct Step: Hashable, Sendable {
        let group: String
        /// nil: nothing was sent.
        let from: Place?
        let to: Place
    }

    /// What an agent has after it, and the lines that bring it there.
    struct Message: Sendable {
        let place: Place
        /// The arrays in it are those that other streams of the group have, and of the endpoints all streams.
        let snapshot: PolicySnapshot
        /// With their ends. None: nothing differs.
        fileprivate(set) var lines: [ByteBuffer]

        /// The same, sent: what is to come rests on its content alone.
        var sent: Message {
            var sent = self
            sent.lines = []
            return sent
        }

        fileprivate var bytes: Int { lines.reduce(0) { $0 + $1.readableBytes } }

        /// - Parameter line: nil: nothing differs.
        init(at place: Place, _ snapshot: PolicySnapshot, line: Data?) throws {
            self.place = place
            self.snapshot = snapshot
            lines =
                try line.map { try SnapshotPiece.lines(of: $0) }?
                .map { ByteBuffer(bytes: $0 + [UInt8(ascii: "\n")]) } ?? []
        }
    }

    /// In the order they were begun.
    private var made: [(step: Step, message: Task<Message, any Error>, bytes: Int)] = []

    package init() {}

    /// The newest, and of the others as many as there is room for: large ones are made again where a stream is late.
    private func keep(_ message: Task<Message, any Error>, of bytes: Int) {
        guard let place = made.firstIndex(where: { $0.message == message }) else { return }
        made[place].bytes = bytes
        var held = 0
        for older in made.indices.reversed() {
            held += made[older].bytes
            guard held > Limits.Stream.heldBytes, older < made.endIndex - 1 else { continue }
            return made.removeFirst(older + 1)
        }
    }

    /// - Parameter make: may come to a later place than the step says.
    func message(
        _ step: Step, making make: @escaping @Sendable () async throws -> Message,
    ) async throws -> Message {
        if let held = made.first(where: { $0.step == step }) { return try await held.message.value }
        let message = Task { try await make() }
        made.append((step, message, 0))
        if made.count > Limits.Stream.messages { made.removeFirst() }
        do {
            let value = try await message.value
            keep(message, of: value.bytes)
            return value
        } catch {
            made.removeAll { $0.message == message }
            throw error
        }
    }
}
