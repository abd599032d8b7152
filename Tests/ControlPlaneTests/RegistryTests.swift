@testable import ControlPlane
import ControlPlaneAPI
import Foundation
import GRDB
import SPIFFE
import Synchronization
import Testing
import Workloads

/// The manifests kept in memory are those of the transaction that asks, whatever happened around it.
@Suite struct RegistryTests {
    private let folder: Folder
    private let store: Store
    private let registry: Registry

    init() throws {
        folder = try Folder()
        store = try Store(directory: folder.url)
        registry = Registry(trustDomain: try TrustDomain(TestControlPlane.trustDomain))
    }

    /// Gone with the test.
    private final class Folder: Sendable {
        let url = TestControlPlane.temporaryDirectory()

        init() throws { try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true) }

        deinit { try? FileManager.default.removeItem(at: url) }
    }

    private struct Failure: Error {}

    private func apply(_ yaml: String, in database: Database) throws -> ApplyResponse {
        try registry.apply(
            Manifest.decode(yaml: yaml, file: "test.yaml"), by: "tester", now: Date(timeIntervalSince1970: 0),
            in: database)
    }

    private func delete(_ name: String, in database: Database) throws -> DeleteResponse {
        try registry.delete(
            kind: "workloadidentity", name: name, by: "tester", now: Date(timeIntervalSince1970: 0), in: database)
    }

    /// Name and first user id of each identity, once as remembered and once as another registry reads them.
    private func identities(in database: Database) throws -> [String] {
        let remembered = try Self.texts(of: registry.content(in: database))
        let stored = try Self.texts(of: Registry(trustDomain: registry.trustDomain).content(in: database))
        #expect(remembered == stored)
        return remembered
    }

    private func seen() throws -> [String] { try store.database.read { try identities(in: $0) } }

    private static func texts(of content: RegistryContent) -> [String] {
        content.groups.values.flatMap(\.identities).map {
            "\($0.name) \($0.selectors[0].conditions[.userID]?.anyOf ?? [])"
        }.sorted()
    }

    private static let a1001 = "a [Workloads.Pattern.number(1001)]"
    private static let a1002 = "a [Workloads.Pattern.number(1002)]"
    private static let b1001 = "b [Workloads.Pattern.number(1001)]"

    @Test func `each change is seen by the next reader, and unchanged manifests are the same values`() throws {
        try store.database.write { _ = try apply(Manifests.identity("a"), in: $0) }
        #expect(try seen() == [Self.a1001])
        try store.database.write { _ = try apply(Manifests.identity("b"), in: $0) }
        #expect(try seen() == [Self.a1001, Self.b1001])
        try store.database.write { _ = try apply(Manifests.identity("a", uid: 1002), in: $0) }
        #expect(try seen() == [Self.a1002, Self.b1001])
        try store.database.write { _ = try delete("b", in: $0) }
        #expect(try seen() == [Self.a1002])
    }

    @Test func `a transaction sees its own changes, and nobody sees them when it is rolled back`() throws {
        try store.database.write { _ = try apply(Manifests.identity("a"), in: $0) }
        #expect(throws: Failure.self) {
            try store.database.write { database in
                _ = try apply(Manifests.identity("b"), in: database)
                #expect(try identities(in: database) == [Self.a1001, Self.b1001])
                _ = try delete("a", in: database)
                #expect(try identities(in: database) == [Self.b1001])
                throw Failure()
            }
        }
        #expect(try seen() == [Self.a1001])
    }

    @Test func `a revision that was rolled back comes again with other manifests`() throws {
        try store.database.write { _ = try apply(Manifests.identity("a"), in: $0) }
        #expect(throws: Failure.self) {
            try store.database.write { database in
                _ = try apply(Manifests.identity("b"), in: database)
                throw Failure()
            }
        }
        try store.database.write { database in
            try database.execute(sql: "UPDATE manifests SET canonical = replace(canonical, '1001', '1002')")
        }
        #expect(try seen() == [Self.a1002])
    }

    @Test func `a writer that reads what it has not committed leaves nothing behind`() throws {
        let fresh = Registry(trustDomain: registry.trustDomain)
        #expect(throws: Failure.self) {
            try store.database.write { database in
                _ = try apply(Manifests.identity("a"), in: database)
                #expect(try Self.texts(of: fresh.content(in: database)) == [Self.a1001])
                throw Failure()
            }
        }
        try store.database.write { _ = try apply(Manifests.identity("b"), in: $0) }
        #expect(try store.database.read { try Self.texts(of: fresh.content(in: $0)) } == [Self.b1001])
    }

    @Test func `a reader goes on seeing what its snapshot holds while a writer commits`() throws {
        try store.database.write { _ = try apply(Manifests.identity("a"), in: $0) }
        try store.database.read { older in
            // A snapshot begins with the first reading.
            _ = try registry.version(in: older)
            try writeBeside { _ = try apply(Manifests.identity("b"), in: $0) }
            #expect(try seenBeside() == [Self.a1001, Self.b1001])
            #expect(try identities(in: older) == [Self.a1001])
            // What the older reader read does not take the newer one's place.
            #expect(try seenBeside() == [Self.a1001, Self.b1001])
        }
    }

    @Test func `a change behind the registry's back is seen`() throws {
        try store.database.write { _ = try apply(Manifests.identity("a"), in: $0) }
        _ = try seen()
        try store.database.write { try $0.execute(sql: "DELETE FROM manifests") }
        #expect(try seen() == [])
    }

    @Test func `what does not concern manifests leaves them in memory`() throws {
        try store.database.write { _ = try apply(Manifests.identity("a"), in: $0) }
        try store.database.write { try registry.raiseVersion(now: Date(timeIntervalSince1970: 0), in: $0) }
        // Unreadable from now on, without a sign that it has changed.
        try store.database.write { database in
            try database.execute(sql: "DROP TRIGGER revision_after_manifest_update")
            try database.execute(sql: "UPDATE manifests SET canonical = '{'")
        }
        #expect(try store.database.read { try Self.texts(of: registry.content(in: $0)) } == [Self.a1001])
    }

    @Test func `a restarted registry reads what the former one applied`() throws {
        try store.database.write { _ = try apply(Manifests.weather, in: $0) }
        try store.close()
        let again = try Store(directory: folder.url)
        let content = try again.database.read { try Registry(trustDomain: registry.trustDomain).content(in: $0) }
        #expect(content.groups["weather"]?.identities.map(\.name) == ["client", "server"])
        #expect(content.resources.map(\.name) == ["forecast"])
        try again.close()
    }

    @Test func `a database of the former release is taken over with its manifests`() throws {
        try store.close()
        let older = folder.url.appending(path: "older", directoryHint: .isDirectory)
        try FileManager.default.createDirectory(at: older, withIntermediateDirectories: true)
        let queue = try DatabaseQueue(path: older.appending(path: "tidemark.sqlite").path)
        try StoreSchema.migrator.migrate(queue, upTo: "5 expanded IDs")
        let identity = WorkloadIdentity(
            name: "a", agentGroup: "weather", workloadID: "a", selectors: [Selector(userIDs: [1001])])
        try queue.write { database in
            try database.execute(
                sql: "INSERT INTO manifests VALUES ('WorkloadIdentity', 'a', 1, 0, ?)",
                arguments: [try Manifest.workloadIdentity(identity).canonicalJSON()])
        }
        try queue.close()
        let store = try Store(directory: older)
        #expect(try store.database.read { try identities(in: $0) } == [Self.a1001])
        try store.database.write { _ = try apply(Manifests.identity("b"), in: $0) }
        #expect(try store.database.read { try identities(in: $0) } == [Self.a1001, Self.b1001])
        try store.close()
    }

    @Test func `stored manifests that today's rules refuse are told at the next change`() throws {
        try store.database.write { database in
            for name in ["a", "b"] {
                let identity = WorkloadIdentity(
                    name: name, agentGroup: "weather", workloadID: WorkloadName(stringLiteral: name),
                    selectors: [Selector(userIDs: [1001])])
                try database.execute(
                    sql: "INSERT INTO manifests VALUES ('WorkloadIdentity', ?, 1, 0, ?)",
                    arguments: [name, try Manifest.workloadIdentity(identity).canonicalJSON()])
            }
        }
        #expect(throws: ControlPlaneRefusal.self) {
            try store.database.write { try apply(Manifests.identity("c"), in: $0) }
        }
        try store.database.write { _ = try delete("b", in: $0) }
        try store.database.write { _ = try apply(Manifests.identity("c"), in: $0) }
    }

    private func writeBeside(_ work: @escaping @Sendable (Database) throws -> Void) throws {
        try Self.beside { try store.database.write(work) }
    }

    private func seenBeside() throws -> [String] { try Self.beside { try seen() } }

    /// On a thread of its own, as a connection is not entered twice.
    private static func beside<Value: Sendable>(_ work: @escaping @Sendable () throws -> Value) throws -> Value {
        let outcome = Mutex<Result<Value, any Error>>(.failure(Failure()))
        let done = DispatchSemaphore(value: 0)
        Thread.detachNewThread {
            let result = Result { try work() }
            outcome.withLock { $0 = result }
            done.signal()
        }
        done.wait()
        return try outcome.withLock { $0 }.get()
    }
}
