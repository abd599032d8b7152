@preconcurrency import Dispatch
import Foundation
import Glibc
import NIOCore
import Synchronization

/// One end of a TCP connection by plain system calls: what a test sees is what a program would. Writing and reading go on
/// side by side.
final class PlainSocket: Sendable {
    enum End: Equatable {
        case orderly, reset, silent
    }

    private struct Taken {
        var bytes: [UInt8] = []
        var end: End?
    }

    private let writer = DispatchQueue(label: "writer")
    private let inbox: Inbox

    var descriptor: CInt { inbox.descriptor }

    /// Keeps the descriptor for whoever comes last, this end or its reader.
    private final class Inbox: Sendable {
        let descriptor: CInt
        let taken = Mutex(Taken())

        init(_ descriptor: CInt) { self.descriptor = descriptor }

        deinit { close(descriptor) }
    }

    init(_ descriptor: CInt) {
        inbox = Inbox(descriptor)
        let flags = fcntl(descriptor, F_GETFL)
        _ = fcntl(descriptor, F_SETFL, flags & ~O_NONBLOCK)
        var limit = timeval(tv_sec: 20, tv_usec: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
        setsockopt(descriptor, SOL_SOCKET, SO_SNDTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
    }

    deinit { shutdown(descriptor, CInt(SHUT_RDWR)) }

    /// - Parameter beforeConnect: is given the port this end has.
    static func connect(to address: SocketAddress, beforeConnect: (UInt16) -> Void = { _ in }) throws -> PlainSocket {
        let socket = PlainSocket(Glibc.socket(AF_INET, CInt(SOCK_STREAM.rawValue), 0))
        let here = try SocketAddress(ipAddress: "127.0.0.1", port: 0)
        _ = here.withSockAddr { bind(socket.descriptor, $0, socklen_t($1)) }
        beforeConnect(try ListeningPort.port(of: socket.descriptor))
        let status = address.withSockAddr { Glibc.connect(socket.descriptor, $0, socklen_t($1)) }
        guard status == 0 else { throw TimedOut(description: "connect: errno \(errno)") }
        socket.listen()
        return socket
    }

    /// Reads from here on, whatever the test does; to be called once connected.
    func listen() {
        let inbox = inbox
        Thread.detachNewThread { Self.take(inbox.descriptor, inbox) }
    }

    func send(_ bytes: [UInt8]) async {
        await run(writer) { descriptor in
            var rest = bytes[...]
            while !rest.isEmpty {
                let count = rest.withUnsafeBytes {
                    Glibc.send(descriptor, $0.baseAddress, $0.count, CInt(MSG_NOSIGNAL))
                }
                guard count > 0 else { return }
                rest = rest.dropFirst(count)
            }
        }
    }

    func finish() async { await run(writer) { _ = shutdown($0, CInt(SHUT_WR)) } }

    func reset() async {
        await run(writer) { descriptor in
            var hard = linger(l_onoff: 1, l_linger: 0)
            setsockopt(descriptor, SOL_SOCKET, SO_LINGER, &hard, socklen_t(MemoryLayout<linger>.size))
            // AF_UNSPEC, which is 0: connected to nobody any more.
            _ = [UInt8](repeating: 0, count: MemoryLayout<sockaddr>.size).withUnsafeBytes {
                Glibc.connect(descriptor, $0.baseAddress?.assumingMemoryBound(to: sockaddr.self), socklen_t($0.count))
            }
        }
    }

    /// What has come, once it is `count` bytes or the end.
    func read(count: Int) async -> [UInt8] {
        while true {
            let known = inbox.taken.withLock { $0.bytes.count >= count || $0.end != nil ? $0.bytes : nil }
            if let known { return known }
            try? await Task.sleep(for: .milliseconds(1))
        }
    }

    func readToEnd() async -> (bytes: [UInt8], end: End) {
        _ = await read(count: .max)
        return inbox.taken.withLock { ($0.bytes, $0.end ?? .silent) }
    }

    /// Reads to the end, whoever asks.
    private static func take(_ descriptor: CInt, _ inbox: Inbox) {
        var buffer = [UInt8](repeating: 0, count: 1 << 16)
        while true {
            let count = recv(descriptor, &buffer, buffer.count, 0)
            let code = errno
            if count > 0 {
                inbox.taken.withLock { $0.bytes.append(contentsOf: buffer[..<count]) }
            } else {
                return inbox.taken.withLock { $0.end = count == 0 ? .orderly : code == EAGAIN ? .silent : .reset }
            }
        }
    }

    private func run(_ queue: DispatchQueue, _ body: @escaping @Sendable (CInt) -> Void) async {
        await withCheckedContinuation { continuation in
            queue.async {
                body(self.descriptor)
                continuation.resume()
            }
        }
    }
}

/// Listens at a port of the kernel's choice, by plain system calls.
final class ListeningPort: Sendable {
    let descriptor: CInt
    let address: SocketAddress
    private let queue = DispatchQueue(label: "accept")

    init() throws {
        descriptor = socket(AF_INET, CInt(SOCK_STREAM.rawValue), 0)
        let here = try SocketAddress(ipAddress: "127.0.0.1", port: 0)
        let descriptor = descriptor
        _ = here.withSockAddr { bind(descriptor, $0, socklen_t($1)) }
        listen(descriptor, 64)
        address = try SocketAddress(ipAddress: "127.0.0.1", port: Int(Self.port(of: descriptor)))
    }

    deinit { close(descriptor) }

    func accept() async -> PlainSocket {
        await withCheckedContinuation { continuation in
            queue.async {
                let socket = PlainSocket(Glibc.accept(self.descriptor, nil, nil))
                socket.listen()
                continuation.resume(returning: socket)
            }
        }
    }

    static func port(of descriptor: CInt) throws -> UInt16 {
        var bytes = [UInt8](repeating: 0, count: MemoryLayout<sockaddr_storage>.size)
        var size = socklen_t(bytes.count)
        let status = bytes.withUnsafeMutableBytes {
            getsockname(descriptor, $0.baseAddress?.assumingMemoryBound(to: sockaddr.self), &size)
        }
        guard status == 0 else { throw TimedOut(description: "getsockname: errno \(errno)") }
        return UInt16(bytes[2]) << 8 | UInt16(bytes[3])
    }
}
