import Agent
import Kernel
import NIOCore
import Testing

@Suite("Policy board") struct PolicyBoardTests {
    @Test func `each change is a revision, also one of what listens here alone`() {
        let board = PolicyBoard()
        let before = board.revision
        board.change { $0.listening[7] = ListeningWorkloads() }
        #expect(board.revision == before + 1)
        board.change { $0.adopt(endpoints: []) }
        #expect(board.revision == before + 2)
        _ = board.current
        #expect(board.revision == before + 2)
    }

    @Test(arguments: [
        ("192.0.2.7", 80), ("2001:db8::1", 8000), ("::1", 1), ("::ffff:192.0.2.7", 65535), ("fe80::1", 443),
    ])
    func `a socket's address is the endpoint that its text names`(_ address: String, _ port: UInt16) throws {
        let socket = try SocketAddress(ipAddress: address, port: Int(port))
        let named = InternetEndpoint(address: try #require(InternetAddress(address)), port: port)
        #expect(InternetEndpoint(socket) == named)
    }

    @Test func `a Unix socket is no endpoint`() throws {
        #expect(InternetEndpoint(try SocketAddress(unixDomainSocketPath: "/run/x")) == nil)
    }
}
