import Testing

@testable import Workloads

/// A value of a key as operators write it, and what it is held against.
struct ValueCase: Sendable, CustomTestStringConvertible {
    let key: String
    let values: [String]
    let facts: ProcessFacts
    let holds: Bool

    init(_ key: String, _ values: String..., on facts: ProcessFacts, holds: Bool) {
        self.key = key
        self.values = values
        self.facts = facts
        self.holds = holds
    }

    var testDescription: String { "\(key): \(values) is \(holds)" }
}

@Suite struct SelectorKeyTests {
    static let hash = String(repeating: "0123456789abcdef", count: 4)
    static let long = String(repeating: "w", count: 247)

    /// Every fact with a value that no other fact has.
    static let python = ProcessFacts(
        key: ProcessKey(pid: 42, startTime: 7),
        userID: 1001, realUserID: 1002, groupID: 2001, realGroupID: 2002, additionalGroupIDs: [4, 24],
        name: "python3", arguments: ["python3", "", "mcp_server.py", long + "tail"],
        executable: .init(path: "/usr/bin/python3.12", device: 1, inode: 2, hash: hash),
        script: .init(path: "/opt/mcp_server.py", hash: String(hash.reversed())),
        cgroup: "/system.slice/mcp.service/worker",
        parentIdentity: "team/supervisor", ancestorIdentities: ["team/supervisor", "init"],
    )

    static func changed(_ change: (inout ProcessFacts) -> Void) -> ProcessFacts {
        var facts = python
        change(&facts)
        return facts
    }

    static let foreign = changed { $0.executable.pathIsForeign = true }
    static let unhashed = changed {
        $0.executable.hash = nil
        $0.script?.hash = nil
    }
    static let bare = changed {
        $0.script = nil
        $0.systemdUnit = nil
        $0.parentIdentity = nil
        $0.ancestorIdentities = []
        $0.arguments = []
        $0.additionalGroupIDs = []
    }
    static let manyGroups = changed { $0.additionalGroupsTruncated = true }
    static let cut = changed {
        $0.arguments = ["python3", "mcp_ser"]
        $0.argumentsTruncated = true
    }

    static let ids = [
        ValueCase("process:uid", "1001", on: python, holds: true),
        ValueCase("process:uid", "1002", on: python, holds: false),
        ValueCase("process:uid", "!0", on: python, holds: true),
        ValueCase("process:uid", "!1001", on: python, holds: false),
        ValueCase("process:uid", "1001", "1002", "!0", on: python, holds: true),
        ValueCase("process:uid:real", "1002", on: python, holds: true),
        ValueCase("process:gid", "2001", on: python, holds: true),
        ValueCase("process:gid:real", "2002", on: python, holds: true),
        ValueCase("process:gid:additional", "24", on: python, holds: true),
        ValueCase("process:gid:additional", "2001", on: python, holds: false),
        ValueCase("process:gid:additional", "4", "!24", on: python, holds: false),
        ValueCase("process:gid:additional", "!7", on: python, holds: true),
        ValueCase("process:gid:additional", "!7", on: bare, holds: true),
        ValueCase("process:gid:additional", "24", on: manyGroups, holds: false),
        ValueCase("process:gid:additional", "!7", on: manyGroups, holds: false),
    ]

    static let commands = [
        ValueCase("process:name", "python3", on: python, holds: true),
        ValueCase("process:name", "python", on: python, holds: false),
        ValueCase("process:name", "python*", on: python, holds: true),
        ValueCase("process:name", "!py*", on: python, holds: false),
        ValueCase("process:cmdline", "python3", on: python, holds: true),
        ValueCase("process:cmdline", "python", on: python, holds: false),
        ValueCase("process:cmdline", "pyth*", on: python, holds: true),
        ValueCase("process:cmdline", "!python3", on: python, holds: false),
        ValueCase("process:cmdline", "!python3 mcp_server.py", on: python, holds: true),
        ValueCase("process:cmdline", "python3 mcp_*", on: cut, holds: true),
        ValueCase("process:cmdline", "python3 mcp_server*", on: cut, holds: false),
        ValueCase("process:cmdline", "python3 mcp_ser", on: cut, holds: false),
        ValueCase("process:cmdline", "python3", on: cut, holds: true),
        ValueCase("process:cmdline", "x*", on: bare, holds: false),
        ValueCase("process:argv[0]", "python3", on: python, holds: true),
        ValueCase("process:argv[2]", "mcp_server.py", on: python, holds: true),
        ValueCase("process:argv[2]", "mcp_*", on: python, holds: true),
        ValueCase("process:argv[2]", "mcp_", on: python, holds: false),
        ValueCase("process:argv[3]", long, on: python, holds: false),
        ValueCase("process:argv[3]", long + "*", on: python, holds: true),
        ValueCase("process:argv[4]", "x*", on: python, holds: false),
        ValueCase("process:argv[4]", "!x", on: python, holds: true),
        ValueCase("process:argv[0]", "!x*", on: bare, holds: true),
        ValueCase("process:argv[0]", "python3", on: cut, holds: true),
        ValueCase("process:argv[1]", "mcp_ser", on: cut, holds: false),
        ValueCase("process:argv[1]", "mcp*", on: cut, holds: true),
    ]

    static let files = [
        ValueCase("process:binary:path", "/usr/bin/python3.12", on: python, holds: true),
        ValueCase("process:binary:path", "/usr/bin/*", on: python, holds: true),
        ValueCase("process:binary:path", "/usr/bin/python3", on: python, holds: false),
        ValueCase("process:binary:path", "/usr/bin/*", on: foreign, holds: false),
        ValueCase("process:binary:path", "!/tmp/*", on: foreign, holds: false),
        ValueCase("process:binary:path", "!/tmp/*", on: python, holds: true),
        ValueCase("process:binary:hash", hash, on: python, holds: true),
        ValueCase("process:binary:hash", "sha256:" + hash.uppercased(), on: python, holds: true),
        ValueCase("process:binary:hash", "!sha256:" + hash, on: python, holds: false),
        ValueCase("process:binary:hash", hash, on: unhashed, holds: false),
        ValueCase("process:binary:hash", "!" + hash, on: unhashed, holds: false),
        ValueCase("process:script:path", "/opt/mcp_*", on: python, holds: true),
        ValueCase("process:script:path", "/opt/mcp_server.py", on: bare, holds: false),
        ValueCase("process:script:path", "!/tmp/*", on: bare, holds: true),
        ValueCase("process:script:path", "/opt/mcp_*", on: foreign, holds: false),
        ValueCase("process:script:hash", String(hash.reversed()), on: python, holds: true),
        ValueCase("process:script:hash", "!" + hash, on: unhashed, holds: false),
        ValueCase("process:script:hash", "!" + hash, on: bare, holds: true),
    ]

    static let places = [
        ValueCase("process:cgroup", "/system.slice/mcp.service/worker", on: python, holds: true),
        ValueCase("process:cgroup", "/system.slice/*", on: python, holds: true),
        ValueCase("process:cgroup", "/system.slice", on: python, holds: false),
        ValueCase("process:parent", "team/supervisor", on: python, holds: true),
        ValueCase("process:parent", "team/*", on: python, holds: true),
        ValueCase("process:parent", "init", on: python, holds: false),
        ValueCase("process:parent", "!init", on: bare, holds: true),
        ValueCase("process:ancestor", "init", on: python, holds: true),
        ValueCase("process:ancestor", "init", on: bare, holds: false),
        ValueCase("process:ancestor", "init", "!team/*", on: python, holds: false),
        ValueCase("systemd:unit", "mcp.service", on: python, holds: true),
        ValueCase("systemd:unit", "mcp*", on: python, holds: true),
        ValueCase("systemd:unit", "mcp.service", on: bare, holds: false),
        ValueCase("systemd:unit", "!mcp.service", on: bare, holds: true),
        ValueCase("process:host", "true", on: python, holds: false),
        ValueCase("process:host", "false", on: python, holds: true),
        ValueCase("process:host", "true", "false", on: python, holds: true),
        ValueCase("process:host", "true", on: changed { $0.isOnHost = true }, holds: true),
        ValueCase("process:host", "!true", on: changed { $0.isOnHost = true }, holds: false),
    ]

    @Test(arguments: ids + commands + files + places)
    func `a value of a key holds for exactly the processes the manual says`(_ example: ValueCase) throws {
        let key = try #require(SelectorKey(example.key))
        let values = try example.values.map { try SelectorValue($0, for: key) }
        let selector = Selector(conditions: [key: Condition(values)])
        #expect(selector.matches(example.facts) == example.holds)
        #expect(PlainReading.matches(selector, example.facts) == example.holds)
    }

    @Test func `every key has a text, and its text names it`() {
        for key in SplitMix.keys { #expect(SelectorKey(key.description) == key) }
        #expect(SelectorKey.texts.count == 17)
        #expect(SplitMix.keys == SplitMix.keys.sorted())
    }

    @Test(arguments: [
        "process:argv[64]", "process:argv[-1]", "process:argv[01]", "process:argv[]", "process:argv[N]", "process:argv",
        "process:argv[1", "process:pid", "process:UID", "uid", "",
    ])
    func `what is no key is none`(_ text: String) { #expect(SelectorKey(text) == nil) }

    @Test func `grades and where a key is decided`() {
        let claimed = SplitMix.keys.filter { $0.grade == .claimed }
        #expect(claimed == [.name, .commandLine, .argument(0), .argument(1), .argument(2), .scriptPath])
        let userSpace = SplitMix.keys.filter { !$0.isDecidedByKernel }
        #expect(userSpace == [.binaryHash, .scriptPath, .scriptHash, .parent, .ancestor])
        #expect(Selector(conditions: [.parent: Condition(anyOf: [.text("a")])]).needsUserSpace)
        #expect(!Selector(userIDs: [1], names: ["x"]).needsUserSpace)
    }

    @Test(arguments: [
        ("!x", Pattern.text("x"), true), ("\\!x", .text("!x"), false), ("!\\!x", .text("!x"), true),
        ("\\\\!x", .text("\\!x"), false), ("x*", .prefix("x"), false), ("x\\*", .text("x*"), false),
        ("x\\\\*", .text("x\\*"), false), ("!x*", .prefix("x"), true), ("\\*", .text("*"), false),
        ("a*b", .text("a*b"), false), ("a!", .text("a!"), false), ("\\x", .text("\\x"), false),
        ("**", .prefix("*"), false), ("!*\u{301}", .text("*\u{301}"), true),
    ])
    func `marks are told from text`(_ written: String, _ pattern: Pattern, _ isExcluded: Bool) throws {
        let value = try SelectorValue(written, for: .argument(0))
        #expect(value == SelectorValue(pattern, isExcluded: isExcluded))
        #expect(value.text.utf8.elementsEqual(written.utf8))
    }

    @Test(arguments: [
        ("/", nil), ("/system.slice", nil), ("/system.slice/nginx.service", "nginx.service"),
        ("/user.slice/user-1000.slice/user@1000.service/app.slice/evil.service", "user@1000.service"),
        ("/user.slice/user-1000.slice/session-3.scope", "session-3.scope"), ("/init.scope", "init.scope"),
        ("/.service", nil), ("/a.slice/b.socket/c", "b.socket"), ("/a/b.socket/c", nil), ("/kubepods/pod1", nil),
        ("/x.slice.service", "x.slice.service"),
    ])
    func `the unit is the topmost part of a cgroup's path that is no slice`(_ path: String, _ unit: String?) {
        #expect(SystemdUnit.name(inCgroup: path) == unit)
    }

    @Test func `the indexes of argv a program asks for are sorted and distinct`() {
        let asks = { (indexes: [Int]) in
            Selector(conditions: Dictionary(uniqueKeysWithValues: indexes.map { (.argument($0), Condition()) }))
        }
        let program = SelectorProgram(slots: [[7, 1], [1], []].map { .init(selector: asks($0), workloadID: "w") })
        #expect(program.argumentIndexes == [1, 7])
    }
}
