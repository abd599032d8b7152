import Gateway
import Kernel
import SPIFFE
import Testing
import Workloads

@testable import Agent

@Suite("Recent refusals")
struct RecentRefusalsTests {
    private let memory = RecentRefusals()

    private func endpoint(_ text: String) throws -> InternetEndpoint { try #require(InternetEndpoint(parsing: text)) }

    private func refusal(_ reason: String, _ change: (inout RecentRefusals.Refusal) -> Void) -> RecentRefusals.Refusal {
        var refusal = RecentRefusals.Refusal(reason: reason)
        change(&refusal)
        return refusal
    }

    @Test func `a connection is found by either end's view, in either order, the last refusal first`() throws {
        for reason in ["early", "late"] {
            memory.note(
                refusal(reason) { $0.connections = ["10.0.0.1:5>10.0.0.2:80", "10.0.0.1:6>10.0.0.2:80"] })
        }
        let server = try endpoint("10.0.0.2:80")
        for client in ["10.0.0.1:5", "10.0.0.1:6"] {
            #expect(memory.between(try endpoint(client), server)?.reason == "late")
            #expect(memory.between(server, try endpoint(client))?.reason == "late")
        }
        #expect(memory.between(try endpoint("10.0.0.1:7"), server) == nil)
    }

    @Test func `what the kernel part refused is found by its destination alone, after all else`() throws {
        memory.note(refusal("kernel") { $0.destination = InternetEndpoint(parsing: "[::1]:80") })
        #expect(memory.between(try endpoint("[::1]:9"), try endpoint("[::1]:80"))?.reason == "kernel")
        memory.note(refusal("proxy") { $0.connections = ["[::1]:9>[::1]:80"] })
        memory.note(refusal("kernel again") { $0.destination = InternetEndpoint(parsing: "[::1]:80") })
        #expect(memory.between(try endpoint("[::1]:9"), try endpoint("[::1]:80"))?.reason == "proxy")
    }

    @Test func `of a process the last five are told, and of each workload the number`() throws {
        let process = ProcessKey(pid: 1, startTime: 2)
        let workload = try SPIFFEID("spiffe://demo.example/a")
        for number in 1...7 {
            memory.note(
                refusal("\(number)") {
                    $0.process = process
                    $0.workload = workload
                })
            memory.count(workload, .plainText)
        }
        #expect(memory.of(process).map(\.reason) == ["3", "4", "5", "6", "7"])
        #expect(memory.of(ProcessKey(pid: 1, startTime: 3)).isEmpty)
        memory.count(.notRedirected, 40)
        #expect(memory.counts == [workload: 7])
        #expect(memory.causes == [.plainText: 7, .notRedirected: 40])
    }

    @Test(arguments: ["10.0.0.1:80", "[::1]:80", "[fd99:1::2]:1"])
    func `an end is read as it is written`(_ text: String) throws {
        #expect("\(try endpoint(text))" == text)
    }

    @Test(arguments: [
        "", "10.0.0.1", "10.0.0.1:", "10.0.0.1:65536", "::1:80", "[10.0.0.1]:80", "name:80", "[::1]", ":80",
    ])
    func `what is no end is none`(_ text: String) {
        #expect(InternetEndpoint(parsing: text) == nil)
    }
}
