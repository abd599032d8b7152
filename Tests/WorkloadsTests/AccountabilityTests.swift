import Testing

@testable import Workloads

/// Attested is what the kernel vouches for; that somebody in particular runs it is another matter.
@Suite struct AccountabilityTests {
    private static func selector(_ texts: [String: String]) throws -> Selector {
        var conditions: [SelectorKey: Condition] = [:]
        for (name, value) in texts {
            let key = try #require(SelectorKey(name))
            conditions[key] = Condition([try SelectorValue(value, for: key)])
        }
        return Selector(conditions: conditions)
    }

    private static func identity(
        _ name: String, _ selectors: [String: String]..., as workloadID: String? = nil,
    ) throws -> WorkloadIdentity {
        WorkloadIdentity(
            name: name, agentGroup: "g", workloadID: try WorkloadName(workloadID ?? name),
            selectors: try selectors.map(selector))
    }

    private static func warnings(_ identity: WorkloadIdentity, beside others: [WorkloadIdentity] = []) -> [String] {
        Accountabilities([identity] + others).warnings(of: identity)
    }

    private static let hash = String(repeating: "0", count: 64)

    @Test(arguments: [
        ["process:uid": "1001"], ["process:uid:real": "1001"], ["process:gid": "7"], ["process:gid:real": "7"],
        ["process:gid:additional": "7"], ["systemd:unit": "a.service"], ["process:cgroup": "/system.slice/*"],
        ["process:uid": "0", "process:name": "x"], ["process:uid": "1001", "process:binary:hash": hash],
    ])
    func `who runs it is said by ids, units and cgroups`(_ keys: [String: String]) throws {
        #expect(try Self.warnings(Self.identity("a", keys)).isEmpty)
    }

    @Test(arguments: [
        ["process:binary:path": "/usr/bin/a"], ["process:binary:hash": hash], ["process:script:hash": hash],
        ["process:binary:path": "/usr/bin/a", "process:cmdline": "a b"], ["process:ancestor": "root"],
        ["process:binary:hash": hash, "process:uid": "!0"], ["process:parent": "nobody"],
        ["process:cgroup": "/*"],
    ])
    func `what runs is not who runs it, and that is told with what is missing`(_ keys: [String: String]) throws {
        let root = try Self.identity("root", ["process:uid": "0"])
        let warning = try #require(Self.warnings(Self.identity("a", keys), beside: [root]).first)
        #expect(warning.hasPrefix("spec.selectors[0] says what runs (process:"))
        #expect(warning.hasSuffix("add process:uid, process:gid, systemd:unit or process:cgroup"))
    }

    @Test func `claimed facts, and exclusions, say less`() throws {
        let claimed = try Self.identity("c", ["process:uid": "1"], ["process:name": "python"])
        #expect(Self.warnings(claimed).count == 1)
        #expect(Self.warnings(claimed)[0].hasPrefix("spec.selectors[1] rests on claimed facts alone"))
        // Where it runs says nothing of who started it.
        let onHost = try Self.identity("h", ["process:host": "true"], ["process:host": "true", "process:name": "x"])
        #expect(Self.warnings(onHost).count { $0.contains("rests on claimed facts alone") } == 2)
        let excluding = try Self.identity("t", ["process:uid": "!0"], as: "agents/{{process:uid}}")
        #expect(Self.warnings(excluding)[0].contains("only excludes by attested facts"))
        #expect(Self.warnings(excluding)[0].contains("agents/{{process:uid}}, with its own values"))
    }

    @Test func `in a template who runs it can be part of the ID`() throws {
        let path = ["process:binary:path": "/usr/bin/agent"]
        #expect(try Self.warnings(Self.identity("a", path, as: "agents/{{process:uid}}")).isEmpty)
        #expect(try Self.warnings(Self.identity("a", path, as: "agents/{{process:binary:hash}}")).count == 1)
    }

    @Test func `a parent says who where each identity it can have does, and not by going round`() throws {
        let file = ["process:binary:path": "/usr/bin/m"]
        let child = { try Self.identity("child", ["process:parent": $0]) }
        let pinned = try Self.identity("manager", ["process:uid": "1"])
        let loose = try Self.identity("manager-2", file)
        #expect(try Self.warnings(child("manager"), beside: [pinned, loose]).isEmpty)
        #expect(try Self.warnings(child("manager-2"), beside: [pinned, loose]).count == 1)
        #expect(try Self.warnings(child("manager*"), beside: [pinned, loose]).count == 1)
        #expect(try Self.warnings(child("manager*"), beside: [pinned]).isEmpty)
        // Of two ways to be the parent one says nothing.
        let either = try Self.identity("either", ["process:uid": "1"], file)
        #expect(try Self.warnings(child("either"), beside: [either]).count == 1)
        // A grandparent, through its child.
        let grandchild = try Self.identity("grandchild", ["process:parent": "child"])
        #expect(try Self.warnings(grandchild, beside: [child("manager"), pinned]).isEmpty)
        let (a, b) = try (Self.identity("a", ["process:parent": "b"]), Self.identity("b", ["process:parent": "a"]))
        #expect(Self.warnings(a, beside: [b]).count == 1)
        let template = try Self.identity("agents", file, as: "agents/x{{systemd:unit}}")
        for parent in ["agents/*", "agents/xa.service"] {
            #expect(try Self.warnings(child(parent), beside: [template]).isEmpty)
        }
        #expect(
            try Self.warnings(child("agents/*"), beside: [template, Self.identity("y", file, as: "agents/y")]).count
                == 1)
    }
}
