import AuthorizationServer
import Crypto
import Foundation
import Limits
import SPIFFE
import Testing

@Suite("Metadata and plumbing")
struct MetadataTests {
    let bench: Bench

    init() throws { bench = try Bench() }

    @Test func `metadata names the issuer exactly, has what clients demand, and no empty list`() async throws {
        let answer = try await bench.send(.init(method: "GET", path: "/.well-known/oauth-authorization-server"))
        #expect(answer.status == 200)
        #expect(try JSONValue(parsing: bench.server.metadata()).object == answer.members)
        #expect(answer["issuer"] == .string(Bench.issuer))
        for name in ["authorization", "token", "registration", "introspection", "revocation"] {
            #expect(answer["\(name)_endpoint"]?.string?.hasPrefix(Bench.issuer + "/") == true, "\(name)")
        }
        #expect(answer["response_types_supported"] == ["code"])
        #expect(answer["code_challenge_methods_supported"] == ["S256"])
        #expect(answer["tls_client_certificate_bound_access_tokens"] == true)
        for (name, value) in answer.members { #expect(value != [], "\(name)") }
    }

    @Test(arguments: ["token", "introspection", "revocation"])
    func `SVID methods are named for each endpoint that takes them, and never the algorithm none`(
        _ name: String
    ) async throws {
        let answer = try await bench.send(.init(method: "GET", path: "/.well-known/oauth-authorization-server"))
        #expect(answer["\(name)_endpoint_auth_methods_supported"] == ["spiffe_jwt", "spiffe_x509"])
        #expect(answer["\(name)_endpoint_auth_signing_alg_values_supported"] == ["ES256"])
    }

    @Test(arguments: ["/register", "/token", "/introspect", "/revoke"])
    func `whatever a stranger sends, the answer is JSON and no failure of the server`(_ path: String) async throws {
        let isJSON = path == "/register"
        let text = Array(
            (isJSON
                ? #"{"software_statement":"a.b.c","client_name":"x","grant_types":["client_credentials"],"scope":"a b"}"#
                : "grant_type=client_credentials&client_id=spiffe%3A%2F%2Ftd%2Freader&resource=http%3A%2F%2Fx&token=a.b.c")
                .utf8)
        for _ in 0..<300 {
            var bytes = text
            for _ in 0...Int.random(in: 0...3) {
                bytes[.random(in: 0..<bytes.count)] = Bool.random() ? text.randomElement() ?? 0 : .random(in: 0...255)
            }
            let type = isJSON ? "application/json" : "application/x-www-form-urlencoded"
            let answer = try await bench.send(
                .init(method: "POST", path: path, contentType: type, body: Data(bytes.prefix(.random(in: 0...200)))))
            #expect((400..<500).contains(answer.status), "\(answer.outcome) \(bytes)")
        }
    }

    @Test func `published keys are public, for signing, and none of the bundle's`() async throws {
        let answer = try await bench.send(.init(method: "GET", path: "/jwks"))
        let keys = try #require(answer["keys"]?.array)
        let key = try #require(keys.first?.object)
        #expect(keys.count == 1)
        #expect(Set(key.keys) == ["alg", "crv", "kid", "kty", "use", "x", "y"])
        #expect(key["use"] == "sig")
        #expect(key["alg"] == "ES256")
        #expect(key["kid"] == .string(bench.tokenKey.id))
        #expect(key["x"] != .string(bench.svidKey.publicKey.coordinates.x))
    }

    @Test func `interactive authorization is not available`() async throws {
        let answer = try await bench.send(.init(method: "GET", path: "/authorize"))
        #expect(answer.outcome == "400 unsupported_response_type")
    }

    @Test(arguments: ["/token", "/register", "/introspect", "/revoke"], ["GET", "PUT", "DELETE", "HEAD"])
    func `only POST is taken where secrets go in`(_ path: String, _ method: String) async throws {
        let answer = try await bench.send(.init(method: method, path: path))
        #expect(answer.status == 405)
        #expect(answer.headers["Allow"] == "POST")
    }

    @Test(arguments: ["/", "", "/token/", "/TOKEN", "/token/../revoke", "/unknown"])
    func `other paths are not found`(_ path: String) async throws {
        #expect(try await bench.send(.init(method: "POST", path: path)).status == 404)
    }

    @Test(arguments: [
        nil, "", "application/json", "text/plain", "application/x-www-form-urlencodedx", "multipart/form-data",
    ])
    func `a form endpoint takes forms only`(_ type: String?) async throws {
        let answer = try await bench.send(.init(method: "POST", path: "/token", contentType: type))
        #expect(answer.outcome == "415 invalid_request")
    }

    @Test func `a content type may have parameters and any case`() async throws {
        let answer = try await bench.send(
            .init(
                method: "POST", path: "/token", contentType: "Application/X-WWW-Form-Urlencoded; charset=UTF-8"))
        #expect(answer.outcome == "401 invalid_client")
    }

    @Test func `a body over 64 KiB is not read`() async throws {
        let form = "application/x-www-form-urlencoded"
        let size = Limits.OAuth.bodyBytes
        let large = OAuthRequest(
            method: "POST", path: "/token", contentType: form, body: Data(repeating: 0x61, count: size + 1))
        #expect(try await bench.send(large).outcome == "413 invalid_request")
        let fitting = OAuthRequest(
            method: "POST", path: "/token", contentType: form, body: Data(repeating: 0x61, count: size))
        #expect(try await bench.send(fitting).outcome == "401 invalid_client")
    }

    @Test(arguments: ["a=%", "a=%4", "a=%zz", "a=%C3%28", "%=a", "a=1&a=2", "token=a&token=", "a=%+1"])
    func `a form that is broken or says a thing twice is refused`(_ body: String) async throws {
        for path in ["/token", "/introspect", "/revoke"] {
            let answer = try await bench.send(
                .init(
                    method: "POST", path: path, contentType: "application/x-www-form-urlencoded", body: Data(body.utf8),
                    client: bench.certificate("weather-agent")))
            #expect(answer.outcome == "400 invalid_request")
        }
    }

    @Test func `the token key is kept in a file of its own`() throws {
        let url = FileManager.default.temporaryDirectory.appending(path: "tidemark-as-\(UUID().uuidString)")
        defer { try? FileManager.default.removeItem(at: url) }
        let first = try TokenSigningKey.open(directory: url)
        #expect(try TokenSigningKey.open(directory: url).id == first.id)
        let path = url.appending(path: "access-token.key").path
        try FileManager.default.setAttributes([.posixPermissions: 0o644], ofItemAtPath: path)
        #expect(throws: KeyDirectoryError.permissions(path: path, mode: "644", wanted: "0600")) {
            try TokenSigningKey.open(directory: url)
        }
    }
}
