package import ControlPlaneAPI
import Crypto
import Foundation
import Limits
package import Logging
package import SPIFFE
import Synchronization

/// The agent's standing with the control plane: its own SVID, and the client that uses it.
///
/// The SVID comes from the agent before this one, out of the kernel's memory, or from a join token; it is renewed at half
/// life and never touches a disk.
package actor ControlPlaneLink {
    /// Keeps the agent's own credential over a restart, in memory only.
    package protocol CredentialVault: Sendable {
        func load() -> [UInt8]?
        func store(_ bytes: [UInt8]) throws
    }

    private let configuration: AgentConfiguration
    private let vault: any CredentialVault
    private let logger: Logger
    private var svid: X509SVID?
    private var client: ControlPlaneClient?
    private var bundle: TrustBundle?
    private var workloadClients: [SPIFFEID: (thumbprint: CertificateThumbprint, client: ControlPlaneClient)] = [:]

    package init(configuration: AgentConfiguration, vault: any CredentialVault, bundle: TrustBundle?, logger: Logger) {
        self.configuration = configuration
        self.vault = vault
        self.bundle = bundle
        self.logger = logger
    }

    package var spiffeID: SPIFFEID? { svid?.id }

    /// The client that speaks as this agent.
    package func agentClient() throws -> ControlPlaneClient {
        guard let client else { throw AgentError.notAttested(reason: "see the agent's log") }
        return client
    }

    /// A client that speaks as a workload: for OAuth, with that workload's certificate.
    package func client(as svid: X509SVID) async throws -> ControlPlaneClient {
        if let known = workloadClients[svid.id] {
            if known.thumbprint == svid.thumbprint { return known.client }
            workloadClients[svid.id] = (svid.thumbprint, known.client)
            try await known.client.present(svid, trust: trust())
            return known.client
        }
        let fresh = try ControlPlaneClient(
            address: configuration.controlPlane.address, trust: trust(), identity: svid, logger: logger,
        )
        workloadClients[svid.id] = (svid.thumbprint, fresh)
        return fresh
    }

    /// Whom there are clients of.
    var spokenFor: Set<SPIFFEID> { Set(workloadClients.keys) }

    /// Ends what speaks as workloads that have no SVID here any more.
    func forgetClients(of workloads: some Sequence<SPIFFEID>) async {
        for workload in workloads { await workloadClients.removeValue(forKey: workload)?.client.shutdown() }
    }

    /// A snapshot brought a bundle: whom to believe from the next connection on.
    package func adopt(bundle: TrustBundle) async throws {
        guard bundle != self.bundle else { return }
        self.bundle = bundle
        if let svid { try await client?.present(svid, trust: .bundle(bundle)) }
    }

    /// Gets the first SVID, then renews it at half life until cancelled.
    package func run() async {
        var failures = 0
        while !Task.isCancelled {
            do {
                try await ensureSVID()
                failures = 0
                guard let svid else { continue }
                try await Task.sleep(for: .seconds(max(1, svid.halfLife.timeIntervalSinceNow)))
            } catch is CancellationError {
                break
            } catch {
                failures += 1
                logger.warning("the agent's own SVID: \(error)", metadata: ["attempt": "\(failures)"])
                let usual = min(Limits.SVID.retry, .seconds(1 << min(failures - 1, 5)))
                try? await Task.sleep(for: RetryPause.after(failures, because: error, usual: usual))
            }
        }
        await shutdown()
    }

    private func ensureSVID() async throws {
        if svid == nil, let old = try? restored() {
            try await use(old)
            logger.info("taken over from the agent before this one", metadata: ["spiffe_id": "\(old.id)"])
        }
        if let path = configuration.joinTokenFile, FileManager.default.fileExists(atPath: path), await attested() {
            return
        }
        if let svid, svid.notAfter > Date() {
            if svid.halfLife <= Date() { try await renew(with: agentClient()) }
        } else {
            try await attest()
        }
    }

    /// A token that lies there was put there for a new beginning, as after an eviction. What is still held is used where
    /// it does not let in.
    private func attested() async -> Bool {
        do {
            try await attest()
            return true
        } catch {
            logger.warning("the join token does not let in: \(error)")
            return false
        }
    }

    private func renew(with client: ControlPlaneClient) async throws {
        let request = try CertificateRequest()
        let answer = try await client.renew(RenewRequest(csr: request.der))
        try await accept(answer, for: request)
    }

    private func attest() async throws {
        let token = try joinToken()
        let request = try CertificateRequest()
        let client = try ControlPlaneClient(
            address: configuration.controlPlane.address, trust: trust(), identity: nil, logger: logger,
        )
        do {
            let answer = try await client.attest(
                AttestRequest(joinToken: token, name: configuration.name, csr: request.der),
            )
            await client.shutdown()
            try await accept(answer, for: request)
        } catch {
            await client.shutdown()
            throw error
        }
        // Spent: a token that has been used is of no use to anyone, but a secret does not stay on disk.
        if let path = configuration.joinTokenFile { try? FileManager.default.removeItem(atPath: path) }
        logger.info("attested with a join token", metadata: ["spiffe_id": "\(svid.map(\.id.description) ?? "")"])
    }

    private func accept(_ answer: X509SVIDResponse, for request: CertificateRequest) async throws {
        bundle = answer.bundle
        let svid = try request.svid(from: answer.chain)
        try vault.store(AgentCredential(svid).bytes())
        try await use(svid)
    }

    private func use(_ svid: X509SVID) async throws {
        self.svid = svid
        if let client { return try await client.present(svid, trust: trust()) }
        client = try ControlPlaneClient(
            address: configuration.controlPlane.address, trust: trust(), identity: svid, logger: logger,
        )
    }

    private func restored() throws -> X509SVID? {
        guard let bytes = vault.load(), !bytes.isEmpty else { return nil }
        let svid = try AgentCredential(bytes: bytes).svid()
        return svid.notAfter > Date() ? svid : nil
    }

    private func trust() throws -> ControlPlaneTrust {
        if let bundle { return .bundle(bundle) }
        return .caPEM(try read(configuration.controlPlane.caFile))
    }

    private func joinToken() throws -> String {
        guard let path = configuration.joinTokenFile, FileManager.default.fileExists(atPath: path) else {
            throw AgentError.joinTokenMissing(configured: configuration.joinTokenFile)
        }
        return try JoinTokenFile.read(path).trimmingCharacters(in: .whitespacesAndNewlines)
    }

    private func read(_ path: String) throws -> String {
        do { return try String(contentsOfFile: path, encoding: .utf8) } catch {
            throw AgentError.fileUnreadable(path: path, reason: "\(error)")
        }
    }

    private func shutdown() async {
        await client?.shutdown()
        for (_, entry) in workloadClients { await entry.client.shutdown() }
        client = nil
        workloadClients = [:]
    }
}
