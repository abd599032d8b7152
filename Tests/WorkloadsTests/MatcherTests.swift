import SPIFFE
import Testing

@testable import Workloads

@Suite struct MatcherTests {
    static let server = Sample.identity(
        "server", Selector(userIDs: [501, 1001], names: ["python"], commandLines: [["python", "mcp_server.py"]]),
    )

    @Test(arguments: [
        (["python", "mcp_server.py"], true),
        (["python", "mcp_server.py", "--port", "8000"], true),
        (["python", "mcp_server.pyx"], false),
        (["python", "mcp_server.py x"], false),
        (["python mcp_server.py"], false),
        (["python"], false),
        (["python", "", "mcp_server.py"], false),
        (["python3", "mcp_server.py"], false),
        ([], false),
    ])
    func `a command line matches word by word from the start`(_ arguments: [String], _ expected: Bool) {
        let match = Matcher([Self.server]).match(Sample.process(uid: 1001, name: "python", arguments: arguments))
        #expect((match.workloadID == "server") == expected)
    }

    @Test func `keys are ANDed and values ORed`() {
        let matcher = Matcher([Self.server])
        #expect(matcher.match(Sample.process(uid: 501, "python", "mcp_server.py")).workloadID == "server")
        #expect(matcher.match(Sample.process(uid: 1002, "python", "mcp_server.py")).workloadID == nil)
        #expect(matcher.match(Sample.process(name: "python3", "python", "mcp_server.py")).workloadID == nil)
    }

    @Test func `selectors are ORed`() {
        let matcher = Matcher([Sample.identity("a", Selector(userIDs: [1]), Selector(names: ["x"]))])
        #expect(matcher.match(Sample.process(uid: 1, name: "y")).workloadID == "a")
        #expect(matcher.match(Sample.process(uid: 2, name: "x")).workloadID == "a")
        #expect(matcher.match(Sample.process(uid: 2, name: "y")).workloadID == nil)
    }

    @Test func `a match comes with its evidence and grades`() {
        guard
            case .workload(_, let because) = Matcher([Self.server]).match(
                Sample.process("python", "mcp_server.py", "a b"))
        else {
            return #expect(Bool(false), "a match")
        }
        #expect(because.map(\.key) == ["process:uid", "process:name", "process:cmdline"])
        #expect(because.map(\.grade) == [.attested, .claimed, .claimed])
        #expect(because.map(\.expected) == ["501 or 1001", "python", "python mcp_server.py"])
        #expect(because.map(\.actual) == ["1001", "python", "python mcp_server.py \"a b\""])
    }

    @Test func `near misses are ranked, most keys right first`() {
        let far = Sample.identity(
            "far", Selector(userIDs: [7], names: ["java"], commandLines: [["python", "a.py", "b"]]))
        guard case .unmanaged(let nearest) = Matcher([far, Self.server]).match(Sample.process("python", "other.py"))
        else {
            return #expect(Bool(false), "no match")
        }
        #expect(nearest.map(\.workloadID) == ["server", "far"])
        #expect(nearest[0].failing.map(\.key) == ["process:cmdline"])
        #expect(nearest[0].failing.map(\.actual) == ["python other.py"])
    }

    @Test func `a runtime that hides its processes is told by name, and is nobody but by its very binary`() {
        var sandbox = Sample.process()
        sandbox.executable.path = "/usr/bin/runsc"
        sandbox.hidesProcesses = true
        let user = Selector(userIDs: [1001])
        guard case .unmanaged(let nearest) = Matcher([Sample.identity("a", user)]).match(sandbox) else {
            Issue.record("a user's identity for all that a sandbox runs")
            return
        }
        #expect(nearest.first?.failing.map(\.actual) == ["/usr/bin/runsc: gVisor"])
        var meant = user
        for (pattern, isMeant) in [(Pattern.prefix("/usr/bin/"), false), (.text("/usr/bin/runsc"), true)] {
            meant.conditions[.binaryPath] = Condition(anyOf: [pattern])
            #expect((Matcher([Sample.identity("a", meant)]).match(sandbox).workloadID == "a") == isMeant)
        }
    }

    @Test func `a process is another one where it began at another tick`() {
        let key = ProcessKey(pid: 7, startTime: 1_239_999_999)
        #expect(key.began(atTick: 123) && !key.began(atTick: 124) && !key.began(atTick: 0))
    }

    @Test func `two spellings of one character are two names`() {
        let matcher = Matcher([Sample.identity("a", Selector(names: ["caf\u{e9}"]))])
        #expect(matcher.match(Sample.process(name: "cafe\u{301}")).workloadID == nil)
    }
}
