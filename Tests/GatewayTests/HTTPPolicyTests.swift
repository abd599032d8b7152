import Foundation
import Gateway
import SPIFFE
import Testing
import Workloads

@Suite("HTTP policy") struct HTTPPolicyTests {
    private let policy: HTTPPolicy
    private let caller: HTTPPolicy.Caller
    private let now = Date()

    init() throws {
        policy = HTTPPolicy(
            resources: try [Self.resource("/mcp"), Self.resource("/mcp/admin", scopes: ["admin", "read"])])
        caller = HTTPPolicy.Caller(
            id: try SPIFFEID("spiffe://prod.example/agent"), thumbprint: CertificateThumbprint(der: Data([1, 2, 3])),
        )
    }

    @Test(arguments: [
        ("/mcp", "/mcp"), ("/mcp?x", "/mcp"), ("/mcp/tools", "/mcp"), ("/mcp/admin", "/mcp/admin"),
        ("/mcp/admin/x", "/mcp/admin"), ("/mcp/administrator", "/mcp"),
    ])
    func `the innermost resource covers a path`(_ target: String, _ path: String) throws {
        #expect(try policy.outbound(target: target).resource.path == path)
    }

    @Test(arguments: ["/", "/mcpx", "/MCP", "/other"])
    func `a path outside every resource is refused`(_ target: String) {
        #expect { _ = try policy.outbound(target: target) } throws: { ($0 as? Refusal)?.status == 403 }
    }

    @Test func `two resources of one path are refused rather than guessed between`() throws {
        let twins = HTTPPolicy(resources: try [Self.resource("/mcp"), Self.resource("/mcp", host: "other.example")])
        #expect { _ = try twins.outbound(target: "/mcp") } throws: { ($0 as? Refusal)?.error == "resource_ambiguous" }
    }

    @Test(arguments: [
        (["Bearer"], 400), (["Bearer "], 400), (["Basic eDp5"], 400), (["Bearer a b"], 400),
        (["Bearer a, Bearer b"], 400),
        (["Bearer a=b"], 400), (["Bearer a", "Bearer a"], 400), (["Bearer é"], 400), ([], 401), (["token"], 400),
        (["Bearer \(String(repeating: "a", count: 16_385))"], 400),
    ])
    func `credentials that are not one bearer token are refused`(_ values: [String], _ status: Int) {
        #expect {
            _ = try policy.beforeIntrospection(authorization: values, target: "/mcp", caller: caller)
        } throws: { ($0 as? Refusal)?.status == status }
    }

    @Test(arguments: ["Bearer abc.DEF-_~+/==", "bearer abc.DEF-_~+/==", "BEARER   abc.DEF-_~+/=="])
    func `one bearer token passes, the scheme in any case`(_ value: String) throws {
        let inquiry = try policy.beforeIntrospection(authorization: [value], target: "/mcp", caller: caller)
        #expect(inquiry.token == "abc.DEF-_~+/==")
    }

    @Test func `without credentials the challenge has no error code`() {
        #expect {
            _ = try policy.beforeIntrospection(authorization: [], target: "/mcp", caller: caller)
        } throws: { ($0 as? Refusal)?.challenge == "Bearer" }
    }

    @Test func `of a service's IPv4 and IPv6 resources the one at the dialled address counts`() throws {
        let resources = try ["10.0.0.2", "[fd00::2]"].map { try Self.resource("/mcp", host: $0) }
        for (address, host) in [("10.0.0.2", "10.0.0.2"), ("fd00:0::2", "[fd00::2]"), ("::ffff:10.0.0.2", "10.0.0.2")] {
            let found = try HTTPPolicy(resources: resources, address: address).outbound(target: "/mcp/tools")
            #expect(found.name == host + "/mcp")
        }
        #expect(throws: Refusal.self) {
            try HTTPPolicy(resources: resources, address: "10.0.0.3").outbound(target: "/mcp")
        }
    }

    @Test func `one with an address counts there, the one with a name elsewhere`() throws {
        let resources = try ["10.0.0.2", "server.example"].map { try Self.resource("/mcp", host: $0) }
        for (address, host) in [("10.0.0.2", "10.0.0.2"), ("10.0.0.3", "server.example"), ("::1", "server.example")] {
            #expect(
                try HTTPPolicy(resources: resources, address: address).outbound(target: "/mcp").name == host + "/mcp")
        }
    }

    @Test func `without a certificate no token helps`() {
        #expect {
            _ = try policy.beforeIntrospection(authorization: ["Bearer a"], target: "/mcp", caller: nil)
        } throws: { ($0 as? Refusal)?.status == 401 }
    }

    @Test func `a token for this resource, this caller and this certificate is accepted`() throws {
        #expect(try judge(facts()) == facts())
    }

    @Test func `a token that fails in any one respect is refused`() throws {
        let other = try SPIFFEID("spiffe://prod.example/other")
        #expect(status(.inactive) == 401)
        #expect(status(.active(facts(expiresIn: 0))) == 401)
        #expect(status(.active(facts(audience: "http://server.example:8000/mcp/"))) == 401)
        #expect(status(.active(facts(subject: other))) == 401)
        #expect(status(.active(facts(thumbprint: .some(nil)))) == 401)
        #expect(status(.active(facts(thumbprint: "AAAA"))) == 401)
        #expect(status(.active(facts(scopes: ["read"]))) == 403)
    }

    @Test func `a missing scope is named in the challenge`() throws {
        let inquiry = try policy.beforeIntrospection(
            authorization: ["Bearer a"], target: "/mcp/admin", caller: caller,
        )
        let facts = facts(audience: "http://server.example:8000/mcp/admin", scopes: ["read"])
        #expect {
            _ = try policy.afterIntrospection(.active(facts), of: inquiry, at: now)
        } throws: { ($0 as? Refusal)?.challenge?.hasSuffix("scope=\"admin read\"") == true }
    }

    @Test func `a refusal's body says what is wrong and what to do`() throws {
        let refusal = Refusal(status: 403, .tokenRefused, error: "e", reason: "a \"quoted\" reason", remedy: "r")
        let body = try JSONDecoder().decode([String: String].self, from: Data(refusal.body.utf8))
        #expect(body == ["error": "e", "reason": "a \"quoted\" reason", "remedy": "r"])
    }

    // MARK: Material

    private static func resource(
        _ path: String, host: String = "server.example", scopes: [String] = ["forecast"],
    ) throws -> ProtectedResource {
        let url = try #require(ResourceURL("http://\(host):8000\(path)"))
        return ProtectedResource(name: host + path, resource: url, servedBy: "w", scopes: scopes, allowed: [])
    }

    private func facts(
        subject: SPIFFEID? = nil, audience: String = "http://server.example:8000/mcp",
        scopes: Set<String> = ["forecast"],
        thumbprint: String?? = .none, expiresIn seconds: TimeInterval = 60,
    ) -> TokenFacts {
        TokenFacts(
            id: "1", subject: subject ?? caller.id, audience: audience, scopes: scopes,
            thumbprint: thumbprint ?? caller.thumbprint.base64URL, expiresAt: now.addingTimeInterval(seconds),
        )
    }

    private func judge(_ facts: TokenFacts) throws -> TokenFacts {
        let inquiry = try policy.beforeIntrospection(authorization: ["Bearer a"], target: "/mcp", caller: caller)
        return try policy.afterIntrospection(.active(facts), of: inquiry, at: now)
    }

    private func status(_ status: TokenStatus) -> Int? {
        do {
            let inquiry = try policy.beforeIntrospection(authorization: ["Bearer a"], target: "/mcp", caller: caller)
            _ = try policy.afterIntrospection(status, of: inquiry, at: now)
            return nil
        } catch {
            return error.status
        }
    }
}
