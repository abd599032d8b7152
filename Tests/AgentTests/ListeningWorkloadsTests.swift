import Kernel
import SPIFFE
import Testing
import Workloads

@testable import Agent

@Suite("Listening workloads") struct ListeningWorkloadsTests {
    private static let here = ["10.0.0.2", "127.0.0.1", "::1"]
    private let tool: SPIFFEID
    private let other: SPIFFEID

    init() throws {
        tool = try SPIFFEID("spiffe://td/tool")
        other = try SPIFFEID("spiffe://td/other")
    }

    @Test func `a wildcard is reached at each address, and an exact listener beats it`() throws {
        let found = try listening([("0.0.0.0", tool), ("10.0.0.2", other)])
        #expect(
            found.reachable == [try place("127.0.0.1"): tool, try place("10.0.0.2"): other])
        #expect(found.elsewhere == [try place("10.0.0.2"): other])
        #expect(try listening([("10.0.0.2", other), ("0.0.0.0", tool)]).reachable == found.reachable)
    }

    @Test(arguments: ["10.0.0.53", "2001:db8::53", "169.254.7.7"])
    func `bound to an address that no interface has, it takes no place from whoever is there`(_ address: String) throws
    {
        let found = try listening([(address, tool)])
        #expect(found.reachable.isEmpty && found.elsewhere.isEmpty)
        #expect(found.bound == [try place(address): tool])
    }

    @Test func `all of the loopback is the namespace's own, whatever its devices have`() throws {
        #expect(try listening([("127.0.0.9", tool)]).reachable == [try place("127.0.0.9"): tool])
    }

    @Test func `in a namespace that somebody made for himself nothing is told to others`() throws {
        let found = try listening([("0.0.0.0", tool)], isHosts: false)
        #expect(found.reachable.count == 2 && found.elsewhere.isEmpty)
    }

    @Test func `a workload that listens at thousands of addresses has its share, and others have theirs`() throws {
        var shares = PlaceShares(ofWorkload: 100, inAll: 150)
        let many = (0..<5000).map { "10.\(1 + $0 / 250).0.\(1 + $0 % 250)" }
        let crowd = try listening([("0.0.0.0", tool)], at: many, isHosts: false, shares: &shares)
        #expect(crowd.reachable.count == 100 && shares.dropped == [tool: 4900])
        // In another namespace, with the same shares.
        let again = try listening([("0.0.0.0", tool), ("10.0.0.2", other)], shares: &shares)
        #expect(again.reachable == [try place("10.0.0.2"): other])
        let last = try listening([("0.0.0.0", other)], at: many, shares: &shares)
        #expect(last.reachable.count == 49)
        let former = try listening([("0.0.0.0", tool)], at: many)
        #expect(try listening([("0.0.0.0", tool)], at: many.shuffled()).reachable == former.reachable)
    }

    // MARK: Made up

    private func listening(
        _ listeners: [(address: String, workload: SPIFFEID)], at addresses: [String] = here, isHosts: Bool = true,
    ) throws -> ListeningWorkloads {
        var shares = PlaceShares()
        return try listening(listeners, at: addresses, isHosts: isHosts, shares: &shares)
    }

    private func listening(
        _ listeners: [(address: String, workload: SPIFFEID)], at addresses: [String] = here, isHosts: Bool = true,
        shares: inout PlaceShares,
    ) throws -> ListeningWorkloads {
        let managed = try listeners.enumerated().map {
            (try socket(UInt64($0.offset), $0.element.address), $0.element.workload)
        }
        let found = Set(try addresses.map { try #require(InternetAddress($0)) })
        return ListeningWorkloads(
            managed, addresses: NamespaceAddresses([1: found]), isHosts: isHosts, shares: &shares)
    }

    private func place(_ address: String) throws -> InternetEndpoint {
        InternetEndpoint(address: try #require(InternetAddress(address)), port: 8000)
    }

    private func socket(_ cookie: UInt64, _ address: String) throws -> ListeningSocket {
        ListeningSocket(
            cookie: cookie, endpoint: try place(address), network: 7,
            image: ProcessImage(process: ProcessKey(pid: 100, startTime: 1), number: 1),
            credentials: ProcessIDs(effectiveUserID: 0, realUserID: 0, effectiveGroupID: 0, realGroupID: 0),
            identity: .none)
    }
}
