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

    var warnings: [String] {
        if case .workloadIdentity(let identity) = self { identity.warnings } else { [] }
    }

    func spiffeID(in domain: TrustDomain) -> SPIFFEID? {
        if case .workloadIdentity(let identity) = self { try? identity.spiffeID(in: domain) } else { nil }
    }
}
