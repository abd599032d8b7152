package import Crypto
package import Foundation
import Limits

/// A verified JWT-SVID. JWT-SVID standard, sections 2 to 4.
///
/// There is no way to hold one that was not verified.
package struct JWTSVID: Sendable {
    /// `sub`.
    package let id: SPIFFEID
    package let audience: [String]
    package let expiresAt: Date
    package let issuedAt: Date?
    /// `iss`; says nothing about which key signed.
    package let issuer: String?
    package let claims: [String: JSONValue]

    /// What a validator asks beyond the standard.
    package struct Rules: Sendable {
        /// The validator's own names; `aud` has to hold one of them.
        package var audiences: Set<String>
        /// `aud` has to be that one value alone.
        package var soleAudience: Bool
        /// Longest time between issue and expiry. nil: any.
        package var maximumLifetime: Duration?
        /// How far clocks may be apart.
        package var leeway: Duration

        package init(
            audiences: Set<String>, soleAudience: Bool = false, maximumLifetime: Duration? = nil,
            leeway: Duration = Limits.SVID.ahead,
        ) {
            self.audiences = audiences
            self.soleAudience = soleAudience
            self.maximumLifetime = maximumLifetime
            self.leeway = leeway
        }
    }

    /// Checks form, trust domain, key, signature, time and audience, in this order.
    ///
    /// - Parameter bundles: the bundle of `sub`'s own trust domain is used, and its JWT-SVID keys alone.
    package static func verify(
        _ token: String, bundles: BundleSet, rules: Rules, at now: Date,
    ) throws(JWTSVIDError) -> JWTSVID {
        let jws: JWS
        do { jws = try JWS(parsing: token) } catch { throw .form(error) }
        guard jws.type == nil || jws.type == "JWT" || jws.type == "JOSE" else { throw .type(jws.type ?? "") }
        let id = try subject(of: jws)
        guard let bundle = bundles[id.trustDomain] else { throw .noBundle(id.trustDomain) }
        guard let keyID = jws.keyID else { throw .keyIDMissing }
        guard let key = bundle.jwtAuthorities[keyID] else { throw .keyUnknown(keyID, id.trustDomain) }
        guard jws.isSigned(by: key) else { throw .signature(id) }
        let svid = try JWTSVID(id: id, claims: jws.claims)
        try svid.checkTime(rules, at: now)
        try svid.checkAudience(rules)
        return svid
    }

    /// - Parameter issuer: `iss`; needed where the SVID serves as a software statement (RFC 7591, section 2.3).
    package static func sign(
        _ id: SPIFFEID, audience: [String], issuer: String, lifetime: Duration, now: Date, keyID: String,
        with key: P256.Signing.PrivateKey,
    ) throws -> String {
        let issuedAt = Int64(now.timeIntervalSince1970)
        let claims: [String: JSONValue] = [
            "aud": .array(audience.map(JSONValue.string)),
            "exp": .integer(issuedAt + lifetime.components.seconds),
            "iat": .integer(issuedAt),
            "iss": .string(issuer),
            "sub": .string(id.description),
        ]
        return try JWS.sign(claims, type: "JWT", keyID: keyID, with: key)
    }

    /// Without `iat` it counts as older than any withdrawal.
    package var issueTime: IssueTime { issuedAt.map { IssueTime($0) } ?? IssueTime(seconds: 0) }

    private init(id: SPIFFEID, claims: [String: JSONValue]) throws(JWTSVIDError) {
        self.id = id
        self.claims = claims
        audience = try Self.audience(claims["aud"])
        guard let expiry = try Self.date("exp", in: claims) else { throw .claim("exp") }
        expiresAt = expiry
        issuedAt = try Self.date("iat", in: claims)
        if let value = claims["iss"], value.string == nil { throw .claim("iss") }
        issuer = claims["iss"]?.string
    }

    private static func subject(of jws: JWS) throws(JWTSVIDError) -> SPIFFEID {
        guard let text = jws.claims["sub"]?.string else { throw .claim("sub") }
        do { return try SPIFFEID(text) } catch { throw .subject(error) }
    }

    private static func audience(_ value: JSONValue?) throws(JWTSVIDError) -> [String] {
        let audience = value?.string.map { [$0] } ?? value?.strings ?? []
        guard !audience.isEmpty else { throw .claim("aud") }
        return audience
    }

    private static func date(_ name: String, in claims: [String: JSONValue]) throws(JWTSVIDError) -> Date? {
        guard let value = claims[name] else { return nil }
        guard let seconds = value.seconds else { throw .claim(name) }
        return Date(timeIntervalSince1970: seconds)
    }

    private func checkTime(_ rules: Rules, at now: Date) throws(JWTSVIDError) {
        let leeway = rules.leeway / .seconds(1)
        guard expiresAt.timeIntervalSince(now) > -leeway else { throw .expired(expiresAt) }
        for start in [issuedAt, try Self.date("nbf", in: claims)].compactMap(\.self)
        where start.timeIntervalSince(now) > leeway {
            throw .notYetValid(start)
        }
        guard let limit = rules.maximumLifetime else { return }
        let lifetime = expiresAt.timeIntervalSince(issuedAt ?? now)
        guard lifetime <= limit / .seconds(1) else { throw .lifetime(seconds: Int(min(lifetime, 1e15))) }
    }

    private func checkAudience(_ rules: Rules) throws(JWTSVIDError) {
        let matches =
            rules.soleAudience
            ? audience.count == 1 && rules.audiences.contains(audience[0])
            : audience.contains(where: rules.audiences.contains)
        guard matches else { throw .audience(audience) }
    }
}
