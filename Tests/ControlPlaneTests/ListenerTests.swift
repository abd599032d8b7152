import AsyncHTTPClient
import ControlPlane
import ControlPlaneAPI
import Foundation
import NIOCore
import NIOHTTP1
import NIOSSL
import SPIFFE
import Testing

@Suite struct ListenerTests {
    @Test(arguments: [
        ("POST", "/v1/agents/attest", "{", 400, "body_invalid"),
        ("POST", "/v1/agents/attest", #"{"joinToken":1,"name":"a","csr":""}"#, 400, "body_invalid"),
        ("POST", "/v1/agents/attest", String(repeating: "x", count: 300 << 10), 413, "body_too_large"),
        ("POST", "/v1/svids/x509", "{}", 401, "client_certificate_missing"),
        ("GET", "/v1/agents/self/snapshots", "", 401, "client_certificate_missing"),
        ("GET", "/v1/agents/attest", "", 404, "route_not_found"),
        ("GET", "/v1/manifests", "", 404, "route_not_found"),
        ("POST", "/oauth/token", "grant_type=client_credentials", 415, "invalid_request"),
    ])
    func `bad requests get a clear answer`(
        _ method: String, _ path: String, _ body: String, _ status: UInt, _ code: String
    ) async throws {
        try await TestControlPlane.serve { plane in
            let (answered, bytes) = try await Self.send(method, path, Data(body.utf8), to: plane)
            #expect(answered == status)
            struct Answer: Decodable { var error: String }
            #expect(try JSONDecoder().decode(Answer.self, from: bytes).error == code)
        }
    }

    @Test func `the bundle and the issuer's metadata need no certificate`() async throws {
        try await TestControlPlane.serve { plane in
            let (_, document) = try await Self.send("GET", "/bundle", Data(), to: plane)
            let bundle = try TrustBundle(trustDomain: TrustDomain(TestControlPlane.trustDomain), jwks: document)
            #expect(bundle == plane.state.bundle)
            let (status, metadata) = try await Self.send(
                "GET", "/.well-known/oauth-authorization-server/oauth", Data(), to: plane)
            #expect(status == 200)
            struct Metadata: Decodable { var issuer: String }
            #expect(try JSONDecoder().decode(Metadata.self, from: metadata).issuer == plane.address + "/oauth")
            #expect(try await Self.send("GET", "/healthz", Data(), to: plane).0 == 200)
        }
    }

    @Test func `TLS 1.2 is not spoken`() async throws {
        try await TestControlPlane.serve { plane in
            await #expect(throws: (any Error).self) {
                _ = try await Self.send("GET", "/healthz", Data(), to: plane) { $0.maximumTLSVersion = .tlsv12 }
            }
        }
    }

    @Test func `a server of another authority is not believed`() async throws {
        try await TestControlPlane.serve { plane in
            try await TestControlPlane.serve { other in
                let pem = try other.caPEM
                await #expect(throws: (any Error).self) {
                    _ = try await Self.send("GET", "/healthz", Data(), to: plane) {
                        $0.trustRoots = .certificates(try NIOSSLCertificate.fromPEMBytes(Array(pem.utf8)))
                    }
                }
            }
        }
    }

    @Test func `an agent does not believe a server whose certificate is for another name`() async throws {
        let directory = TestControlPlane.temporaryDirectory()
        defer { try? FileManager.default.removeItem(at: directory) }
        try await TestControlPlane.serve(in: directory, hostNames: ["elsewhere.example", "192.0.2.1"]) { plane in
            await #expect {
                try await plane.agent()
            } throws: { error in
                if case .unreachable = error as? ControlPlaneError { true } else { false }
            }
            let status = try await plane.operators.status()
            #expect(status.agents.isEmpty)
        }
    }

    @Test func `the operator's socket is closed to others`() async throws {
        try await TestControlPlane.serve { plane in
            let attributes = try FileManager.default.attributesOfItem(atPath: plane.operators.socket)
            #expect(attributes[.posixPermissions] as? Int == 0o600)
        }
    }

    @Test func `parameters out of range are refused`() async throws {
        try await TestControlPlane.serve { plane in
            #expect(await problem { try await plane.operators.audit(limit: 0) } == "parameter_invalid")
            #expect(await problem { try await plane.operators.audit(wait: 31) } == "parameter_invalid")
            #expect(
                await problem { try await plane.operators.joinToken(JoinTokenRequest(agentGroup: "a/b", lifetime: 60)) }
                    == "agent_group_invalid")
            #expect(
                await problem { try await plane.operators.joinToken(JoinTokenRequest(agentGroup: "a", lifetime: 0)) }
                    == "lifetime_invalid")
        }
    }

    private static func send(
        _ method: String, _ path: String, _ body: Data, to plane: TestControlPlane,
        adjusting adjust: (inout TLSConfiguration) throws -> Void = { _ in },
    ) async throws -> (UInt, Data) {
        var tls = TLSConfiguration.makeClientConfiguration()
        tls.trustRoots = .certificates(try NIOSSLCertificate.fromPEMBytes(Array(plane.caPEM.utf8)))
        try adjust(&tls)
        var configuration = HTTPClient.Configuration(tlsConfiguration: tls)
        configuration.httpVersion = .http1Only
        configuration.connectionPool.retryConnectionEstablishment = false
        let http = HTTPClient(eventLoopGroupProvider: .singleton, configuration: configuration)
        var request = HTTPClientRequest(url: plane.address + path)
        request.method = .init(rawValue: method)
        if !body.isEmpty { request.body = .bytes(ByteBuffer(bytes: body)) }
        let result: Result<(UInt, Data), any Error>
        do {
            let answer = try await http.execute(request, timeout: .seconds(10))
            result = .success(
                (answer.status.code, Data(try await answer.body.collect(upTo: 1 << 20).readableBytesView)))
        } catch { result = .failure(error) }
        try await http.shutdown()
        return try result.get()
    }
}
