import SwiftASN1
import X509

/// Name constraints of authorities, RFC 5280, section 4.2.1.10; only for chains whose signatures hold.
///
/// Names of trust domains and DNS names are compared; a name of any other form is refused where a constraint has that
/// form, which fails closed: no SVID needs such a name.
enum NameConstraintCheck {
    /// - Parameter path: leaf first, the authority last.
    static func check(_ path: [Certificate]) throws(CertificatePath.Objection) {
        for authority in path.indices.dropFirst() {
            let certificate = path[authority]
            let constraints = try CertificatePath.read("name constraints", authority) {
                try certificate.extensions.nameConstraints
            }
            guard let constraints else { continue }
            for place in path.indices.prefix(upTo: authority) {
                // A self-issued one in between is the same authority with another key.
                guard place == 0 || path[place].issuer != path[place].subject else { continue }
                try check(path[place], place, constraints, authority)
            }
        }
    }

    private static func check(
        _ certificate: Certificate, _ place: Int, _ constraints: NameConstraints, _ authority: Int,
    ) throws(CertificatePath.Objection) {
        let found = try CertificatePath.read("subject alternative names", place) {
            try certificate.extensions.subjectAlternativeNames
        }
        var names = found.map(Array.init) ?? []
        if !certificate.subject.isEmpty { names.append(.directoryName(certificate.subject)) }
        for name in names where !allows(name, constraints) { throw .name(place, constrainedBy: authority) }
    }

    private static func allows(_ name: GeneralName, _ constraints: NameConstraints) -> Bool {
        switch name {
        case .uniformResourceIdentifier(let uri):
            let (permitted, forbidden) = (constraints.permittedURIDomains, constraints.forbiddenURIDomains)
            guard !permitted.isEmpty || !forbidden.isEmpty else { return true }
            guard let host = host(of: uri) else { return false }
            return !forbidden.contains { host.isWithin(uri: $0) }
                && (permitted.isEmpty || permitted.contains { host.isWithin(uri: $0) })
        case .dnsName(let dns):
            let (permitted, excluded) = (constraints.permittedDNSDomains, constraints.excludedDNSDomains)
            return !excluded.contains { dns.isWithin(dns: $0) }
                && (permitted.isEmpty || permitted.contains { dns.isWithin(dns: $0) })
        default:
            let form = Form(name)
            return !(constraints.permittedSubtrees + constraints.excludedSubtrees).contains { Form($0) == form }
        }
    }

    private static func host(of uri: String) -> Substring? {
        guard let start = uri.firstRange(of: "://")?.upperBound else { return nil }
        let host = uri[start...].prefix { $0 != "/" && $0 != "?" && $0 != "#" }
        return host.isEmpty || host.contains("@") || host.contains(":") ? nil : host
    }

    private enum Form: Equatable {
        case uri, dns, email, directory, address, other

        init(_ name: GeneralName) {
            switch name {
            case .uniformResourceIdentifier: self = .uri
            case .dnsName: self = .dns
            case .rfc822Name: self = .email
            case .directoryName: self = .directory
            case .ipAddress: self = .address
            default: self = .other
            }
        }
    }
}

extension StringProtocol {
    /// A host is that very one; a domain, which starts with a dot, is everything below it.
    fileprivate func isWithin(uri constraint: String) -> Bool {
        constraint.hasPrefix(".")
            ? lowercased().hasSuffix(constraint.lowercased()) : lowercased() == constraint.lowercased()
    }

    /// A DNS name stands for itself and everything below it.
    fileprivate func isWithin(dns constraint: String) -> Bool {
        let (name, constraint) = (lowercased(), constraint.lowercased())
        guard !constraint.isEmpty, !constraint.hasPrefix(".") else { return name.hasSuffix(constraint) }
        return name == constraint || name.hasSuffix("." + constraint)
    }
}
