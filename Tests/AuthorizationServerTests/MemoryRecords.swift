import AuthorizationServer
import Foundation
import SPIFFE
import Workloads

/// A store, registry and journal without a disk.
actor MemoryRecords {
    private(set) var clients: [SPIFFEID: OAuthClient] = [:]
    private(set) var tokens: [String: IssuedToken] = [:]
    private(set) var events: [OAuthEvent] = []
    var protected: [ProtectedResource]
    var active: Set<SPIFFEID>
    /// Of whom there is no request left, and what each was asked of.
    var waits: [SPIFFEID: Int] = [:]
    private(set) var admissions: [Admission] = []
    private var withdrawn: [SPIFFEID: IssueTime] = [:]
    let trusted: BundleSet
    /// As with a full disk.
    var journalFails = false

    init(protected: [ProtectedResource], active: Set<SPIFFEID>, trusted: BundleSet) {
        self.protected = protected
        self.active = active
        self.trusted = trusted
    }

    struct DiskFull: Error {}

    struct Admission: Equatable {
        let caller: SPIFFEID
        let stands: Bool
        let kind: OAuthEvent.Kind
    }

    func change(_ change: @Sendable (isolated MemoryRecords) -> Void) { change(self) }

    /// As a deletion and another apply of its manifest do.
    func withdraw(_ id: SPIFFEID, through time: IssueTime) {
        withdrawn[id] = time
        clients[id] = nil
    }
}

extension MemoryRecords: OAuthStore {
    func register(_ client: OAuthClient, provenBy issuedAt: IssueTime, telling event: OAuthEvent) throws -> OAuthClient
    {
        if let kept = clients[client.spiffeID] { return kept }
        try record(event)
        clients[client.spiffeID] = client
        return client
    }

    func record(_ token: IssuedToken, provenBy issuedAt: IssueTime, telling event: OAuthEvent) throws {
        try record(event)
        tokens[token.id] = token
    }

    func token(_ id: String) -> IssuedToken? { tokens[id] }

    func revokeToken(_ id: String, at time: Date, telling event: OAuthEvent) throws {
        try record(event)
        guard tokens[id]?.revokedAt == nil else { return }
        tokens[id]?.revokedAt = time
    }
}

extension MemoryRecords: OAuthDirectory {
    func bundles() -> BundleSet { trusted }

    func standing(of id: SPIFFEID, issuedAt: IssueTime?) -> ClientStanding {
        ClientStanding(
            id: id, objection: objection(to: id, issuedAt: issuedAt), isRegistered: clients[id] != nil,
            resources: protected)
    }

    private func objection(to id: SPIFFEID, issuedAt: IssueTime?) -> String? {
        guard active.contains(id) else { return "no manifest gives \(id)" }
        return issuedAt.flatMap { Withdrawals(through: withdrawn).objection(to: id, issuedAt: $0) }
    }
}

extension MemoryRecords: OAuthJournal {
    func record(_ event: OAuthEvent) throws {
        guard !journalFails else { throw DiskFull() }
        events.append(event)
    }
}

extension MemoryRecords: OAuthAdmission {
    func admit(_ caller: SPIFFEID, stands: Bool, telling event: OAuthEvent) -> Int? {
        admissions.append(Admission(caller: caller, stands: stands, kind: event.kind))
        return waits[caller]
    }
}
