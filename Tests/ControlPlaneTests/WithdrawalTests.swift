@testable import ControlPlane
import Foundation
import GRDB
import SPIFFE
import Testing
import Workloads

@Suite struct WithdrawalTests {
    private static let texts = ["a/1", "a/2", "b/1", "a/{{process:uid}}", "b/{{process:uid}}"]
    private static let paths = ["a/1", "a/2", "a/3", "b/1", "b/2"]

    /// Some manifest, of which many exclude each other.
    private static func manifest(_ random: inout Random) -> Manifest {
        let number = random.next(6)
        return .workloadIdentity(
            WorkloadIdentity(
                name: "m\(number)", agentGroup: "group-\(random.next(3))", workloadID: texts[random.next(texts.count)],
                selectors: [Selector(userIDs: [UInt32(number)])]))
    }

    @Test(arguments: UInt64(1)...6)
    func `withdrawn is what was given to somebody and is not given any more`(_ seed: UInt64) throws {
        let directory = TestControlPlane.temporaryDirectory()
        defer { try? FileManager.default.removeItem(at: directory) }
        try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
        let store = try Store(directory: directory)
        let registry = Registry(trustDomain: try TrustDomain(TestControlPlane.trustDomain))
        let now = Date(timeIntervalSince1970: 0)
        var random = Random(state: seed)
        var given: Set<SPIFFEID> = []
        var withdrawals = 0
        for _ in 0..<80 {
            switch random.next(3) {
            case 0:
                let manifest = Self.manifest(&random)
                let applied = try? store.database.write {
                    try registry.apply([manifest], by: "tester", now: now, in: $0)
                }
                if applied != nil, let id = manifest.spiffeID(in: registry.trustDomain) { given.insert(id) }
            case 1:
                let name = "m\(random.next(6))"
                _ = try? store.database.write {
                    try registry.delete(kind: "WorkloadIdentity", name: name, by: "tester", now: now, in: $0)
                }
            default:
                let id = try TestControlPlane.id(Self.paths[random.next(Self.paths.count)])
                let group = "group-\(random.next(3))"
                let isGiven = try store.database.write { try registry.expand(id, forGroup: group, in: $0) }
                if isGiven { given.insert(id) }
            }
            let (withdrawn, content) = try store.database.read { database in
                (
                    try registry.withdrawn(in: database),
                    try Registry(trustDomain: registry.trustDomain).content(in: database)
                )
            }
            #expect(withdrawn == given.filter { !content.gives($0) })
            withdrawals += withdrawn.count
        }
        #expect(withdrawals > 10)
        try store.close()
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
