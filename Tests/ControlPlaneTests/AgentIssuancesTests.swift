@testable import ControlPlane
import ControlPlaneAPI
import Foundation
import GRDB
import Limits
import SPIFFE
import Testing

/// With the right of an agent those of its workloads end.
@Suite struct AgentIssuancesTests {
    @Test func `what was issued through a banned agent is good for nothing, and others get new ones at once`()
        async throws
    {
        try await Self.serve { plane, stolen, other in
            let held = try await plane.workload("client", of: stolen)
            let others = try await plane.workload("client", of: other)
            let untouched = try await plane.workload("server", of: other)
            let token = try await Self.token(as: held, on: plane)
            let answer = try await plane.operators.banAgent(group: "weather", name: "host-a")
            #expect(answer.withdrawn == 1)

            let takenBack = try await plane.snapshot(for: other).takenBack
            #expect(takenBack.gone.isEmpty)
            #expect(Self.objection(held, takenBack) != nil && Self.objection(others, takenBack) != nil)
            #expect(Self.objection(untouched, takenBack) == nil)
            try await plane.withClient(as: held) { client in
                #expect(await problem { try await client.registerOAuthClient(scope: nil) } == "access_denied")
            }
            let renewed = try await plane.workload("client", of: other)
            #expect(Self.objection(renewed, takenBack) == nil)
            _ = try await Self.token(as: renewed, on: plane)
            let isActive = try await plane.withClient(as: untouched) {
                try await $0.introspect(token: token, clientID: untouched.id).active
            }
            #expect(!isActive)
            let banned = try #require(try await plane.operators.audit().first { $0.type == "agent.banned" })
            #expect(banned.details["withdrawn"] == .integer(1))
            // Once more it finds nothing: those of now are not the banned agent's.
            #expect(try await plane.operators.banAgent(group: "weather", name: "host-a").withdrawn == 0)
            #expect(Self.objection(renewed, try await plane.snapshot(for: other).takenBack) == nil)
        }
    }

    @Test func `an agent that is deleted takes from nobody else, and a ban afterwards does`() async throws {
        try await Self.serve { plane, gone, other in
            let (alone, shared) = try await (plane.workload("server", of: gone), plane.workload("client", of: gone))
            let others = try await plane.workload("client", of: other)
            #expect(try await plane.operators.deleteAgent(group: "weather", name: "host-a").withdrawn == 1)
            let gentle = try await plane.snapshot(for: other).takenBack
            #expect(Self.objection(alone, gentle) != nil)
            #expect(Self.objection(shared, gentle) == nil && Self.objection(others, gentle) == nil)

            #expect(try await plane.operators.banAgent(group: "weather", name: "host-a").withdrawn == 1)
            let takenBack = try await plane.snapshot(for: other).takenBack
            #expect(Self.objection(shared, takenBack) != nil)
            #expect(Self.objection(others, takenBack) != nil)
        }
    }

    @Test func `what has run out is not taken back, nor does it keep others from it`() async throws {
        try await Self.serve { plane, agent, other in
            _ = try await plane.workload("client", of: other)
            _ = try await plane.workload("server", of: other)
            plane.clock.advance(by: 200)
            let held = try await plane.workload("client", of: agent)
            // The other one has none any more.
            #expect(try await plane.operators.deleteAgent(group: "weather", name: "host-a").withdrawn == 1)
            #expect(Self.objection(held, try await plane.snapshot(for: other).takenBack) != nil)
            #expect(try await plane.operators.deleteAgent(group: "weather", name: "host-b").withdrawn == 0)
            plane.clock.advance(by: 200)
            try await AgentDesk(state: plane.state).forgetEnded()
            let left = try await plane.state.store.read { database in
                try Int.fetchOne(database, sql: "SELECT count(*) FROM agent_issuances")
            }
            #expect(left == 0)
        }
    }

    @Test(.timeLimit(.minutes(2)))
    func `a ban of more IDs than a line holds reaches every agent, whole, and on streams that begin later`()
        async throws
    {
        try await TestControlPlane.serve { plane in
            _ = try await plane.apply(Manifests.template("units/{{systemd:unit}}"))
            let (taken, other) = (try await plane.agent(), try await plane.agent(name: "host-b"))
            let real = try await plane.workload("units/real.service", of: taken)
            #expect(
                await problem { try await plane.workload("units/\(Self.unit(0, longerBy: 1))", of: taken) }
                    == "not_in_group")
            _ = try await plane.workload("units/\(Self.unit(0))", of: taken)
            let count = 2 * Limits.Stream.lineBytes / Limits.Identities.placeBytes
            try await Self.issue(count, through: taken, on: plane)
            let expected = Set(
                try (0..<count).map { try TestControlPlane.id("units/\(Self.unit($0))") } + [real.id])

            try await plane.withClient(as: other) { client in
                var snapshots = client.snapshots().makeAsyncIterator()
                let before = try #require(try await snapshots.next())
                #expect(before.takenBack.through.isEmpty)
                #expect(try await plane.operators.banAgent(group: "weather", name: "host-a").withdrawn == count + 1)
                let after = try #require(try await snapshots.next())
                #expect(Set(after.takenBack.through.keys) == expected)
                #expect(Self.objection(real, after.takenBack) != nil)
                #expect(after.version > before.version)
                // The stream goes on, and so does one that begins with all of it.
                _ = try await plane.apply(Manifests.identity("client"))
                #expect(try await snapshots.next()?.takenBack.through.count == count + 1)
                let later = try await plane.snapshot(for: other)
                #expect(Set(later.takenBack.through.keys) == expected)
            }
        }
    }

    /// As long as a template takes them.
    private static func unit(_ number: Int, longerBy more: Int = 0) -> String {
        let digits = "\(number)"
        let padding = Limits.Identities.placeBytes + more - digits.utf8.count - ".service".utf8.count
        return String(repeating: "u", count: padding) + digits + ".service"
    }

    /// As if it had asked for them, which takes a key and a signature each.
    private static func issue(_ count: Int, through agent: X509SVID, on plane: TestControlPlane) async throws {
        let end = plane.clock.now.addingTimeInterval(100).milliseconds
        try await plane.state.store.write { database in
            for number in 0..<count {
                let id = try TestControlPlane.id("units/\(unit(number))").description
                try database.execute(
                    sql:
                        "INSERT OR IGNORE INTO issuances (spiffe_id, agent_group, issued_second, ends_at) VALUES (?, 'weather', 0, ?)",
                    arguments: [id, end])
                try database.execute(
                    sql: "INSERT OR IGNORE INTO agent_issuances (agent, spiffe_id, ends_at) VALUES (?, ?, ?)",
                    arguments: [agent.id.description, id, end])
            }
        }
    }

    @Test(arguments: [AgentDirectory.Removal.ban, .delete])
    func `what is issued while its agent's right ends does not leave`(_ removal: AgentDirectory.Removal) async throws {
        try await Self.serve { plane, holder, _ in
            let agent = AgentDirectory.Agent(id: holder.id, group: "weather")
            let desk = AgentDesk(state: plane.state)
            let (id, now) = (try TestControlPlane.id("client"), plane.clock.now)
            let issued = AgentDesk.Issued(
                id: id, time: try await desk.issueTime(for: id, by: agent, now: now), end: now + 120,
                entry: AuditChain.Entry(time: now, type: "svid.issued", details: [:]))
            let operators = OperatorDesk(state: plane.state, issuer: { "" })
            _ = try await operators.apply(removal, group: "weather", name: "host-a", by: "tester")
            await #expect(throws: ControlPlaneRefusal.self) { try await desk.record(issued, to: agent, now: now) }
        }
    }

    @Test func `what a former release issued may be any agent's of the group`() throws {
        let directory = TestControlPlane.temporaryDirectory()
        defer { try? FileManager.default.removeItem(at: directory) }
        try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
        let former = try DatabasePool(path: directory.appending(path: "tidemark.sqlite").path)
        try StoreSchema.migrator.migrate(former, upTo: "issuances")
        let now = Date()
        let (id, agent) = (try TestControlPlane.id("client"), try TestControlPlane.id("tidemark/agent/weather/a"))
        try former.write { database in
            try database.execute(
                sql: """
                    INSERT INTO agents (spiffe_id, agent_group, name, attested_at) VALUES (?1, 'weather', 'a', 0);
                    """, arguments: [agent.description])
            try database.execute(
                sql:
                    "INSERT INTO issuances (spiffe_id, agent_group, issued_second, ends_at) VALUES (?, 'weather', 0, ?)",
                arguments: [id.description, (now + 60).milliseconds])
        }
        try former.close()
        let store = try Store(directory: directory)
        let ids = try store.database.read {
            try AgentIssuances.ids(through: agent, .everything, now: now, in: $0)
        }
        #expect(ids == [id])
        try store.close()
    }

    private static func serve(
        _ body: @Sendable @escaping (TestControlPlane, X509SVID, X509SVID) async throws -> Void
    ) async throws {
        try await TestControlPlane.serve { plane in
            _ = try await plane.apply(Manifests.weather)
            try await body(plane, try await plane.agent(), try await plane.agent(name: "host-b"))
        }
    }

    private static func objection(_ svid: X509SVID, _ takenBack: Withdrawals) -> String? {
        takenBack.objection(to: svid.id, issuedAt: IssueTime(of: svid.leaf))
    }

    private static func token(as identity: X509SVID, on plane: TestControlPlane) async throws -> String {
        try await plane.withClient(as: identity) { client in
            _ = try await client.registerOAuthClient(scope: nil)
            return try await client.token(
                clientID: identity.id, resource: Manifests.forecast, scope: "weather:read"
            ).accessToken
        }
    }
}
