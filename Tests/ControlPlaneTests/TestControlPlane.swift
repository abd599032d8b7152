@testable import ControlPlane
import ControlPlaneAPI
import Crypto
import Foundation
import Glibc
import Limits
import Logging
import SPIFFE
import ServiceLifecycle
import SwiftASN1
import Synchronization
import X509

/// A whole control plane on loopback and in a directory of its own.
struct TestControlPlane: Sendable {
    static let trustDomain = "test.example"

    let directory: URL
    let state: ControlPlaneState
    let door: ConnectionDoor
    let address: String
    let operators: OperatorClient
    let clock: TestClock

    var caPEM: String {
        get throws { try String(contentsOf: directory.appending(path: "data/bundle.pem"), encoding: .utf8) }
    }

    /// Serves while `body` runs; then stops and removes everything.
    static func serve(_ body: @Sendable (TestControlPlane) async throws -> Void) async throws {
        let directory = temporaryDirectory()
        defer { try? FileManager.default.removeItem(at: directory) }
        try await serve(in: directory, body)
    }

    /// - Parameter directory: kept, so that a next one finds what this one left.
    static func serve(
        in directory: URL, clock: TestClock = TestClock(), hostNames: [String] = ["127.0.0.1"],
        adjusting adjust: @Sendable (inout ServerConfiguration) -> Void = { _ in },
        logger: Logger = Logger(label: "test", factory: { _ in SwiftLogNoOpLogHandler() }),
        housekeeping: Duration = Limits.Audit.checkpointInterval,
        _ body: @Sendable (TestControlPlane) async throws -> Void,
    ) async throws {
        let socket = directory.appending(path: "operator.sock").path
        var configuration = try ServerConfiguration(
            trustDomain: TrustDomain(trustDomain),
            dataDirectory: directory.appending(path: "data", directoryHint: .isDirectory),
            listen: SocketAddressText("127.0.0.1:0"),
            hostNames: hostNames,
            socket: socket,
            svidLifetime: .seconds(120),
        )
        adjust(&configuration)
        let state = try ControlPlaneState(
            configuration: configuration, now: { clock.now }, uptime: { clock.uptime })
        let service = try ControlPlaneService(state: state, logger: logger, housekeeping: housekeeping)
        let group = ServiceGroup(configuration: .init(services: [.init(service: service)], logger: logger))
        try await withThrowingTaskGroup { tasks in
            tasks.addTask { try await group.run() }
            let port = await service.port.bound()
            while !isListening(socket) { try await Task.sleep(for: .milliseconds(5)) }
            let operators = OperatorClient(socket: socket, logger: logger)
            let plane = TestControlPlane(
                directory: directory, state: state, door: service.door, address: "https://127.0.0.1:\(port)",
                operators: operators,
                clock: clock)
            let outcome: Result<Void, any Error>
            do { outcome = .success(try await body(plane)) } catch { outcome = .failure(error) }
            await operators.shutdown()
            await group.triggerGracefulShutdown()
            try await tasks.waitForAll()
            try outcome.get()
        }
    }

    /// The file is there a moment before.
    private static func isListening(_ path: String) -> Bool {
        let descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
        defer { close(descriptor) }
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
        return withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size)) == 0
            }
        }
    }

    static func temporaryDirectory() -> URL {
        // Short: a socket's path has 107 bytes.
        URL(filePath: "/tmp/tidemark-\(UUID().uuidString.prefix(8))", directoryHint: .isDirectory)
    }

    /// Runs `body` with a client that is shut down afterwards.
    @discardableResult
    func withClient<Value: Sendable>(
        as identity: X509SVID? = nil, _ body: (ControlPlaneClient) async throws -> Value,
    ) async throws -> Value {
        let client = try client(as: identity)
        do {
            let value = try await body(client)
            await client.shutdown()
            return value
        } catch {
            await client.shutdown()
            throw error
        }
    }

    /// The caller's to shut down.
    func client(as identity: X509SVID?) throws -> ControlPlaneClient {
        try ControlPlaneClient(
            address: address, trust: .caPEM(caPEM), identity: identity,
            logger: Logger(label: "client", factory: { _ in SwiftLogNoOpLogHandler() }))
    }

    /// A new agent of a group, by a join token of its own.
    func agent(group: String = "weather", name: String = "host-a") async throws -> X509SVID {
        let token = try await operators.joinToken(JoinTokenRequest(agentGroup: group, lifetime: 600)).token
        return try await attest(token: token, name: name)
    }

    func attest(token: String, name: String) async throws -> X509SVID {
        let key = P256.Signing.PrivateKey()
        let request = AttestRequest(joinToken: token, name: name, csr: try Self.signingRequest(key))
        return try await withClient { try Self.svid(try await $0.attest(request), key) }
    }

    func workload(_ path: String, of agent: X509SVID) async throws -> X509SVID {
        let key = P256.Signing.PrivateKey()
        let request = X509SVIDRequest(spiffeID: try Self.id(path), csr: try Self.signingRequest(key), process: nil)
        return try await withClient(as: agent) { try Self.svid(try await $0.x509SVID(request), key) }
    }

    func apply(_ yaml: String, file: String = "test.yaml") async throws -> ApplyResponse {
        try await operators.apply(ApplyRequest(file: file, yaml: yaml))
    }

    static func id(_ path: String) throws -> SPIFFEID { try SPIFFEID("spiffe://\(trustDomain)/\(path)") }

    static func signingRequest(_ key: P256.Signing.PrivateKey) throws -> Data {
        let request = try CertificateSigningRequest(
            version: .v1, subject: DistinguishedName(), privateKey: Certificate.PrivateKey(key),
            attributes: CertificateSigningRequest.Attributes(), signatureAlgorithm: .ecdsaWithSHA256)
        var serializer = DER.Serializer()
        try serializer.serialize(request)
        return Data(serializer.serializedBytes)
    }

    static func svid(_ response: X509SVIDResponse, _ key: P256.Signing.PrivateKey) throws -> X509SVID {
        try X509SVID(chain: response.chain.map { try Certificate(derEncoded: Array($0)) }, privateKey: key)
    }
}

/// Now, moved by the test.
final class TestClock: Sendable {
    private let offset = Mutex<TimeInterval>(0)
    private let stoppedAt = Mutex<Date?>(nil)

    var now: Date { (stoppedAt.withLock { $0 } ?? Date()).addingTimeInterval(offset.withLock { $0 }) }

    /// What no operator sets.
    var uptime: ContinuousClock.Instant { .now + .seconds(offset.withLock { $0 }) }

    /// From here on it goes by ``advance(by:)`` alone.
    func stop() { stoppedAt.withLock { $0 = Date() } }

    func advance(by seconds: TimeInterval) { offset.withLock { $0 += seconds } }
}

/// The code of the problem that `work` ends in; nil where it succeeds or fails otherwise.
/// The same with its text.
func problemText<Value>(_ work: () async throws -> Value) async -> String {
    do {
        _ = try await work()
        return "no problem"
    } catch { return "\(error)" }
}

func problem<Value>(_ work: () async throws -> Value) async -> String? {
    do {
        _ = try await work()
        return nil
    } catch let error as ControlPlaneError {
        if case .problem(let problem) = error { return problem.error }
        return "no problem but \(error)"
    } catch {
        return "no problem but \(error)"
    }
}
