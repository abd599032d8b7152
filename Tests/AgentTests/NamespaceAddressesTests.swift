import Kernel
import Testing

@testable import Agent

@Suite struct NamespaceAddressesTests {
    private func addresses(_ texts: String...) throws -> Set<InternetAddress> {
        Set(try texts.map { try #require(InternetAddress($0)) })
    }

    @Test func `others find a host by what is routed, and by the link-local address beside it`() throws {
        let host = NamespaceAddresses([
            1: try addresses("127.0.0.1", "::1"),
            2: try addresses("10.0.0.2", "2001:db8::2", "fe80::2", "169.254.7.7"),
            // A container's end of a pair: on every host of some kind the same one.
            3: try addresses("fe80::3"),
        ])
        #expect(host.elsewhere == (try addresses("10.0.0.2", "2001:db8::2", "fe80::2")))
        #expect(host.all.count == 7)
    }
}
