package import Glibc
import KernelABI

/// An address and a TCP port.
package struct InternetEndpoint: Hashable, Sendable, CustomStringConvertible {
    package let address: InternetAddress
    package let port: UInt16

    package init(address: InternetAddress, port: UInt16) {
        self.address = address
        self.port = port
    }

    /// - Parameter text: `192.0.2.1:80` or `[2001:db8::1]:80`.
    package init?(parsing text: String) {
        guard let colon = text.lastIndex(of: ":"), let port = UInt16(text[text.index(after: colon)...]) else {
            return nil
        }
        let host = text[..<colon]
        let isBracketed = host.hasPrefix("[") && host.hasSuffix("]")
        guard isBracketed == host.contains(":"),
            let address = InternetAddress(String(isBracketed ? host.dropFirst().dropLast() : host))
        else { return nil }
        self.init(address: address, port: port)
    }

    package init(_ socket: sockaddr_in) {
        self.init(address: InternetAddress(socket.sin_addr), port: UInt16(bigEndian: socket.sin_port))
    }

    package init(_ socket: sockaddr_in6) {
        self.init(address: InternetAddress(socket.sin6_addr), port: UInt16(bigEndian: socket.sin6_port))
    }

    init(_ endpoint: endpoint) {
        address = withUnsafeBytes(of: endpoint.address) { InternetAddress(networkOrder: $0) }
        port = endpoint.port
    }

    /// The listeners that would serve a connection to this endpoint beside the exact one; the first found does.
    package var wildcards: [InternetEndpoint] {
        let addresses: [InternetAddress] = address.isIPv4 ? [.wildcardIPv4, .wildcardIPv6] : [.wildcardIPv6]
        return addresses.map { InternetEndpoint(address: $0, port: port) }
    }

    /// Whether a listener bound here serves connections to `destination`. `::` is taken to serve IPv4 as well.
    package func accepts(_ destination: InternetAddress) -> Bool {
        address == destination || address == .wildcardIPv6 || address == .wildcardIPv4 && destination.isIPv4
    }

    package var description: String {
        address.isIPv4 ? "\(address):\(port)" : "[\(address)]:\(port)"
    }

    /// As the kernel maps have it.
    var abi: endpoint {
        var result = endpoint()
        withUnsafeMutableBytes(of: &result.address) { $0.copyBytes(from: address.bytes) }
        result.port = port
        return result
    }
}
