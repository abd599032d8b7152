@preconcurrency import Dispatch
import Glibc
import NIOCore
import Synchronization

/// A TCP socket that belongs to a network of ours and is shown to the kernel part before it connects; NIO would make it
/// where the agent is, and connect it unseen.
enum DialledSocket {
    /// - Parameters:
    ///   - eventLoop: keeps the time.
    ///   - prepare: is given the descriptor before `connect`.
    /// - Returns: the connected descriptor, non-blocking; the caller owns it.
    static func connect(
        to address: SocketAddress, in network: any Network, on eventLoop: any EventLoop, within limit: Duration,
        prepare: (CInt) throws -> Void = { _ in },
    ) async throws -> CInt {
        let descriptor = try network.socket(family: address.protocol.rawValue)
        do {
            try prepare(descriptor)
            try await connect(descriptor, to: address, on: eventLoop, within: limit)
            return descriptor
        } catch {
            close(descriptor)
            throw error
        }
    }

    private static func connect(
        _ descriptor: CInt, to address: SocketAddress, on eventLoop: any EventLoop, within limit: Duration,
    ) async throws {
        let status = address.withSockAddr { Glibc.connect(descriptor, $0, socklen_t($1)) }
        if status == 0 { return }
        guard errno == EINPROGRESS else { throw unreachable(address, errno) }
        // On one host the handshake is mostly over by now.
        if !isWritable(descriptor) {
            guard await writable(descriptor, on: eventLoop, within: limit) else {
                throw unreachable(address, ETIMEDOUT)
            }
        }
        let failure = pendingError(of: descriptor)
        guard failure == 0 else { throw unreachable(address, failure) }
    }

    /// Only ever marks an outcome, so one for all.
    private static let queue = DispatchQueue(label: "tidemark.dial")

    private static func isWritable(_ descriptor: CInt) -> Bool {
        var entry = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
        return poll(&entry, 1, 0) > 0
    }

    /// - Returns: false when `limit` was over first.
    private static func writable(
        _ descriptor: CInt, on eventLoop: any EventLoop, within limit: Duration,
    ) async -> Bool {
        let outcome = Mutex(false)
        let source = DispatchSource.makeWriteSource(fileDescriptor: descriptor, queue: queue)
        let deadline = eventLoop.scheduleTask(in: limit.timeAmount) { source.cancel() }
        defer { deadline.cancel() }
        await withCheckedContinuation { continuation in
            source.setEventHandler {
                outcome.withLock { $0 = true }
                source.cancel()
            }
            source.setCancelHandler { continuation.resume() }
            source.activate()
        }
        return outcome.withLock { $0 }
    }

    private static func pendingError(of descriptor: CInt) -> CInt {
        var failure: CInt = 0
        var size = socklen_t(MemoryLayout<CInt>.size)
        return getsockopt(descriptor, SOL_SOCKET, SO_ERROR, &failure, &size) == 0 ? failure : errno
    }

    private static func unreachable(_ address: SocketAddress, _ code: CInt) -> ProxyError {
        .unreachable(address: address.text, reason: "\(IOError(errnoCode: code, reason: "connect"))")
    }
}
