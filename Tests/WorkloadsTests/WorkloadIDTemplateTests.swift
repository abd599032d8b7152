import Foundation
import Limits
import SPIFFE
import Testing

@testable import Workloads

@Suite struct WorkloadIDTemplateTests {
    private static let hash = SelectorKeyTests.hash

    @Test(arguments: [
        ("agents/{{process:uid}}", "agents/1001"),
        ("agents/u{{process:uid:real}}-x/{{process:gid}}", "agents/u1002-x/2001"),
        ("g/{{process:gid:real}}", "g/2002"),
        ("units/{{systemd:unit}}", "units/mcp.service"),
        ("b/{{process:binary:hash}}", "b/\(hash)"),
        ("s/{{process:script:hash}}", "s/\(String(hash.reversed()))"),
        ("plain/id", "plain/id"),
    ])
    func `each place takes the process's own value`(_ text: String, _ expected: String) throws {
        let name = try WorkloadName(text), path = try SPIFFEPath(expected)
        #expect(try name.expand(SelectorKeyTests.python) == path)
        #expect(name.covers(path))
        #expect((name.template != nil) == text.contains("{{"))
    }

    @Test(arguments: [
        ("agents/{{process:uid}}", "agents/0", true), ("agents/{{process:uid}}", "agents/4294967294", true),
        ("agents/{{process:uid}}", "agents/4294967295", false), ("agents/{{process:uid}}", "agents/007", false),
        ("agents/{{process:uid}}", "agents/+7", false), ("agents/{{process:uid}}", "agents/x", false),
        ("agents/{{process:uid}}", "agents/", false), ("agents/{{process:uid}}", "agents/1/2", false),
        ("agents/{{process:uid}}", "agents/x/y", false), ("agents/{{process:uid}}", "agents", false),
        ("agents/{{process:uid}}", "agents/{{process:uid}}", false), ("a{{process:uid}}b", "a1b", true),
        ("a{{process:uid}}b", "ab", false), ("u/{{systemd:unit}}", "u/x.service", true),
        ("u/{{systemd:unit}}", "u/x", false), ("u/{{systemd:unit}}", "u/x@1.service", false),
        ("b/{{process:binary:hash}}", "b/\(hash)", true),
        ("b/{{process:binary:hash}}", "b/\(hash.uppercased())", false),
        ("b/{{process:binary:hash}}", "b/abc", false), ("plain", "plain", true), ("plain", "plain/x", false),
    ])
    func `a template covers the IDs it can yield, and no other`(_ text: String, _ id: String, _ expected: Bool) throws {
        let name = try WorkloadName(text)
        #expect((try? SPIFFEPath(id)).map(name.covers) ?? false == expected)
    }

    @Test func `a value that is missing or unfit is refused, never replaced`() throws {
        let units = try WorkloadIDTemplate("u/{{systemd:unit}}")
        let hashes = try WorkloadIDTemplate("b/{{process:binary:hash}}")
        let scripts = try WorkloadIDTemplate("s/{{process:script:hash}}")
        #expect(throws: TemplateError.missing(.systemdUnit)) { try units.expand(SelectorKeyTests.bare) }
        #expect(throws: TemplateError.missing(.binaryHash)) { try hashes.expand(SelectorKeyTests.unhashed) }
        #expect(throws: TemplateError.missing(.scriptHash)) { try scripts.expand(SelectorKeyTests.bare) }
        for unit in ["user@1000.service", "a:b.service", "dev-x\\x2d.mount", "a/b.service", "a"] {
            let facts = SelectorKeyTests.changed { $0.systemdUnit = unit }
            let error = #expect(throws: TemplateError.self) { try units.expand(facts) }
            #expect(error?.description.contains("\"\(unit)\"") == true)
        }
    }

    @Test func `a value is taken up to a length, and none beyond it`() throws {
        let units = try WorkloadIDTemplate("u/{{systemd:unit}}")
        let limit = Limits.Identities.placeBytes
        let unit = { (bytes: Int) in String(repeating: "x", count: bytes - 8) + ".service" }
        let facts = { (bytes: Int) in SelectorKeyTests.changed { $0.systemdUnit = unit(bytes) } }
        #expect(try units.expand(facts(limit)).text == "u/" + unit(limit))
        #expect(units.covers(try SPIFFEPath("u/" + unit(limit))))
        #expect(throws: TemplateError.longValue(.systemdUnit, bytes: limit + 1)) { try units.expand(facts(limit + 1)) }
        #expect(!units.covers(try SPIFFEPath("u/" + unit(limit + 1))))
    }

    @Test func `a template whose longest ID is too long is refused`() throws {
        let limit = Limits.Identities.templateBytes
        let literal = { (bytes: Int) in String(repeating: "l", count: bytes - Limits.Identities.placeBytes - 1) }
        _ = try WorkloadName(literal(limit) + "/{{systemd:unit}}")
        let error = #expect(throws: WorkloadNameError.self) {
            try WorkloadName(literal(limit + 1) + "/{{systemd:unit}}")
        }
        #expect(error?.description.contains("\(limit) are the most") == true)
        _ = try WorkloadName(String(repeating: "l", count: Limits.Identities.pathBytes))
    }

    /// So that it can be deleted; what a process would get of it is held to the limit of now.
    @Test(arguments: [Limits.Identities.templateBytes + 1, Limits.Identities.pathBytes])
    func `a template that another release stored is read, and gives no ID that is too long`(_ bytes: Int) throws {
        let text = String(repeating: "l", count: bytes - Limits.Identities.placeBytes - 1) + "/{{systemd:unit}}"
        #expect(throws: WorkloadNameError.self) { try WorkloadName(text) }
        let name = try JSONDecoder().decode(WorkloadName.self, from: JSONEncoder().encode(text))
        #expect(name.text == text && name.template != nil)
        let unit = { (bytes: Int) in String(repeating: "x", count: bytes - 8) + ".service" }
        let facts = SelectorKeyTests.changed { $0.systemdUnit = unit(Limits.Identities.placeBytes) }
        #expect(throws: TemplateError.tooLong(template: text, bytes: bytes)) { try name.expand(facts) }
    }

    @Test func `a stored template beyond every release's limit is not read`() throws {
        let text = String(repeating: "l", count: Limits.Identities.pathBytes) + "/{{systemd:unit}}"
        #expect(throws: WorkloadNameError.self) {
            try JSONDecoder().decode(WorkloadName.self, from: JSONEncoder().encode(text))
        }
    }

    @Test(arguments: [
        ("{{process:uid}}", "beside"), ("a/{{process:uid", "between {{ and }}"),
        ("a/process:uid}}", "between {{ and }}"),
        ("a/{{process:uid}}-{{process:gid}}", "put a / between"), ("a/{{process:uid}}}}", "between {{ and }}"),
        ("a/{{process:name}}", "claimed"), ("a/{{process:cmdline}}", "claimed"), ("a/{{process:argv[1]}}", "claimed"),
        ("a/{{process:script:path}}", "use process:script:hash"), ("a/{{process:gid:additional}}", "several"),
        ("a/{{process:ancestor}}", "several"), ("a/{{process:binary:path}}", "use process:binary:hash"),
        ("a/{{process:cgroup}}", "use systemd:unit"), ("a/{{process:parent}}", "slashes"), ("a/{{uid}}", "found uid"),
        ("a/{{}}", "one of process:uid"), ("a/{{process:uid/b}}", "{{ and }}"),
    ])
    func `what no template may hold is refused with the reason`(_ text: String, _ reason: String) {
        let error = #expect(throws: TemplateError.self) { try WorkloadIDTemplate(text) }
        #expect(error?.description.contains(reason) == true, "\(error?.description ?? "")")
    }

    @Test func `the winner's ID is expanded, and a process it cannot name is nameless`() {
        var identity = Sample.identity("units", Selector(userIDs: [1001]))
        identity.workloadID = "units/{{systemd:unit}}"
        let weaker = Sample.identity("weaker", priority: -1, Selector(userIDs: [1001]))
        let matcher = Matcher([weaker, identity])
        #expect(matcher.match(SelectorKeyTests.python).workloadID == "units/mcp.service")
        guard case .nameless(let template, let reason, let because) = matcher.match(SelectorKeyTests.bare) else {
            Issue.record("expected no name")
            return
        }
        #expect(template == "units/{{systemd:unit}}")
        #expect(reason.contains("no systemd:unit"))
        #expect(because.map(\.key) == ["process:uid"])
    }

    @Test func `a slot needs the facts of its selector and of its ID`() {
        let slot = SelectorProgram.Slot(selector: Selector(userIDs: [1]), workloadID: "b/{{process:binary:hash}}")
        #expect(slot.userSpaceKeys == [.binaryHash])
    }

    @Test(arguments: [
        ("agents/{{process:uid}}", "agents/7", true), ("agents/{{process:uid}}", "agents/x", false),
        ("agents/{{process:uid}}", "agents/{{process:gid}}", true),
        ("agents/{{process:uid}}", "other/{{process:gid}}", false),
        ("a/{{process:uid}}", "a/{{systemd:unit}}", false), ("a/{{process:uid}}", "a/{{process:binary:hash}}", false),
        ("a/x{{process:uid}}", "a/y{{process:uid}}", false), ("a/{{process:uid}}x", "a/{{process:uid}}y", false),
        ("a/1{{process:uid}}", "a/{{process:uid}}", true), ("a/{{process:uid}}", "a/{{process:uid}}/b", false),
        ("a/{{process:uid}}/b", "a/7/{{process:gid}}", false), ("a/{{process:uid}}/8", "a/7/{{process:gid}}", true),
        ("same", "same", true),
    ])
    func `two IDs of one group that can be the same are a conflict`(_ one: String, _ other: String, _ meet: Bool) throws
    {
        var first = Sample.identity("a", Selector(userIDs: [1]))
        var second = Sample.identity("b", Selector(userIDs: [2]))
        (first.workloadID, second.workloadID) = try (WorkloadName(one), WorkloadName(other))
        #expect(Precedence.conflicts(in: [first, second]).isEmpty == !meet)
        #expect(Precedence.conflicts(in: [second, first]).isEmpty == !meet)
        second.agentGroup = "another"
        #expect(Precedence.conflicts(in: [first, second]).isEmpty)
    }

    @Test(arguments: SelectorPropertyTests.seeds)
    func `templates that yield one ID meet, and cover what they yield`(_ seed: UInt64) throws {
        var random = SplitMix(state: seed)
        var shared = 0
        for _ in 0..<500 {
            let left = try WorkloadName(random.template())
            let right = try WorkloadName(random.template())
            let ids = [random.facts(), random.facts()].compactMap { try? left.expand($0) }
            #expect(ids.allSatisfy(left.covers))
            #expect(left.meets(right) == right.meets(left))
            guard ids.contains(where: right.covers) else { continue }
            shared += 1
            #expect(left.meets(right), "\(left) and \(right)")
        }
        #expect(shared > 5)
    }
}

extension SplitMix {
    fileprivate mutating func template() -> String {
        let segments = some(1 + next(2)) { random in
            let place = random.one(of: WorkloadIDTemplate.Place.allCases).rawValue
            return random.one(of: ["", "", "1", "a"]) + (random.next(3) == 0 ? "2" : "{{\(place)}}")
                + random.one(of: ["", "", "2", "e"])
        }
        return (["a"] + segments).joined(separator: "/")
    }
}
