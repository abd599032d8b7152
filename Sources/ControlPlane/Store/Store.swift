import ControlPlaneAPI
package import Foundation
package import GRDB
import Limits
package import SPIFFE

/// Everything the control plane remembers but its keys: one SQLite database in the data directory.
///
/// Each change is one transaction together with its audit records; a failed one leaves nothing behind.
package final class Store: Sendable {
    package let database: DatabasePool
    private let turns = CallerTurns()

    /// Opens or creates `<directory>/tidemark.sqlite`.
    package init(directory: URL) throws(ControlPlaneRefusal) {
        var configuration = Configuration()
        configuration.maximumReaderCount = Limits.Store.readers
        configuration.busyMode = .timeout(Limits.Store.busy / .seconds(1))
        configuration.prepareDatabase { database in
            try database.execute(sql: "PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; PRAGMA cache_size = -2000")
        }
        do {
            let path = directory.appending(path: "tidemark.sqlite").path
            database = try DatabasePool(path: path, configuration: configuration)
            try StoreSchema.migrator.migrate(database)
        } catch {
            throw Self.refusal(for: error)
        }
    }

    package func read<Value: Sendable>(
        _ work: @escaping @Sendable (Database) throws -> Value,
    ) async throws(ControlPlaneRefusal) -> Value {
        do { return try await database.read(work) } catch { throw Self.refusal(for: error) }
    }

    package func write<Value: Sendable>(
        _ work: @escaping @Sendable (Database) throws -> Value,
    ) async throws(ControlPlaneRefusal) -> Value {
        do { return try await database.write(work) } catch { throw Self.refusal(for: error) }
    }

    /// The same, of one caller one at a time: however many transactions it asks for, nobody else waits for more than one.
    ///
    /// - Parameter caller: nil for a stranger.
    package func write<Value: Sendable>(
        for caller: SPIFFEID?, _ work: @escaping @Sendable (Database) throws -> Value,
    ) async throws(ControlPlaneRefusal) -> Value {
        guard let caller else { return try await write(work) }
        return try await turns.take(caller) { () async throws(ControlPlaneRefusal) in try await write(work) }
    }

    package func close() throws {
        // The last connection GRDB closes is a reader's, which would leave everything in the log beside the file.
        _ = try? database.writeWithoutTransaction { try $0.checkpoint(.truncate) }
        try database.close()
    }

    private static func refusal(for error: any Error) -> ControlPlaneRefusal {
        switch error {
        case let refusal as ControlPlaneRefusal: refusal
        case let error as DatabaseError where error.resultCode == .SQLITE_FULL: .storageFull
        case let error as DatabaseError: .storage("\(error.resultCode): \(error.message ?? "no message")")
        default: .storage("\(error)")
        }
    }
}

extension Date {
    /// Since 1970, as the tables hold times.
    var milliseconds: Int64 { Int64((timeIntervalSince1970 * 1000).rounded()) }

    init(milliseconds: Int64) { self.init(timeIntervalSince1970: Double(milliseconds) / 1000) }
}
