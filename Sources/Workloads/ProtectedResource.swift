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
    package var servedBy: String
    /// `spec.scopes`: what may be asked for. Needed in full by each request in this version.
    package var scopes: [String]
    /// `spec.allowedSPIFFEIDs`: who may have a token.
    package var allowed: [SPIFFEIDPattern]

    package init(name: String, resource: ResourceURL, servedBy: String, scopes: [String], allowed: [SPIFFEIDPattern]) {
        self.name = name
        self.resource = resource
        self.servedBy = servedBy
        self.scopes = scopes
        self.allowed = allowed
    }
}
