package import X509

/// What the X509-SVID standard asks of a leaf beyond RFC 5280, sections 2, 4 and 5.2.
package enum LeafProfile {
    /// The SPIFFE ID a leaf certificate names, once the leaf is shaped as the standard wants.
    package static func identity(of leaf: Certificate) throws(SVIDError) -> SPIFFEID {
        try checkAuthority(leaf)
        try checkKeyUsage(leaf)
        try checkExtendedKeyUsage(leaf)
        return try uriName(of: leaf)
    }

    private static func checkAuthority(_ leaf: Certificate) throws(SVIDError) {
        if case .isCertificateAuthority = try read("basic constraints", { try leaf.extensions.basicConstraints }) {
            throw .leafIsAuthority
        }
    }

    private static func checkKeyUsage(_ leaf: Certificate) throws(SVIDError) {
        guard let usage = try read("key usage", { try leaf.extensions.keyUsage }) else { throw .keyUsage("absent") }
        guard usage.digitalSignature, !usage.keyCertSign, !usage.cRLSign else { throw .keyUsage("\(usage)") }
    }

    private static func checkExtendedKeyUsage(_ leaf: Certificate) throws(SVIDError) {
        guard let usage = try read("extended key usage", { try leaf.extensions.extendedKeyUsage }) else { return }
        guard usage.contains(.serverAuth), usage.contains(.clientAuth) else { throw .extendedKeyUsage("\(usage)") }
    }

    private static func uriName(of leaf: Certificate) throws(SVIDError) -> SPIFFEID {
        let names = try read("subject alternative names", { try leaf.extensions.subjectAlternativeNames }) ?? .init()
        let uris = names.compactMap { name in
            if case .uniformResourceIdentifier(let uri) = name { uri } else { nil }
        }
        guard uris.count == 1 else { throw .uriNames(count: uris.count) }
        do { return try SPIFFEID(uris[0]) } catch { throw .identity(error) }
    }

    /// An extension that cannot be read is no absent extension: the certificate is refused.
    private static func read<Extension>(
        _ name: String, _ extract: () throws -> Extension?,
    ) throws(SVIDError) -> Extension? {
        do { return try extract() } catch { throw .malformed(name) }
    }
}
