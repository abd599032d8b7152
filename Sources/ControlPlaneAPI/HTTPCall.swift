import AsyncHTTPClient
import Foundation
import Logging
import NIOCore
import NIOHTTP1

/// One request and its whole answer, in JSON unless told otherwise.
struct HTTPCall: Sendable {
    var method: HTTPMethod
    var url: String
    /// For errors: the server, not the whole URL.
    var address: String
    var contentType = "application/json"
    var body: Data?
    var timeout: TimeAmount = .seconds(30)

    /// Answers larger than this are refused.
    static let maximumAnswer = 16 << 20

    func send<Answer: Decodable>(
        over http: HTTPClient, logger: Logger, expecting: Answer.Type,
    ) async throws(ControlPlaneError) -> Answer {
        let (status, bytes) = try await exchange(over: http, logger: logger)
        guard (200..<300).contains(status) else { throw Self.refusal(status: status, bytes: bytes, address: address) }
        do {
            return try WireCoding.decoder().decode(Answer.self, from: bytes)
        } catch {
            throw .unexpected(address: address, status: status, reason: "\(error)")
        }
    }

    func send(over http: HTTPClient, logger: Logger) async throws(ControlPlaneError) {
        let (status, bytes) = try await exchange(over: http, logger: logger)
        guard (200..<300).contains(status) else { throw Self.refusal(status: status, bytes: bytes, address: address) }
    }

    func request() -> HTTPClientRequest {
        var request = HTTPClientRequest(url: url)
        request.method = method
        request.headers.add(name: "accept", value: "application/json")
        if let body {
            request.headers.add(name: "content-type", value: contentType)
            request.body = .bytes(ByteBuffer(bytes: body))
        }
        return request
    }

    private func exchange(over http: HTTPClient, logger: Logger) async throws(ControlPlaneError) -> (UInt, Data) {
        do {
            let answer = try await http.execute(request(), timeout: timeout, logger: logger)
            let bytes = try await answer.body.collect(upTo: Self.maximumAnswer)
            return (answer.status.code, Data(bytes.readableBytesView))
        } catch {
            throw .unreachable(address: address, reason: "\(error)")
        }
    }

    /// A `Problem`, or an OAuth error (RFC 6749, section 5.2) in the same clothes.
    static func refusal(status: UInt, bytes: Data, address: String) -> ControlPlaneError {
        if let problem = try? WireCoding.decoder().decode(Problem.self, from: bytes) { return .problem(problem) }
        if let error = try? WireCoding.decoder().decode(OAuthRefusal.self, from: bytes) {
            return .problem(Problem(error: error.error, message: error.error_description ?? error.error))
        }
        let text = String(decoding: bytes.prefix(200), as: UTF8.self)
        return .unexpected(address: address, status: status, reason: text.isEmpty ? "an empty body" : text)
    }

    private struct OAuthRefusal: Decodable {
        var error: String
        var error_description: String?
    }
}
