import ControlPlaneAPI
import Testing
import Workloads

@testable import Agent

@Suite("Draft comparison")
struct DraftComparisonTests {
    private func identity(_ name: String, _ conditions: [SelectorKey: String], group: String = "g") -> WorkloadIdentity
    {
        let selector = Selector(conditions: conditions.mapValues { Condition(anyOf: [.text($0)]) })
        return WorkloadIdentity(
            name: name, agentGroup: group, workloadID: WorkloadName(stringLiteral: name), selectors: [selector])
    }

    private func process(_ pid: Int32, _ name: String, parent: Int32? = nil, uid: UInt32 = 1) -> ProcessFacts {
        ProcessFacts(
            key: ProcessKey(pid: pid, startTime: 1), userID: uid, realUserID: uid, groupID: 1, name: name,
            arguments: [name, "-v"], executable: .init(path: "/bin/\(name)", device: 1, inode: 2),
            parent: parent.map { ProcessKey(pid: $0, startTime: 1) },
        )
    }

    private func compare(
        _ before: [WorkloadIdentity], _ after: [WorkloadIdentity], _ processes: [ProcessFacts],
    ) -> DraftComparison {
        DraftComparison(before: Matcher(before), after: Matcher(after), processes: processes)
    }

    @Test func `who gains, loses and changes an identity is told, in order of pid, and who does neither is not`() {
        let found = compare(
            [identity("a", [.name: "one"]), identity("b", [.name: "two"]), identity("c", [.name: "four"])],
            [identity("a", [.name: "three"]), identity("d", [.name: "two"]), identity("c", [.name: "four"])],
            [process(4, "four"), process(3, "three"), process(2, "two"), process(1, "one"), process(5, "five")],
        )
        #expect(found.changes.map(\.process.pid) == [1, 2, 3])
        #expect(found.changes.map(\.effect) == [.loses, .changes, .gains])
        #expect(found.changes.map(\.from) == ["a", "b", nil])
        #expect(found.changes.map(\.to) == [nil, "d", "a"])
        #expect(found.changes.first?.arguments == ["one", "-v"])
        #expect(found.counts.processes == 5)
        #expect([found.counts.gain, found.counts.lose, found.counts.change] == [1, 1, 1])
    }

    @Test func `the same policy changes nothing`() {
        let same = [identity("a", [.name: "one"])]
        #expect(compare(same, same, [process(1, "one"), process(2, "two")]).changes.isEmpty)
    }

    @Test func `a child follows its parent's new identity, in whatever order they are listed`() {
        let child = identity("child", [.parent: "new"])
        let grandchild = identity("grandchild", [.name: "leaf", .ancestor: "new"])
        let found = compare(
            [identity("old", [.name: "root"]), child, grandchild],
            [identity("new", [.name: "root"]), child, grandchild],
            [process(3, "leaf", parent: 2), process(2, "middle", parent: 1), process(1, "root")],
        )
        #expect(found.changes.map(\.to) == ["new", "child", "grandchild"])
        #expect(found.changes.map(\.from) == ["old", nil, nil])
    }

    @Test func `processes that name each other as parents are decided all the same`() {
        let found = compare(
            [], [identity("a", [.name: "one"])], [process(1, "one", parent: 2), process(2, "two", parent: 1)])
        #expect(found.changes.map(\.process.pid) == [1])
    }

    @Test func `a template that cannot be filled is told with its reason`() throws {
        let template = WorkloadIdentity(
            name: "t", agentGroup: "g", workloadID: "units/{{systemd:unit}}",
            selectors: [Selector(conditions: [.name: Condition(anyOf: [.text("one")])])],
        )
        let found = compare([identity("a", [.name: "one"])], [template], [process(1, "one")])
        let change = try #require(found.changes.first)
        #expect(change.effect == .loses && change.to == nil)
        #expect(change.reason?.contains("units/{{systemd:unit}}") == true)
        #expect(found.counts.nameless == 1)
    }

    @Test func `a draft is merged by name, and what is not of this group stays out`() {
        let inForce = [
            identity("kept", [.name: "k"]), identity("same", [.name: "s"]), identity("changed", [.name: "c"]),
            identity("moved", [.name: "m"]),
        ]
        var draft = DraftQuestion([
            .workloadIdentity(identity("same", [.name: "s"])), .workloadIdentity(identity("changed", [.name: "x"])),
            .workloadIdentity(identity("created", [.name: "y"])),
            .workloadIdentity(identity("moved", [.name: "m"], group: "other")),
            .workloadIdentity(identity("elsewhere", [.name: "z"], group: "other")),
        ])
        draft.resources = ["resource"]
        let merged = DraftMerge(draft, over: inForce, of: "g")
        #expect(
            merged.documents.map(\.effect) == [.unchanged, .changed, .created, .removed, .ignored, .ignored])
        #expect(merged.documents.map { $0.reason == nil } == [true, true, true, false, false, false])
        #expect(Set(merged.identities.map(\.name)) == ["kept", "same", "changed", "created"])
        #expect(merged.identities.contains(identity("changed", [.name: "x"])))
    }
}
