import Crypto
import Foundation
package import Kernel
import Limits

/// SHA-256 of files, remembered where nothing can change the file unseen.
///
/// Bounded in every way, as whoever may start programs can make the agent read: so many bytes a second, in turns that are
/// fair among users, of files that are not too long and hold what they say they hold.
package actor FileHasher {
    /// What may be read and kept; tests have smaller ones.
    package struct Bounds: Sendable {
        package var fileBytes = Limits.Files.bytes
        package var holeBytes = Limits.Files.holeBytes
        package var bytesPerSecond = Limits.Files.bytesPerSecond
        package var remembered = Limits.Files.remembered
        package var chunkBytes = Limits.Files.chunkBytes

        package init() {}
    }

    private struct Remembered {
        let hash: String
        var used: UInt64
    }

    private let bounds: Bounds
    private let now: @Sendable () -> Duration
    private let threads: FileThreads
    private var pace: ReadingPace
    private var remembered: [OpenFile.Version: Remembered] = [:]
    private var uses: UInt64 = 0
    private var turns = ReadingTurns()
    private var turnsTaken = 0
    private var waiting: [ReadingTurns.Ticket: CheckedContinuation<Void, Never>] = [:]
    /// How many files were read, and not remembered from before.
    package private(set) var filesRead = 0

    /// Two writes within one tick of the kernel's clock leave the same time of change; the clocks differ by less than this.
    private static let settled = Limits.Files.settled

    /// - Parameter now: the time since 1970.
    package init(bounds: Bounds = Bounds(), now: @escaping @Sendable () -> Duration = { .sinceEpoch }) {
        self.init(bounds: bounds, now: now, threads: FileThreads())
    }

    init(bounds: Bounds = Bounds(), now: @escaping @Sendable () -> Duration = { .sinceEpoch }, threads: FileThreads) {
        self.bounds = bounds
        self.threads = threads
        self.now = now
        pace = ReadingPace(bytesPerSecond: bounds.bytesPerSecond, start: .now)
    }

    /// In lower-case hex.
    ///
    /// - Parameters:
    ///   - user: whose share of the reading it is.
    ///   - isWanted: asked before each read; where it is false nothing more is read.
    package func hash(
        of file: OpenFile, for user: UInt32 = 0, while isWanted: @Sendable () -> Bool = { true },
    ) async throws -> String {
        let version = try file.version()
        guard version.bytes <= bounds.fileBytes else {
            throw FileHashError.tooLarge(path: file.path, bytes: version.bytes, limit: bounds.fileBytes)
        }
        // Whoever else may write it can do so in ways that move no time: through a mapping, or a page pinned for direct I/O.
        let isRoots = file.showsEveryChange
        if isRoots, let known = recall(version) { return known }
        guard let ticket = turns.enter(user, bytes: version.bytes) else { throw FileHashError.tooMany(userID: user) }
        defer { turns.leave(ticket) }
        await takeTurn(ticket, left: version.bytes)
        defer { endTurn() }
        // Somebody else may have read it while this one waited.
        if isRoots, let known = recall(version) { return known }
        // Nobody has it open for writing before and after, and its time of change stands still: nobody wrote in between.
        let isStill = isRoots && now() - version.changed >= Self.settled && file.hasNoWriter
        filesRead += 1
        let hash = try await read(file, version.bytes, for: user, ticket, while: isWanted)
        let isStillNow = isStill && file.hasNoWriter
        guard try file.version() == version else { throw FileHashError.changed(path: file.path) }
        if isStillNow { remember(hash, of: version) }
        return hash
    }

    /// Begins and ends with a turn taken.
    private func read(
        _ file: OpenFile, _ bytes: Int64, for user: UInt32, _ ticket: ReadingTurns.Ticket,
        while isWanted: @Sendable () -> Bool,
    ) async throws -> String {
        var digest = SHA256()
        var offset: Int64 = 0
        var holes = HoleBudget(bytes: bounds.holeBytes)
        while true {
            try Task.checkCancellation()
            guard isWanted() else { throw FileHashError.notWanted(path: file.path) }
            let piece = try await piece(of: file, at: offset, before: bytes, for: user, ticket)
            if case .end = piece { break }
            guard holes.take(piece) else { throw FileHashError.sparse(path: file.path, limit: bounds.holeBytes) }
            offset += piece.bytes
            // It grows while it is read.
            guard offset <= bytes else { throw FileHashError.changed(path: file.path) }
            digest.update(piece)
            // Asked for before anybody else is let in, so that what is nearly read comes to its end.
            turnsTaken -= 1
            await takeTurn(ticket, left: bytes - offset)
        }
        return digest.finalize().hexadecimal
    }

    private func piece(
        of file: OpenFile, at offset: Int64, before end: Int64, for user: UInt32, _ ticket: ReadingTurns.Ticket,
    ) async throws -> OpenFile.Piece {
        let chunk = bounds.chunkBytes
        let wait = pace.take(min(Int64(chunk), end - offset), at: .now)
        if wait > .zero { try await Task.sleep(for: wait) }
        let start = ContinuousClock.now
        // A file system that keeps a turn waiting is paid for like one that delivers at full rate.
        defer { turns.charge(ticket, (ContinuousClock.now - start).bytes(at: bounds.bytesPerSecond)) }
        return try await threads.run(for: user) { try file.piece(upTo: chunk, at: offset, before: end) }
    }

    // MARK: Turns

    private func takeTurn(_ ticket: ReadingTurns.Ticket, left: Int64) async {
        await withCheckedContinuation { continuation in
            turns.wait(ticket, left: left)
            waiting[ticket] = continuation
            grantTurns()
        }
    }

    private func endTurn() {
        turnsTaken -= 1
        grantTurns()
    }

    private func grantTurns() {
        while turnsTaken < Limits.Files.turnsAtOnce, let ticket = turns.grant(Int64(bounds.chunkBytes)) {
            turnsTaken += 1
            waiting.removeValue(forKey: ticket)?.resume()
        }
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
        guard remembered.count > bounds.remembered else { return }
        // A quarter at a time, as looking for the oldest looks at all of them.
        let oldest = remembered.sorted { $0.value.used < $1.value.used }.prefix(max(1, bounds.remembered / 4))
        for (version, _) in oldest { remembered[version] = nil }
    }
}

/// Why a file has no hash.
package enum FileHashError: Error, Equatable, CustomStringConvertible {
    case tooLarge(path: String, bytes: Int64, limit: Int64)
    case changed(path: String)
    case sparse(path: String, limit: Int64)
    case tooMany(userID: UInt32)
    case notWanted(path: String)

    package var description: String {
        switch self {
        case .tooLarge(let path, let bytes, let limit):
            "\(path) has \(bytes) bytes, and no more than \(limit) are hashed; select the program by another key"
        case .changed(let path):
            "\(path) changed while it was read; it is read again when it is needed again"
        case .sparse(let path, let limit):
            "\(path) has holes of more than \(limit) bytes, where nothing is stored; fill them (cp --sparse=never)"
        case .tooMany(let user):
            "too many files that processes of uid \(user) run wait to be hashed; start fewer programs at once"
        case .notWanted(let path): "\(path) was not hashed to its end: the process that ran it has ended"
        }
    }
}

/// How much of a file may be holes.
private struct HoleBudget {
    var bytes: Int64

    /// - Returns: false where it is spent.
    mutating func take(_ piece: OpenFile.Piece) -> Bool {
        if case .hole(let length) = piece { bytes -= length }
        return bytes >= 0
    }
}

extension OpenFile.Piece {
    fileprivate var bytes: Int64 {
        switch self {
        case .data(let bytes): Int64(bytes.count)
        case .hole(let length): length
        case .end: 0
        }
    }
}

extension SHA256 {
    private static let zeros = [UInt8](repeating: 0, count: Limits.Files.chunkBytes)

    fileprivate mutating func update(_ piece: OpenFile.Piece) {
        switch piece {
        case .data(let bytes): update(data: bytes)
        case .hole(var length):
            while length > 0 {
                let part = min(length, Int64(Self.zeros.count))
                update(data: Self.zeros.prefix(Int(part)))
                length -= part
            }
        case .end: break
        }
    }
}

extension SHA256Digest {
    var hexadecimal: String {
        map { byte in
            let text = String(byte, radix: 16)
            return byte < 16 ? "0" + text : text
        }.joined()
    }
}

/// Spreads reading over time: a budget that fills up at a steady rate, and holds a tenth of a second of it.
struct ReadingPace {
    private let bytesPerSecond: Int64
    /// When all that was taken so far is paid for.
    private var paid: ContinuousClock.Instant

    private static let burst = Limits.Files.burst

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
    fileprivate func bytes(at bytesPerSecond: Int64) -> Int64 { Int64(self / .seconds(1) * Double(bytesPerSecond)) }

    package static var sinceEpoch: Duration { .seconds(Date().timeIntervalSince1970) }
}
