import Foundation

@testable import Kernel

/// A TCP socket of the test's own, as the agent would have it.
final class Socket {
    let descriptor: CInt

    private init(_ descriptor: CInt) throws {
        guard descriptor >= 0 else { throw POSIXError(.init(rawValue: errno) ?? .EIO) }
        self.descriptor = descriptor
    }

    deinit { close(descriptor) }

    convenience init(listeningAt endpoint: InternetEndpoint) throws {
        try self.init(family: endpoint)
        var on: CInt = 1
        setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &on, socklen_t(MemoryLayout<CInt>.size))
        try Self.check(endpoint.withAddress { bind(descriptor, $0, $1) })
        try listen(backlog: 16)
    }

    /// In another network namespace than this thread's.
    convenience init(family endpoint: InternetEndpoint, in network: NetworkNamespace) throws {
        try self.init(network.socket(family: endpoint.address.isIPv4 ? AF_INET : AF_INET6))
        _ = fcntl(descriptor, F_SETFL, 0)
    }

    convenience init(from source: InternetEndpoint, in network: NetworkNamespace) throws {
        try self.init(family: source, in: network)
        try Self.check(source.withAddress { bind(descriptor, $0, $1) })
    }

    convenience init(listeningAt endpoint: InternetEndpoint, in network: NetworkNamespace) throws {
        try self.init(family: endpoint, in: network)
        try Self.check(endpoint.withAddress { bind(descriptor, $0, $1) })
        try listen(backlog: 16)
    }

    convenience init(family endpoint: InternetEndpoint) throws {
        let family = endpoint.address.isIPv4 ? AF_INET : AF_INET6
        try self.init(socket(family, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0))
    }

    /// - Parameter source: bound before it connects.
    convenience init(family endpoint: InternetEndpoint, from source: InternetEndpoint) throws {
        try self.init(family: endpoint)
        var on: CInt = 1
        setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &on, socklen_t(MemoryLayout<CInt>.size))
        // A reset instead of TIME_WAIT: the port is free again at once.
        var abrupt = linger(l_onoff: 1, l_linger: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_LINGER, &abrupt, socklen_t(MemoryLayout<linger>.size))
        try Self.check(source.withAddress { bind(descriptor, $0, $1) })
    }

    func connect(to endpoint: InternetEndpoint) throws {
        try Self.check(endpoint.withAddress { Glibc.connect(descriptor, $0, $1) })
    }

    /// Does not wait for an answer.
    func beginConnect(to endpoint: InternetEndpoint) throws {
        _ = fcntl(descriptor, F_SETFL, O_NONBLOCK)
        do { try connect(to: endpoint) } catch POSIXError.EINPROGRESS {}
    }

    /// Again, for another backlog.
    func listen(backlog: CInt) throws {
        try Self.check(Glibc.listen(descriptor, backlog))
    }

    /// By its number in the kernel's enum: tcp_info.tcpi_state.
    var state: UInt8 {
        var information = [UInt8](repeating: 0, count: 8)
        var size = socklen_t(information.count)
        getsockopt(descriptor, Int32(IPPROTO_TCP), TCP_INFO, &information, &size)
        return information[0]
    }

    /// A connection that waits, or soon will.
    func accepted() throws -> Socket {
        guard awaitInput(descriptor, milliseconds: 20_000) else { throw POSIXError(.ETIMEDOUT) }
        return try Socket(accept(descriptor, nil, nil))
    }

    func send(_ text: String) {
        _ = Glibc.send(descriptor, text, text.utf8.count, Int32(MSG_NOSIGNAL))
    }

    /// Empty at the end of the stream, and when nothing comes.
    func receive() -> String {
        guard awaitInput(descriptor, milliseconds: 20_000) else { return "" }
        var bytes = [UInt8](repeating: 0, count: 100)
        let count = recv(descriptor, &bytes, bytes.count, 0)
        return String(decoding: bytes.prefix(max(0, count)), as: UTF8.self)
    }

    /// Where this end is.
    var localPort: UInt16 {
        var address = sockaddr_in6()
        var size = socklen_t(MemoryLayout<sockaddr_in6>.size)
        withUnsafeMutablePointer(to: &address) {
            _ = $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { getsockname(descriptor, $0, &size) }
        }
        return UInt16(bigEndian: address.sin6_port)
    }

    private static func check(_ status: CInt) throws {
        guard status == 0 else { throw POSIXError(.init(rawValue: errno) ?? .EIO) }
    }
}

/// Whether there is something to read, or an end to see: a test that fails does so in time.
func awaitInput(_ descriptor: CInt, milliseconds: CInt) -> Bool {
    var watched = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
    return poll(&watched, 1, milliseconds) > 0
}

extension InternetEndpoint {
    /// - Parameter text: `address port`.
    init(_ text: String) throws {
        let parts = text.split(separator: " ").map(String.init)
        guard parts.count == 2, let address = InternetAddress(parts[0]), let port = UInt16(parts[1]) else {
            throw POSIXError(.EINVAL)
        }
        self.init(address: address, port: port)
    }

    func withAddress(_ body: (UnsafePointer<sockaddr>, socklen_t) -> CInt) -> CInt {
        var storage = sockaddr_storage()
        let size = address.isIPv4 ? MemoryLayout<sockaddr_in>.size : MemoryLayout<sockaddr_in6>.size
        withUnsafeMutableBytes(of: &storage) { bytes in
            bytes.storeBytes(of: UInt16(address.isIPv4 ? AF_INET : AF_INET6), as: UInt16.self)
            bytes.storeBytes(of: port.bigEndian, toByteOffset: 2, as: UInt16.self)
            let wire = address.isIPv4 ? Array(address.bytes.suffix(4)) : address.bytes
            UnsafeMutableRawBufferPointer(rebasing: bytes[(address.isIPv4 ? 4 : 8)...]).copyBytes(from: wire)
        }
        return withUnsafePointer(to: storage) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { body($0, socklen_t(size)) }
        }
    }
}
