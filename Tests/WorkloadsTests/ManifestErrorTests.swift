import Testing

@testable import Workloads

@Suite struct ManifestErrorTests {
    static let keys = """
        process:uid, process:uid:real, process:gid, process:gid:real, process:gid:additional, process:name, \
        process:cmdline, process:argv[N], process:binary:path, process:binary:hash, process:script:path, \
        process:script:hash, process:cgroup, process:parent, process:ancestor, systemd:unit, process:host
        """

    /// One change to the sample's first document, and the one finding it has to give.
    struct Mistake: Sendable, CustomTestStringConvertible {
        let find: String
        let replace: String
        let finding: String

        init(_ find: String, _ replace: String, at place: String, key: String, _ expected: String) {
            self.find = find
            self.replace = replace
            finding = "f:\(place): " + (key.isEmpty ? "" : "\(key): ") + "expected \(expected)"
        }

        var testDescription: String { replace }
    }

    static let mistakes = [
        Mistake(
            "core.riptides.io/v1alpha1", "v2",
            at: "1:13", key: "apiVersion",
            "core.riptides.io/v1alpha1 or tidemark.dev/v1alpha1, found \"v2\"",
        ),
        Mistake(
            "kind: WorkloadIdentity", "kind: WorkloadIdentit",
            at: "2:7", key: "kind",
            "one of WorkloadIdentity, ProtectedResource, found \"WorkloadIdentit\"; did you mean "
                + "WorkloadIdentity?",
        ),
        Mistake(
            "  name: weather-mcp-server", "  name: [a]",
            at: "4:9", key: "metadata.name",
            "a name of 1 to 128 characters a-z A-Z 0-9 . - _, found a list",
        ),
        Mistake(
            "  name: weather-mcp-server", "  name: a b",
            at: "4:9", key: "metadata.name",
            "a name of 1 to 128 characters a-z A-Z 0-9 . - _, found \"a b\"",
        ),
        Mistake(
            "  name: weather-mcp-server", "  {}",
            at: "4:3", key: "metadata.name",
            "a name; the key is missing",
        ),
        Mistake(
            "    agentGroup:\n", "    agentGrup:\n",
            at: "7:5", key: "spec.scope.agentGrup",
            "a known key; did you mean agentGroup?",
        ),
        Mistake(
            "      id: spiffe-mcp-demo-agent-group", "      id: x/y",
            at: "8:11", key: "spec.scope.agentGroup.id",
            "a group id of 1 to 128 characters a-z A-Z 0-9 . - _, found \"x/y\"",
        ),
        Mistake(
            "[501, 1001]", "[501, \"1001\"]",
            at: "10:26", key: "spec.selectors[0].process:uid[1]",
            "a uid, a whole number, found the text \"1001\"; remove the quotes",
        ),
        Mistake(
            "[501, 1001]", "0x1f",
            at: "10:20", key: "spec.selectors[0].process:uid",
            "a uid, a whole number, found 0x1f",
        ),
        Mistake(
            "[501, 1001]", "-1",
            at: "10:20", key: "spec.selectors[0].process:uid",
            "a uid, a whole number, from 0 to 4294967294, found -1",
        ),
        Mistake(
            "[501, 1001]", "[]",
            at: "10:20", key: "spec.selectors[0].process:uid",
            "at least one of uids, found an empty list; remove the key to leave it open",
        ),
        Mistake(
            "[python]", "averyverylongname",
            at: "11:21", key: "spec.selectors[0].process:name",
            "a name of at most 15 bytes, found 17; the kernel cuts a process's name there: write "
                + "\"averyverylongna\"",
        ),
        Mistake(
            "[python]", "[true]",
            at: "11:22", key: "spec.selectors[0].process:name[0]",
            "a process name, found true; if it is meant as text, write \"true\" in quotes",
        ),
        Mistake(
            "process:cmdline: python", "process:cmdlin: python",
            at: "12:7", key: "spec.selectors[0].process:cmdlin",
            "a known key; did you mean process:cmdline?",
        ),
        Mistake(
            "process:cmdline: python mcp_server.py", "process:pid: 1",
            at: "12:7", key: "spec.selectors[0].process:pid",
            "one of \(keys); process:pid is not supported yet",
        ),
        Mistake(
            "python mcp_server.py", "{a: b}",
            at: "12:24", key: "spec.selectors[0].process:cmdline",
            "a command line, found a mapping",
        ),
        Mistake(
            "python mcp_server.py", "\"  \"",
            at: "12:24", key: "spec.selectors[0].process:cmdline",
            "a command line, found white space alone",
        ),
        Mistake(
            "workloadID: weather-mcp-server", "workloadID: /x",
            at: "13:15", key: "spec.workloadID",
            "a path without the leading slash, found \"/x\"",
        ),
        Mistake(
            "workloadID: weather-mcp-server", "workloadID: tidemark/agent",
            at: "13:15", key: "spec.workloadID",
            "a path outside tidemark/, which is kept for agents and servers, found \"tidemark/agent\"",
        ),
        Mistake(
            "workloadID: weather-mcp-server", "workloadID: a//b",
            at: "13:15", key: "spec.workloadID",
            "the path of a SPIFFE ID: path \"/a//b\" has an empty segment; remove the doubled or trailing slash",
        ),
        Mistake(
            "workloadID: weather-mcp-server", "priority: 1",
            at: "6:3", key: "spec.workloadID",
            "the path of the SPIFFE ID; the key is missing",
        ),
        Mistake(
            "spec:\n", "spec:\n  priority: high\n",
            at: "6:13", key: "spec.priority",
            "a whole number, found \"high\"",
        ),
        Mistake(
            "spec:\n", "spec:\n  connection: {tls: {mode: STRICT}}\n",
            at: "6:28", key: "spec.connection.tls.mode",
            "MUTUAL or PERMISSIVE, found \"STRICT\"",
        ),
        Mistake(
            "spec:\n", "spec:\n  allowedSPIFFEIDs: [prod/x]\n",
            at: "6:22", key: "spec.allowedSPIFFEIDs[0]",
            "a SPIFFE ID, or one ending in /*: \"prod/x\" does not begin with spiffe://; write the ID as "
                + "spiffe://<trust domain>/<path>",
        ),
        Mistake(
            "spec:\n", "spec:\n  allowedSPIFFEIDs: all\n",
            at: "6:21", key: "spec.allowedSPIFFEIDs",
            "a list of SPIFFE IDs, or a mapping with the keys inbound, outbound, found \"all\"",
        ),
        Mistake(
            "spec:\n", "spec:\n  workloadID: twice\n",
            at: "6:3", key: "workloadID",
            "each key once in a mapping; remove one of the two",
        ),
        Mistake(
            "name: weather-mcp-server", "name: weather-agent",
            at: "18:9", key: "metadata.name",
            "another name: WorkloadIdentity weather-agent is already in line 4 of this file",
        ),
        Mistake(
            "metadata:\n", "metadata:\n\tname: x\n",
            at: "4:1", key: "",
            "well-formed YAML: found character that cannot start any token (while scanning for the next token)",
        ),
    ]

    /// A line in place of the sample's command line, and what is expected instead.
    static let values: [(line: String, expected: String)] = [
        ("process:uid:real: 4294967295", "a uid, a whole number, from 0 to 4294967294, found 4294967295"),
        ("process:gid: \"!4294967295\"", "a gid, a whole number, from 0 to 4294967294, found \"4294967295\""),
        ("process:gid: \"7\"", "a gid, a whole number, found the text \"7\"; remove the quotes"),
        ("process:gid: \"!7*\"", "a gid, a whole number, whole: process:gid takes no prefix*"),
        ("process:gid: \"!07\"", "a gid, a whole number, from 0 to 4294967294, found \"07\""),
        (
            "process:gid: !7",
            "a gid, a whole number; YAML takes a plain ! for a tag: put the value in quotes, as in \"!value\""
        ),
        (
            "process:parent: !team/a",
            "a workloadID; YAML takes a plain ! for a tag: put the value in quotes, as in \"!value\""
        ),
        ("process:host: maybe", "true or false, found \"maybe\""),
        ("process:host: tru*", "true or false, found \"tru*\""),
        ("process:host: 1", "true or false, found \"1\""),
        ("process:parent: /a", "a workloadID, such as team/weather or agents/*, found \"/a\""),
        ("process:ancestor: a b", "a workloadID, such as team/weather or agents/*, found \"a b\""),
        ("process:binary:path: usr/bin/x", "the path of an executable, which begins with /, found \"usr/bin/x\""),
        ("process:script:path: x.py", "the path of a script, which begins with /, found \"x.py\""),
        ("process:cgroup: system.slice", "the path of a cgroup, which begins with /, found \"system.slice\""),
        (
            "systemd:unit: nginx",
            "the name of a systemd unit, which ends in one of .service .scope .socket .mount .swap, found \"nginx\""
        ),
        (
            "process:binary:hash: abc",
            "a SHA-256 hash of 64 hexadecimal digits, with or without sha256: before it, found \"abc\"; sha256sum FILE "
                + "prints it"
        ),
        (
            "process:binary:hash: \(String(repeating: "a", count: 63))*",
            "a SHA-256 hash of 64 hexadecimal digits, whole: process:binary:hash takes no prefix*"
        ),
        ("process:argv[1]: \"!!x\"", "one !, found \"!!x\"; a value that itself begins with ! is written \\!"),
        ("process:argv[1]: \"!\"", "an argument after the !, found nothing"),
        ("process:argv[1]: \"*\"", "an argument before the *, found nothing; remove the key to leave it open"),
        (
            "process:argv[1]: \(String(repeating: "x", count: 248))",
            "an argument of at most 247 bytes, found 248"
        ),
        (
            "process:cmdline: python *",
            "a command line, with the beginning of a word before the *; without the * further words may follow too"
        ),
        ("process:argv[1]: [a, \"!a*\"]", "a value that is not excluded again; no process could match a and !a*"),
    ]

    @Test(arguments: values)
    func `a value that does not fit its key is refused with the remedy`(_ line: String, _ expected: String) {
        let yaml = Sample.yaml.replacing("process:cmdline: python mcp_server.py", with: line)
        let error = #expect(throws: ManifestError.self) { try Manifest.decode(yaml: yaml, file: "f") }
        #expect(error?.findings.map(\.expected) == [expected])
        #expect(error?.findings.map(\.line) == [12])
    }

    @Test(arguments: [
        "process:argv[64]", "process:argv", "process:argv[x]", "docker:label", "k8s:namespace", "process:env",
    ])
    func `a key that is not known is refused`(_ key: String) {
        let yaml = Sample.yaml.replacing("process:cmdline: python mcp_server.py", with: "\(key): x")
        let error = #expect(throws: ManifestError.self) { try Manifest.decode(yaml: yaml, file: "f") }
        #expect(error?.findings.map(\.key) == ["spec.selectors[0].\(key)"])
    }

    @Test(arguments: [
        ("agents/{{process:name}}", "claimed"), ("agents/{{process:uid", "{{ and }}"), ("{{process:uid}}", "beside"),
        ("tidemark/{{process:uid}}", "outside tidemark/"), ("/a/{{process:uid}}", "leading slash"),
        ("a b/{{process:uid}}", "the path of a SPIFFE ID"), ("a//{{process:uid}}", "empty segment"),
        (String(repeating: "x", count: 1015) + "/{{process:uid}}", "at most 1024 bytes"),
    ])
    func `a template that cannot be is refused`(_ template: String, _ reason: String) {
        let yaml = Sample.yaml.replacing("workloadID: weather-mcp-server", with: "workloadID: \"\(template)\"")
        let error = #expect(throws: ManifestError.self) { try Manifest.decode(yaml: yaml, file: "f") }
        #expect(error?.findings.map(\.key) == ["spec.workloadID"])
        #expect(error?.description.contains(reason) == true, "\(error?.description ?? "")")
    }

    @Test func `a resource is served by one workload, not by a template`() {
        let yaml = ManifestTests.everything.replacing(
            "workloadID: weather-mcp-server", with: "workloadID: \"agents/{{process:uid}}\"")
        let error = #expect(throws: ManifestError.self) { try Manifest.decode(yaml: yaml, file: "f") }
        #expect(error?.findings.map(\.key) == ["spec.workloadID"])
    }

    @Test(arguments: mistakes)
    func `a mistake is told with its line, column, key and remedy`(_ mistake: Mistake) {
        let yaml = Sample.yaml.replacing(mistake.find, with: mistake.replace, maxReplacements: 1)
        let error = #expect(throws: ManifestError.self) { try Manifest.decode(yaml: yaml, file: "f") }
        #expect(error?.findings.map(\.description) == [mistake.finding])
    }

    @Test func `an empty selector is refused, as it would match every process`() {
        let yaml = Sample.yaml.replacing(
            "- process:uid: [501, 1001]\n      process:name: [python]\n      process:cmdline: python mcp_server.py",
            with: "- {}",
        )
        let error = #expect(throws: ManifestError.self) { try Manifest.decode(yaml: yaml, file: "f") }
        #expect(
            error?.description
                == "f:10:7: spec.selectors[0]: expected at least one of \(Self.keys); "
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
        let error = #expect(throws: ManifestError.self) {
            try Manifest.decode(yaml: Self.commandLine(fits + "x"), file: "f")
        }
        #expect(error?.findings.first?.key == "spec.selectors[0].process:cmdline")
    }

    @Test(arguments: ["ftp://x/y", "http://u@h/", "http://h/?q", "/mcp", "http://h/#f"])
    func `a resource that is no plain http URL is refused`(_ url: String) {
        let yaml = ManifestTests.everything.replacing("http://10.0.0.2:8000/mcp", with: "\"\(url)\"")
        let error = #expect(throws: ManifestError.self) { try Manifest.decode(yaml: yaml, file: "f") }
        #expect(error?.findings.map(\.key) == ["spec.resource"])
    }

    @Test(arguments: ["/mcp/admin%3Areset", "/mcp/../a", "/mcp//a", "/a;b", "/caf%c3%a9", "/a b", "/café"])
    func `a resource whose path has another spelling is refused, with the reason`(_ path: String) {
        let yaml = ManifestTests.everything.replacing(
            "http://10.0.0.2:8000/mcp", with: "\"http://10.0.0.2:8000\(path)\"")
        let error = #expect(throws: ManifestError.self) { try Manifest.decode(yaml: yaml, file: "f") }
        #expect(error?.findings.map(\.key) == ["spec.resource"])
        #expect(error?.description.contains(": the path ") == true)
    }

    @Test func `headers to strip are names, and none that frames a request`() throws {
        func read(_ names: String) throws -> [Manifest] {
            let yaml = ManifestTests.everything.replacing(
                "  workloadID: weather-mcp-server\n",
                with: "  workloadID: weather-mcp-server\n  stripHeaders: \(names)\n",
                maxReplacements: 1)
            return try Manifest.decode(yaml: yaml, file: "f")
        }
        let resources = try read("[X-Tenant, x-user]").filter { $0.kind == "ProtectedResource" }
        #expect(resources.map(\.canonicalYAML).joined().contains("stripHeaders: [X-Tenant, x-user]"))
        for name in ["Host", "Content-Length", "X_Tenant", "\"a b\""] {
            #expect(throws: ManifestError.self) { try read("[\(name)]") }
        }
    }

    private static func commandLine(_ text: String) -> String {
        Manifest.workloadIdentity(Sample.identity("a", Selector(commandLines: [[text]]))).canonicalYAML
    }
}
