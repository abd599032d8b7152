package import Foundation
package import Issuer
import Limits
package import SPIFFE

/// What every desk works with: the records, the keys, the clock.
package struct ControlPlaneState: Sendable {
    package let configuration: ServerConfiguration
    package let store: Store
    package let registry: Registry
    package let authority: CertificateAuthority
    /// One for the server's life: authorities change at a restart only.
    package let bundle: TrustBundle
    package let hub: SnapshotHub
    package let messages = SnapshotMessages()
    package let callers: OAuthBudgets
    package let audit: AuditKeeper
    package let refusedEndpoints = RefusedEndpoints()
    package let now: @Sendable () -> Date
    // Of all desks: who spends at one has spent.
    let budgets = AgentBudgets()
    /// Reports are decoded and looked through one at a time of each agent: what is long takes one core of the others' at most.
    let reports = CallerTurns()
    let strangers = RefusalBudget(perMinute: Limits.Refusals.strangersPerMinute)

    /// Opens what the data directory holds, or founds it.
    package init(
        configuration: ServerConfiguration, now: @escaping @Sendable () -> Date = { Date() },
        uptime: @escaping @Sendable () -> ContinuousClock.Instant = { .now },
    ) throws {
        let directory = configuration.dataDirectory
        try FileManager.default.createDirectory(
            at: directory, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
        self.configuration = configuration
        self.now = now
        authority = try CertificateAuthority.open(
            directory: Self.keys(in: directory), trustDomain: configuration.trustDomain, now: now())
        store = try Store(directory: directory)
        registry = Registry(
            trustDomain: configuration.trustDomain, managedNetworks: configuration.managedNetworks)
        bundle = authority.bundle(sequence: 1)
        hub = SnapshotHub(uptime: uptime)
        callers = OAuthBudgets(store: store, now: now)
        let auditKeys =
            configuration.audit.keyDirectory ?? directory.appending(path: "audit-keys", directoryHint: .isDirectory)
        audit = AuditKeeper(
            store: store, key: try CheckpointKey.open(directory: auditKeys, trustDomain: configuration.trustDomain),
            retention: configuration.audit.retention, copies: configuration.audit.copies, now: now)
        // Public: operators carry it to the hosts of new agents.
        let pem = directory.appending(path: "bundle.pem")
        try Data(authority.rootPEM.utf8).write(to: pem, options: .atomic)
        try FileManager.default.setAttributes([.posixPermissions: 0o644], ofItemAtPath: pem.path)
    }

    static func keys(in directory: URL) -> URL { directory.appending(path: "keys", directoryHint: .isDirectory) }

    package var serverID: SPIFFEID {
        get throws(SPIFFEIDError) {
            try SPIFFEID(trustDomain: configuration.trustDomain, path: "tidemark/server")
        }
    }
}
