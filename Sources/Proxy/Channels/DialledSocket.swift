@preconcurrency import Dispatch
import Glibc
import Limits
import NIOCore
import Synchronization

/// A TCP socket that belongs to a network of ours and is shown to the kernel part before it connects; NIO would make it
/// where the agent is, and connect it unseen.
enum DialledSocket {
    /// An IPv6 link-local address is looked for on the link of each device: the program said which one, and the kernel part does not
    /// see that. Who answers on another link is another, and has to prove who it is like anybody.
    ///
    /// - Parameters:
    ///   - eventLoop: keeps the time.
    ///   - prepare: is given the descriptor before `connect`.
    /// - Returns: the connected descriptor, non-blocking; the caller owns it.
    static func connect(
        to address: SocketAddress, in network: any Network, on eventLoop: any EventLoop, within limit: Duration,
        prepare: @escaping @Sendable (CInt) throws -> Void = { _ in },
    ) async throws -> CInt {
        guard address.onLink(0) != nil else {
            return try await open(address, in: network, on: eventLoop, within: limit, prepare)
        }
        let candidates = try network.links().prefix(Limits.Namespaces.links).compactMap(address.onLink)
        guard !candidates.isEmpty else { throw unreachable(address, ENETUNREACH) }
        return try await first(of: candidates, in: network, on: eventLoop, within: limit, prepare)
    }

    private static func first(
        of addresses: [SocketAddress], in network: any Network, on eventLoop: any EventLoop, within limit: Duration,
        _ prepare: @escaping @Sendable (CInt) throws -> Void,
    ) async throws -> CInt {
        try await withThrowingTaskGroup(of: CInt.self) { group in
            for address in addresses {
                group.addTask { try await open(address, in: network, on: eventLoop, within: limit, prepare) }
            }
            var outcome: Result<CInt, any Error>?
            while let next = await group.nextResult() {
                switch (outcome, next) {
                case (.success?, .success(let late)): close(late)
                case (.success?, .failure): break
                case (_, .success):
                    outcome = next
                    group.cancelAll()
                case (_, .failure): outcome = next
                }
            }
            return try (outcome ?? .failure(ProxyError.clientGone)).get()
        }
    }

    private static func open(
        _ address: SocketAddress, in network: any Network, on eventLoop: any EventLoop, within limit: Duration,
        _ prepare: @Sendable (CInt) throws -> Void,
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

    /// - Returns: false when `limit` was over first, or nobody waits any more.
    private static func writable(
        _ descriptor: CInt, on eventLoop: any EventLoop, within limit: Duration,
    ) async -> Bool {
        let outcome = Mutex(false)
        let source = DispatchSource.makeWriteSource(fileDescriptor: descriptor, queue: queue)
        let deadline = eventLoop.scheduleTask(in: limit.timeAmount) { source.cancel() }
        defer { deadline.cancel() }
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                source.setEventHandler {
                    outcome.withLock { $0 = true }
                    source.cancel()
                }
                source.setCancelHandler { continuation.resume() }
                source.activate()
            }
        } onCancel: {
            source.cancel()
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
