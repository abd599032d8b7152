import CNetlink
import Glibc
import KernelABI
import Limits

/// Lists TCP sockets by what the kernel part stored on them, and destroys them: sock_diag(7), over libmnl.
///
/// Owns a netlink socket of the calling thread's network namespace.
struct SocketDiagnosis: ~Copyable {
    private let socket: OpaquePointer
    private var sequence: UInt32 = 0

    init() throws(KernelError) {
        guard let socket = mnl_socket_open(NETLINK_SOCK_DIAG) else { throw .socketDiagnosis(errno: errno) }
        guard mnl_socket_bind(socket, 0, pid_t(MNL_SOCKET_AUTOPID)) == 0 else {
            let code = errno
            mnl_socket_close(socket)
            throw .socketDiagnosis(errno: code)
        }
        self.socket = socket
    }

    deinit { mnl_socket_close(socket) }

    /// A socket, as the kernel names it.
    struct Found {
        let family: UInt8
        let id: inet_diag_sockid
        /// nil where it was not asked for.
        let flow: flow?
    }

    /// Live TCP connections that carry a record in `flows`.
    mutating func connections(taggedIn flows: CInt) throws(KernelError) -> [Found] {
        var found: [Found] = []
        try list(storagesOf: flows) { message in Self.read(message).map { found.append($0) } }
        return found
    }

    /// Live TCP sockets, with their records in `flows`.
    mutating func sockets(flows: CInt, where isWanted: (KernelSocket) -> Bool) throws(KernelError) -> [KernelSocket] {
        var found: [KernelSocket] = []
        try list(storagesOf: flows, extensions: 1 << UInt8(INET_DIAG_INFO - 1)) { message in
            if let socket = Self.socket(message), isWanted(socket) { found.append(socket) }
        }
        return found
    }

    private mutating func list(
        storagesOf map: CInt, extensions: UInt8 = 0, states: UInt32 = liveStates,
        each: (UnsafePointer<nlmsghdr>) -> Void,
    ) throws(KernelError) {
        for family in [UInt8(AF_INET), UInt8(AF_INET6)] {
            try exchange(
                request: { buffer in
                    let message = Self.begin(
                        buffer, type: UInt16(SOCK_DIAG_BY_FAMILY), flags: UInt16(NLM_F_DUMP), family: family,
                        id: inet_diag_sockid(), states: states, extensions: extensions)
                    let storages = mnl_attr_nest_start(message, UInt16(INET_DIAG_REQ_SK_BPF_STORAGES))
                    mnl_attr_put_u32(message, UInt16(SK_DIAG_BPF_STORAGE_REQ_MAP_FD), UInt32(map))
                    mnl_attr_nest_end(message, storages)
                    return message
                }, each: each)
        }
    }

    /// Established TCP connections with this local end that carry no record in `map`.
    mutating func established(
        without map: CInt, at isWanted: (InternetEndpoint) -> Bool,
    ) throws(KernelError) -> [Found] {
        var found: [Found] = []
        try list(storagesOf: map, states: Self.establishedStates) { message in
            guard let socket = mnl_nlmsg_get_payload(message)?.loadUnaligned(as: inet_diag_msg.self),
                isWanted(InternetEndpoint(source: socket.id, isIPv4: socket.idiag_family == UInt8(AF_INET))),
                Self.storage(in: NetlinkAttributes(of: message, after: MemoryLayout<inet_diag_msg>.size)) == nil
            else { return }
            found.append(Found(family: socket.idiag_family, id: socket.id, flow: nil))
        }
        return found
    }

    /// Its owner's blocked calls return ECONNABORTED, its peer gets a reset.
    mutating func destroy(_ connection: Found) throws(KernelError) {
        try exchange { buffer in
            Self.begin(
                buffer, type: UInt16(SOCK_DESTROY), flags: UInt16(NLM_F_ACK), family: connection.family,
                id: connection.id)
        } each: { _ in
        }
    }

    /// All TCP states but LISTEN and TIME_WAIT, by their numbers in the kernel's enum.
    private static let liveStates: UInt32 = [1, 2, 3, 4, 5, 8, 9, 11].reduce(0) { $0 | 1 << UInt32($1) }
    /// Of those the ones behind SYN-RECEIVED: the hook on accept has run.
    private static let establishedStates: UInt32 = [1, 4, 5, 8, 9, 11].reduce(0) { $0 | 1 << UInt32($1) }

    private static func begin(
        _ buffer: UnsafeMutableRawPointer, type: UInt16, flags: UInt16, family: UInt8, id: inet_diag_sockid,
        states: UInt32 = liveStates, extensions: UInt8 = 0,
    ) -> UnsafeMutablePointer<nlmsghdr>? {
        let message = mnl_nlmsg_put_header(buffer)
        message?.pointee.nlmsg_type = type
        message?.pointee.nlmsg_flags = UInt16(NLM_F_REQUEST) | flags
        let request = mnl_nlmsg_put_extra_header(message, MemoryLayout<inet_diag_req_v2>.size)
        request?.storeBytes(
            of: inet_diag_req_v2(
                sdiag_family: family, sdiag_protocol: UInt8(IPPROTO_TCP), idiag_ext: extensions, pad: 0,
                idiag_states: states, id: id,
            ),
            as: inet_diag_req_v2.self,
        )
        return message
    }

    private mutating func exchange(
        request: (UnsafeMutableRawPointer) -> UnsafeMutablePointer<nlmsghdr>?,
        each: (UnsafePointer<nlmsghdr>) -> Void,
    ) throws(KernelError) {
        sequence += 1
        let buffer = UnsafeMutableRawPointer.allocate(byteCount: 65536, alignment: 8)
        defer { buffer.deallocate() }
        guard let message = request(buffer) else { return }
        message.pointee.nlmsg_seq = sequence
        guard mnl_socket_sendto(socket, message, Int(message.pointee.nlmsg_len)) > 0 else {
            throw .socketDiagnosis(errno: errno)
        }
        var ended = false
        while !ended {
            let received = mnl_socket_recvfrom(socket, buffer, Limits.Queues.netlinkBytes)
            guard received > 0 else { throw .socketDiagnosis(errno: errno) }
            ended = try Self.read(buffer, count: Int32(received), each: each)
        }
    }

    /// - Returns: whether that was the last of it.
    private static func read(
        _ buffer: UnsafeMutableRawPointer, count: Int32, each: (UnsafePointer<nlmsghdr>) -> Void,
    ) throws(KernelError) -> Bool {
        var left = count
        var message = UnsafePointer(buffer.assumingMemoryBound(to: nlmsghdr.self))
        while mnl_nlmsg_ok(message, left) {
            switch Int32(message.pointee.nlmsg_type) {
            case NLMSG_DONE: return true
            case NLMSG_ERROR:
                let code = mnl_nlmsg_get_payload(message)?.loadUnaligned(as: nlmsgerr.self).error ?? 0
                // The socket closed by itself meanwhile.
                guard code == 0 || code == -ENOENT else { throw .socketDiagnosis(errno: -code) }
                return true
            default: each(message)
            }
            message = UnsafePointer(mnl_nlmsg_next(message, &left))
        }
        return false
    }

    private static func read(_ message: UnsafePointer<nlmsghdr>) -> Found? {
        guard let socket = mnl_nlmsg_get_payload(message)?.loadUnaligned(as: inet_diag_msg.self),
            let flow = flow(in: NetlinkAttributes(of: message, after: MemoryLayout<inet_diag_msg>.size))
        else { return nil }
        return Found(family: socket.idiag_family, id: socket.id, flow: flow)
    }

    private static func socket(_ message: UnsafePointer<nlmsghdr>) -> KernelSocket? {
        guard let socket = mnl_nlmsg_get_payload(message)?.loadUnaligned(as: inet_diag_msg.self) else { return nil }
        let attributes = NetlinkAttributes(of: message, after: MemoryLayout<inet_diag_msg>.size)
        let isIPv4 = socket.idiag_family == UInt8(AF_INET)
        let counters = attributes[Int(INET_DIAG_INFO)]
        return KernelSocket(
            source: InternetEndpoint(source: socket.id, isIPv4: isIPv4),
            destination: InternetEndpoint(destination: socket.id, isIPv4: isIPv4),
            userID: socket.idiag_uid, inode: socket.idiag_inode,
            bytesSent: counters.flatMap { bytes($0, at: 120) }, bytesReceived: counters.flatMap { bytes($0, at: 128) },
            record: flow(in: attributes).map(KernelSocket.Record.init),
        )
    }

    /// Of struct tcp_info, linux/tcp.h: `tcpi_bytes_acked` at 120, `tcpi_bytes_received` at 128.
    private static func bytes(_ counters: UnsafeRawBufferPointer, at offset: Int) -> UInt64? {
        counters.count >= offset + 8 ? counters.loadUnaligned(fromByteOffset: offset, as: UInt64.self) : nil
    }

    private static func flow(in attributes: NetlinkAttributes) -> flow? {
        guard let value = storage(in: attributes), value.count >= MemoryLayout<kept_flow>.size else { return nil }
        return value.loadUnaligned(as: kept_flow.self).flow
    }

    /// What the socket carries in the map that was asked for.
    private static func storage(in attributes: NetlinkAttributes) -> UnsafeRawBufferPointer? {
        attributes[Int(INET_DIAG_SK_BPF_STORAGES)]
            .flatMap { NetlinkAttributes($0)[Int(SK_DIAG_BPF_STORAGE)] }
            .flatMap { NetlinkAttributes($0)[Int(SK_DIAG_BPF_STORAGE_MAP_VALUE)] }
    }
}

extension InternetEndpoint {
    fileprivate init(source id: inet_diag_sockid, isIPv4: Bool) {
        let address = withUnsafeBytes(of: id.idiag_src) { bytes in
            isIPv4 ? InternetAddress(v4: Array(bytes.prefix(4))) : InternetAddress(networkOrder: bytes)
        }
        self.init(address: address, port: UInt16(bigEndian: id.idiag_sport))
    }

    fileprivate init(destination id: inet_diag_sockid, isIPv4: Bool) {
        let address = withUnsafeBytes(of: id.idiag_dst) { bytes in
            isIPv4 ? InternetAddress(v4: Array(bytes.prefix(4))) : InternetAddress(networkOrder: bytes)
        }
        self.init(address: address, port: UInt16(bigEndian: id.idiag_dport))
    }
}
