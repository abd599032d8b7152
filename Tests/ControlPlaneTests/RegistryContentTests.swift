@testable import ControlPlane
import SPIFFE
import Testing
import Workloads

@Suite struct RegistryContentTests {
    private let trustDomain: TrustDomain

    init() throws { trustDomain = try TrustDomain(TestControlPlane.trustDomain) }

    private static func identity(
        _ name: String, group: String = "weather", workloadID: String? = nil, _ selector: Selector
    ) -> Manifest {
        .workloadIdentity(
            WorkloadIdentity(
                name: name, agentGroup: group, workloadID: WorkloadName(stringLiteral: workloadID ?? name),
                selectors: [selector]))
    }

    private static func arguments(_ indexes: Range<Int>) -> Selector {
        Selector(
            conditions: Dictionary(
                uniqueKeysWithValues: indexes.map { (.argument($0), Condition(anyOf: [.text("x")])) }))
    }

    private static func resource(_ name: String) throws -> Manifest {
        .protectedResource(
            ProtectedResource(
                name: name, resource: try #require(ResourceURL(Manifests.forecast)), servedBy: "a", scopes: ["read"],
                allowed: []))
    }

    private func content() throws -> [Manifest] {
        [
            Self.identity("a", Selector(userIDs: [1])), Self.identity("b", Selector(userIDs: [2])),
            Self.identity("c", group: "other", Selector(userIDs: [1])), Self.identity("d", Self.arguments(0..<8)),
            try Self.resource("forecast"),
        ]
    }

    /// What a change is refused for: once where only what changed is looked at, once where everything is.
    private func refusals(of manifests: [Manifest]) throws -> (few: String?, all: String?) {
        let read = RegistryContent(try content(), in: trustDomain)
        let applied = try RegistryContent([], in: trustDomain)
            .changed(by: ManifestChange(applying: content(), to: RegistryContent([], in: trustDomain)))
        #expect(applied.isSound && !read.isSound)
        return (refusal(of: manifests, after: applied), refusal(of: manifests, after: read))
    }

    private func refusal(of manifests: [Manifest], after content: RegistryContent) -> String? {
        do {
            let changed = try content.changed(by: ManifestChange(applying: manifests, to: content))
            #expect(changed.isSound)
            return nil
        } catch .manifest(let findings) {
            return findings.joined(separator: "\n")
        } catch {
            return "no finding but \(error)"
        }
    }

    @Test(
        arguments: [
            ([identity("e", Selector(userIDs: [2]))], "b and e of agent group weather"),
            ([identity("b", Selector(userIDs: [1]))], "a and b of agent group weather"),
            ([identity("c", Selector(userIDs: [1]))], "a and c of agent group weather"),
            ([identity("e", workloadID: "a", Selector(userIDs: [5]))], "the same spec.workloadID a"),
            ([identity("e", arguments(8..<9))], "different N of process:argv[N], found 9"),
            ([identity("a", Selector(userIDs: [2])), identity("b", Selector(userIDs: [1]))], nil),
            ([identity("c", group: "third", Selector(userIDs: [1]))], nil),
            ([identity("a", Selector(userIDs: [1]))], nil),
        ] as [([Manifest], String?)])
    func `what changed is refused for the same reason as the whole`(_ manifests: [Manifest], _ reason: String?) throws {
        let (few, all) = try refusals(of: manifests)
        #expect(few == all)
        #expect(reason.map { all?.contains($0) == true } ?? (all == nil), "\(all ?? "taken")")
    }

    @Test func `two resources of one URL are refused, whichever of them is new`() throws {
        let (few, all) = try refusals(of: [Self.resource("second")])
        #expect(few == all)
        #expect(all?.contains("forecast and second") == true)
    }

    @Test func `identities and resources stand in the order of their names, whatever came when`() throws {
        var content = RegistryContent([], in: trustDomain)
        for manifest in try self.content().shuffled() {
            content = try content.changed(by: ManifestChange(applying: [manifest], to: content))
        }
        content = try content.changed(
            by: ManifestChange(applying: [Self.identity("ab", Selector(userIDs: [9]))], to: content))
        #expect(content.groups["weather"]?.identities.map(\.name) == ["a", "ab", "b", "d"])
        content = content.without(Self.identity("a", Selector(userIDs: [1])))
        #expect(content.groups["weather"]?.identities.map(\.name) == ["ab", "b", "d"])
        content = content.without(Self.identity("c", group: "other", Selector(userIDs: [1])))
        #expect(content.groups.keys.sorted() == ["weather"])
    }
}
