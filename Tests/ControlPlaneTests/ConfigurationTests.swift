import ControlPlane
import ControlPlaneAPI
import Foundation
import SPIFFE
import Testing

@Suite struct ConfigurationTests {
    @Test func `a file's keys are read and a flag wins over them`() throws {
        let file = try ConfigurationFile.decode(
            """
            trustDomain: prod.example
            listen: "[::1]:9443"
            hostNames: [cp.prod.example, "fd00::1"]
            svidLifetime: 2m
            connections: {maximum: 100, handshake: 2s}
            log: {format: json}
            """)
        var flags = ConfigurationFile()
        flags.trustDomain = "test.example"
        let configuration = try file.overlaid(by: flags).configuration()
        #expect(configuration.trustDomain.name == "test.example")
        #expect(configuration.listen.host == "::1")
        #expect(configuration.svidLifetime == .seconds(120))
        #expect(configuration.issuer(port: 9443) == "https://cp.prod.example:9443/oauth")
        #expect(configuration.maximumConnections == 100)
        #expect(configuration.deadlines.handshake == .seconds(2))
        #expect(configuration.deadlines.idle == ConnectionDeadlines().idle)
        #expect(file.log?.format == .json)
    }

    @Test func `an issuer on an IPv6 address is written in brackets`() throws {
        let configuration = try ServerConfiguration(
            trustDomain: TrustDomain("a"), dataDirectory: URL(filePath: "/tmp/x"), hostNames: ["fd00::1"])
        #expect(configuration.issuer(port: 1) == "https://[fd00::1]:1/oauth")
    }

    @Test(arguments: ["trustDomian: a", "log: {levle: info}", "- a", "trustDomain: [a]"])
    func `a file of another shape is refused`(_ yaml: String) {
        #expect(throws: DecodingError.self) { try ConfigurationFile.decode(yaml) }
    }

    @Test(arguments: [
        "{}", "trustDomain: Bad!", "{trustDomain: a, listen: nowhere}", "{trustDomain: a, listen: '::1:80'}",
        "{trustDomain: a, svidLifetime: 5}", "{trustDomain: a, svidLifetime: 1s}", "{trustDomain: a, hostNames: []}",
        "{trustDomain: a, socket: relative.sock}", "{trustDomain: a, connections: {maximum: 1}}",
        "{trustDomain: a, connections: {idle: 0s}}",
    ])
    func `a value that cannot be used is refused with its key`(_ yaml: String) throws {
        let file = try ConfigurationFile.decode(yaml)
        #expect(throws: ConfigurationError.self) { try file.configuration() }
    }
}
