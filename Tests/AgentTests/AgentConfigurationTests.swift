import Agent
import Foundation
import Proxy
import Testing

@Suite("Agent configuration")
struct AgentConfigurationTests {
    private func decode(_ text: String) throws -> AgentConfiguration {
        try JSONDecoder().decode(AgentConfiguration.self, from: Data(text.utf8))
    }

    private let least = #""name":"h","controlPlane":{"address":"https://10.0.0.1:8443","caFile":"/ca.pem"}"#

    @Test func `the least there can be has the documented defaults`() throws {
        let configuration = try decode("{\(least)}")
        #expect(configuration.outboundPort == 15001)
        #expect(configuration.cgroup == nil)
        #expect(configuration.pinDirectory == "/sys/fs/bpf/tidemark")
    }

    @Test func `folders of network namespaces can be given, or none`() throws {
        #expect(try decode("{\(least)}").networkFolders == nil)
        #expect(try decode("{\(least),\"networkFolders\":[]}").networkFolders == [])
        #expect(try decode("{\(least),\"networkFolders\":[\"/run/mine\"]}").networkFolders == ["/run/mine"])
    }

    @Test func `limits of the proxy can be chosen one by one`() throws {
        let limits = try decode(
            "{\(least),\"limits\":{\"connections\":500,\"requestHead\":\"3s\",\"idle\":\"5m\",\"bodyBytesPerSecond\":0}}"
        ).limits
        #expect(
            limits.maximumConnections == 500 && limits.requestHead == .seconds(3)
                && limits.idle == .seconds(300) && limits.bodyBytesPerSecond == 0)
        #expect(limits.handshake == ProxyLimits().handshake)
    }

    @Test(arguments: [
        #""connections":1"#, #""idle":"5""#, #""idle":"0s""#, #""bodyBytesPerSecond":-1"#, #""idles":"5s""#,
    ])
    func `a limit out of its range, or misspelt, is refused`(_ member: String) {
        #expect(throws: DecodingError.self) { try decode("{\(least),\"limits\":{\(member)}}") }
    }

    @Test(arguments: [#""outboundport":1"#, #""log":{"levl":"info"}"#, #""log":{"level":"loud"}"#])
    func `a misspelt key or word is refused, not ignored`(_ member: String) {
        #expect(throws: DecodingError.self) { try decode("{\(least),\(member)}") }
    }

    @Test func `a missing name is refused`() {
        #expect(throws: DecodingError.self) { try decode(#"{"controlPlane":{"address":"a","caFile":"b"}}"#) }
    }
}
