import Limits
package import SPIFFE
package import Workloads

/// What is known of a client at one moment, read in one transaction: all that its right to a token depends on.
package struct ClientStanding: Sendable {
    package let id: SPIFFEID
    /// Why its identity, or what proves it, is not taken: no manifest gives it, or the proof is withdrawn. nil: it is taken.
    package let objection: String?
    package let isRegistered: Bool
    /// All that manifests declare.
    let resources: [ProtectedResource]

    package init(id: SPIFFEID, objection: String?, isRegistered: Bool, resources: [ProtectedResource]) {
        self.id = id
        self.objection = objection
        self.isRegistered = isRegistered
        self.resources = resources
    }
}

/// May this client have a token for this resource, or keep the one it has?
///
/// Asked when a token is requested, in the transaction that stores it, each time it is introspected, and of all tokens after
/// a change of manifests.
package enum Entitlement: Equatable, Sendable {
    case entitled(ProtectedResource)
    case refused(Cause)

    /// What it lacks, the first thing found.
    package enum Cause: Error, Equatable, Sendable {
        /// No manifest gives its identity, or what proves it is withdrawn: which of the two.
        case withdrawn(String)
        case notRegistered(SPIFFEID)
        /// What the request named; anything.
        case noResource(String)
        case notAllowed(SPIFFEID, resource: String)
    }
}

extension ClientStanding {
    /// - Parameter name: of the resource, to the letter.
    package func entitlement(to name: String) -> Entitlement {
        if let objection { return .refused(.withdrawn(objection)) }
        guard isRegistered else { return .refused(.notRegistered(id)) }
        guard let resource = resources.first(where: { $0.resource.text == name }) else {
            return .refused(.noResource(name))
        }
        return admits(resource) ? .entitled(resource) : .refused(.notAllowed(id, resource: name))
    }

    /// Those whose manifests have it among their callers.
    var allowed: [ProtectedResource] { resources.filter(admits) }

    /// Whether it is given to whoever serves this resource.
    func serves(_ name: String) -> Bool {
        objection == nil && resources.contains { $0.resource.text == name && $0.servedBy == id.path }
    }

    private func admits(_ resource: ProtectedResource) -> Bool { resource.allowed.contains { $0.matches(id) } }
}

extension Entitlement.Cause: CustomStringConvertible {
    package var description: String {
        switch self {
        case .withdrawn(let reason): reason
        case .notRegistered(let client): "\(client) is not registered"
        case .noResource(let name): "no manifest declares resource \"\(name.cut(toJSONBytes: Limits.Audit.nameBytes))\""
        case .notAllowed(let client, let name): "\(client) is not in allowedSPIFFEIDs of \(name)"
        }
    }
}
