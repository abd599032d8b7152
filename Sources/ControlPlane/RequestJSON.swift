import ControlPlaneAPI
import Foundation
import Hummingbird
import HummingbirdCore
import Limits
import NIOCore

/// The context of a request on either listener.
struct ConnectionContext: RequestContext {
    var coreContext: CoreRequestContextStorage
    let channel: any Channel

    init(source: ApplicationRequestContextSource) {
        coreContext = .init(source: source)
        channel = source.channel
    }

    /// Who calls is an agent, by the SVID issued last.
    @Sendable func recognizeAgent() {
        channel.eventLoop.execute {
            try? channel.pipeline.syncOperations.handler(type: ConnectionGuard.Bytes.self).recognize()
        }
    }
}

extension Request {
    func json<Body: Decodable>(_ type: Body.Type) async throws -> Body {
        try Self.decode(type, from: try await bytes())
    }

    static func decode<Body: Decodable>(_ type: Body.Type, from bytes: Data) throws -> Body {
        do {
            return try WireCoding.decoder().decode(type, from: bytes)
        } catch let error as DecodingError {
            throw ControlPlaneRefusal.body(error.place)
        } catch {
            throw ControlPlaneRefusal.body("\(error)")
        }
    }

    /// The whole body.
    func bytes() async throws -> Data {
        if let announced = headers[.contentLength].flatMap(Int.init), announced > Limits.Request.body {
            throw ControlPlaneRefusal.bodyTooLarge(maximum: Limits.Request.body)
        }
        do {
            return Data(try await body.collect(upTo: Limits.Request.body).readableBytesView)
        } catch is NIOTooManyBytesError {
            throw ControlPlaneRefusal.bodyTooLarge(maximum: Limits.Request.body)
        }
    }

    /// A query parameter, percent-decoded.
    func parameter(_ name: String) -> String? {
        uri.queryParameters[Substring(name)].map { $0.removingPercentEncoding ?? String($0) }
    }

    func integer(_ name: String, in allowed: ClosedRange<Int64>, standard: Int64) throws(ControlPlaneRefusal) -> Int64 {
        guard let text = parameter(name) else { return standard }
        guard let value = Int64(text), allowed.contains(value) else {
            throw .parameter(
                name, value: text, expected: "an integer of \(allowed.lowerBound) to \(allowed.upperBound)")
        }
        return value
    }
}

extension Response {
    static func json(_ value: some Encodable, status: HTTPResponse.Status = .ok) throws -> Response {
        Response(
            status: status,
            headers: [.contentType: "application/json", .cacheControl: "no-store"],
            body: ResponseBody(byteBuffer: ByteBuffer(bytes: try WireCoding.encoder().encode(value))),
        )
    }

    static func refusal(_ refusal: ControlPlaneRefusal) throws -> Response {
        var response = try json(refusal.problem, status: HTTPResponse.Status(code: refusal.status))
        if let seconds = refusal.retryAfter { response.headers[.retryAfter] = "\(seconds)" }
        return response
    }
}

extension DecodingError {
    /// What is wrong and where, without what the body holds.
    var place: String {
        switch self {
        case .keyNotFound(let key, let context): "\(Self.path(context)) lacks \"\(key.stringValue)\""
        case .typeMismatch(let type, let context): "\(Self.path(context)) is no \(type)"
        case .valueNotFound(let type, let context): "\(Self.path(context)) is null, a \(type) is needed"
        case .dataCorrupted(let context): "\(Self.path(context)) is invalid: \(context.debugDescription)"
        @unknown default: "it has another shape than documented"
        }
    }

    private static func path(_ context: Context) -> String {
        let keys = context.codingPath.map(\.stringValue).joined(separator: ".")
        return keys.isEmpty ? "the whole" : keys
    }
}
