import Testing

@testable import Workloads

@Suite struct EvidenceTests {
    private static func selector(_ values: [(String, [String])]) throws -> Selector {
        var selector = Selector(conditions: [:])
        for (name, texts) in values {
            let key = try #require(SelectorKey(name))
            selector.conditions[key] = Condition(try texts.map { try SelectorValue($0, for: key) })
        }
        return selector
    }

    private static let every: [(key: String, values: [String], expected: String, actual: String)] = [
        ("process:uid", ["1001", "7", "!0"], "1001 or 7 and !0", "1001"),
        ("process:uid:real", ["1002"], "1002", "1002"),
        ("process:gid", ["2001"], "2001", "2001"),
        ("process:gid:real", ["2002"], "2002", "2002"),
        ("process:gid:additional", ["4"], "4", "4, 24"),
        ("process:name", ["py*"], "py*", "python3"),
        ("process:cmdline", ["python3"], "python3", SelectorKeyTests.python.commandLine),
        ("process:argv[2]", ["mcp_*", "!\\!x"], "mcp_* and !\\!x", "mcp_server.py"),
        ("process:binary:path", ["/usr/*"], "/usr/*", "/usr/bin/python3.12"),
        (
            "process:binary:hash", [SelectorKeyTests.hash], SelectorKeyTests.hash,
            SelectorKeyTests.hash
        ),
        ("process:script:path", ["/opt/*"], "/opt/*", "/opt/mcp_server.py"),
        (
            "process:script:hash", ["!" + SelectorKeyTests.hash], "!" + SelectorKeyTests.hash,
            String(SelectorKeyTests.hash.reversed())
        ),
        ("process:cgroup", ["/system.slice/*"], "/system.slice/*", "/system.slice/mcp.service/worker"),
        ("process:parent", ["team/*"], "team/*", "team/supervisor"),
        ("process:ancestor", ["init"], "init", "team/supervisor, init"),
        ("systemd:unit", ["mcp.service"], "mcp.service", "mcp.service"),
        ("process:host", ["!true"], "!true", "false"),
    ]

    @Test func `there is evidence for every key, in canonical order, as an operator would write it`() throws {
        let selector = try Self.selector(Self.every.reversed().map { ($0.key, $0.values) })
        let evidence = selector.evidence(for: SelectorKeyTests.python)
        #expect(evidence.map(\.key) == Self.every.map(\.key))
        #expect(evidence.map(\.expected) == Self.every.map(\.expected))
        #expect(evidence.map(\.actual) == Self.every.map(\.actual))
        #expect(evidence.allSatisfy { $0.holds })
        #expect(
            evidence.filter { $0.grade == .claimed }.map(\.key) == [
                "process:name", "process:cmdline", "process:argv[2]", "process:script:path",
            ])
    }

    @Test func `a fact that is missing or cannot be told is named as such`() throws {
        let selector = try Self.selector([
            ("process:gid:additional", ["4"]), ("process:binary:path", ["/usr/*"]),
            ("process:binary:hash", [SelectorKeyTests.hash]),
            ("process:script:hash", [SelectorKeyTests.hash]), ("process:parent", ["a"]),
        ])
        let facts = SelectorKeyTests.changed {
            $0.additionalGroupsTruncated = true
            $0.executable.pathIsForeign = true
            $0.executable.hash = nil
            $0.script = nil
            $0.parentIdentity = nil
        }
        let evidence = selector.evidence(for: facts)
        #expect(
            evidence.map(\.actual) == [
                "more than 32 groups, so none is looked at", "/usr/bin/python3.12, in a mount namespace of its own",
                "not known",
                "none", "none",
            ])
        #expect(evidence.allSatisfy { !$0.holds })
    }

    @Test func `near misses rank by keys that hold, then words, then text, then precedence`() throws {
        let facts = Sample.process(uid: 1, "python", "mcp_server.py", "--port")
        let misses: [(String, [(String, [String])])] = [
            ("two-of-three", [("process:uid", ["1"]), ("process:name", ["python"]), ("process:gid", ["9"])]),
            ("two-words", [("process:uid", ["1"]), ("process:cmdline", ["python mcp_server.py --host"])]),
            ("one-word", [("process:uid", ["1"]), ("process:cmdline", ["python other.py x"])]),
            ("longer-text", [("process:uid", ["1"]), ("process:name", ["pytest"])]),
            ("shorter-text", [("process:uid", ["1"]), ("process:name", ["perl"])]),
            ("nothing", [("process:uid", ["2"])]),
        ]
        let identities = try misses.reversed().map { Sample.identity($0, try Self.selector($1)) }
        guard case .unmanaged(let nearest) = Matcher(identities).match(facts) else {
            Issue.record("something matched")
            return
        }
        #expect(nearest.map(\.workloadID.text) == misses.dropLast().map(\.0))
        #expect(nearest[0].failing.map(\.key) == ["process:gid"])
    }
}
