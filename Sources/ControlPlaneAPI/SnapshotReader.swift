import AsyncHTTPClient
import Foundation
import Limits
import Logging
import NIOCore
import NIOHTTP1

/// Reads `GET /v1/agents/self/snapshots`; see ``SnapshotLines``.
struct SnapshotReader {
    let address: String
    let http: HTTPClient
    let logger: Logger

    /// - Parameter deliver: gets each snapshot whole, however it came.
    func read(_ deliver: (PolicySnapshot) -> Void) async throws(ControlPlaneError) {
        let answer = try await open()
        var lines = SnapshotLines()
        do {
            for try await part in answer.body {
                do { try lines.take(part.readableBytesView).forEach(deliver) } catch { throw unexpected("\(error)") }
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
            let bytes = Data(try await answer.body.collect(upTo: Limits.Calls.refusalBytes).readableBytesView)
            throw HTTPCall.refusal(answer, bytes: bytes, address: address)
        } catch let error as ControlPlaneError {
            throw error
        } catch {
            throw ControlPlaneError(noAnswer: error, from: address)
        }
    }

    private func unexpected(_ reason: String) -> ControlPlaneError {
        .unexpected(address: address, status: 200, reason: reason)
    }
}
