import Foundation
import Kernel
import Logging
import Proxy
import Synchronization
import Testing
import Workloads

@testable import Agent

/// Real namespaces of real processes. The proxy that is put into them is none.
@Suite("Served namespaces", .asRoot) struct ServedNamespacesTests {
    private let placement = Placement()
    private let networks: ServedNamespaces
    private static let user: UInt32 = 61_001, otherUser: UInt32 = 61_002

    init() throws {
        networks = try ServedNamespaces(
            placement: placement, shares: NamespaceShares(ofUser: 2, inAll: 100), logger: Logger(label: "test")
        ) {}
    }

    @Test func `of the namespaces that a user makes for himself a share is served, and all of others'`() async throws {
        let crowd = try await (0..<3).asyncMap { _ in try await Resident(.ofUser(Self.user)) }
        for resident in crowd { await networks.needed(by: resident.process) }
        #expect(placement.placed == Set(crowd.prefix(2).map(\.cookie)))
        let neighbours = try await (0..<2).asyncMap { _ in try await Resident(.ofUser(Self.otherUser)) }
        for resident in neighbours { await networks.needed(by: resident.process) }
        #expect(placement.placed == Set((crowd.prefix(2) + neighbours).map(\.cookie)))
        // Who ends gives his place back.
        crowd[0].end()
        await networks.giveUpEmptyOnes()
        #expect(!placement.placed.contains(crowd[0].cookie))
        await networks.needed(by: crowd[2].process)
        #expect(placement.placed.contains(crowd[2].cookie))
    }

    @Test func `a user who is root in a user namespace, or in one within it, is that user`() async throws {
        let residents = try await [Resident.Kind.rootInside(Self.user), .nested(Self.user), .rootInside(Self.user)]
            .asyncMap { try await Resident($0) }
        for resident in residents { await networks.needed(by: resident.process) }
        #expect(placement.placed == Set(residents.prefix(2).map(\.cookie)))
    }

    @Test func `one that root made counts for whose process is in it first, root's own for nobody`() async throws {
        let crowd = try await (0..<3).asyncMap { _ in try await Resident(.madeByRoot(Self.user)) }
        for resident in crowd { await networks.needed(by: resident.process) }
        #expect(placement.placed == Set(crowd.prefix(2).map(\.cookie)))
        let own = try await (0..<3).asyncMap { _ in try await Resident(.madeByRoot(0)) }
        for resident in own { await networks.needed(by: resident.process) }
        #expect(placement.placed == Set((crowd.prefix(2) + own).map(\.cookie)))
    }

    @Test func `an address is its namespace's where that is not the host's, and its maker's where a user made it`()
        async throws
    {
        let own = try NetworkNamespace.current()
        #expect(try KernelNetwork(own, own: .current()).origin == .host)
        for kind in [Resident.Kind.ofUser(Self.user), .rootInside(Self.user), .nested(Self.user)] {
            let resident = try await Resident(kind)
            let network = try KernelNetwork(.of(pid: resident.process.pid), own: own)
            #expect(network.origin == .ofUser(Self.user))
        }
        for kind in [Resident.Kind.madeByRoot(Self.user), .rootInside(0)] {
            let resident = try await Resident(kind)
            #expect(try KernelNetwork(.of(pid: resident.process.pid), own: own).origin == .other(resident.cookie))
        }
    }

    @Test func `those with a name count for nobody, from the moment they have it`() async throws {
        let crowd = try await (0..<5).asyncMap { _ in try await Resident(.madeByRoot(Self.user)) }
        for resident in crowd.prefix(2) { await networks.needed(by: resident.process) }
        await networks.prepare(Dictionary(uniqueKeysWithValues: crowd.prefix(3).map { ($0.inode, $0.path) }))
        #expect(placement.placed == Set(crowd.prefix(3).map(\.cookie)))
        for resident in crowd.dropFirst(3) { await networks.needed(by: resident.process) }
        #expect(placement.placed == Set(crowd.map(\.cookie)))
    }

    @Test func `where news were lost, namespaces of managed processes that are not served are found`() async throws {
        let residents = try await (0..<2).asyncMap { _ in try await Resident(.madeByRoot(0)) }
        await networks.needed(by: residents[0].process)
        await networks.lookAgain(at: residents.map(\.process))
        #expect(placement.placed == Set(residents.map(\.cookie)))
        // Nothing new there: nothing is asked for.
        await networks.lookAgain(at: residents.map(\.process))
        #expect(placement.count == 2)
        // Nor for whom nothing would be served.
        let crowd = try await (0..<4).asyncMap { _ in try await Resident(.ofUser(Self.user)) }
        await networks.lookAgain(at: crowd.map(\.process))
        #expect(placement.count == 4)
    }

    @Test func `one that cannot be served is told of once, however often it is needed, and again when that is new`()
        async throws
    {
        let lines = Lines()
        let networks = try ServedNamespaces(
            placement: placement, shares: NamespaceShares(),
            logger: Logger(label: "test") { _ in LineLogHandler(lines: lines) }
        ) {}
        let one = try await Resident(.ofUser(Self.user)), other = try await Resident(.ofUser(Self.user))
        placement.isRefused(true)
        for _ in 0..<10 { for resident in [one, other] { await networks.needed(by: resident.process) } }
        #expect(lines.errors == 2)
        #expect(placement.count == 20, "it is tried each time all the same")
        placement.isRefused(false)
        await networks.needed(by: one.process)
        #expect(placement.placed == [one.cookie])
        one.end()
        await networks.giveUpEmptyOnes()
        placement.isRefused(true)
        await networks.needed(by: other.process)
        #expect(lines.errors == 2)
    }

    @Test func `what a former agent served beyond a share is taken out again`() async throws {
        let crowd = try await (0..<3).asyncMap { _ in try await Resident(.ofUser(Self.user)) }
        placement.adopt(crowd)
        try await networks.serveOwn()
        #expect(placement.placed.intersection(crowd.map(\.cookie)).count == 2)
    }
}

/// Which namespaces the proxy would be in.
private final class Placement: ProxyPlacement {
    private let state = Mutex<(placed: Set<UInt64>, residents: [ProcessKey])>(([], []))
    private let puts = Atomic(0)
    private let refuses = Atomic(false)

    /// How often it was put anywhere.
    var count: Int { puts.load(ordering: .relaxed) }
    var placed: Set<UInt64> { state.withLock { $0.placed } }
    var residents: [ProcessKey] { state.withLock { $0.residents } }

    func adopt(_ residents: [Resident]) {
        state.withLock { $0 = (Set(residents.map(\.cookie)), residents.map(\.process)) }
    }

    /// As where somebody holds the proxy's port there.
    func isRefused(_ refuses: Bool) { self.refuses.store(refuses, ordering: .relaxed) }

    func put(into namespace: NetworkNamespace, own: NetworkNamespace) throws {
        puts.add(1, ordering: .relaxed)
        if refuses.load(ordering: .relaxed) { throw POSIXError(.EADDRINUSE) }
        state.withLock { _ = $0.placed.insert(namespace.cookie) }
    }

    func takeOut(of cookie: UInt64) throws { state.withLock { _ = $0.placed.remove(cookie) } }
    func forgetEnded() throws {}
    func connectionCount(in cookie: UInt64) -> Int { 0 }
    func isAlive(_ process: ProcessKey) -> Bool { kill(process.pid, 0) == 0 }

    func payer(of process: ProcessKey) -> UInt32? { UserNamespace.payer(ofPID: process.pid) }
}

/// How many lines of errors there were.
private final class Lines: Sendable {
    private let count = Atomic(0)

    var errors: Int { count.load(ordering: .relaxed) }

    func add() { count.add(1, ordering: .relaxed) }
}

private struct LineLogHandler: LogHandler {
    let lines: Lines
    var metadata: Logger.Metadata = [:]
    var logLevel = Logger.Level.trace

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    func log(event: LogEvent) { if event.level == .error { lines.add() } }
}

/// A process in a network namespace of its own.
private final class Resident: Sendable {
    enum Kind {
        case ofUser(UInt32)
        case rootInside(UInt32)
        case nested(UInt32)
        /// Entered by a process of that user.
        case madeByRoot(UInt32)

        fileprivate var command: [String] {
            switch self {
            case .ofUser(let user): Self.become(user) + ["unshare", "--user", "--net"]
            case .rootInside(let user): Self.become(user) + ["unshare", "--user", "--map-root-user", "--net"]
            case .nested(let user):
                Self.become(user) + ["unshare", "--user", "--map-root-user", "unshare", "--user", "--net"]
            case .madeByRoot(let user): ["unshare", "--net"] + Self.become(user)
            }
        }

        private static func become(_ user: UInt32) -> [String] {
            ["setpriv", "--reuid=\(user)", "--clear-groups", "--"]
        }
    }

    let process: ProcessKey
    let cookie: UInt64
    let inode: UInt64
    private let ended = Atomic(false)

    var path: String { "/proc/\(process.pid)/ns/net" }

    init(_ kind: Kind) async throws {
        let program = Process()
        program.executableURL = URL(filePath: "/usr/bin/env")
        program.arguments = kind.command + ["sleep", "300"]
        try program.run()
        let pid = program.processIdentifier
        process = ProcessKey(pid: pid, startTime: 1)
        // By then it is where it is going to be, and who it is going to be.
        while (try? String(contentsOfFile: "/proc/\(pid)/comm", encoding: .utf8)) != "sleep\n" {
            guard program.isRunning else { throw POSIXError(.ECHILD) }
            try await Task.sleep(for: .milliseconds(2))
        }
        let namespace = try NetworkNamespace.of(pid: pid)
        cookie = namespace.cookie
        inode = namespace.inode
    }

    func end() {
        guard !ended.exchange(true, ordering: .relaxed) else { return }
        kill(process.pid, SIGKILL)
        // Foundation waits for it.
        while kill(process.pid, 0) == 0 { usleep(1000) }
    }

    deinit { end() }
}

extension Sequence {
    fileprivate func asyncMap<Result>(_ body: (Element) async throws -> Result) async rethrows -> [Result] {
        var results: [Result] = []
        for element in self { results.append(try await body(element)) }
        return results
    }
}
