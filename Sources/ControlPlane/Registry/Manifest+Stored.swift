import ControlPlaneAPI
import Foundation
import GRDB
import SPIFFE
import Workloads

extension Manifest {
    struct Key: Hashable {
        var kind: String
        var name: String
    }

    var key: Key { Key(kind: kind, name: name) }

    /// The same text for the same meaning: what decides between changed and unchanged.
    func canonicalJSON() throws -> String {
        let bytes =
            switch self {
            case .workloadIdentity(let identity): try WireCoding.encoder().encode(identity)
            case .protectedResource(let resource): try WireCoding.encoder().encode(resource)
            }
        return String(decoding: bytes, as: UTF8.self)
    }

    /// - Parameter row: of table `manifests`.
    init(row: Row) throws {
        let bytes = Data((row["canonical"] as String).utf8)
        self =
            switch row["kind"] as String {
            case "WorkloadIdentity":
                .workloadIdentity(try WireCoding.decoder().decode(WorkloadIdentity.self, from: bytes))
            case "ProtectedResource":
                .protectedResource(try WireCoding.decoder().decode(ProtectedResource.self, from: bytes))
            case let kind: throw ControlPlaneRefusal.storage("manifest kind \(kind) is of a later version")
            }
    }

    func remarks(in networks: ManagedNetworks) -> [String] {
        if case .workloadIdentity(let identity) = self { identity.remark(in: networks).map { [$0] } ?? [] } else { [] }
    }

    func spiffeID(in domain: TrustDomain) -> SPIFFEID? {
        if case .workloadIdentity(let identity) = self { identity.spiffeID(in: domain) } else { nil }
    }
}

/// What is warned of in manifests, beside the others of their agent groups.
struct ManifestWarnings {
    private let content: RegistryContent
    private var groups: [String: Accountabilities] = [:]

    init(_ content: RegistryContent) { self.content = content }

    mutating func of(_ manifest: Manifest) -> [String] {
        guard case .workloadIdentity(let identity) = manifest else { return [] }
        // By the thousand, and none of the others matters.
        guard identity.asksForParents else { return Accountabilities([]).warnings(of: identity) }
        let group = identity.agentGroup
        let known = groups[group] ?? Accountabilities(content.groups[group]?.identities ?? [])
        groups[group] = known
        return known.warnings(of: identity)
    }
}
