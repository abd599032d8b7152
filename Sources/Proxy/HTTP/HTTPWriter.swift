import Gateway
import NIOCore
import NIOHTTP1

/// Puts the parts of a message into bytes; a body is chunked where its head says so.
struct HTTPWriter {
    private var isChunked = false

    mutating func head(_ head: HTTPRequestHead) -> [IOData] {
        let version = head.version.isModern ? "1.1" : "1.0"
        return start("\(head.method.rawValue) \(head.uri) HTTP/\(version)", head.headers)
    }

    mutating func head(_ head: HTTPResponseHead) -> [IOData] {
        let version = head.version.isModern ? "1.1" : "1.0"
        return start("HTTP/\(version) \(head.status.code) \(head.status.reasonPhrase)", head.headers)
    }

    func body(_ bytes: IOData) -> [IOData] {
        guard bytes.readableBytes > 0 else { return [] }
        guard isChunked else { return [bytes] }
        let size = String(bytes.readableBytes, radix: 16)
        return [.byteBuffer(ByteBuffer(string: "\(size)\r\n")), bytes, .byteBuffer(ByteBuffer(string: "\r\n"))]
    }

    mutating func end(_ trailers: HTTPHeaders?) -> [IOData] {
        guard isChunked else { return [] }
        return start("0", trailers ?? [:])
    }

    private mutating func start(_ line: String, _ headers: HTTPHeaders) -> [IOData] {
        isChunked = false
        var buffer = ByteBuffer()
        buffer.writeBytes(HTTPLine.bytes(line))
        buffer.writeStaticString("\r\n")
        for (name, value) in headers {
            buffer.writeBytes(HTTPLine.bytes(name))
            buffer.writeStaticString(": ")
            buffer.writeBytes(HTTPLine.bytes(value))
            buffer.writeStaticString("\r\n")
            if name.lowercased() == "transfer-encoding" { isChunked = true }
        }
        buffer.writeStaticString("\r\n")
        return [.byteBuffer(buffer)]
    }
}
