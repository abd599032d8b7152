package import X509

/// What the X509-SVID standard asks of a leaf beyond RFC 5280, sections 2, 4 and 5.2.
package enum LeafProfile {
    /// The SPIFFE ID a leaf certificate names, once the leaf is shaped as the standard wants.
    package static func identity(of leaf: Certificate) throws(SVIDError) -> SPIFFEID {
        try checkAuthority(leaf)
        try checkKeyUsage(leaf)
        return try uriName(of: leaf)
    }

    private static func checkAuthority(_ leaf: Certificate) throws(SVIDError) {
        if case .isCertificateAuthority = (try? leaf.extensions.basicConstraints) ?? nil { throw .leafIsAuthority }
    }

    private static func checkKeyUsage(_ leaf: Certificate) throws(SVIDError) {
        guard let usage = (try? leaf.extensions.keyUsage) ?? nil else { throw .keyUsage("absent") }
        guard usage.digitalSignature, !usage.keyCertSign, !usage.cRLSign else { throw .keyUsage("\(usage)") }
    }

    private static func uriName(of leaf: Certificate) throws(SVIDError) -> SPIFFEID {
        let names = ((try? leaf.extensions.subjectAlternativeNames) ?? nil) ?? SubjectAlternativeNames([])
        let uris = names.compactMap { name in
            if case .uniformResourceIdentifier(let uri) = name { uri } else { nil }
        }
        guard uris.count == 1 else { throw .uriNames(count: uris.count) }
        do { return try SPIFFEID(uris[0]) } catch { throw .identity(error) }
    }
}
