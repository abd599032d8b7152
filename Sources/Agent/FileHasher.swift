import Crypto
import Dispatch
import Foundation
package import Kernel

/// SHA-256 of files, remembered by what changes whenever their content does.
///
/// Bounded in every way: two files at a time, so many bytes a second, none larger than a limit. Whoever may start programs
/// cannot make the agent read without end.
package actor FileHasher {
    package struct Limits: Sendable {
        package var fileBytes: Int64 = 1 << 30
        package var filesAtOnce = 2
        package var bytesPerSecond: Int64 = 200_000_000
        package var remembered = 4096
        package var chunkBytes = 1 << 20

        package init() {}
    }

    private struct Remembered {
        let hash: String
        var used: UInt64
    }

    private let limits: Limits
    private let now: @Sendable () -> Duration
    private var pace: ReadingPace
    private var remembered: [OpenFile.Version: Remembered] = [:]
    private var uses: UInt64 = 0
    private var reading = 0
    private var waiting: [CheckedContinuation<Void, Never>] = []
    /// How many files were read, and not remembered from before.
    package private(set) var filesRead = 0

    /// Two writes within one tick of the kernel's clock leave the same time of change; the clocks differ by less than this.
    private static let settled = Duration.seconds(2)
    /// Reading blocks, which threads of the cooperative pool must not.
    private static let queue = DispatchQueue(label: "tidemark.hash", attributes: .concurrent)

    /// - Parameter now: the time since 1970.
    package init(limits: Limits = Limits(), now: @escaping @Sendable () -> Duration = { .sinceEpoch }) {
        self.limits = limits
        self.now = now
        pace = ReadingPace(bytesPerSecond: limits.bytesPerSecond, start: .now)
    }

    /// In lower-case hex.
    package func hash(of file: OpenFile) async throws -> String {
        let version = try file.version()
        guard version.bytes <= limits.fileBytes else {
            throw FileHashError.tooLarge(path: file.path, bytes: version.bytes, limit: limits.fileBytes)
        }
        if let known = recall(version) { return known }
        await enter()
        defer { leave() }
        // Somebody else may have read it while this one waited.
        if let known = recall(version) { return known }
        filesRead += 1
        let hash = try await read(file, bytes: version.bytes)
        guard try file.version() == version else { throw FileHashError.changed(path: file.path) }
        if now() - version.changed >= Self.settled { remember(hash, of: version) }
        return hash
    }

    private func read(_ file: OpenFile, bytes: Int64) async throws -> String {
        var digest = SHA256()
        var offset: Int64 = 0
        while true {
            try Task.checkCancellation()
            let wait = pace.take(min(Int64(limits.chunkBytes), bytes - offset), at: .now)
            if wait > .zero { try await Task.sleep(for: wait) }
            let chunk = try await Self.chunk(of: file, upTo: limits.chunkBytes, at: offset)
            if chunk.isEmpty { break }
            offset += Int64(chunk.count)
            // It grows while it is read.
            guard offset <= bytes else { throw FileHashError.changed(path: file.path) }
            digest.update(data: chunk)
        }
        return digest.finalize().map { byte in
            let text = String(byte, radix: 16)
            return byte < 16 ? "0" + text : text
        }.joined()
    }

    private static func chunk(of file: OpenFile, upTo count: Int, at offset: Int64) async throws -> [UInt8] {
        try await withCheckedThrowingContinuation { continuation in
            queue.async { continuation.resume(with: Result { try file.read(upTo: count, at: offset) }) }
        }
    }

    // MARK: At most so many at once

    private func enter() async {
        guard reading >= limits.filesAtOnce else {
            reading += 1
            return
        }
        await withCheckedContinuation { waiting.append($0) }
    }

    /// The next one takes the place over.
    private func leave() {
        if waiting.isEmpty { reading -= 1 } else { waiting.removeFirst().resume() }
    }

    // MARK: What was read before

    private func recall(_ version: OpenFile.Version) -> String? {
        guard let known = remembered[version] else { return nil }
        uses += 1
        remembered[version]?.used = uses
        return known.hash
    }

    private func remember(_ hash: String, of version: OpenFile.Version) {
        uses += 1
        remembered[version] = Remembered(hash: hash, used: uses)
        guard remembered.count > limits.remembered else { return }
        // A quarter at a time, as looking for the oldest looks at all of them.
        let oldest = remembered.sorted { $0.value.used < $1.value.used }.prefix(max(1, limits.remembered / 4))
        for (version, _) in oldest { remembered[version] = nil }
    }
}

/// Why a file has no hash.
package enum FileHashError: Error, Equatable, CustomStringConvertible {
    case tooLarge(path: String, bytes: Int64, limit: Int64)
    case changed(path: String)

    package var description: String {
        switch self {
        case .tooLarge(let path, let bytes, let limit):
            "\(path) has \(bytes) bytes, and no more than \(limit) are hashed; select the program by another key"
        case .changed(let path):
            "\(path) changed while it was read; it is read again when it is needed again"
        }
    }
}

/// Spreads reading over time: a budget that fills up at a steady rate, and holds a tenth of a second of it.
struct ReadingPace {
    private let bytesPerSecond: Int64
    /// When all that was taken so far is paid for.
    private var paid: ContinuousClock.Instant

    private static let burst = Duration.milliseconds(100)

    init(bytesPerSecond: Int64, start: ContinuousClock.Instant) {
        self.bytesPerSecond = bytesPerSecond
        paid = start - Self.burst
    }

    /// - Returns: how long to wait before reading them.
    mutating func take(_ bytes: Int64, at now: ContinuousClock.Instant) -> Duration {
        paid = max(paid, now - Self.burst) + .nanoseconds(bytes * 1_000_000_000 / bytesPerSecond)
        return paid - now
    }
}

extension Duration {
    package static var sinceEpoch: Duration { .seconds(Date().timeIntervalSince1970) }
}
