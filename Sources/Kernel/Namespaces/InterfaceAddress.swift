import CNetlink
import Glibc
import KernelABI
import Limits

/// An address that a device of a network namespace has.
package struct InterfaceAddress: Hashable, Sendable {
    /// The device's number there.
    package let interface: CUnsignedInt
    package let address: InternetAddress

    package init(interface: CUnsignedInt, address: InternetAddress) {
        self.interface = interface
        self.address = address
    }
}

extension NetworkNamespace {
    /// What its devices have, whether they are up or not: RTM_GETADDR of rtnetlink(7).
    ///
    /// Comes to an end whatever whoever made the namespace does meanwhile: it is listed twice where something came or went, and what was
    /// found either time is told. (getifaddrs(3) begins anew for as long as something comes.)
    ///
    /// - Parameter limit: no more than so many are read; which ones of more, the kernel chooses.
    /// - Throws: ``KernelError/addressesRefused(errno:)``
    package func addresses(
        atMost limit: Int = Limits.Namespaces.addresses,
    ) throws(KernelError) -> Set<InterfaceAddress> {
        try run { () throws(KernelError) in
            var listing = try AddressListing(limit: limit)
            for _ in 0..<2 where try !listing.read() {}
            return listing.found
        }
    }
}

/// Owns a netlink socket of the calling thread's network namespace.
private struct AddressListing: ~Copyable {
    private let socket: OpaquePointer
    private let limit: Int
    private(set) var found: Set<InterfaceAddress> = []
    private var sequence: UInt32 = 0

    init(limit: Int) throws(KernelError) {
        guard let socket = mnl_socket_open(NETLINK_ROUTE) else { throw .addressesRefused(errno: errno) }
        guard mnl_socket_bind(socket, 0, pid_t(MNL_SOCKET_AUTOPID)) == 0 else {
            let code = errno
            mnl_socket_close(socket)
            throw .addressesRefused(errno: code)
        }
        self.socket = socket
        self.limit = limit
    }

    deinit { mnl_socket_close(socket) }

    /// - Returns: false where it changed meanwhile, so that something may have been passed over.
    mutating func read() throws(KernelError) -> Bool {
        sequence += 1
        let buffer = UnsafeMutableRawPointer.allocate(byteCount: Limits.Queues.netlinkBytes, alignment: 8)
        defer { buffer.deallocate() }
        guard let request = mnl_nlmsg_put_header(buffer) else { return true }
        request.pointee.nlmsg_type = UInt16(RTM_GETADDR)
        request.pointee.nlmsg_flags = UInt16(NLM_F_REQUEST | NLM_F_DUMP)
        request.pointee.nlmsg_seq = sequence
        mnl_nlmsg_put_extra_header(request, MemoryLayout<rtgenmsg>.size)
        guard mnl_socket_sendto(socket, request, Int(request.pointee.nlmsg_len)) > 0 else {
            throw .addressesRefused(errno: errno)
        }
        var wasInterrupted = false
        while found.count < limit {
            let received = mnl_socket_recvfrom(socket, buffer, Limits.Queues.netlinkBytes)
            guard received > 0 else { throw .addressesRefused(errno: errno) }
            if try take(buffer, Int32(received), &wasInterrupted) { return !wasInterrupted }
        }
        return true
    }

    /// - Returns: whether that was the last of it.
    private mutating func take(
        _ buffer: UnsafeMutableRawPointer, _ count: Int32, _ wasInterrupted: inout Bool,
    ) throws(KernelError) -> Bool {
        var left = count
        var message = UnsafePointer(buffer.assumingMemoryBound(to: nlmsghdr.self))
        while mnl_nlmsg_ok(message, left) {
            // What is left of a listing that was not read to its end.
            if message.pointee.nlmsg_seq == sequence {
                if message.pointee.nlmsg_flags & UInt16(NLM_F_DUMP_INTR) != 0 { wasInterrupted = true }
                switch Int32(message.pointee.nlmsg_type) {
                case NLMSG_DONE: return true
                case NLMSG_ERROR:
                    throw .addressesRefused(
                        errno: -(mnl_nlmsg_get_payload(message)?.loadUnaligned(as: nlmsgerr.self).error ?? 0))
                default:
                    if found.count < limit, let address = InterfaceAddress(message) { found.insert(address) }
                }
            }
            message = UnsafePointer(mnl_nlmsg_next(message, &left))
        }
        return false
    }
}

extension InterfaceAddress {
    /// nil: of another family.
    fileprivate init?(_ message: UnsafePointer<nlmsghdr>) {
        guard let header = mnl_nlmsg_get_payload(message)?.loadUnaligned(as: ifaddrmsg.self) else { return nil }
        let attributes = NetlinkAttributes(of: message, after: MemoryLayout<ifaddrmsg>.size)
        // Of a device that leads to one other host the address is that host's, and the local one is ours.
        guard let bytes = attributes[IFA_LOCAL] ?? attributes[IFA_ADDRESS] else {
            return nil
        }
        switch (Int32(header.ifa_family), bytes.count) {
        case (AF_INET, 4): address = InternetAddress(v4: Array(bytes))
        case (AF_INET6, 16): address = InternetAddress(networkOrder: bytes)
        default: return nil
        }
        interface = header.ifa_index
    }
}
