import Gateway
import NIOCore
import NIOHTTP1
import Testing

@testable import Proxy

/// What strangers send as HTTP/1.1: what is read rests on the bytes alone, not on the pieces they come in.
@Suite("Requests, byte by byte")
struct HTTPReaderTests {
    private static let requests = Array(
        """
        POST /mcp?a=b HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nAuthorization: Bearer t\r\n\r\nhello\
        GET / HTTP/1.0\r\nHost: x\r\n\r\n\
        PUT /y HTTP/1.1\r\nhost: y\r\nTransfer-Encoding: chunked\r\n\r\n3;e=f\r\nabc\r\n10\r\n0123456789abcdef\r\n0\r\nT: u\r\n\r\n\
        DELETE * HTTP/1.1\r\nHost: x\r\n\r\n
        """.utf8)

    /// Heads, whole bodies and ends in words, the refusal last where there is one.
    private static func parts(of bytes: [UInt8], inPiecesOf length: () -> Int) -> [String] {
        var reader = HTTPReader(limit: 512, parse: HTTPRequestHead.init(line:)) { head, headers throws(Refusal) in
            var head = head
            head.headers = headers
            return (head, try HTTPFraming.body(of: head))
        }
        var (parts, body): ([String], [UInt8]) = ([], [])
        var rest = bytes[...]
        do {
            while !rest.isEmpty {
                let piece = rest.prefix(length())
                rest = rest.dropFirst(piece.count)
                reader.append(ByteBuffer(bytes: piece))
                while let part = try reader.next() {
                    switch part {
                    case .head(let head): parts.append("\(head)")
                    case .body(let piece): body += piece.readableBytesView
                    case .end(let trailers):
                        parts.append("\(body) \(trailers.map { "\($0)" } ?? "")")
                        body = []
                    }
                }
            }
        } catch { parts.append("\(error)") }
        return parts
    }

    @Test func `four requests are four, whatever pieces they come in`() {
        let whole = Self.parts(of: Self.requests) { Self.requests.count }
        #expect(whole.count == 8)
        for length in 1...Self.requests.count {
            #expect(Self.parts(of: Self.requests) { length } == whole, "\(length)")
        }
    }

    @Test func `whatever a stranger changes, the pieces it comes in change nothing`() {
        for _ in 0..<1_000 {
            var bytes = Self.requests
            for _ in 0...Int.random(in: 0...2) { bytes[.random(in: 0..<bytes.count)] = .random(in: 0...255) }
            if Bool.random() { bytes.removeSubrange(.random(in: 0..<bytes.count - 1)..<bytes.count) }
            let whole = Self.parts(of: bytes) { bytes.count }
            #expect(Self.parts(of: bytes) { .random(in: 1...40) } == whole, "\(bytes)")
        }
    }
}
