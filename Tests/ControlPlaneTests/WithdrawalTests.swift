@testable import ControlPlane
import ControlPlaneAPI
import Foundation
import GRDB
import SPIFFE
import Testing
import Workloads

@Suite struct WithdrawalTests {
    @Test(arguments: UInt64(1)...6)
    func `a credential is good until a group loses its ID, and never again`(_ seed: UInt64) throws {
        let directory = TestControlPlane.temporaryDirectory()
        defer { try? FileManager.default.removeItem(at: directory) }
        try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
        var history = try History(in: directory, seed: seed)
        var found = (good: 0, bad: 0)
        for _ in 0..<200 {
            try history.goOn()
            for (credential, objection) in zip(history.credentials, try history.objections()) {
                #expect((objection == nil) == !credential.isWithdrawn, "\(credential)")
                if objection == nil { found.good += 1 } else { found.bad += 1 }
            }
        }
        #expect(found.good > 20 && found.bad > 20)
        try history.store.close()
    }
}

/// Manifests that come and go, and credentials that are issued meanwhile.
private struct History {
    /// What was issued, and whether some group has lost its ID since.
    struct Credential {
        let id: SPIFFEID
        let time: IssueTime
        var isWithdrawn = false
    }

    let store: Store
    private(set) var credentials: [Credential] = []
    private let registry: Registry
    private var now = Date(timeIntervalSince1970: 0)
    private var random: Random

    private static let groups = (0..<3).map { "group-\($0)" }
    private static let texts: [WorkloadName] = ["a/1", "a/2", "b/1", "a/{{process:uid}}", "b/{{process:uid}}"]
    private static let paths = ["a/1", "a/2", "a/3", "b/1", "b/2"]

    /// Some manifest, of which many exclude each other.
    private static func manifest(_ random: inout Random) -> Manifest {
        let number = random.next(6)
        return .workloadIdentity(
            WorkloadIdentity(
                name: "m\(number)", agentGroup: "group-\(random.next(3))", workloadID: texts[random.next(texts.count)],
                selectors: [Selector(userIDs: [UInt32(number)])]))
    }

    init(in directory: URL, seed: UInt64) throws {
        store = try Store(directory: directory)
        registry = Registry(trustDomain: try TrustDomain(TestControlPlane.trustDomain))
        random = Random(state: seed)
    }

    /// One more thing happens, sometimes two in a second.
    mutating func goOn() throws {
        now += Double(random.next(4)) / 2
        let before = try given()
        switch random.next(5) {
        case 0, 1: apply(Self.manifest(&random))
        case 2: delete("m\(random.next(6))")
        default:
            let id = try TestControlPlane.id(Self.paths[random.next(Self.paths.count)])
            let time = try issue(id, to: Self.groups[random.next(Self.groups.count)])
            if let time { credentials.append(Credential(id: id, time: time)) }
        }
        let after = try given()
        for (index, credential) in credentials.enumerated() {
            let isLost = zip(before, after).contains { $0.contains(credential.id) && !$1.contains(credential.id) }
            if isLost { credentials[index].isWithdrawn = true }
        }
    }

    /// To each credential, in their order.
    func objections() throws -> [String?] {
        try store.database.read { database in
            try credentials.map { try registry.objection(to: $0.id, issuedAt: $0.time, in: database) }
        }
    }

    /// The IDs of each group.
    private func given() throws -> [GivenIDs] {
        let content = try store.database.read { try Registry(trustDomain: registry.trustDomain).content(in: $0) }
        return Self.groups.map(content.given(toGroup:))
    }

    /// Nothing where it is refused.
    private func apply(_ manifest: Manifest) {
        _ = try? store.database.write { try registry.apply([manifest], by: "tester", now: now, in: $0) }
    }

    private func delete(_ name: String) {
        _ = try? store.database.write {
            try registry.delete(kind: "WorkloadIdentity", name: name, by: "tester", now: now, in: $0)
        }
    }

    /// nil: it is not the group's.
    private func issue(_ id: SPIFFEID, to group: String) throws -> IssueTime? {
        try store.database.write { database in
            let time = try? registry.issueTime(for: id, group: group, now: now, in: database)
            if let time {
                try Issuances.record(
                    id, through: .init(id: try TestControlPlane.id("tidemark/agent/\(group)/a"), group: group),
                    isWritten: false, at: time, until: now + 3600, now: now, in: database)
            }
            return time
        }
    }
}

/// With a seed, so that a failure comes again.
private struct Random {
    var state: UInt64

    mutating func next(_ bound: Int) -> Int {
        state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        return Int((state >> 33) % UInt64(bound))
    }
}
