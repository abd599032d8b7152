import ControlPlaneAPI
import Foundation
import Limits
import Synchronization

/// Carries checkpoints outside, to all places side by side: one that hangs keeps no other waiting.
package final class AuditCarrier: Sendable {
    /// Files that a thread is still writing to. There is one thread for each at most, however long its file system hangs.
    private let writing = Mutex<Set<String>>([])
    private let limit: Duration
    private let append: @Sendable (Data, String) throws -> Void

    /// - Parameters:
    ///   - limit: how long one place may take.
    ///   - append: a line to a file, by its path.
    init(
        limit: Duration = Limits.Audit.copyDeadline,
        appending append: @escaping @Sendable (Data, String) throws -> Void = { try AuditCopy.append($0, to: $1) },
    ) {
        self.limit = limit
        self.append = append
    }

    /// - Returns: where it did not come to, and why.
    func carry(_ checkpoint: AuditCheckpoint, to copies: [AuditCopy]) async throws -> [(AuditCopy, any Error)] {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        let text = try encoder.encode(checkpoint)
        return await withTaskGroup(of: (AuditCopy, (any Error)?).self) { group in
            for copy in copies {
                group.addTask {
                    do { try await self.carry(text, to: copy) } catch { return (copy, error) }
                    return (copy, nil)
                }
            }
            return await group.reduce(into: []) { failed, outcome in
                if let error = outcome.1 { failed.append((outcome.0, error)) }
            }
        }
    }

    private func carry(_ text: Data, to copy: AuditCopy) async throws {
        switch copy {
        case .file(let path): try await write(text + Data("\n".utf8), to: path)
        case .address(let address): try await AuditCopy.post(text, to: address, within: limit)
        }
    }

    /// On a thread of its own: nothing ends a system call that a file system keeps waiting.
    private func write(_ line: Data, to path: String) async throws {
        guard writing.withLock({ $0.insert(path).inserted }) else { throw AuditCopyError.stuck }
        let (outcomes, outcome) = AsyncStream.makeStream(of: Result<Void, any Error>.self)
        Thread.detachNewThread { [self] in
            let result = Result { try append(line, path) }
            _ = writing.withLock { $0.remove(path) }
            outcome.yield(result)
        }
        let deadline = Task { [limit] in
            try await Task.sleep(for: limit)
            outcome.yield(.failure(AuditCopyError.late(limit)))
        }
        defer { deadline.cancel() }
        for await first in outcomes { return try first.get() }
        throw CancellationError()
    }
}
