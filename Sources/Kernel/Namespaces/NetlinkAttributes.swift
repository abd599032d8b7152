import CNetlink

/// The attributes behind the header of a netlink message, or nested in another one. Valid as long as the message's buffer is.
struct NetlinkAttributes {
    private let bytes: UnsafeRawBufferPointer

    init(_ bytes: UnsafeRawBufferPointer) { self.bytes = bytes }

    init(of message: UnsafePointer<nlmsghdr>, after header: Int) {
        let start = mnl_nlmsg_get_payload_offset(message, header)
        let end = mnl_nlmsg_get_payload_tail(message)
        guard let start, let end else {
            bytes = UnsafeRawBufferPointer(start: nil, count: 0)
            return
        }
        bytes = UnsafeRawBufferPointer(start: start, count: UnsafeRawPointer(end) - UnsafeRawPointer(start))
    }

    /// The payload of the first attribute of a type; its two high bits are flags.
    subscript(type: Int) -> UnsafeRawBufferPointer? {
        var offset = 0
        while offset + 4 <= bytes.count {
            let length = Int(bytes.loadUnaligned(fromByteOffset: offset, as: UInt16.self))
            let found = Int(bytes.loadUnaligned(fromByteOffset: offset + 2, as: UInt16.self) & 0x3fff)
            guard length >= 4, offset + length <= bytes.count else { return nil }
            if found == type { return UnsafeRawBufferPointer(rebasing: bytes[(offset + 4)..<(offset + length)]) }
            offset += (length + 3) & ~3
        }
        return nil
    }
}
