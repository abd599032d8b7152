package import SPIFFE

/// How much each caller may ask. Asked before anything is decided or told of a request.
package protocol OAuthAdmission: Sendable {
    /// Takes one request of what this caller may ask.
    ///
    /// - Parameters:
    ///   - stands: false where what proves the caller was withdrawn: whoever has that spends nothing of the ID's own.
    ///   - event: how a refusal is told of.
    /// - Returns: seconds until it may ask again; nil: it may now.
    func admit(_ caller: SPIFFEID, stands: Bool, telling event: OAuthEvent) async -> Int?
}

/// A caller asked more than it may.
struct OAuthExcess: Error {
    /// Until it may ask again.
    let seconds: Int
}

extension AuthorizationServer {
    func admit(_ caller: SPIFFEID, issuedAt: IssueTime, _ event: OAuthEvent) async throws {
        let stands = try await directory.standing(of: caller, issuedAt: issuedAt).objection == nil
        var event = event
        event.caller = caller
        if let seconds = await admission.admit(caller, stands: stands, telling: event) {
            throw OAuthExcess(seconds: seconds)
        }
    }

    /// Who asks, by certificate or assertion. Whoever has no certificate is known, and counted, only here.
    func caller(
        of request: OAuthRequest, _ form: FormParameters, requiresClientID: Bool, _ event: inout OAuthEvent,
    ) async throws -> AuthenticatedCaller {
        let caller = try await authentication().caller(of: request, form, requiresClientID: requiresClientID)
        event.set(caller)
        if request.client == nil { try await admit(caller.id, issuedAt: caller.issuedAt, event) }
        return caller
    }
}
