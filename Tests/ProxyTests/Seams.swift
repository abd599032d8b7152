import Foundation
import Gateway
import Glibc
import NIOCore
@testable import Proxy
import SPIFFE
import Synchronization
import Workloads

/// Flows by the source port of whoever connects, as the kernel part knows them by the socket.
final class FlowTable: FlowSource {
    private struct Answers {
        var flows: [UInt16: AcceptedFlow] = [:]
        /// Whoever asks waits, as for a process that is not decided yet.
        var areHeld = false
        var asked = 0
        var objection: String?
        var user: UInt32?
        var unprepared: TimedOut?
    }

    /// What was told of an application's client, and when.
    struct Announcement: Sendable {
        let client: SocketAddress
        let workload: SPIFFEID?
        /// The socket had neither a port nor a peer.
        let isBeforeConnect: Bool
    }

    private let answers = Mutex(Answers())
    private let prepared = Mutex<[Announcement]>([])

    func expect(_ flow: OutboundFlow, from port: UInt16) { expect(.workload(flow), from: port) }

    func expect(_ flow: AcceptedFlow, from port: UInt16) { answers.withLock { $0.flows[port] = flow } }

    func hold() { answers.withLock { $0.areHeld = true } }

    func release() { answers.withLock { $0.areHeld = false } }

    /// From now on processes are not any more who opened what they open.
    func object(_ reason: String) { answers.withLock { $0.objection = reason } }

    func objection(to opened: OpenedConnection) async -> String? { answers.withLock { $0.objection } }

    /// How many connections were asked about.
    var asked: Int { answers.withLock { $0.asked } }

    func flow(ofAccepted descriptor: CInt) async -> AcceptedFlow {
        answers.withLock { $0.asked += 1 }
        while answers.withLock({ $0.areHeld }) {
            do { try await Task.sleep(for: .milliseconds(5)) } catch {
                return .refused(process: nil, reason: "cancelled")
            }
        }
        let refusal = AcceptedFlow.refused(process: nil, reason: "not redirected by the kernel")
        guard let port = Self.peerPort(of: descriptor) else { return refusal }
        return answers.withLock { $0.flows[port] } ?? refusal
    }

    func user(ofAccepted descriptor: CInt) -> UInt32? { answers.withLock { $0.user } }

    /// Whose connections come in from now on.
    func isOf(_ user: UInt32) { answers.withLock { $0.user = user } }

    private static func peerPort(of descriptor: CInt) -> UInt16? {
        var bytes = [UInt8](repeating: 0, count: MemoryLayout<sockaddr_storage>.size)
        var size = socklen_t(bytes.count)
        let status = bytes.withUnsafeMutableBytes {
            getpeername(descriptor, $0.baseAddress?.assumingMemoryBound(to: sockaddr.self), &size)
        }
        return status == 0 ? UInt16(bytes[2]) << 8 | UInt16(bytes[3]) : nil
    }

    func prepareUpstream(descriptor: CInt, client: SocketAddress, for workload: SPIFFEID?) throws {
        if let failure = answers.withLock({ $0.unprepared }) { throw failure }
        let isBeforeConnect = SocketName.local(of: descriptor)?.port == 0 && SocketName.peer(of: descriptor) == nil
        prepared.withLock {
            $0.append(Announcement(client: client, workload: workload, isBeforeConnect: isBeforeConnect))
        }
    }

    /// From now on nobody can be told who the client is.
    func prepareNone(because reason: String) {
        answers.withLock { $0.unprepared = TimedOut(description: reason) }
    }

    var announced: [Announcement] { prepared.withLock { $0 } }
}

final class SVIDTable: SVIDSource {
    private struct Missing: Error {}
    private let svids = Mutex<[SPIFFEID: X509SVID]>([:])
    private let trusted: BundleSet

    init(_ trusted: BundleSet) { self.trusted = trusted }

    func hold(_ svid: X509SVID) { svids.withLock { $0[svid.id] = svid } }

    func svid(for workload: SPIFFEID, process: ProcessKey?) async throws -> X509SVID {
        guard let svid = svids.withLock({ $0[workload] }) else { throw Missing() }
        return svid
    }

    func bundles() -> BundleSet { trusted }
}

final class RouteTable: RoutePolicy {
    struct Rules {
        var expected: SPIFFEID?
        var outboundPeers: PeerPolicy
        var inboundPeers: PeerPolicy
        var listener: SPIFFEID?
        /// Nobody listens any more, and the connections of who did go on.
        var isDraining = false
        var tlsMode = WorkloadIdentity.TLSMode.mutual
        var resources: [ProtectedResource] = []
        var passage: Passage?
        /// Who listens in a network other than the host's, whatever `expected` and `listener` are.
        var elsewhere: [UInt64: SPIFFEID] = [:]
    }

    let rules: Mutex<Rules>
    private let changes = Atomic<UInt64>(0)
    private let next = Mutex<(@Sendable () -> Void)?>(nil)

    init(_ rules: Rules) { self.rules = Mutex(rules) }

    var revision: UInt64 { changes.load(ordering: .acquiring) }

    func change(_ change: (inout Rules) -> Void) {
        rules.withLock { change(&$0) }
        changes.add(1, ordering: .acquiringAndReleasing)
    }

    /// Policy changes as soon as somebody has been answered.
    func changeOnceAsked(_ change: @escaping @Sendable (inout Rules) -> Void) { onceAsked { self.change(change) } }

    /// Something else happens as soon as somebody has been answered.
    func onceAsked(_ act: @escaping @Sendable () -> Void) { next.withLock { $0 = act } }

    private func beAsked() {
        if let act = next.withLock({ $0.take() }) { act() }
    }

    func outbound(workload: SPIFFEID, destination: SocketAddress, network: UInt64) -> OutboundRoute {
        defer { beAsked() }
        return rules.withLock { rules in
            let expected = rules.elsewhere[network] ?? rules.expected
            return OutboundRoute(
                expected: expected, peers: rules.outboundPeers, resources: rules.resources, passage: rules.passage)
        }
    }

    func inbound(destination: SocketAddress, network: UInt64) -> InboundRoute? {
        defer { beAsked() }
        return rules.withLock { rules in
            (rules.elsewhere[network] ?? rules.listener).map { workload in
                InboundRoute(
                    workload: workload, peers: rules.inboundPeers, tlsMode: rules.tlsMode, resources: rules.resources,
                )
            }
        }
    }
}

extension RouteTable {
    func inbound(draining workload: SPIFFEID, destination: SocketAddress, network: UInt64) -> InboundRoute? {
        rules.withLock { rules in
            guard rules.isDraining, rules.listener == nil else { return nil }
            return InboundRoute(
                workload: workload, peers: rules.inboundPeers, tlsMode: rules.tlsMode, resources: rules.resources)
        }
    }
}

/// Issues tokens and answers for them.
final class TokenDesk: TokenSource, TokenIntrospector {
    private let tokens = Mutex<[String: TokenFacts]>([:])
    private let asked = Mutex<[String]>([])
    /// Who showed one.
    let bearers = Mutex<Set<TokenBearer>>([])
    let failure = Mutex<Refusal?>(nil)
    /// Why nothing is known of any token.
    let silence = Mutex<TimedOut?>(nil)

    func token(for resource: ProtectedResource, svid: X509SVID) async throws -> AccessToken {
        if let failure = failure.withLock({ $0 }) { throw failure }
        return issue(audience: resource.resource.text, scopes: resource.scopes, svid: svid)
    }

    func issue(audience: String, scopes: [String], svid: X509SVID) -> AccessToken {
        let id = UUID().uuidString
        let token = AccessToken(value: "token." + id, id: id, expiresAt: Date().addingTimeInterval(60))
        let facts = TokenFacts(
            id: id, subject: svid.id, audience: audience, scopes: Set(scopes),
            thumbprint: svid.thumbprint.base64URL, expiresAt: token.expiresAt,
        )
        tokens.withLock { $0[token.value] = facts }
        return token
    }

    func revoke(_ token: AccessToken) { tokens.withLock { _ = $0.removeValue(forKey: token.value) } }

    func revokeAll() { tokens.withLock { $0 = [:] } }

    func introspect(_ token: String, of bearer: TokenBearer, as server: SPIFFEID) async throws -> TokenStatus {
        asked.withLock { $0.append(token) }
        bearers.withLock { _ = $0.insert(bearer) }
        if let silence = silence.withLock({ $0 }) { throw silence }
        return tokens.withLock { tokens in tokens[token].map { .active($0) } ?? .inactive }
    }

    var introspections: [String] { asked.withLock { $0 } }
}

final class Journal: ConnectionJournal {
    private let entries = Mutex<[JournalEntry]>([])

    func record(_ entry: JournalEntry) { entries.withLock { $0.append(entry) } }

    var all: [JournalEntry] { entries.withLock { $0 } }

    func entry(_ kind: JournalEntry.Kind, allowed: Bool) async throws -> JournalEntry {
        do {
            return try await eventually("") { self.all.first { $0.kind == kind && $0.allowed == allowed } }
        } catch {
            throw TimedOut(description: "no \(kind), allowed \(allowed), in \(all)")
        }
    }
}

/// Makes real sockets of this namespace, and remembers that it was asked.
final class RecordingNetwork: Network {
    let cookie: UInt64
    var origin: NetworkOrigin { .other(cookie) }
    private let made = Mutex(0)
    private let isGone = Mutex(false)

    init(cookie: UInt64) { self.cookie = cookie }

    func socket(family: CInt) throws -> CInt {
        if isGone.withLock({ $0 }) { throw ProxyError.socket(operation: "socket", address: "there", errno: ENETDOWN) }
        made.withLock { $0 += 1 }
        return try HostNetwork(cookie: cookie).socket(family: family)
    }

    func links() throws -> [CUnsignedInt] { try HostNetwork(cookie: cookie).links() }

    var sockets: Int { made.withLock { $0 } }

    /// No more sockets from here on.
    func vanish() { isGone.withLock { $0 = true } }
}
