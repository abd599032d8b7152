/// The first message of a TLS client, as far as it has come: RFC 8446, sections 4.1.2 and 5.1; RFC 6066, section 3.
enum ClientHello: Equatable {
    /// More bytes are needed to tell.
    case incomplete
    case notTLS
    /// - Parameter serverName: whom the client asks for; nil: it does not say.
    case complete(serverName: String?)

    /// - Parameter bytes: from the first one on.
    init(reading bytes: [UInt8]) {
        do { self = .complete(serverName: try Self.serverName(in: Self.handshake(in: bytes))) } catch {
            switch error {
            case .short: self = .incomplete
            case .other: self = .notTLS
            }
        }
    }

    private enum Failure: Error { case short, other }

    /// The message, put together from its records.
    private static func handshake(in bytes: [UInt8]) throws(Failure) -> ArraySlice<UInt8> {
        var records = Reader(bytes[...], isWhole: false)
        var message: [UInt8] = []
        while true {
            guard try records.number(1) == 22, try records.number(1) == 3 else { throw .other }
            _ = try records.number(1)
            let length = try records.number(2)
            guard length > 0, length <= 1 << 14 else { throw .other }
            message += records.rest.prefix(length)
            if message.count >= 4 {
                let wanted = message[1...3].reduce(0) { $0 << 8 | Int($1) }
                guard message[0] == 1, wanted <= 1 << 16 else { throw .other }
                if message.count >= 4 + wanted { return message[4..<4 + wanted] }
            } else if let first = message.first, first != 1 {
                throw .other
            }
            _ = try records.bytes(length)
        }
    }

    private static func serverName(in hello: ArraySlice<UInt8>) throws(Failure) -> String? {
        var reader = Reader(hello, isWhole: true)
        _ = try reader.bytes(2 + 32)
        for width in [1, 2, 1] { _ = try reader.bytes(reader.number(width)) }
        guard !reader.rest.isEmpty else { return nil }
        var extensions = Reader(try reader.bytes(reader.number(2)), isWhole: true)
        while !extensions.rest.isEmpty {
            let type = try extensions.number(2)
            let content = try extensions.bytes(extensions.number(2))
            if type == 0 { return try hostName(in: content) }
        }
        return nil
    }

    private static func hostName(in content: ArraySlice<UInt8>) throws(Failure) -> String? {
        var list = Reader(content, isWhole: true)
        var names = Reader(try list.bytes(list.number(2)), isWhole: true)
        guard try names.number(1) == 0 else { return nil }
        let name = try names.bytes(names.number(2))
        // A name has ASCII letters; what is none of ours is no text to hand on.
        guard name.allSatisfy({ (0x21...0x7e).contains($0) }) else { throw .other }
        return String(decoding: name, as: UTF8.self)
    }

    private struct Reader {
        private(set) var rest: ArraySlice<UInt8>
        /// Nothing more will come.
        let isWhole: Bool

        init(_ bytes: ArraySlice<UInt8>, isWhole: Bool) {
            rest = bytes
            self.isWhole = isWhole
        }

        mutating func bytes(_ count: Int) throws(Failure) -> ArraySlice<UInt8> {
            guard rest.count >= count else { throw isWhole ? .other : .short }
            defer { rest = rest.dropFirst(count) }
            return rest.prefix(count)
        }

        mutating func number(_ width: Int) throws(Failure) -> Int { try bytes(width).reduce(0) { $0 << 8 | Int($1) } }
    }
}
