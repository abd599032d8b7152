import AuthorizationServer
@testable import ControlPlane
import ControlPlaneAPI
import Foundation
import GRDB
import Limits
import SPIFFE
import Synchronization
import Testing

/// Tables that somebody else can make grow, and what one agent may cost.
@Suite struct ShareTests {
    @Test func `an agent that reports without end is told to wait, and another one is not`() async throws {
        try await TestControlPlane.serve { plane in
            let flooding = try await plane.agent()
            let other = try await plane.agent(name: "host-b")
            let told = try await plane.withClient(as: flooding) { client -> Problem? in
                for version in 0..<UInt64(20 * Limits.Reports.requestsAtOnce) {
                    do {
                        try await client.acknowledge(Acknowledgement(version: version))
                    } catch ControlPlaneError.problem(
                        let problem)
                    {
                        return problem
                    }
                }
                return nil
            }
            #expect(told?.error == "too_much" && told?.retryAfter == 1)
            try await plane.withClient(as: other) { try await $0.acknowledge(Acknowledgement(version: 1)) }
            // Neither its SVIDs nor its workloads' are among it.
            _ = try await plane.apply(Manifests.identity("client"))
            _ = try await plane.workload("client", of: flooding)
            plane.clock.advance(by: 2)
            try await plane.withClient(as: flooding) { try await $0.acknowledge(Acknowledgement(version: 1)) }
        }
    }

    @Test func `an agent that tells of endpoints without end is told to wait, and others are not`() async throws {
        try await TestControlPlane.serve { plane in
            _ = try await plane.apply(Manifests.identity("client"))
            let flooding = try await plane.agent()
            let other = try await plane.agent(name: "host-b")
            let place = Endpoint(address: "10.0.0.2", port: 80, workload: try TestControlPlane.id("client"))
            // Gone, without ever having been there: what costs least, so that a slow machine does not earn it back meanwhile.
            let telling = EndpointReport(
                telling: "t", removed: Array(repeating: place, count: 2 * Limits.Endpoints.inPiece), isWhole: false)
            let told = try await plane.withClient(as: flooding) { client -> Problem? in
                for _ in 0..<20 * Limits.Reports.endpointsAtOnce / telling.removed.count {
                    do { _ = try await client.report(endpoints: telling) } catch ControlPlaneError.problem(
                        let problem)
                    { return problem }
                }
                return nil
            }
            let wait = try #require(told?.retryAfter)
            #expect(told?.error == "too_much")
            #expect((1...5).contains(wait))
            try await plane.withClient(as: flooding) { try await $0.acknowledge(Acknowledgement(version: 1)) }
            _ = try await plane.workload("client", of: flooding)
            let receipt = try await plane.withClient(as: other) {
                try await $0.report(endpoints: EndpointReport(endpoints: [place]))
            }
            #expect(receipt.refused.isEmpty)
            plane.clock.advance(by: TimeInterval(wait))
            try await plane.withClient(as: flooding) { _ = try await $0.report(endpoints: telling) }
        }
    }

    @Test func `who writes much waits for itself, and others for one transaction of it`() async throws {
        try await TestControlPlane.serve { plane in
            let (much, other) = (try TestControlPlane.id("much"), try TestControlPlane.id("other"))
            let written = Written()
            let store = plane.state.store
            let gate = DispatchSemaphore(value: 0)
            try await withThrowingTaskGroup { group in
                for number in 0..<50 {
                    group.addTask {
                        try await store.write(for: much) { _ in
                            if number == 0 { _ = gate.wait(timeout: .now() + 30) }
                            written.add(much)
                        }
                    }
                    // The first one has begun before others come.
                    if number == 0 { try await Task.sleep(for: .milliseconds(100)) }
                }
                try await Task.sleep(for: .milliseconds(200))
                group.addTask { try await store.write(for: other) { _ in written.add(other) } }
                try await Task.sleep(for: .milliseconds(200))
                gate.signal()
                try await group.waitForAll()
            }
            let order = written.order
            #expect(order.count == 51)
            let place = try #require(order.firstIndex(of: other))
            #expect(place <= 2)
        }
    }

    @Test func `what an agent has not spent it may spend at once, and no more`() throws {
        let budgets = AgentBudgets()
        let (agent, other) = (
            try TestControlPlane.id("tidemark/agent/g/a"), try TestControlPlane.id("tidemark/agent/g/b")
        )
        let start = Date(timeIntervalSince1970: 1_800_000_000)
        for _ in 0..<Limits.Reports.requestsAtOnce {
            try budgets.admit([.requests: 1, .bytes: 0], of: agent, at: start)
        }
        let wait = { (now: Date) -> Int? in
            do throws(ControlPlaneRefusal) { try budgets.admit([.requests: 1, .bytes: 0], of: agent, at: now) } catch {
                return error.retryAfter
            }
            return nil
        }
        #expect(wait(start) == 1)
        try budgets.admit([.issues: 1], of: agent, at: start)
        try budgets.admit([.requests: 1, .bytes: 0], of: other, at: start)
        for _ in 0..<Limits.Reports.requestsPerSecond { #expect(wait(start + 1) == nil) }
        #expect(wait(start + 1) == 1)
        // A body is known when it is there: whoever sent too much waits until that is made up for.
        budgets.spend(bytes: Limits.Reports.bytesAtOnce + 9 * Limits.Reports.bytesPerSecond, of: agent, at: start + 100)
        #expect(wait(start + 100) == 10)
        #expect(wait(start + 110) == nil)
        // A clock that is set back gives nothing, and takes nothing.
        budgets.spend(bytes: 2 * Limits.Reports.bytesAtOnce, of: agent, at: start + 110)
        #expect(wait(start) == 64)
        #expect(wait(start + 20) == 44)
        #expect(wait(start + 65) == nil)
        #expect(budgets.count == 2)
        budgets.sweep(at: start + 10_000)
        #expect(budgets.count == 0)
    }

    @Test func `an SVID has so many tokens at one time and no more, and each other client its own`() async throws {
        try await TestControlPlane.serve { plane in
            _ = try await plane.apply(Manifests.weather)
            let agent = try await plane.agent()
            let greedy = try await plane.workload("client", of: agent)
            let renewed = try await plane.workload("client", of: agent)
            let refusal = try await plane.withClient(as: greedy) { client -> String? in
                _ = try await client.registerOAuthClient(scope: nil)
                for _ in 0..<Limits.Tokens.ofSVID {
                    _ = try await client.token(clientID: greedy.id, resource: Manifests.forecast, scope: "weather:read")
                }
                return await problem {
                    try await client.token(clientID: greedy.id, resource: Manifests.forecast, scope: "weather:read")
                }
            }
            #expect(refusal == "temporarily_unavailable")
            try await plane.withClient(as: renewed) { client in
                _ = try await client.token(clientID: renewed.id, resource: Manifests.forecast, scope: "weather:read")
            }
        }
    }

    @Test func `tokens that were revoked count until they have run out, and each group has its share of all`()
        async throws
    {
        try await TestControlPlane.serve { plane in
            _ = try await plane.apply(
                Manifests.weather + "---\n" + Manifests.identity("other", group: "other"))
            let agent = try await plane.agent()
            let greedy = try await plane.workload("client", of: agent)
            let ask = { (svid: X509SVID) async throws in
                try await plane.withClient(as: svid) {
                    _ = try await $0.token(clientID: svid.id, resource: Manifests.forecast, scope: "weather:read")
                }
            }
            let again = { (svid: X509SVID) async -> String? in await problem { try await ask(svid) } }
            try await plane.withClient(as: greedy) { _ = try await $0.registerOAuthClient(scope: nil) }
            #expect(await again(greedy) == nil)
            let end = plane.clock.now.addingTimeInterval(100).milliseconds
            try await Self.addTokens(
                Limits.Tokens.ofSVID - 1, like: greedy, group: "", isRevoked: true, until: end, on: plane)
            #expect(await again(greedy) == "temporarily_unavailable")
            let renewed = try await plane.workload("client", of: agent)
            #expect(await again(renewed) == nil)
            try await Self.addTokens(
                Limits.Tokens.ofGroup, like: nil, group: "weather", isRevoked: true, until: end, on: plane)
            #expect(await again(renewed) == "temporarily_unavailable")
            // They are gone for decisions when they have run out, before the next version takes them off the list.
            try await plane.state.store.write { try $0.execute(sql: "UPDATE oauth_tokens SET expires_at = 1") }
            #expect(await again(renewed) == nil)
        }
    }

    /// - Parameter svid: whose tokens they are; nil: another one's.
    private static func addTokens(
        _ count: Int, like svid: X509SVID?, group: String, isRevoked: Bool, until end: Int64, on plane: TestControlPlane,
    ) async throws {
        let client = svid?.id.description ?? "spiffe://test.example/another"
        try await plane.state.store.write { database in
            try database.execute(
                sql: """
                    WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?1)
                    INSERT INTO oauth_tokens
                        (jti, client_id, resource, scopes, thumbprint, issued_at, expires_at, revoked_at, agent_group)
                    SELECT hex(randomblob(16)), ?2, 'r', 's', ?3, 0, ?4, ?5, ?6 FROM n
                    """,
                arguments: [count, client, svid?.thumbprint.base64URL, end, isRevoked ? 1 : nil, group])
        }
    }

    @Test func `all groups together have so many IDs, and no group more than it leaves to others`() async throws {
        try await TestControlPlane.serve { plane in
            let groups = ["weather", "other", "third"]
            _ = try await plane.apply(
                groups.map {
                    Manifests.template("\($0)/{{process:uid}}", group: $0).replacing(
                        "name: template", with: "name: \($0)")
                }.joined(separator: "---\n"))
            var agents: [String: X509SVID] = [:]
            for group in groups { agents[group] = try await plane.agent(group: group, name: group) }
            let end = plane.clock.now.addingTimeInterval(100).milliseconds
            let fill = { (group: String, count: Int) in
                try await plane.state.store.write { database in
                    try database.execute(
                        sql: """
                            WITH RECURSIVE n(i) AS (SELECT 1000 UNION ALL SELECT i + 1 FROM n WHERE i < 999 + ?1)
                            INSERT INTO issuances (spiffe_id, agent_group, issued_second, ends_at)
                            SELECT 'spiffe://test.example/' || ?3 || '/' || i, ?3, 0, ?2 FROM n
                            """, arguments: [count, end, group])
                }
            }
            try await fill("weather", Limits.Identities.ofGroup)
            try await fill("other", Limits.Identities.inAll - Limits.Identities.ofGroup - 2)
            let expected = [
                ("weather", "agent group weather has 65536 IDs"), ("weather", "(Identities.ofGroup)"),
                ("other", "agent group other has 65534 IDs"), ("other", "(Identities.inAll) 2 are left"),
                ("third", "no problem"),
            ]
            for (group, text) in expected {
                let agent = try #require(agents[group])
                let told = await problemText { try await plane.workload("\(group)/1", of: agent) }
                #expect(told.contains(text), "\(told)")
            }
        }
    }

    @Test func `manifests that would fit into no message are refused`() async throws {
        try await TestControlPlane.serve { plane in
            _ = try await plane.apply(Manifests.identity("client"))
            try await plane.state.store.write { database in
                try database.execute(
                    sql: "UPDATE manifests SET canonical = canonical || printf('%*s', ?, ' ')",
                    arguments: [Limits.Manifests.bytes])
            }
            #expect(await problem { try await plane.apply(Manifests.identity("another")) } == "manifest_invalid")
            _ = try await plane.apply(Manifests.identity("client", uid: 7))
            _ = try await plane.apply(Manifests.identity("another"))
        }
    }

    @Test func `IDs of templates are bounded for each group, end with their credentials, and take nobody's place`()
        async throws
    {
        try await TestControlPlane.serve { plane in
            _ = try await plane.apply(
                [
                    Manifests.template("agents/{{process:uid}}"), Manifests.identity("client"),
                    Manifests.template("others/{{process:uid}}", group: "other").replacing(
                        "name: template", with: "name: others"),
                ].joined(separator: "---\n"))
            let agent = try await plane.agent()
            let other = try await plane.agent(group: "other", name: "host-b")
            _ = try await plane.workload("agents/1", of: agent)
            let end = plane.clock.now.addingTimeInterval(100).milliseconds
            try await plane.state.store.write { database in
                try database.execute(
                    sql: """
                        WITH RECURSIVE n(i) AS (SELECT 1000 UNION ALL SELECT i + 1 FROM n WHERE i < 999 + ?1)
                        INSERT INTO issuances (spiffe_id, agent_group, issued_second, ends_at)
                        SELECT 'spiffe://test.example/agents/' || i, 'weather', 0, ?2 FROM n
                        """,
                    arguments: [Limits.Identities.ofGroup, end])
            }
            #expect(await problem { try await plane.workload("agents/2", of: agent) } == "too_many_ids")
            _ = try await plane.workload("agents/1", of: agent)
            _ = try await plane.workload("agents/1000", of: agent)
            _ = try await plane.workload("client", of: agent)
            _ = try await plane.workload("others/7", of: other)
            plane.clock.advance(by: 160)
            _ = try await plane.workload("agents/2", of: agent)
        }
    }

    @Test func `a registration ends with the SVIDs of its client, and comes again`() async throws {
        try await TestControlPlane.serve { plane in
            _ = try await plane.apply(Manifests.weather)
            let agent = try await plane.agent()
            let desk = AgentDesk(state: plane.state)
            let first = try await plane.workload("client", of: agent)
            try await plane.withClient(as: first) { _ = try await $0.registerOAuthClient(scope: nil) }
            let count = { () async throws -> Int in
                try await desk.forgetEnded()
                return try await plane.state.store.read { database in
                    try Int.fetchOne(database, sql: "SELECT count(*) FROM oauth_clients") ?? -1
                }
            }
            #expect(try await count() == 1)
            plane.clock.advance(by: 100)
            let second = try await plane.workload("client", of: agent)
            plane.clock.advance(by: 100)
            #expect(try await count() == 1)
            plane.clock.advance(by: 100)
            #expect(try await count() == 0)
            let types = try await plane.operators.audit(spiffeID: second.id).map(\.type)
            #expect(types.last == "client.deregistered")
            let third = try await plane.workload("client", of: agent)
            // Its certificate begins later than the clock that TLS goes by here.
            let records = OAuthRecords(state: plane.state)
            _ = try await records.register(
                OAuthClient(spiffeID: third.id, name: nil, method: .x509, registeredAt: plane.clock.now),
                provenBy: IssueTime(of: third.leaf), telling: OAuthEvent(.clientRegistered, reason: "again"))
            #expect(try await count() == 1)
        }
    }
}

/// By whom, in the order it was written.
private final class Written: Sendable {
    private let callers = Mutex<[SPIFFEID]>([])

    var order: [SPIFFEID] { callers.withLock { $0 } }

    func add(_ caller: SPIFFEID) { callers.withLock { $0.append(caller) } }
}
