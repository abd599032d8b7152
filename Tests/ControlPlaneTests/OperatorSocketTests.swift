import Testing

@testable import ControlPlane

@Suite struct OperatorSocketTests {
    @Test func `a group that the socket could not be given to is refused at start, not left without a word`() {
        #expect(OperatorSocket.canGive(to: 7, user: 1000, groups: [1000, 7]))
        #expect(!OperatorSocket.canGive(to: 7, user: 1000, groups: [1000]))
        #expect(OperatorSocket.canGive(to: 7, user: 0, groups: []))
        #expect(!OperatorSocket.canGive(to: nil, user: 0, groups: [7]))
        let socket = OperatorSocket(path: "/nowhere/operator.sock", group: "no-such-group")
        let refusal = #expect(throws: ConfigurationError.self) { try socket.prepare() }
        #expect(refusal?.description.contains("usermod") == true)
    }
}
