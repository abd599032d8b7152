import NIOCore

extension SocketAddress {
    /// `10.0.0.1:80` or `[::1]:80`, without a zone.
    var text: String {
        guard let address = ipAddress, let port else { return description }
        let bare = address.prefix { $0 != "%" }
        return bare.contains(":") ? "[\(bare)]:\(port)" : "\(bare):\(port)"
    }
}

extension JournalEntry {
    /// One TCP connection's name, the same at both of its ends.
    static func name(ofAccepted descriptor: CInt) -> String? {
        name(
            client: SocketName.peer(of: descriptor)?.socketAddress,
            server: SocketName.local(of: descriptor)?.socketAddress)
    }

    static func name(client: SocketAddress?, server: SocketAddress?) -> String? {
        guard let client, let server else { return nil }
        return "\(client.text)>\(server.text)"
    }
}
