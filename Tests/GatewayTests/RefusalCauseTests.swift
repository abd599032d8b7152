import Foundation
import Gateway
import Testing

@Suite("Refusal causes") struct RefusalCauseTests {
    @Test func `each cause is in the documentation, and none there is made up`() throws {
        let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent()
        let text = try String(contentsOf: root.appending(path: "docs/cli.md"), encoding: .utf8)
        let section = try #require(
            text.components(separatedBy: "## Causes of refusals").last?
                .components(separatedBy: "\n## ").first)
        let rows = section.split(separator: "\n").filter { $0.hasPrefix("| `") }
        let documented = rows.flatMap { row in
            row.split(separator: "|")[0].split(separator: "`").map(String.init).filter {
                $0.wholeMatch(of: /[a-z_]+/) != nil
            }
        }
        #expect(Set(documented) == Set(RefusalCause.allCases.map(\.rawValue)))
        #expect(Set(documented).count == documented.count)
    }
}
