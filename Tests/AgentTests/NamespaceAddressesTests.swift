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

    @Test func `where the addresses cannot be read the last ones stand, and who never answered is not taken for bare`()
        throws
    {
        let read = NamespaceAddresses([2: try addresses("10.0.0.2")])
        var known = KnownAddresses()
        let refuse = { () throws(KernelError) -> NamespaceAddresses in throw .addressesRefused(errno: 105) }
        #expect(throws: KernelError.addressesRefused(errno: 105)) { try known.addresses(of: 1, refuse) }
        _ = try known.addresses(of: 1) { read }
        #expect(try known.addresses(of: 1, refuse).all == read.all)
        #expect(throws: KernelError.addressesRefused(errno: 105)) { try known.addresses(of: 2, refuse) }
        known.forget(allBut: [2])
        #expect(throws: KernelError.addressesRefused(errno: 105)) { try known.addresses(of: 1, refuse) }
    }
}
