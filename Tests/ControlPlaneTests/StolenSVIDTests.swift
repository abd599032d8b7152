@testable import ControlPlane
import ControlPlaneAPI
import Foundation
import GRDB
import SPIFFE
import Testing
import Workloads

/// A right that was taken away stays taken, though somebody else gets one of the same name.
@Suite struct StolenSVIDTests {
    @Test func `an SVID stolen before a deletion is good for nothing after the next apply`() async throws {
        try await TestControlPlane.serve { plane in
            _ = try await plane.apply(Manifests.weather)
            let agent = try await plane.agent()
            let stolen = try await plane.workload("client", of: agent)
            let server = try await plane.workload("server", of: agent)
            let token = try await Self.token(as: stolen, on: plane)
            for name in ["client", "server"] {
                _ = try await plane.operators.delete(kind: "WorkloadIdentity", name: name)
            }
            _ = try await plane.apply(Manifests.weather)
            // At once: most often in the very second of the deletion.
            let renewed = try await plane.workload("client", of: agent)
            #expect(renewed.notBefore < Date())

            try await plane.withClient(as: stolen) { client in
                #expect(await problem { try await client.registerOAuthClient(scope: nil) } == "access_denied")
                #expect(await problem { try await Self.token(stolen.id, client) } == "invalid_client")
            }
            try await plane.withClient(as: server) { client in
                let refusal = await problem { try await client.introspect(token: token, clientID: server.id) }
                #expect(refusal == "invalid_client")
            }
            let snapshot = try await plane.snapshot(for: agent)
            #expect(snapshot.takenBack.objection(to: stolen.id, issuedAt: IssueTime(of: stolen.leaf)) != nil)
            #expect(snapshot.takenBack.objection(to: renewed.id, issuedAt: IssueTime(of: renewed.leaf)) == nil)

            let fresh = try await Self.token(as: renewed, on: plane)
            let asker = try await plane.workload("server", of: agent)
            try await plane.withClient(as: asker) { client in
                let (new, old) = try await (
                    client.introspect(token: fresh, clientID: asker.id),
                    client.introspect(token: token, clientID: asker.id)
                )
                #expect(new.active && !old.active)
            }
        }
    }

    @Test func `a change of the agent group takes back what the former group has`() async throws {
        try await TestControlPlane.serve { plane in
            _ = try await plane.apply(Manifests.weather)
            let former = try await plane.agent()
            let other = try await plane.agent(group: "other", name: "host-b")
            let held = try await plane.workload("client", of: former)
            let token = try await Self.token(as: held, on: plane)
            _ = try await plane.apply(Manifests.identity("client", group: "other"))

            #expect(await problem { try await plane.workload("client", of: former) } == "not_in_group")
            try await plane.withClient(as: held) { client in
                #expect(await problem { try await Self.token(held.id, client) } == "invalid_client")
            }
            let moved = try await plane.workload("client", of: other)
            for agent in [former, other] {
                let takenBack = try await plane.snapshot(for: agent).takenBack
                #expect(takenBack.gone.isEmpty)
                #expect(takenBack.objection(to: held.id, issuedAt: IssueTime(of: held.leaf)) != nil)
                #expect(takenBack.objection(to: moved.id, issuedAt: IssueTime(of: moved.leaf)) == nil)
            }
            _ = try await Self.token(as: moved, on: plane)
            let asker = try await plane.workload("server", of: former)
            try await plane.withClient(as: asker) { client in
                let old = try await client.introspect(token: token, clientID: asker.id)
                #expect(!old.active)
            }
            let types = try await plane.operators.audit(spiffeID: held.id).map(\.type)
            #expect(types.count { $0 == "client.deregistered" } == 1 && types.count { $0 == "client.registered" } == 2)
        }
    }

    @Test func `what is withdrawn while it is issued does not leave, nor does it come into the audit`() async throws {
        try await TestControlPlane.serve { plane in
            _ = try await plane.apply(Manifests.weather)
            let holder = try await plane.agent()
            let agent = AgentDirectory.Agent(id: holder.id, group: "weather")
            let desk = AgentDesk(state: plane.state)
            let (id, now) = (try TestControlPlane.id("client"), plane.clock.now)
            let time = try await desk.issueTime(for: id, by: agent, now: now)
            let issued = AgentDesk.Issued(
                id: id, time: time, end: now + 120,
                entry: AuditChain.Entry(time: now, type: "svid.issued", details: ["spiffeID": .string(id.description)]))
            _ = try await plane.operators.delete(kind: "WorkloadIdentity", name: "client")
            await #expect(throws: ControlPlaneRefusal.self) { try await desk.record(issued, to: agent, now: now) }
            _ = try await plane.apply(Manifests.weather)
            await #expect(throws: ControlPlaneRefusal.self) { try await desk.record(issued, to: agent, now: now) }
            #expect(try await !plane.operators.audit(spiffeID: id).map(\.type).contains("svid.issued"))
            let again = try await desk.issueTime(for: id, by: agent, now: now)
            #expect(again > time)
        }
    }

    @Test func `a change of anything else takes nothing back`() async throws {
        try await TestControlPlane.serve { plane in
            _ = try await plane.apply(Manifests.weather)
            let agent = try await plane.agent()
            let held = try await plane.workload("client", of: agent)
            _ = try await plane.apply(Manifests.identity("client", uid: 7))
            #expect(try await plane.snapshot(for: agent).withdrawals == nil)
            _ = try await Self.token(as: held, on: plane)
        }
    }

    @Test func `a withdrawal ends with the last SVID it takes back, and not before`() async throws {
        let directory = TestControlPlane.temporaryDirectory()
        defer { try? FileManager.default.removeItem(at: directory) }
        let lifetime = Duration.seconds(7200)
        try await TestControlPlane.serve(in: directory, adjusting: { $0.svidLifetime = lifetime }) { plane in
            _ = try await plane.apply(Manifests.weather)
            let agent = try await plane.agent()
            let stolen = try await plane.workload("client", of: agent)
            _ = try await plane.operators.delete(kind: "WorkloadIdentity", name: "client")
            _ = try await plane.apply(Manifests.weather)
            _ = try await plane.workload("client", of: agent)
            plane.clock.advance(by: 7100)
            // Renewals do not prolong it.
            _ = try await plane.workload("client", of: agent)
            _ = try await plane.apply(Manifests.identity("server", uid: 7))
            #expect(try await plane.snapshot(for: agent).withdrawals?.map(\.spiffeID) == [stolen.id])
            plane.clock.advance(by: 200)
            #expect(try await plane.snapshot(for: agent).withdrawals?.count == 1, "within a version the list stays")
            _ = try await plane.apply(Manifests.identity("server", uid: 8))
            #expect(try await plane.snapshot(for: agent).withdrawals == nil)
        }
    }

    @Test func `however often it is taken back in one second, what is issued last is good and all before is not`()
        throws
    {
        let directory = TestControlPlane.temporaryDirectory()
        defer { try? FileManager.default.removeItem(at: directory) }
        try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
        let store = try Store(directory: directory)
        let registry = Registry(trustDomain: try TrustDomain(TestControlPlane.trustDomain))
        let id = try TestControlPlane.id("client")
        let now = Date(timeIntervalSince1970: 1_800_000_000.5)
        let manifests = try Manifest.decode(yaml: Manifests.identity("client"), file: "test.yaml")
        let giveAgain = { (database: Database) -> IssueTime? in
            _ = try registry.apply(manifests, by: "tester", now: now, in: database)
            return try registry.issueTime(for: id, group: "weather", now: now, in: database)
        }
        var times: [IssueTime] = []
        for round in 0...5 {
            let time = try store.database.write { database -> IssueTime? in
                guard let time = try giveAgain(database) else { return nil }
                try Issuances.record(
                    id, through: .init(id: try TestControlPlane.id("tidemark/agent/weather/a"), group: "weather"),
                    isWritten: true, at: time, until: now + 120, now: now, in: database)
                return time
            }
            times.append(try #require(time))
            let held = times
            let areGood = try store.database.read { database in
                try held.map { try registry.objection(to: id, issuedAt: $0, in: database) == nil }
            }
            #expect(areGood == Array(repeating: false, count: round) + [true])
            try store.database.write { database in
                _ = try registry.delete(kind: "WorkloadIdentity", name: "client", by: "tester", now: now, in: database)
            }
        }
        // Once more would be too far ahead of the clock: said, and not done.
        #expect { _ = try store.database.write { try giveAgain($0) } } throws: { error in
            (error as? ControlPlaneRefusal)?.code == "withdrawn_lately"
        }
        try store.close()
    }

    @Test func `what a former release withdrew, and what it gave, stays withdrawn and can be`() throws {
        let directory = TestControlPlane.temporaryDirectory()
        defer { try? FileManager.default.removeItem(at: directory) }
        try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
        let (deleted, templated) = (try TestControlPlane.id("client"), try TestControlPlane.id("agents/1001"))
        let since = Int64(Date().timeIntervalSince1970 * 1000) - 60_000
        try Self.writeFormerRelease(in: directory, withdrew: deleted, at: since, gave: templated)
        let store = try Store(directory: directory)
        let registry = Registry(trustDomain: try TrustDomain(TestControlPlane.trustDomain))
        let now = Date()
        let longest = now + 29 * 86_400
        let both = try Manifest.decode(
            yaml: [
                Manifests.identity("client"), Manifests.template("agents/{{process:uid}}"), Manifests.identity("late"),
            ]
            .joined(separator: "---\n"), file: "test.yaml")
        try store.database.write { database in
            #expect(try registry.known([deleted, templated], toGroup: "weather", in: database) == [deleted])
            _ = try registry.apply(both, by: "tester", now: now, in: database)
            #expect(try registry.known([deleted], toGroup: "other", in: database).isEmpty)
            let before = IssueTime(seconds: since / 1000)
            #expect(try registry.objection(to: deleted, issuedAt: before, in: database) != nil)
            #expect(try registry.objection(to: deleted, issuedAt: before.next, in: database) == nil)
            for name in ["template", "late"] {
                _ = try registry.delete(kind: "WorkloadIdentity", name: name, by: "tester", now: now, in: database)
            }
            // Nobody knows how long the SVIDs of before are good: as long as any can be.
            try Issuances.purge(now: longest, in: database)
            let withdrawn = try Issuances.withdrawals(in: database).map(\.spiffeID)
            #expect(try withdrawn == [templated, deleted, TestControlPlane.id("late")])
            try Issuances.purge(now: longest + 2 * 86_400, in: database)
            #expect(try Issuances.withdrawals(in: database).isEmpty)
        }
        try store.close()
    }

    /// A database as it was before withdrawals had a second.
    ///
    /// - Parameter time: milliseconds since 1970.
    private static func writeFormerRelease(
        in directory: URL, withdrew deleted: SPIFFEID, at time: Int64, gave templated: SPIFFEID,
    ) throws {
        let former = try DatabasePool(path: directory.appending(path: "tidemark.sqlite").path)
        try StoreSchema.migrator.migrate(former, upTo: "audit floor")
        try former.write { database in
            try database.execute(sql: "INSERT INTO withdrawn VALUES (?, ?)", arguments: [deleted.description, time])
            try database.execute(sql: "INSERT INTO expanded_ids VALUES (?)", arguments: [templated.description])
            try database.execute(
                sql:
                    "INSERT INTO agents (spiffe_id, agent_group, name, attested_at) VALUES ('spiffe://x/a', 'g', 'a', 0)"
            )
        }
        try former.close()
    }

    private static func token(as identity: X509SVID, on plane: TestControlPlane) async throws -> String {
        try await plane.withClient(as: identity) { client in
            _ = try await client.registerOAuthClient(scope: nil)
            return try await token(identity.id, client)
        }
    }

    private static func token(_ id: SPIFFEID, _ client: ControlPlaneClient) async throws -> String {
        try await client.token(clientID: id, resource: Manifests.forecast, scope: "weather:read").accessToken
    }
}

extension TestControlPlane {
    func snapshot(for agent: X509SVID) async throws -> PolicySnapshot {
        try await withClient(as: agent) { client in
            for try await snapshot in client.snapshots() { return snapshot }
            throw CancellationError()
        }
    }
}
