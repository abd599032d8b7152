import AsyncHTTPClient
import Foundation
import Glibc
import NIOCore
import NIOHTTP1

/// A place outside of the database that gets each checkpoint: what stands there cannot be taken back.
package enum AuditCopy: Sendable, Equatable, CustomStringConvertible {
    /// Lines are appended: a file on another host, one that can only be appended to, or a pipe.
    case file(String)
    /// Posted as JSON, `http://` or `https://`.
    case address(String)

    /// - Returns: nil for what is neither an absolute path nor an address.
    package init?(_ text: String) {
        if text.hasPrefix("/") {
            self = .file(text)
        } else if text.hasPrefix("https://") || text.hasPrefix("http://"), URL(string: text)?.host() != nil {
            self = .address(text)
        } else {
            return nil
        }
    }

    package var description: String {
        switch self {
        case .file(let path): path
        case .address(let address): address
        }
    }

    /// Waits for no reader: a pipe that is not read is an error. A file system may keep it waiting all the same.
    static func append(_ text: Data, to path: String) throws {
        let descriptor = open(path, O_WRONLY | O_APPEND | O_CREAT | O_NONBLOCK | O_CLOEXEC | O_NOCTTY, 0o640)
        guard descriptor >= 0 else { throw AuditCopyError.file(errno) }
        defer { close(descriptor) }
        // At once: lines of two writers do not mix, and a pipe has room for the whole line or takes none of it.
        let count = write(descriptor, [UInt8](text), text.count)
        guard count == text.count else { throw AuditCopyError.file(count < 0 ? errno : ENOSPC) }
    }

    static func post(_ text: Data, to address: String, within limit: Duration) async throws {
        var request = HTTPClientRequest(url: address)
        request.method = .POST
        request.headers.add(name: "content-type", value: "application/json")
        request.body = .bytes(ByteBuffer(bytes: text))
        let answer = try await HTTPClient.shared.execute(request, timeout: .init(limit))
        guard (200..<300).contains(answer.status.code) else { throw AuditCopyError.status(answer.status.code) }
    }
}

enum AuditCopyError: Error, Equatable, CustomStringConvertible {
    case status(UInt)
    case late(Duration)
    /// What was begun at an earlier checkpoint has not ended.
    case stuck
    /// An errno; of a pipe without a reader ENXIO, of one that is full EAGAIN.
    case file(CInt)

    var description: String {
        switch self {
        case .file(let number): "\(String(cString: strerror(number))) (errno \(number))"
        case .status(let code): "it answered \(code)"
        case .late(let limit): "nothing came of it within \(limit)"
        case .stuck: "an earlier one is still being written there; does its file system answer?"
        }
    }
}
