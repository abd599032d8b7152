import Testing

@testable import Workloads

@Suite struct ManifestErrorTests {
    /// One change to the sample's first document, and the one finding it has to give.
    struct Mistake: Sendable, CustomTestStringConvertible {
        let find: String
        let replace: String
        let finding: String

        init(_ find: String, _ replace: String, _ finding: String) {
            self.find = find
            self.replace = replace
            self.finding = finding
        }

        var testDescription: String { replace }
    }

    static let mistakes = [
        Mistake("core.riptides.io/v1alpha1", "v2", "f:1:13: apiVersion: expected core.riptides.io/v1alpha1 or tidemark.dev/v1alpha1, found \"v2\""),
        Mistake("kind: WorkloadIdentity", "kind: WorkloadIdentit", "f:2:7: kind: expected one of WorkloadIdentity, ProtectedResource, found \"WorkloadIdentit\"; did you mean WorkloadIdentity?"),
        Mistake("  name: weather-mcp-server", "  name: [a]", "f:4:9: metadata.name: expected a name of 1 to 128 characters a-z A-Z 0-9 . - _, found a list"),
        Mistake("  name: weather-mcp-server", "  name: a b", "f:4:9: metadata.name: expected a name of 1 to 128 characters a-z A-Z 0-9 . - _, found \"a b\""),
        Mistake("  name: weather-mcp-server", "  {}", "f:4:3: metadata.name: expected a name; the key is missing"),
        Mistake("    agentGroup:\n", "    agentGrup:\n", "f:7:5: spec.scope.agentGrup: expected a known key; did you mean agentGroup?"),
        Mistake("      id: spiffe-mcp-demo-agent-group", "      id: x/y", "f:8:11: spec.scope.agentGroup.id: expected a group id of 1 to 128 characters a-z A-Z 0-9 . - _, found \"x/y\""),
        Mistake("[501, 1001]", "[501, \"1001\"]", "f:10:26: spec.selectors[0].process:uid[1]: expected a uid, a whole number, found the text \"1001\"; remove the quotes"),
        Mistake("[501, 1001]", "0x1f", "f:10:20: spec.selectors[0].process:uid: expected a uid, a whole number, found 0x1f"),
        Mistake("[501, 1001]", "-1", "f:10:20: spec.selectors[0].process:uid: expected a uid, a whole number, from 0 to 4294967294, found -1"),
        Mistake("[501, 1001]", "[]", "f:10:20: spec.selectors[0].process:uid: expected at least one of uids, found an empty list; remove the key to leave it open"),
        Mistake("[python]", "averyverylongname", "f:11:21: spec.selectors[0].process:name: expected a name of at most 15 bytes, found 17; the kernel cuts a process's name there: write \"averyverylongna\""),
        Mistake("[python]", "[true]", "f:11:22: spec.selectors[0].process:name[0]: expected a process name, found true; if it is meant as text, write \"true\" in quotes"),
        Mistake("process:cmdline: python", "process:cmdlin: python", "f:12:7: spec.selectors[0].process:cmdlin: expected a known key; did you mean process:cmdline?"),
        Mistake("process:cmdline: python mcp_server.py", "process:gid: 1", "f:12:7: spec.selectors[0].process:gid: expected one of process:uid, process:name, process:cmdline; process:gid is not supported yet"),
        Mistake("python mcp_server.py", "{a: b}", "f:12:24: spec.selectors[0].process:cmdline: expected a command line, found a mapping"),
        Mistake("python mcp_server.py", "\"  \"", "f:12:24: spec.selectors[0].process:cmdline: expected a command line, found white space alone"),
        Mistake("workloadID: weather-mcp-server", "workloadID: /x", "f:13:15: spec.workloadID: expected a path without the leading slash, found \"/x\""),
        Mistake("workloadID: weather-mcp-server", "workloadID: tidemark/agent", "f:13:15: spec.workloadID: expected a path outside tidemark/, which is kept for agents and servers, found \"tidemark/agent\""),
        Mistake("workloadID: weather-mcp-server", "workloadID: a//b", "f:13:15: spec.workloadID: expected the path of a SPIFFE ID: path \"/a//b\" has an empty segment; remove the doubled or trailing slash"),
        Mistake("workloadID: weather-mcp-server", "priority: 1", "f:6:3: spec.workloadID: expected the path of the SPIFFE ID; the key is missing"),
        Mistake("spec:\n", "spec:\n  priority: high\n", "f:6:13: spec.priority: expected a whole number, found \"high\""),
        Mistake("spec:\n", "spec:\n  connection: {tls: {mode: STRICT}}\n", "f:6:28: spec.connection.tls.mode: expected MUTUAL or PERMISSIVE, found \"STRICT\""),
        Mistake("spec:\n", "spec:\n  allowedSPIFFEIDs: [prod/x]\n", "f:6:22: spec.allowedSPIFFEIDs[0]: expected a SPIFFE ID, or one ending in /*: \"prod/x\" does not begin with spiffe://; write the ID as spiffe://<trust domain>/<path>"),
        Mistake("spec:\n", "spec:\n  allowedSPIFFEIDs: all\n", "f:6:21: spec.allowedSPIFFEIDs: expected a list of SPIFFE IDs, or a mapping with the keys inbound, outbound, found \"all\""),
        Mistake("spec:\n", "spec:\n  workloadID: twice\n", "f:6:3: workloadID: expected each key once in a mapping; remove one of the two"),
        Mistake("name: weather-mcp-server", "name: weather-agent", "f:18:9: metadata.name: expected another name: WorkloadIdentity weather-agent is already in line 4 of this file"),
        Mistake("metadata:\n", "metadata:\n\tname: x\n", "f:4:1: expected well-formed YAML: found character that cannot start any token (while scanning for the next token)"),
    ]

    @Test(arguments: mistakes)
    func `a mistake is told with its line, column, key and remedy`(_ mistake: Mistake) {
        let yaml = Sample.yaml.replacing(mistake.find, with: mistake.replace, maxReplacements: 1)
        let error = #expect(throws: ManifestError.self) { try Manifest.decode(yaml: yaml, file: "f") }
        #expect(error?.findings.map(\.description) == [mistake.finding])
    }

    @Test func `an empty selector is refused, as it would match every process`() {
        let yaml = Sample.yaml.replacing(
            "- process:uid: [501, 1001]\n      process:name: [python]\n      process:cmdline: python mcp_server.py", with: "- {}",
        )
        let error = #expect(throws: ManifestError.self) { try Manifest.decode(yaml: yaml, file: "f") }
        #expect(
            error?.description
                == "f:10:7: spec.selectors[0]: expected at least one of process:uid, process:name, process:cmdline; "
                + "an empty selector would match every process",
        )
    }

    @Test func `one run finds every mistake of the file`() {
        let yaml = Sample.yaml.replacing("[501, 1001]", with: "many").replacing("workloadID: ", with: "workloadID: /")
        let error = #expect(throws: ManifestError.self) { try Manifest.decode(yaml: yaml, file: "f") }
        #expect(error?.findings.map { "\($0.line):\($0.column)" } == ["10:20", "13:15", "24:20", "27:15"])
    }

    @Test(arguments: ["", "---\n", "# nothing\n"])
    func `a file without a document says so`(_ yaml: String) {
        let error = #expect(throws: ManifestError.self) { try Manifest.decode(yaml: yaml, file: "f") }
        #expect(error?.findings.count == 1)
    }

    @Test func `a command line is limited to what the kernel part compares`() throws {
        let fits = String(repeating: "x", count: 251)
        #expect(try Manifest.decode(yaml: Self.commandLine(fits), file: "f").count == 1)
        let error = #expect(throws: ManifestError.self) { try Manifest.decode(yaml: Self.commandLine(fits + "x"), file: "f") }
        #expect(error?.findings.first?.key == "spec.selectors[0].process:cmdline")
    }

    @Test(arguments: ["ftp://x/y", "http://u@h/", "http://h/?q", "/mcp", "http://h/#f"])
    func `a resource that is no plain http URL is refused`(_ url: String) {
        let yaml = ManifestTests.everything.replacing("http://10.0.0.2:8000/mcp", with: "\"\(url)\"")
        let error = #expect(throws: ManifestError.self) { try Manifest.decode(yaml: yaml, file: "f") }
        #expect(error?.findings.map(\.key) == ["spec.resource"])
    }

    private static func commandLine(_ text: String) -> String {
        Manifest.workloadIdentity(Sample.identity("a", Selector(commandLines: [[text]]))).canonicalYAML
    }
}
