@testable import ControlPlaneAPI
import Foundation
import Limits
import SPIFFE
import Testing
import Workloads

/// What comes on a snapshot stream, put together.
@Suite struct SnapshotLinesTests {
    private let trustDomain: TrustDomain

    init() throws { trustDomain = try TrustDomain(TestControlPlane.trustDomain) }

    private func snapshot(_ version: UInt64, _ identities: [WorkloadIdentity], revoked: [String] = []) -> PolicySnapshot
    {
        PolicySnapshot(
            version: version, trustDomain: trustDomain,
            bundle: TrustBundle(trustDomain: trustDomain, x509Authorities: []),
            identities: identities, resources: [], endpoints: [], withdrawn: [], revokedTokens: revoked,
            svidLifetime: 120)
    }

    private static func identity(_ name: String, uid: UInt32 = 1001) -> WorkloadIdentity {
        WorkloadIdentity(
            name: name, agentGroup: "weather", workloadID: WorkloadName(stringLiteral: name),
            selectors: [Selector(userIDs: [uid], names: [name])])
    }

    private static func line(_ value: some Encodable) throws -> Data {
        try WireCoding.encoder().encode(value) + Data("\n".utf8)
    }

    private func change(_ from: PolicySnapshot, _ to: PolicySnapshot) -> SnapshotChange {
        SnapshotChange(from: from, to: to)
    }

    private static let three = [identity("a"), identity("b"), identity("c")]

    @Test func `a change carries what differs and gives the whole next snapshot`() throws {
        let first = snapshot(1, Self.three)
        let second = snapshot(
            4, [Self.identity("a0"), Self.identity("b", uid: 7), Self.identity("c"), Self.identity("d")],
            revoked: ["t"])
        let change = change(first, second)
        #expect(change.changed.map(\.name) == ["a0", "b", "d"])
        #expect(change.removed == ["a"])
        var lines = SnapshotLines()
        let received = try lines.take(Self.line(first) + Self.line(change) + Self.line(snapshot(5, Self.three)))
        #expect(received == [first, second, snapshot(5, Self.three)])
    }

    @Test func `where no identity differs a change has none`() throws {
        let change = change(snapshot(1, Self.three), snapshot(2, Self.three, revoked: ["t"]))
        #expect(change.changed.isEmpty && change.removed.isEmpty)
        #expect(try change.snapshot(after: snapshot(1, Self.three)) == snapshot(2, Self.three, revoked: ["t"]))
    }

    @Test(arguments: UInt64(1)...8)
    func `any two snapshots have a change between them`(_ seed: UInt64) throws {
        var state = seed
        let identities = { () -> [WorkloadIdentity] in
            (0..<40).compactMap { number in
                state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
                return (state >> 33) % 3 == 0 ? nil : Self.identity("w\(number)", uid: UInt32((state >> 40) % 2))
            }.sorted { $0.name < $1.name }
        }
        var lines = SnapshotLines()
        var last = snapshot(1, identities())
        _ = try lines.take(Self.line(last))
        for version in UInt64(2)...30 {
            let next = snapshot(version, identities())
            let change = change(last, next)
            #expect(change.changed.allSatisfy { !last.identities.contains($0) })
            #expect(try lines.take(Self.line(change)) == [next])
            last = next
        }
    }

    @Test func `what was taken back before, and where others listen, is not sent again with each change`() throws {
        let full = { (version: UInt64, numbers: Range<Int>) throws -> PolicySnapshot in
            let ids = try numbers.map { try TestControlPlane.id("agents/\($0)") }
            var snapshot = snapshot(version, Self.three, revoked: numbers.map { "token \($0)" })
            snapshot.withdrawn = ids
            snapshot.withdrawals = ids.map { Withdrawal(spiffeID: $0, through: IssueTime(Date())) }
            snapshot.endpoints = ids.map { Endpoint(address: "10.0.0.1", port: 1, workload: $0) }
            return snapshot
        }
        let first = try full(1, 0..<10_000)
        let second = try full(2, 1..<10_001)
        let line = try Self.line(change(first, second))
        #expect(line.count < 4096)
        var lines = SnapshotLines()
        let pieces = try SnapshotPiece.lines(of: WireCoding.encoder().encode(first)).flatMap { $0 + Data("\n".utf8) }
        #expect(try lines.take(pieces + [UInt8](line)) == [first, second])
    }

    @Test func `a change of a list that is not the one of before is refused`() throws {
        let base = snapshot(1, Self.three, revoked: ["a", "b"])
        let next = snapshot(2, Self.three, revoked: ["b", "c"])
        let change = change(base, next)
        #expect(change.revokedTokens == SetChange(from: ["a", "b"], to: ["b", "c"]))
        #expect(try change.snapshot(after: base) == next)
        for other in [["b"], ["a", "b", "c"], ["a", "b", "d"], []] {
            #expect(throws: SnapshotChangeError.otherList("revokedTokens")) {
                try change.snapshot(after: snapshot(1, Self.three, revoked: other))
            }
        }
        // Also where nothing is said to have changed.
        #expect(throws: SnapshotChangeError.otherList("revokedTokens")) {
            try self.change(base, snapshot(2, Self.three, revoked: ["a", "b"]))
                .snapshot(after: snapshot(1, Self.three, revoked: ["a"]))
        }
    }

    @Test func `a change since another version ends the stream`() throws {
        let first = snapshot(1, Self.three)
        let change = change(snapshot(2, Self.three), snapshot(3, []))
        var lines = SnapshotLines()
        #expect(throws: SnapshotChangeError.otherBase(since: 2, held: nil)) { try lines.take(Self.line(change)) }
        lines = SnapshotLines()
        #expect(try lines.take(Self.line(first)) == [first])
        let error = #expect(throws: SnapshotChangeError.self) { try lines.take(Self.line(change)) }
        #expect(error?.description == "a change since version 2 after version 1")
    }

    @Test func `the same change does not come twice`() throws {
        let first = snapshot(1, Self.three)
        let change = try Self.line(change(first, snapshot(2, [Self.identity("a")])))
        var lines = SnapshotLines()
        #expect(try lines.take(Self.line(first) + change).map(\.version) == [1, 2])
        #expect(throws: SnapshotChangeError.otherBase(since: 1, held: 2)) { try lines.take(change) }
    }

    @Test func `a change that does not fit its base is refused`() throws {
        let base = snapshot(1, Self.three)
        var change = change(base, snapshot(2, [Self.identity("a", uid: 7)]))
        change.removed = ["b", "x"]
        #expect(throws: SnapshotChangeError.notThere("x")) { try change.snapshot(after: base) }
        change.removed = ["b", "b"]
        #expect(throws: SnapshotChangeError.namedTwice("b")) { try change.snapshot(after: base) }
        change.removed = ["a"]
        #expect(throws: SnapshotChangeError.namedTwice("a")) { try change.snapshot(after: base) }
        change.removed = []
        change.changed += change.changed
        #expect(throws: SnapshotChangeError.namedTwice("a")) { try change.snapshot(after: base) }
    }

    @Test func `a change with a key it does not know, or without one of its keys, is refused`() throws {
        let first = snapshot(1, Self.three)
        let change = try WireCoding.encoder().encode(change(first, snapshot(2, [])))
        let object = try #require(try JSONSerialization.jsonObject(with: change) as? [String: Any])
        let others =
            object.keys.map { key in object.filter { $0.key != key } } + [
                object.merging(["identities": [String]()]) { $1 }
            ]
        for other in others {
            var lines = SnapshotLines()
            #expect(try lines.take(Self.line(first)) == [first])
            let line = try JSONSerialization.data(withJSONObject: other) + Data("\n".utf8)
            #expect(throws: DecodingError.self, "\(other.keys.sorted())") { try lines.take(line) }
        }
    }

    @Test func `lines are put together from pieces of any size, and empty ones are heartbeats`() throws {
        let first = snapshot(1, Self.three)
        let second = snapshot(2, [Self.identity("c")])
        let bytes = try Data("\n\n".utf8) + Self.line(first) + Data("\n".utf8) + Self.line(change(first, second))
        for size in 1...bytes.count {
            var lines = SnapshotLines()
            var received: [PolicySnapshot] = []
            for start in stride(from: 0, to: bytes.count, by: size) {
                received += try lines.take(bytes[start..<min(start + size, bytes.count)])
            }
            #expect(received == [first, second])
        }
    }

    @Test func `a line without end is refused`() throws {
        var lines = SnapshotLines()
        let piece = Data(repeating: UInt8(ascii: " "), count: Limits.Stream.lineBytes / 2)
        _ = try lines.take(piece)
        _ = try lines.take(piece)
        let error = #expect(throws: (any Error).self) { try lines.take(piece) }
        #expect(error.map { "\($0)" } == "a line of over \(Limits.Stream.lineBytes) bytes")
    }

    /// Encoded, it has so many bytes.
    private func snapshot(ofBytes bytes: Int) throws -> PolicySnapshot {
        let short = try WireCoding.encoder().encode(snapshot(1, [], revoked: [""])).count
        return snapshot(1, [], revoked: [String(repeating: "t", count: bytes - short)])
    }

    @Test func `what would be too long for a line comes in pieces, each short enough, and is read as one`() throws {
        let limit = Limits.Stream.lineBytes
        for (bytes, count) in [(limit - 1, 1), (limit, 1), (limit + 1, 2), (3 * limit, 5)] {
            let whole = try snapshot(ofBytes: bytes)
            let sent = try SnapshotPiece.lines(of: WireCoding.encoder().encode(whole))
            #expect(sent.count == count)
            #expect(sent.allSatisfy { $0.count <= limit })
            var lines = SnapshotLines()
            for line in sent.dropLast() { #expect(try lines.take(line + Data("\n".utf8)) == []) }
            #expect(try lines.take(sent.last.map { $0 + Data("\n".utf8) } ?? Data()) == [whole])
            // A change follows as ever.
            let next = snapshot(2, Self.three)
            let after = try SnapshotPiece.lines(of: WireCoding.encoder().encode(change(whole, next)))
            for line in after.dropLast() { #expect(try lines.take(line + Data("\n".utf8)) == []) }
            #expect(try lines.take(after.last.map { $0 + Data("\n".utf8) } ?? Data()) == [next])
        }
    }

    @Test func `pieces that are missing, doubled, out of order or interrupted end the stream`() throws {
        let pieces = try SnapshotPiece.lines(
            of: WireCoding.encoder().encode(snapshot(ofBytes: 3 * Limits.Stream.lineBytes))
        ).map { $0 + Data("\n".utf8) }
        let other = try Self.line(snapshot(1, Self.three))
        let last = try Self.line(SnapshotPiece(piece: 2, of: 2, bytes: Data("{}".utf8)))
        let wrong: [([Data], SnapshotPieceError)] = [
            ([pieces[1]], .outOfOrder(piece: 2, of: 5, after: 0)),
            ([pieces[0], pieces[2]], .outOfOrder(piece: 3, of: 5, after: 1)),
            ([pieces[0], pieces[0]], .outOfOrder(piece: 1, of: 5, after: 1)),
            ([pieces[0], last], .outOfOrder(piece: 2, of: 2, after: 1)),
            ([pieces[0], other], .interrupted),
            ([try Self.line(SnapshotPiece(piece: 1, of: 1, bytes: last))], .nested),
        ]
        for (sent, expected) in wrong {
            var lines = SnapshotLines()
            #expect(throws: expected) { for line in sent { _ = try lines.take(line) } }
        }
    }

    @Test func `what no pieces may make up is neither sent nor put together`() throws {
        let line = Data(count: Limits.Stream.messageBytes + 1)
        #expect(throws: SnapshotPieceError.tooLong(bytes: line.count)) { try SnapshotPiece.lines(of: line) }
        var pieces = SnapshotPieces()
        let half = Data(count: Limits.Stream.messageBytes / 2)
        #expect(try pieces.take(SnapshotPiece(piece: 1, of: 4, bytes: half)) == nil)
        #expect(try pieces.take(SnapshotPiece(piece: 2, of: 4, bytes: half)) == nil)
        #expect(throws: SnapshotPieceError.tooLong(bytes: line.count)) {
            try pieces.take(SnapshotPiece(piece: 3, of: 4, bytes: Data(count: 1)))
        }
    }

    /// What outsiders can make grow, by what is the longest of each as it is encoded.
    @Test func `every table full of the longest there can be fits into a message`() throws {
        let domain = try TrustDomain(String(repeating: "d", count: 255))
        let id = { (bytes: Int) throws -> SPIFFEID in
            try SPIFFEID(trustDomain: domain, path: SPIFFEPath(String(repeating: "p", count: bytes)))
        }
        let encoded = { (value: any Encodable) throws -> Int in try WireCoding.encoder().encode(value).count + 1 }
        let withdrawal = Withdrawal(
            spiffeID: try id(Limits.Identities.templateBytes), through: IssueTime(seconds: 99_999_999_999))
        let endpoint = Endpoint(
            address: Array(repeating: "ffff", count: 8).joined(separator: ":"), port: .max,
            workload: try id(Limits.Identities.pathBytes))
        let tables = [
            Limits.Identities.inAll * (try encoded(withdrawal)),
            Limits.Endpoints.inAll * (try encoded(endpoint)),
            Limits.Tokens.inAll * (try encoded(UUID().uuidString)),
            // As stored, and what the encoding for agents has more.
            2 * Limits.Manifests.bytes,
        ]
        #expect(tables.reduce(0, +) <= Limits.Stream.messageBytes, "\(tables)")
    }
}
