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
    let trusted: BundleSet
    /// As with a full disk.
    var journalFails = false

    init(protected: [ProtectedResource], active: Set<SPIFFEID>, trusted: BundleSet) {
        self.protected = protected
        self.active = active
        self.trusted = trusted
    }

    struct DiskFull: Error {}

    func change(_ change: @Sendable (isolated MemoryRecords) -> Void) { change(self) }

    func deregister(_ id: SPIFFEID, at time: Date) { clients[id]?.deregisteredAt = time }
}

extension MemoryRecords: OAuthStore {
    func client(_ id: SPIFFEID) -> OAuthClient? { clients[id] }

    func register(_ client: OAuthClient) -> (client: OAuthClient, created: Bool) {
        if let kept = clients[client.spiffeID] { return (kept, false) }
        clients[client.spiffeID] = client
        return (client, true)
    }

    func record(_ token: IssuedToken) { tokens[token.id] = token }

    func token(_ id: String) -> IssuedToken? { tokens[id] }

    func revokeToken(_ id: String, at time: Date) {
        guard tokens[id]?.revokedAt == nil else { return }
        tokens[id]?.revokedAt = time
    }
}

extension MemoryRecords: OAuthDirectory {
    func resources() -> [ProtectedResource] { protected }

    func bundles() -> BundleSet { trusted }

    func isActive(_ id: SPIFFEID) -> Bool { active.contains(id) }

    func spiffeID(forWorkloadID workloadID: String) -> SPIFFEID? { active.first { $0.path == "/" + workloadID } }
}

extension MemoryRecords: OAuthJournal {
    func record(_ event: OAuthEvent) throws {
        guard !journalFails else { throw DiskFull() }
        events.append(event)
    }
}
