import Foundation
import SPIFFE
import Workloads

/// `POST /register`: RFC 7591, for whoever proves a SPIFFE ID, by certificate or by a JWT-SVID as software statement.
///
/// draft-kasselman-oauth-dcr-trusted-issuer-token-01. One client a SPIFFE ID, however often it registers.
extension AuthorizationServer {
    func register(_ request: OAuthRequest, _ event: inout OAuthEvent) async throws -> OAuthResponse {
        guard request.authorization == nil else {
            throw OAuthRefusal(.invalidClient, "an Authorization header; registration is proven by SVID")
        }
        let wish = try RegistrationRequest(parsing: request.body)
        let proof = try await proof(request.client, statement: wish.softwareStatement)
        event.caller = proof.id
        event.method = proof.method
        if request.client == nil { try await admit(proof.id, issuedAt: proof.issuedAt, event) }
        let metadata = try wish.metadata(overriddenBy: proof.claims)
        guard metadata.spiffeID == nil || metadata.spiffeID == proof.id.description else {
            throw OAuthRefusal(.invalidClientMetadata, "spiffe_id is not \(proof.id), which the SVID proves")
        }
        let standing = try await directory.standing(of: proof.id, issuedAt: proof.issuedAt)
        if let objection = standing.objection { throw proof.unapproved(objection) }
        let client = OAuthClient(
            spiffeID: proof.id, name: metadata.name, method: metadata.method ?? proof.method, registeredAt: now(),
        )
        let kept = try await admit(client, provenBy: proof.issuedAt, event: event)
        return registration(of: kept, standing, metadata, statement: wish.softwareStatement)
    }

    /// Keeps a client unless there is one, and tells of a new one.
    func admit(_ client: OAuthClient, provenBy issuedAt: IssueTime, event: OAuthEvent) async throws -> OAuthClient {
        var event = event
        event.kind = .clientRegistered
        event.reason = "proven by \(event.method?.rawValue ?? "an SVID")"
        return try await store.register(client, provenBy: issuedAt, telling: event)
    }

    private func proof(_ certificate: CertificateIdentity?, statement: String?) async throws -> RegistrationProof {
        let bundles = try await directory.bundles()
        let svid = try statement.map { try statementSVID($0, bundles: bundles) }
        if let certificate, let svid, certificate.spiffeID != svid.id {
            throw OAuthRefusal(
                .invalidSoftwareStatement, "statement of \(svid.id) over a connection of another workload")
        }
        guard let id = svid?.id ?? certificate?.spiffeID else {
            throw OAuthRefusal(.invalidClient, "neither a certificate nor a software statement")
        }
        guard id.trustDomain == configuration.trustDomain else {
            let code: OAuthRefusal.Code = svid == nil ? .invalidClient : .invalidSoftwareStatement
            throw OAuthRefusal(code, "\(id) is of a trust domain whose workloads are no clients here")
        }
        if svid == nil, let certificate, certificate.notAfter <= now() {
            throw OAuthRefusal(.invalidClient, "the certificate of \(id) ran out")
        }
        let times = [svid?.issueTime, certificate?.issuedAt].compactMap(\.self)
        return RegistrationProof(
            id: id, method: svid == nil ? .x509 : .jwt, issuedAt: times.min() ?? IssueTime(seconds: 0),
            claims: svid?.claims ?? [:])
    }

    private func statementSVID(_ statement: String, bundles: BundleSet) throws(OAuthRefusal) -> JWTSVID {
        let rules = JWTSVID.Rules(
            audiences: [configuration.issuer, configuration.issuer + "/register"],
            maximumLifetime: ClientAuthentication.maximumAssertionLifetime,
        )
        let svid: JWTSVID
        do { svid = try JWTSVID.verify(statement, bundles: bundles, rules: rules, at: now()) } catch {
            throw OAuthRefusal(.invalidSoftwareStatement, "\(error)")
        }
        // RFC 7591, section 2.3: a statement has iss. The control plane writes one of these two; neither finds a key.
        guard [configuration.trustDomain.uri, configuration.issuer].contains(svid.issuer) else {
            throw OAuthRefusal(.invalidSoftwareStatement, "iss of \(svid.id)'s statement is not of its trust domain")
        }
        guard svid.issuedAt != nil else {
            throw OAuthRefusal(.invalidSoftwareStatement, "\(svid.id)'s statement has no iat")
        }
        return svid
    }

    /// RFC 7591, section 3.2.1. There is no secret to hand out.
    private func registration(
        of client: OAuthClient, _ standing: ClientStanding, _ metadata: ClientMetadata, statement: String?,
    ) -> OAuthResponse {
        var members: [String: JSONValue] = [
            "client_id": .string(client.spiffeID.description),
            "client_id_issued_at": .integer(Int64(client.registeredAt.timeIntervalSince1970)),
            "spiffe_id": .string(client.spiffeID.description),
            "grant_types": ["client_credentials"],
            "response_types": [],
            "token_endpoint_auth_method": .string((metadata.method ?? client.method).rawValue),
            "tls_client_certificate_bound_access_tokens": .boolean(!configuration.allowsUnboundTokens),
        ]
        if let name = client.name { members["client_name"] = .string(name) }
        if let statement { members["software_statement"] = .string(statement) }
        let scopes = scopes(of: standing, asked: metadata.scopes)
        if !scopes.isEmpty { members["scope"] = .string(scopes.joined(separator: " ")) }
        return .json(201, members)
    }

    /// What the client may ask for as things are; each token request is decided anew.
    private func scopes(of client: ClientStanding, asked: [String]?) -> [String] {
        let available = Set(client.allowed.flatMap(\.scopes))
        return (asked.map { available.intersection($0) } ?? available).sorted()
    }
}

/// Who registers, and how that is known.
private struct RegistrationProof {
    let id: SPIFFEID
    let method: ClientAuthenticationMethod
    /// Of certificate and statement the earlier one.
    let issuedAt: IssueTime
    /// Of the software statement.
    let claims: [String: JSONValue]

    /// RFC 7591, section 3.2.2, has a code for statements only.
    func unapproved(_ reason: String) -> OAuthRefusal {
        OAuthRefusal(method == .jwt ? .unapprovedSoftwareStatement : .accessDenied, reason)
    }
}
