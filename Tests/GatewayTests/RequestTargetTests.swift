import Gateway
import Testing

@Suite struct RequestTargetTests {
    @Test func `a plain path passes`() throws {
        #expect(try RequestTarget("/mcp?x=1").path == "/mcp")
    }
}
