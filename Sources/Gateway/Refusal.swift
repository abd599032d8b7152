import Foundation

/// An HTTP answer in place of what was asked for: what is wrong, and what to do about it.
///
/// RFC 6750, section 3.1, for the error codes and their statuses.
package struct Refusal: Error, Sendable, Equatable {
    /// HTTP status, 400...599.
    package let status: Int
    package let cause: RefusalCause
    /// As the answer has it: the cause, or what the authorization server said.
    package let error: String
    package let reason: String
    package let remedy: String
    /// The value of `WWW-Authenticate`; 401 always has one.
    package let challenge: String?
    /// Seconds, for `Retry-After`.
    package let retryAfter: Int?

    package init(
        status: Int, _ cause: RefusalCause, error: String? = nil, reason: String, remedy: String,
        challenge: String? = nil, retryAfter: Int? = nil,
    ) {
        self.status = status
        self.cause = cause
        self.error = error ?? cause.rawValue
        self.reason = reason
        self.remedy = remedy
        self.challenge = challenge
        self.retryAfter = retryAfter
    }

    /// `{"error":…,"reason":…,"remedy":…}`.
    package var body: String {
        let members = ["error": error, "reason": reason, "remedy": remedy]
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        guard let json = try? encoder.encode(members) else { return "{}" }
        return String(decoding: json, as: UTF8.self)
    }
}

extension Refusal {
    /// - Parameter reason: names the rule.
    package static func malformed(_ status: Int, _ reason: String) -> Refusal {
        Refusal(
            status: status, .requestMalformed, reason: reason,
            remedy: "send the request as RFC 9112 has it, over HTTP/1.1",
        )
    }

    static func path(_ reason: String) -> Refusal {
        Refusal(
            status: 400, .pathAmbiguous, reason: reason,
            remedy: "send the path in its plain form, as the protected resource is declared",
        )
    }

    static func uncovered(_ path: String) -> Refusal {
        Refusal(
            status: 403, .pathNotCovered,
            reason: "no protected resource at this port covers \(path)",
            remedy: "call a path at or below a declared resource, or declare one for this path",
        )
    }

    /// - Parameter reason: also sent as `error_description`.
    static func invalidToken(_ reason: String, remedy: String) -> Refusal {
        Refusal(
            status: 401, .invalidToken, reason: reason, remedy: remedy,
            challenge: "Bearer error=\"invalid_token\", error_description=\"\(quotable(reason))\"",
        )
    }

    static func insufficientScope(_ missing: [String], needed: [String]) -> Refusal {
        let reason = "the token lacks scope \(missing.joined(separator: " "))"
        let scope = quotable(needed.joined(separator: " "))
        let challenge = "Bearer error=\"insufficient_scope\", error_description=\"\(quotable(reason))\""
        return Refusal(
            status: 403, .insufficientScope, reason: reason,
            remedy: "ask for a token with every scope of the resource",
            challenge: "\(challenge), scope=\"\(scope)\"",
        )
    }

    static func invalidRequest(_ reason: String) -> Refusal {
        Refusal(
            status: 400, .invalidRequest, reason: reason,
            remedy: "send exactly one header \"Authorization: Bearer <token>\"",
            challenge: "Bearer error=\"invalid_request\", error_description=\"\(quotable(reason))\"",
        )
    }

    /// RFC 6750, section 3.1: without credentials the challenge has no error code.
    static let credentialsMissing = Refusal(
        status: 401, .tokenMissing, reason: "the request carries no access token",
        remedy: "call through an agent that manages the caller, or send an access token for this resource",
        challenge: "Bearer",
    )

    static let peerMissing = Refusal(
        status: 401, .peerUnknown,
        reason: "a protected resource answers callers with an SVID only, this connection is plain text",
        remedy: "call from a workload that an agent manages",
        challenge: "Bearer",
    )

    /// What an auth-param may hold between its quotes, RFC 6750, section 3: no `"`, no `\`, printable ASCII.
    private static func quotable(_ text: String) -> String {
        String(
            String.UnicodeScalarView(
                text.unicodeScalars.map { scalar in
                    switch scalar {
                    case "\"", "\\": "'"
                    case " "..."~": scalar
                    default: "?"
                    }
                }))
    }
}
