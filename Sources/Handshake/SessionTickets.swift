import CNIOBoringSSL
package import NIOSSL

/// TLS without session tickets: a resumed session has shown no certificate, so there is nobody it could speak for.
///
/// NIOSSL has no setting for it. Its SSL_CTX is found by reflection; swift-nio-ssl is pinned to one version, and where
/// the pointer is not found nothing is served.
package enum SessionTickets {
    /// Nothing is served then.
    package struct NotDisabled: Error, CustomStringConvertible {
        package let description = "TLS session tickets cannot be turned off in this swift-nio-ssl; build with its pin"
    }

    /// - Returns: a context that issues no ticket and takes none.
    package static func context(_ configuration: TLSConfiguration) throws -> NIOSSLContext {
        let context = try NIOSSLContext(configuration: configuration)
        let pointer = Mirror(reflecting: context).children.first { $0.label == "sslContext" }?.value as? OpaquePointer
        guard let pointer else { throw NotDisabled() }
        let option = UInt32(SSL_OP_NO_TICKET)
        // Fail closed: what BoringSSL did not take is not served.
        guard SSL_CTX_set_options(pointer, option) & option != 0 else { throw NotDisabled() }
        return context
    }
}
