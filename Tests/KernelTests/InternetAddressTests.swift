import Testing

@testable import Kernel

@Suite struct InternetAddressTests {
    @Test(arguments: ["192.0.2.1", "2001:db8::1", "::", "0.0.0.0", "::1"])
    func `an address reads back as it was written`(_ text: String) {
        #expect(InternetAddress(text)?.description == text)
    }

    @Test func `an IPv4-mapped address is the IPv4 address`() {
        #expect(InternetAddress("::ffff:192.0.2.1") == InternetAddress("192.0.2.1"))
    }

    @Test(arguments: ["", "192.0.2", "[::1]", "fe80::1%eth0", "192.0.2.1:80"])
    func `what is no bare address is refused`(_ text: String) {
        #expect(InternetAddress(text) == nil)
    }
}
