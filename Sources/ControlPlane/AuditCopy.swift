import AsyncHTTPClient
import Foundation
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

    func carry(_ checkpoint: AuditCheckpoint) async throws {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        let text = try encoder.encode(checkpoint)
        switch self {
        case .file(let path): try Self.append(text + Data("\n".utf8), to: path)
        case .address(let address): try await Self.post(text, to: address)
        }
    }

    private static func append(_ text: Data, to path: String) throws {
        if !FileManager.default.fileExists(atPath: path) {
            _ = FileManager.default.createFile(atPath: path, contents: nil, attributes: [.posixPermissions: 0o640])
        }
        guard let file = FileHandle(forWritingAtPath: path) else { throw CocoaError(.fileWriteNoPermission) }
        defer { try? file.close() }
        try file.seekToEnd()
        try file.write(contentsOf: text)
    }

    private static func post(_ text: Data, to address: String) async throws {
        var request = HTTPClientRequest(url: address)
        request.method = .POST
        request.headers.add(name: "content-type", value: "application/json")
        request.body = .bytes(ByteBuffer(bytes: text))
        let answer = try await HTTPClient.shared.execute(request, timeout: .seconds(10))
        guard (200..<300).contains(answer.status.code) else { throw AuditCopyError.status(answer.status.code) }
    }
}

enum AuditCopyError: Error, CustomStringConvertible {
    case status(UInt)

    var description: String {
        switch self {
        case .status(let code): "it answered \(code)"
        }
    }
}
