import Testing

@testable import Proxy

@Suite struct ClientHelloTests {
    /// - Parameter extensions: nil: there is no place for any, as in TLS 1.0.
    static func hello(name: String? = "api.example.com", padding: Int = 0, extensions: Bool = true) -> [UInt8] {
        var body: [UInt8] = [3, 3] + Array(repeating: 7, count: 32) + [0] + [0, 2, 0x13, 1] + [1, 0]
        if extensions {
            var list = number(21, 2) + number(padding, 2) + Array(repeating: 0, count: padding)
            if let name {
                let entry = [0] + number(name.utf8.count, 2) + Array(name.utf8)
                list += number(0, 2) + number(entry.count + 2, 2) + number(entry.count, 2) + entry
            }
            body += number(list.count, 2) + list
        }
        return [1] + number(body.count, 3) + body
    }

    private static func number(_ value: Int, _ width: Int) -> [UInt8] {
        (0..<width).reversed().map { UInt8(truncatingIfNeeded: value >> (8 * $0)) }
    }

    static func records(_ message: [UInt8], each length: Int = 1 << 14) -> [UInt8] {
        stride(from: 0, to: message.count, by: length).flatMap { start in
            let piece = message[start..<min(start + length, message.count)]
            return [22, 3, 1] + number(piece.count, 2) + piece
        }
    }

    @Test(arguments: [1 << 14, 100, 7, 1])
    func `the name is found, however the message is cut into records`(_ length: Int) {
        for padding in [0, 1800] {
            let bytes = Self.records(Self.hello(padding: padding), each: length)
            #expect(ClientHello(reading: bytes) == .complete(serverName: "api.example.com"))
        }
    }

    @Test func `every beginning of one is incomplete`() {
        let bytes = Self.records(Self.hello(), each: 60)
        for count in 0..<bytes.count {
            #expect(ClientHello(reading: Array(bytes.prefix(count))) == .incomplete, "\(count)")
        }
        #expect(ClientHello(reading: bytes + [1, 2, 3]) == .complete(serverName: "api.example.com"))
    }

    @Test func `a client need not name a server`() {
        #expect(ClientHello(reading: Self.records(Self.hello(name: nil))) == .complete(serverName: nil))
        #expect(ClientHello(reading: Self.records(Self.hello(extensions: false))) == .complete(serverName: nil))
    }

    @Test(arguments: ["GET / HTTP/1.1\r\n", "\u{16}\u{2}", "\u{16}\u{3}\u{1}\0\0", "SSH-2.0-x\r\n"])
    func `what is no TLS is seen from its first bytes`(_ text: String) {
        #expect(ClientHello(reading: Array(text.utf8)) == .notTLS)
    }

    @Test func `lengths that do not fit are no TLS, and no bytes crash it`() {
        let whole = Self.records(Self.hello())
        #expect(ClientHello(reading: Self.records(Self.hello(name: "a b\u{1b}"))) == .notTLS)
        #expect(ClientHello(reading: Self.records([2] + Self.hello().dropFirst())) == .notTLS)
        var random = SystemRandomNumberGenerator()
        for _ in 1...20_000 {
            var bytes = whole
            for _ in 1...4 {
                bytes[Int.random(in: 5..<bytes.count, using: &random)] = .random(in: 0...255, using: &random)
            }
            _ = ClientHello(reading: bytes)
        }
    }
}
