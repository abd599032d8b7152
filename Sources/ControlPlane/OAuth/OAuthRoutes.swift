import AuthorizationServer
import ControlPlaneAPI
import Foundation
import Hummingbird
import HummingbirdCore
import NIOCore
import SPIFFE
import X509

/// The authorization server on this listener, the trust bundle, and a sign of life.
struct OAuthRoutes: Sendable {
    let state: ControlPlaneState
    let records: OAuthRecords
    let key: TokenSigningKey
    /// Known once the listener is bound.
    let issuer: @Sendable () -> String

    static let path = "/oauth"

    func add(to router: Router<ConnectionContext>) {
        router.on("\(Self.path)/**", method: .get, use: forward)
        router.on("\(Self.path)/**", method: .post, use: forward)
        // RFC 8414, section 3: between host and path.
        router.get("/.well-known/oauth-authorization-server\(Self.path)") { _, _ in
            Response(
                status: .ok, headers: [.contentType: "application/json"],
                body: ResponseBody(byteBuffer: ByteBuffer(bytes: server().metadata())))
        }
        router.get("/bundle") { _, _ in
            Response(
                status: .ok, headers: [.contentType: "application/json"],
                body: ResponseBody(byteBuffer: ByteBuffer(bytes: try state.bundle.jwksDocument())))
        }
        router.get("/healthz") { _, _ in
            _ = try await state.store.read { try state.registry.version(in: $0) }
            return try Response.json(["status": "serving"])
        }
    }

    private func forward(_ request: Request, _ context: ConnectionContext) async throws -> Response {
        let peer = try await Peer.onConnection(context.channel)
        let answer = await server().handle(
            OAuthRequest(
                method: request.method.rawValue,
                path: String(request.uri.path.dropFirst(Self.path.count)),
                contentType: request.headers[.contentType],
                authorization: request.headers[.authorization],
                body: try await request.bytes(),
                client: try peer?.certificateIdentity,
            ))
        return Response(
            status: HTTPResponse.Status(code: answer.status),
            headers: HTTPFields(answer.headers),
            body: ResponseBody(byteBuffer: ByteBuffer(bytes: answer.body)),
        )
    }

    private func server() -> AuthorizationServer {
        AuthorizationServer(
            configuration: .init(issuer: issuer(), trustDomain: state.configuration.trustDomain),
            keys: key, store: records, directory: records, journal: records, admission: state.callers,
            now: state.now)
    }
}

extension Peer {
    fileprivate var certificateIdentity: CertificateIdentity {
        get throws {
            CertificateIdentity(
                spiffeID: id, thumbprint: try CertificateThumbprint(of: leaf),
                serialNumber: leaf.serialNumber.hexadecimal, notAfter: leaf.notValidAfter,
                issuedAt: IssueTime(of: leaf))
        }
    }
}

extension HTTPFields {
    fileprivate init(_ pairs: [(String, String)]) {
        self.init()
        for (name, value) in pairs {
            guard let name = HTTPFields.Element.Name(name) else { continue }
            self[name] = value
        }
    }
}
