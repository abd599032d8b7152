import ControlPlaneAPI
import Kernel
import SPIFFE
import Workloads

/// Who makes an audit event happen, and whose room in the agent's queue it takes.
///
/// Somebody who can be many IDs is one account: a user who runs a template's program with whatever values he likes, and a host of
/// whose peers one may have been taken over. Within an account each ID has a share of its own.
struct AuditPayer: Hashable, Sendable {
    enum Account: Hashable, Sendable {
        case workload(SPIFFEID)
        /// - Parameter user: nil: of processes that have ended.
        case template(String, user: UInt32?)
        /// Of peers at one address; of IPv6 at one network, as one host has all of it.
        case host(String)
        /// Local IDs that no identity gives any more.
        case former
        /// All together who have proven nothing.
        case nobody
    }

    let account: Account
    /// nil: it has proven nothing.
    let id: SPIFFEID?

    /// Where an ID of this host comes from.
    enum Origin: Equatable, Sendable {
        case written
        case template(String)
        case former
    }

    typealias Origins = @Sendable (SPIFFEID) -> Origin

    init(account: Account, id: SPIFFEID?) {
        self.account = account
        self.id = id
    }

    init(of event: AgentAuditEvent, by origin: Origins) {
        id = event.cause
        guard let id else {
            account = .nobody
            return
        }
        if event.isOfPeer {
            account = Self.host(of: event.connection).map { .host($0) } ?? .workload(id)
            return
        }
        switch origin(id) {
        case .written: account = .workload(id)
        case .template(let text): account = .template(text, user: event.process?.uid)
        case .former: account = .former
        }
    }

    /// - Parameter connection: `source>destination`.
    static func host(of connection: String?) -> String? {
        guard let text = connection?.split(separator: ">").first,
            let address = InternetEndpoint(parsing: String(text))?.address
        else { return nil }
        return address.isIPv4 ? address.description : "\(address.bytes.prefix(8))"
    }
}

extension AuditPayer: CustomStringConvertible {
    var description: String {
        switch account {
        case .workload(let id): "\(id)"
        case .template(let text, let user):
            "\(id.map { "\($0)" } ?? "") of \(text)\(user.map { ", run by uid \($0)" } ?? "")"
        case .host(let address): "\(id.map { "\($0)" } ?? "") at \(address)"
        case .former: "identities of a former policy"
        case .nobody: "those without an identity"
        }
    }
}

extension AgentAuditEvent {
    /// Who made it happen: of what came in the peer, of everything else the local workload; nil where that one has proven nothing.
    var cause: SPIFFEID? { isOfPeer ? peer : spiffeID }

    fileprivate var isOfPeer: Bool {
        switch type {
        case .connectionInbound, .requestInbound: true
        // Without a process it came in; or it went out, and the process has ended.
        case .connectionClosed: process == nil
        default: false
        }
    }
}

/// Where IDs come from by a snapshot, before it is in force: for events that an agent before this one left.
struct NameOrigins: Sendable {
    private let written: Set<SPIFFEPath>
    private let templates: [WorkloadIDTemplate]

    init(_ snapshot: PolicySnapshot?) {
        let names = snapshot?.identities.map(\.workloadID) ?? []
        written = Set(names.compactMap { if case .fixed(let path) = $0 { path } else { nil } })
        templates = names.compactMap(\.template)
    }

    func origin(of id: SPIFFEID) -> AuditPayer.Origin {
        if written.contains(id.path) { return .written }
        return templates.first { $0.covers(id.path) }.map { .template($0.text) } ?? .former
    }
}

extension EnforcedPolicy {
    /// nil: nothing is in force yet.
    func origin(of id: SPIFFEID) -> AuditPayer.Origin? {
        guard snapshot != nil else { return nil }
        guard let name = identity(of: id)?.workloadID else { return .former }
        return name.template.map { .template($0.text) } ?? .written
    }
}
