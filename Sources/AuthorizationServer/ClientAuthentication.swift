import Foundation
import Limits
import SPIFFE

/// Who calls, proven by an SVID.
struct AuthenticatedCaller: Equatable {
    let id: SPIFFEID
    let method: ClientAuthenticationMethod
    /// Of the same SPIFFE ID; also set with `spiffe_jwt` where the connection had one.
    let certificate: CertificateIdentity?
    /// When the proof runs out, the earlier one of certificate and assertion.
    let provenUntil: Date
    /// When the proof was issued, the earlier one likewise.
    let issuedAt: IssueTime
}

/// Client authentication by SVID: draft-ietf-oauth-spiffe-client-auth-02, section 3; RFC 6749, section 2.3.
struct ClientAuthentication {
    let issuer: String
    let trustDomain: TrustDomain
    let bundles: BundleSet
    let now: Date

    static let assertionType = "urn:ietf:params:oauth:client-assertion-type:jwt-spiffe"
    /// The longest a client assertion may live.
    static let maximumAssertionLifetime = Limits.OAuth.assertionLifetime

    /// - Parameter requiresClientID: with a certificate, as section 3.2 demands at the token endpoint.
    func caller(
        of request: OAuthRequest, _ form: FormParameters, requiresClientID: Bool,
    ) throws(OAuthRefusal) -> AuthenticatedCaller {
        let caller = try authenticate(request, form, requiresClientID: requiresClientID)
        guard caller.id.trustDomain == trustDomain else {
            throw OAuthRefusal(.invalidClient, "\(caller.id) is of a trust domain whose workloads are no clients here")
        }
        if let named = form["client_id"], named != caller.id.description {
            throw OAuthRefusal(.invalidClient, "client_id names another client than the SVID of \(caller.id)")
        }
        return caller
    }

    private func authenticate(
        _ request: OAuthRequest, _ form: FormParameters, requiresClientID: Bool,
    ) throws(OAuthRefusal) -> AuthenticatedCaller {
        let asserts = form["client_assertion"] != nil || form["client_assertion_type"] != nil
        if request.authorization != nil || form["client_secret"] != nil {
            throw asserts
                ? OAuthRefusal(.invalidRequest, "a secret or Authorization header beside a client assertion")
                : OAuthRefusal(.invalidClient, "a secret or Authorization header; clients have SVIDs here")
        }
        if asserts { return try assertion(form, certificate: request.client) }
        guard let certificate = request.client else { throw OAuthRefusal(.invalidClient, "no SVID was presented") }
        guard !requiresClientID || form["client_id"] != nil else {
            throw OAuthRefusal(.invalidRequest, "spiffe_x509 without client_id, from \(certificate.spiffeID)")
        }
        guard certificate.notAfter > now else {
            throw OAuthRefusal(.invalidClient, "the certificate of \(certificate.spiffeID) ran out")
        }
        return AuthenticatedCaller(
            id: certificate.spiffeID, method: .x509, certificate: certificate, provenUntil: certificate.notAfter,
            issuedAt: certificate.issuedAt,
        )
    }

    private func assertion(
        _ form: FormParameters, certificate: CertificateIdentity?,
    ) throws(OAuthRefusal) -> AuthenticatedCaller {
        let type = try form.required("client_assertion_type")
        let assertion = try form.required("client_assertion")
        guard type == Self.assertionType else {
            throw OAuthRefusal(.invalidClient, "client_assertion_type is not jwt-spiffe")
        }
        let svid = try verified(assertion)
        guard certificate == nil || certificate?.spiffeID == svid.id else {
            throw OAuthRefusal(.invalidClient, "assertion of \(svid.id) over a connection of another workload")
        }
        if let certificate, certificate.notAfter <= now {
            throw OAuthRefusal(.invalidClient, "the certificate of \(svid.id) ran out")
        }
        return AuthenticatedCaller(
            id: svid.id, method: .jwt, certificate: certificate,
            provenUntil: certificate.map { min($0.notAfter, svid.expiresAt) } ?? svid.expiresAt,
            issuedAt: min(svid.issueTime, certificate?.issuedAt ?? svid.issueTime),
        )
    }

    private func verified(_ assertion: String) throws(OAuthRefusal) -> JWTSVID {
        let rules = JWTSVID.Rules(
            audiences: [issuer], soleAudience: true, maximumLifetime: Self.maximumAssertionLifetime,
        )
        do { return try JWTSVID.verify(assertion, bundles: bundles, rules: rules, at: now) } catch {
            throw OAuthRefusal(.invalidClient, "client assertion: \(error)")
        }
    }
}
