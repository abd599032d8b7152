import Gateway
import NIOCore
import NIOHTTP1

/// Cuts a stream of bytes into the parts of HTTP/1.1 messages, RFC 9112. Heads and framing are read strictly; a body's
/// bytes are never copied. Used by one side of a connection: for requests, or for answers.
struct HTTPReader<Head> {
    enum Part {
        case head(Head)
        case body(ByteBuffer)
        /// With what trailers there were.
        case end(HTTPHeaders?)
    }

    /// How a message's body ends.
    enum Body: Equatable {
        case none, chunked, untilClose
        case length(Int)
    }

    private enum State {
        case startLine
        case fields(Head)
        case body(Int)
        case untilClose
        case chunkSize, chunk(Int), chunkEnd, trailers
        case failed
    }

    private let parse: (ArraySlice<UInt8>) throws(Refusal) -> Head
    private let finish: (Head, HTTPHeaders) throws(Refusal) -> (Head, Body)
    private let check: (HTTPHeaders) throws(Refusal) -> Void
    private let limit: Int
    private var state = State.startLine
    private var headers = HTTPHeaders()
    /// Bytes of this head, or of these trailers, that were taken already.
    private var taken = 0
    private var unread = ByteBuffer()
    /// Of `unread`, how many bytes are known to hold no line's end.
    private var scanned = 0

    private static var fieldLimit: Int { 256 }
    private static var chunkLineLimit: Int { 4096 }

    /// - Parameters:
    ///   - limit: of a head in bytes, and of trailers.
    ///   - parse: a head's first line.
    ///   - finish: the whole head, and how its body ends.
    ///   - check: trailers.
    init(
        limit: Int, parse: @escaping (ArraySlice<UInt8>) throws(Refusal) -> Head,
        finish: @escaping (Head, HTTPHeaders) throws(Refusal) -> (Head, Body),
        check: @escaping (HTTPHeaders) throws(Refusal) -> Void = { _ in },
    ) {
        self.check = check
        self.limit = limit
        self.parse = parse
        self.finish = finish
    }

    /// Nothing of a message is here, so a connection may end.
    var isBetweenMessages: Bool {
        if case .startLine = state { unread.readableBytes == 0 } else { false }
    }

    /// A head has begun and is not whole.
    var isInHead: Bool {
        switch state {
        case .startLine: unread.readableBytes > 0
        case .fields: true
        default: false
        }
    }

    mutating func append(_ bytes: ByteBuffer) {
        if unread.readableBytes == 0 {
            unread = bytes
            scanned = 0
        } else {
            unread.writeImmutableBuffer(bytes)
        }
    }

    /// The next part, or nil where more bytes are needed.
    mutating func next() throws(Refusal) -> Part? {
        do throws(Refusal) {
            while true {
                if let part = try step() { return part }
                guard progressed else { return nil }
            }
        } catch {
            state = .failed
            unread = ByteBuffer()
            throw error
        }
    }

    /// The stream is over.
    ///
    /// - Returns: the end of a body that ends with its connection.
    mutating func end() throws(Refusal) -> Part? {
        if case .failed = state { return nil }
        if case .untilClose = state {
            state = .startLine
            return .end(nil)
        }
        if isBetweenMessages { return nil }
        state = .failed
        throw .malformed(400, "the message ended before its end")
    }

    private var progressed = false

    private mutating func step() throws(Refusal) -> Part? {
        progressed = true
        switch state {
        case .startLine: return try readStartLine()
        case .fields(let head): return try readField(head)
        case .body(let left): return readBody(left)
        case .untilClose: return takeBytes(.max).map { .body($0) }
        case .chunkSize: return try readChunkSize()
        case .chunk(let left): return readChunk(left)
        case .chunkEnd: return try readChunkEnd()
        case .trailers: return try readTrailer()
        case .failed:
            progressed = false
            return nil
        }
    }

    // MARK: Heads

    private mutating func readStartLine() throws(Refusal) -> Part? {
        if let first = unread.readableBytesView.first, first != 0x0d, !HTTPLine.isTokenByte(first) {
            throw .malformed(400, "what came does not begin like a message of HTTP/1.1")
        }
        guard let line = try takeLine(upTo: limit - taken) else { return nil }
        // RFC 9112, section 2.2: an empty line before a message is not part of it.
        guard !line.isEmpty else {
            if taken > 16 { throw .malformed(400, "empty lines stand where a message is expected") }
            return nil
        }
        state = .fields(try parse(line))
        return nil
    }

    private mutating func readField(_ head: Head) throws(Refusal) -> Part? {
        guard let line = try takeLine(upTo: limit - taken) else { return nil }
        guard line.isEmpty else {
            try addField(line)
            return nil
        }
        let (whole, body) = try finish(head, headers)
        headers = HTTPHeaders()
        taken = 0
        state =
            switch body {
            case .none: .body(0)
            case .chunked: .chunkSize
            case .untilClose: .untilClose
            case .length(let count): .body(count)
            }
        return .head(whole)
    }

    private mutating func addField(_ line: ArraySlice<UInt8>) throws(Refusal) {
        guard headers.count < Self.fieldLimit else { throw .headTooLarge }
        let field = try HTTPLine.field(line)
        headers.add(name: field.name, value: field.value)
    }

    /// A line without its end, which is CR LF and nothing else.
    private mutating func takeLine(upTo limit: Int) throws(Refusal) -> ArraySlice<UInt8>? {
        let view = unread.readableBytesView
        guard let end = view.dropFirst(scanned).firstIndex(of: 0x0a) else {
            scanned = view.count
            guard view.count <= limit else { throw .headTooLarge }
            progressed = false
            return nil
        }
        let count = end - view.startIndex + 1
        guard count <= limit else { throw .headTooLarge }
        scanned = 0
        taken += count
        let line = Array(unread.readBytes(length: count) ?? []).dropLast()
        guard line.last == 0x0d, !line.dropLast().contains(0x0d) else {
            throw .malformed(400, "a line does not end with CR LF, or holds a CR (RFC 9112, section 2.2)")
        }
        return line.dropLast()
    }

    // MARK: Bodies

    private mutating func readBody(_ left: Int) -> Part? {
        guard left > 0 else {
            state = .startLine
            return .end(nil)
        }
        guard let bytes = takeBytes(left) else { return nil }
        state = .body(left - bytes.readableBytes)
        return .body(bytes)
    }

    private mutating func readChunkSize() throws(Refusal) -> Part? {
        guard let line = try takeLine(upTo: Self.chunkLineLimit) else { return nil }
        let size = try HTTPLine.chunkSize(line)
        taken = 0
        state = size == 0 ? .trailers : .chunk(size)
        return nil
    }

    private mutating func readChunk(_ left: Int) -> Part? {
        guard let bytes = takeBytes(left) else { return nil }
        state = left == bytes.readableBytes ? .chunkEnd : .chunk(left - bytes.readableBytes)
        return .body(bytes)
    }

    private mutating func readChunkEnd() throws(Refusal) -> Part? {
        guard unread.readableBytes >= 2 else {
            progressed = false
            return nil
        }
        guard unread.readBytes(length: 2) == [0x0d, 0x0a] else {
            throw .malformed(400, "a chunk is longer than its size (RFC 9112, section 7.1)")
        }
        state = .chunkSize
        return nil
    }

    private mutating func readTrailer() throws(Refusal) -> Part? {
        guard let line = try takeLine(upTo: limit - taken) else { return nil }
        guard line.isEmpty else {
            try addField(line)
            return nil
        }
        let trailers = headers
        try check(trailers)
        headers = HTTPHeaders()
        taken = 0
        state = .startLine
        return .end(trailers.isEmpty ? nil : trailers)
    }

    private mutating func takeBytes(_ most: Int) -> ByteBuffer? {
        guard unread.readableBytes > 0 else {
            progressed = false
            return nil
        }
        return unread.readSlice(length: min(most, unread.readableBytes))
    }
}

extension Refusal {
    static let headTooLarge = Refusal(
        status: 431, .headersTooLarge, reason: "the message's headers are too large",
        remedy: "send less: 64 KiB in all and 256 headers are allowed",
    )
}
