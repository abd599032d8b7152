import ControlPlaneAPI
import Foundation
import SPIFFE
import Testing
import Workloads

@testable import tidemark

/// What strangers choose, such as argv, a path or an agent's error, on every page there is.
@Suite("Forged lines")
struct ForgedLineTests {
    /// Begins a line, colours it, goes up one, turns it round.
    private static let hostile = "x\nidentity    forged\u{1b}[31m\r\u{1b}[1A\u{202e}\u{85}\u{9b}2K"

    private static func facts(_ text: String) -> ProcessFacts {
        ProcessFacts(
            key: ProcessKey(pid: 42, startTime: 7), userID: 1, realUserID: 1, groupID: 1, name: text,
            arguments: [text, text], executable: .init(path: "/\(text)", device: 1, inode: 2, hash: text),
            script: .init(path: text, hash: text), cgroup: "/\(text).service",
            parent: ProcessKey(pid: 1, startTime: 1), parentIdentity: text, ancestorIdentities: [text],
        )
    }

    private static func evidence(_ text: String) -> Evidence {
        Evidence(key: text, grade: .claimed, expected: text, actual: text, holds: false)
    }

    private static func explanation(_ text: String, _ match: Match) -> Explanation {
        Explanation(
            facts: facts(text), match: match, spiffeID: text,
            kernel: KernelOpinion(answer: .identified, workloadID: text, agrees: false), steps: [text], notes: [text])
    }

    private static func pages(_ text: String) -> [Page] {
        var connection = ConnectionExplanation(state: .refused, because: text, destination: text)
        connection.source = text
        connection.workload = text
        connection.peer = text
        connection.peerSVIDSerial = text
        connection.wire = text
        let draft = DraftReport(
            agentGroup: text, version: 3,
            documents: [.init(kind: text, name: text, effect: .ignored, reason: text)], conflicts: [],
            counts: DraftReport.Counts(),
            changes: [
                .init(
                    process: ProcessKey(pid: 42, startTime: 1), name: text, arguments: [text], userID: 5,
                    effect: .gains, from: text, to: text, reason: text)
            ])
        let matches: [Match] = [
            .workload(workloadID: "agent", because: [evidence(text)]),
            .nameless(template: "agents/{{process:uid}}", reason: text, because: [evidence(text)]),
            .unmanaged(nearest: [NearMiss(workloadID: "agent", evidence: [evidence(text)])]),
        ]
        let record = AuditRecord(
            sequence: 1, time: Date(timeIntervalSince1970: 0), source: "x", type: text,
            details: [
                "decision": .string(text), "a": .list([.string(text)]), "b": .object(["c": .string(text)]),
                text: .string("d"),
            ], hash: "")
        return matches.map { ExplanationPage(explanation(text, $0)).page }
            + [ConnectionPage(connection).page, DraftPage(draft).page, Page([AuditLine(record).text])]
    }

    @Test func `a page has as many lines as without them, and all of it is seen`() {
        for (forged, honest) in zip(Self.pages(Self.hostile), Self.pages("honest")) {
            #expect(forged.lines.count == honest.lines.count)
            #expect(!forged.lines.contains { $0.hasUnseen || $0.hasPrefix("identity    forged") })
            #expect(forged.text.split(separator: "\n", omittingEmptySubsequences: false).count == honest.lines.count)
        }
    }

    @Test func `a member of an audit record cannot be forged within its line`() {
        let record = AuditRecord(
            sequence: 1, time: Date(timeIntervalSince1970: 0), source: "x", type: "connection.opened",
            details: ["argv": .string("x\tdecision=allowed"), "exe": .string("a decision=allowed")], hash: "")
        #expect(AuditLine(record).text.visible.hasSuffix(#"argv="x\x09decision=allowed" exe="a decision=allowed""#))
    }

    @Test func `JSON and YAML say what was said, in seen characters`() throws {
        let explanation = Self.explanation(Self.hostile, .unmanaged(nearest: []))
        let json = try OutputOption.json(explanation, pretty: true).text
        let yaml = try OutputOption.yaml(explanation).text
        for text in [json, yaml] { #expect(!text.split(separator: "\n").contains { $0.hasUnseen }) }
        let read = try WireCoding.decoder().decode(Explanation.self, from: Data(json.utf8))
        #expect(read.facts.name == Self.hostile)
    }
}
