import AsyncHTTPClient
import Foundation
import Limits
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
    var timeout: TimeAmount = .init(Limits.Calls.answer)

    /// Answers larger than this are refused.
    static let maximumAnswer = Limits.Calls.answerBytes

    func send<Answer: Decodable>(
        over http: HTTPClient, logger: Logger, expecting: Answer.Type,
    ) async throws(ControlPlaneError) -> Answer {
        let answer = try await exchange(over: http, logger: logger)
        do {
            return try WireCoding.decoder().decode(Answer.self, from: answer.bytes)
        } catch {
            throw .unexpected(address: address, status: answer.status, reason: "\(error)")
        }
    }

    func send(over http: HTTPClient, logger: Logger) async throws(ControlPlaneError) {
        _ = try await exchange(over: http, logger: logger)
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

    /// - Throws: also where it is refused.
    private func exchange(
        over http: HTTPClient, logger: Logger,
    ) async throws(ControlPlaneError) -> (status: UInt, bytes: Data) {
        let answer: HTTPClientResponse
        let bytes: Data
        do {
            answer = try await http.execute(request(), timeout: timeout, logger: logger)
            bytes = Data(try await answer.body.collect(upTo: Self.maximumAnswer).readableBytesView)
        } catch {
            throw ControlPlaneError(noAnswer: error, from: address)
        }
        guard (200..<300).contains(answer.status.code) else {
            throw Self.refusal(answer, bytes: bytes, address: address)
        }
        return (answer.status.code, bytes)
    }

    /// A `Problem`, or an OAuth error (RFC 6749, section 5.2) in the same clothes.
    static func refusal(_ answer: HTTPClientResponse, bytes: Data, address: String) -> ControlPlaneError {
        if let problem = try? WireCoding.decoder().decode(Problem.self, from: bytes) { return .problem(problem) }
        if let error = try? WireCoding.decoder().decode(OAuthRefusal.self, from: bytes) {
            return .problem(
                Problem(
                    error: error.error, message: error.error_description ?? error.error,
                    retryAfter: answer.headers.first(name: "retry-after").flatMap { Int($0) }))
        }
        let text = String(decoding: bytes.prefix(Limits.Log.answerBytes), as: UTF8.self)
        return .unexpected(address: address, status: answer.status.code, reason: text.isEmpty ? "an empty body" : text)
    }

    private struct OAuthRefusal: Decodable {
        var error: String
        var error_description: String?
    }
}
