import AsyncHTTPClient
import Crypto
import Limits
import NIOCore
import NIOSSL
import SPIFFE
import Synchronization

/// HTTP connections made with one certificate, closed when they were replaced and the last request on them has ended.
final class LeasedConnections: Sendable {
    private struct Use {
        var inFlight = 0
        var retired = false
    }

    let http: HTTPClient
    private let use = Mutex(Use())

    init(configuration: HTTPClient.Configuration) {
        http = HTTPClient(eventLoopGroupProvider: .singleton, configuration: configuration)
    }

    /// - Returns: false once retired; the caller takes the successor.
    func lend() -> Bool {
        use.withLock { use in
            guard !use.retired else { return false }
            use.inFlight += 1
            return true
        }
    }

    func giveBack() async {
        let last = use.withLock { use in
            use.inFlight -= 1
            return use.retired && use.inFlight == 0
        }
        if last { try? await http.shutdown() }
    }

    func retire() async {
        let idle = use.withLock { use in
            defer { use.retired = true }
            return !use.retired && use.inFlight == 0
        }
        if idle { try? await http.shutdown() }
    }
}

extension HTTPClient.Configuration {
    /// TLS 1.3, the given authorities and no other, names and addresses checked in full.
    static func mutualTLS(trust: ControlPlaneTrust, identity: X509SVID?) throws -> Self {
        var tls = TLSConfiguration.makeClientConfiguration()
        tls.minimumTLSVersion = .tlsv13
        tls.certificateVerification = .fullVerification
        tls.trustRoots = .certificates(try trust.roots())
        if let identity {
            tls.certificateChain = try identity.chain.map {
                .certificate(try NIOSSLCertificate(bytes: $0.derBytes(), format: .der))
            }
            let key = Array(identity.privateKey.derRepresentation)
            tls.privateKey = .privateKey(try NIOSSLPrivateKey(bytes: key, format: .der))
        }
        var configuration = Self.plain(readTimeout: .init(Limits.Calls.silence))
        configuration.tlsConfiguration = tls
        return configuration
    }

    /// - Parameter readTimeout: silence after which a request, or a stream, counts as lost.
    static func plain(readTimeout: TimeAmount) -> Self {
        var configuration = Self(redirectConfiguration: .disallow)
        configuration.timeout = Timeout(connect: .init(Limits.Calls.connect), read: readTimeout)
        configuration.httpVersion = .http1Only
        // When to try again is the caller's to say.
        configuration.connectionPool.retryConnectionEstablishment = false
        return configuration
    }
}
