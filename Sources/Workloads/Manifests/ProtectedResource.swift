package import SPIFFE

/// An HTTP resource whose callers need an access token: what it is called, who serves it, who may have tokens.
///
/// Manifest kind `ProtectedResource`; see docs/manifests.md.
package struct ProtectedResource: Hashable, Sendable, Codable {
    /// `metadata.name`, unique within the kind.
    package var name: String
    /// `spec.resource`: the absolute URL that is the token's audience (RFC 8707).
    package var resource: ResourceURL
    /// `spec.workloadID` of the identity that serves it.
    package var servedBy: SPIFFEPath
    /// `spec.scopes`: what may be asked for. Needed in full by each request in this version.
    package var scopes: [String]
    /// `spec.allowedSPIFFEIDs`: who may have a token.
    package var allowed: [SPIFFEIDPattern]
    /// `spec.stripHeaders`: request headers that say who is calling to this application, besides those known to; nobody may
    /// bring them.
    package var stripHeaders: [String]

    package init(
        name: String, resource: ResourceURL, servedBy: SPIFFEPath, scopes: [String],
        allowed: [SPIFFEIDPattern],
        stripHeaders: [String] = [],
    ) {
        self.name = name
        self.resource = resource
        self.servedBy = servedBy
        self.scopes = scopes
        self.allowed = allowed
        self.stripHeaders = stripHeaders
    }

    /// What was stored before there was such a list has none.
    package init(from decoder: any Decoder) throws {
        let keys = try decoder.container(keyedBy: CodingKeys.self)
        self.init(
            name: try keys.decode(String.self, forKey: .name),
            resource: try keys.decode(ResourceURL.self, forKey: .resource),
            servedBy: try keys.decode(SPIFFEPath.self, forKey: .servedBy),
            scopes: try keys.decode([String].self, forKey: .scopes),
            allowed: try keys.decode([SPIFFEIDPattern].self, forKey: .allowed),
            stripHeaders: try keys.decodeIfPresent([String].self, forKey: .stripHeaders) ?? [],
        )
    }
}
