import ControlPlaneAPI
import Foundation
import GRDB
import SPIFFE
package import Workloads

/// One stored manifest.
package struct RegistryDocument: Sendable, Equatable {
    package enum Content: Sendable, Equatable {
        case identity(WorkloadIdentity)
        case resource(ProtectedResource)
    }

    package var content: Content
    /// As shown to operators.
    package var yaml: String

    package init(content: Content, yaml: String) {
        self.content = content
        self.yaml = yaml
    }

    static let identityKind = "WorkloadIdentity"
    static let resourceKind = "ProtectedResource"

    package var kind: String {
        switch content {
        case .identity: Self.identityKind
        case .resource: Self.resourceKind
        }
    }

    package var name: String {
        switch content {
        case .identity(let identity): identity.name
        case .resource(let resource): resource.name
        }
    }

    var key: Key { Key(kind: kind, name: name) }

    struct Key: Hashable {
        var kind: String
        var name: String
    }

    /// The same text for the same meaning: what decides between changed and unchanged.
    func canonical() throws -> String {
        let bytes =
            switch content {
            case .identity(let identity): try WireCoding.encoder().encode(identity)
            case .resource(let resource): try WireCoding.encoder().encode(resource)
            }
        return String(decoding: bytes, as: UTF8.self)
    }

    init(row: Row) throws {
        let bytes = Data((row["canonical"] as String).utf8)
        content =
            if row["kind"] == Self.identityKind {
                .identity(try WireCoding.decoder().decode(WorkloadIdentity.self, from: bytes))
            } else {
                .resource(try WireCoding.decoder().decode(ProtectedResource.self, from: bytes))
            }
        yaml = row["yaml"]
    }
}

/// All manifests at one moment.
package struct RegistryContent: Sendable {
    package var identities: [WorkloadIdentity] = []
    package var resources: [ProtectedResource] = []

    init(_ documents: some Sequence<RegistryDocument>) {
        for document in documents {
            switch document.content {
            case .identity(let identity): identities.append(identity)
            case .resource(let resource): resources.append(resource)
            }
        }
    }

    func spiffeIDs(in domain: TrustDomain) -> Set<SPIFFEID> {
        Set(identities.compactMap { try? $0.spiffeID(in: domain) })
    }
}
