import ControlPlaneAPI
import Foundation
import SPIFFE
import Testing
import Workloads

@testable import Agent
@testable import Kernel

/// What a policy says of a listener, whoever can still be asked about it.
@Suite("Listener rulings") struct ListenerRulingTests {
    private static let number: UInt32 = 77

    private func selector(_ word: String) -> Selector { Selector(commandLines: [["python", word]]) }

    /// One identity, `server`, of programs with these words.
    private func policy(_ words: [String]) throws -> EnforcedPolicy {
        let domain = try TrustDomain("demo.example")
        let identity = WorkloadIdentity(
            name: "server", agentGroup: "g", workloadID: "server", selectors: words.map(selector))
        return try EnforcedPolicy(
            PolicySnapshot(
                version: 7, trustDomain: domain, bundle: TrustBundle(trustDomain: domain, x509Authorities: []),
                identities: words.isEmpty ? [] : [identity], resources: [], endpoints: [], withdrawn: [],
                revokedTokens: [], svidLifetime: 120))
    }

    private func socket(_ identity: UInt32) -> ListeningSocket {
        ListeningSocket(
            cookie: 1, endpoint: InternetEndpoint(address: .wildcardIPv4, port: 9000), network: 1,
            image: ProcessImage(process: ProcessKey(pid: 7, startTime: 1), number: 1),
            credentials: ProcessIDs(effectiveUserID: 1, realUserID: 1, effectiveGroupID: 1, realGroupID: 1),
            identity: IdentityHandle(rawValue: identity))
    }

    /// - Parameter words: of the selectors by which it was the server's.
    private func known(_ words: [String], isPermissive: Bool = false) -> KnownListener {
        KnownListener(
            number: Self.number, workload: "server", selectors: Set(words.map(selector)), isPermissive: isPermissive)
    }

    struct Case: Sendable, CustomStringConvertible {
        let outcome: ListenerDecisions.Outcome
        let number: UInt32
        /// Words of the selectors by which it was the server's; nil: it is not known whose it was.
        var known: [String]?
        var isPermissive = false
        /// Of the policy's selectors.
        var current = ["a.py", "b.py"]
        let expected: ListenerRuling

        var description: String { "\(outcome) \(number) \(known ?? []) \(isPermissive) \(current)" }
    }

    static let cases: [Case] = [
        Case(outcome: .workload("server"), number: 0, expected: .workload("server")),
        Case(outcome: .workload("other"), number: number, known: ["a.py"], expected: .workload("other")),
        Case(outcome: .refused("why"), number: number, known: ["a.py"], expected: .undecided),
        Case(outcome: .unchanged, number: number, expected: .asItIs),

        Case(outcome: .unmanaged, number: 0, expected: .nobodys),
        Case(outcome: .unmanaged, number: IdentityHandle.undecided.rawValue, expected: .nobodys),
        Case(outcome: .unmanaged, number: number, known: ["a.py"], expected: .closed),
        Case(outcome: .unmanaged, number: number, expected: .closed),
        Case(outcome: .unmanaged, number: number, known: ["a.py"], isPermissive: true, expected: .nobodys),

        Case(outcome: .pending, number: 0, expected: .undecided),
        Case(outcome: .pending, number: number, expected: .undecided),
        Case(outcome: .pending, number: number, known: ["a.py"], expected: .workload("server")),
        Case(outcome: .pending, number: number, known: ["a.py"], current: ["b.py"], expected: .workload("server")),
        Case(outcome: .pending, number: number, known: ["a.py"], current: [], expected: .undecided),

        Case(outcome: .orphaned, number: 0, known: ["a.py"], expected: .nobodys),
        Case(outcome: .orphaned, number: IdentityHandle.undecided.rawValue, expected: .undecided),
        Case(outcome: .orphaned, number: number, expected: .closed),
        Case(outcome: .orphaned, number: number, known: ["a.py"], current: [], expected: .closed),
        // A wider selector takes nothing away, a narrower one may.
        Case(outcome: .orphaned, number: number, known: ["a.py", "b.py"], expected: .workload("server")),
        Case(outcome: .orphaned, number: number, known: ["a.py"], expected: .workload("server")),
        Case(outcome: .orphaned, number: number, known: ["a.py", "b.py"], current: ["b.py"], expected: .closed),
        Case(
            outcome: .orphaned, number: number, known: ["a.py"], isPermissive: true, current: ["b.py"],
            expected: .nobodys),
    ]

    @Test(arguments: cases) func `a listener is whose it can be shown to be`(_ expected: Case) throws {
        let known = expected.known.map { self.known($0, isPermissive: expected.isPermissive) }
        let ruling = ListenerRuling.of(
            socket(expected.number), expected.outcome, known: known, try policy(expected.current))
        #expect(ruling == expected.expected)
    }

    @Test func `what is known of listeners is read back, and only on the same boot`() throws {
        let folder = FileManager.default.temporaryDirectory.appending(path: "tidemark-kept-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let file = KeptState<[UInt64: KnownListener]>(directory: folder.path, name: "listeners.json", boot: "one")
        #expect(file.load() == nil)
        let listeners = [UInt64.max: known(["a.py"]), 2: known(["b.py"], isPermissive: true)]
        file.keep(listeners)
        try file.flush()
        #expect(file.load() == listeners)
        let other = KeptState<[UInt64: KnownListener]>(directory: folder.path, name: "listeners.json", boot: "two")
        #expect(other.load() == nil)
        let path = folder.appending(path: "listeners.json").path
        #expect(try FileManager.default.attributesOfItem(atPath: path)[.posixPermissions] as? Int == 0o600)
        try Data("{".utf8).write(to: URL(filePath: path))
        #expect(file.load() == nil)
    }
}
