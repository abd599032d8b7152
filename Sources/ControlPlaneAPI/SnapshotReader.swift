import AsyncHTTPClient
import Foundation
import Logging
import NIOCore
import NIOHTTP1

/// Reads `GET /v1/agents/self/snapshots`: one JSON object a line; an empty line is a heartbeat.
struct SnapshotReader {
    let address: String
    let http: HTTPClient
    let logger: Logger

    /// A snapshot larger than this is refused.
    private static let maximumLine = 16 << 20

    func read(_ deliver: (PolicySnapshot) -> Void) async throws(ControlPlaneError) {
        let answer = try await open()
        do {
            var line = Data()
            for try await part in answer.body {
                for piece in part.readableBytesView.split(
                    separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false
                )
                .enumerated() {
                    if piece.offset > 0 { try finish(&line, deliver) }
                    line.append(contentsOf: piece.element)
                }
                guard line.count <= Self.maximumLine else {
                    throw unexpected("a line of over \(Self.maximumLine) bytes")
                }
            }
        } catch let error as ControlPlaneError {
            throw error
        } catch {
            throw .unreachable(address: address, reason: "the snapshot stream broke: \(error)")
        }
    }

    private func open() async throws(ControlPlaneError) -> HTTPClientResponse {
        let call = HTTPCall(method: .GET, url: address + "/v1/agents/self/snapshots", address: address)
        do {
            let answer = try await http.execute(call.request(), deadline: .distantFuture, logger: logger)
            guard answer.status != .ok else { return answer }
            let bytes = Data(try await answer.body.collect(upTo: 1 << 20).readableBytesView)
            throw HTTPCall.refusal(status: answer.status.code, bytes: bytes, address: address)
        } catch let error as ControlPlaneError {
            throw error
        } catch {
            throw .unreachable(address: address, reason: "\(error)")
        }
    }

    private func finish(_ line: inout Data, _ deliver: (PolicySnapshot) -> Void) throws(ControlPlaneError) {
        defer { line.removeAll(keepingCapacity: true) }
        guard !line.isEmpty else { return }
        do {
            deliver(try WireCoding.decoder().decode(PolicySnapshot.self, from: line))
        } catch {
            throw unexpected("\(error)")
        }
    }

    private func unexpected(_ reason: String) -> ControlPlaneError {
        .unexpected(address: address, status: 200, reason: reason)
    }
}
