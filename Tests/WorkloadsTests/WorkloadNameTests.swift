import Foundation
import SPIFFE
import Testing

@testable import Workloads

@Suite struct WorkloadNameTests {
    @Test(arguments: [
        ("tidemark", "outside tidemark/"), ("tidemark/x", "outside tidemark/"),
        ("tidemark/agent/{{process:uid}}", "outside tidemark/"), ("/x", "without the leading slash"),
        ("/x/{{process:uid}}", "without the leading slash"), ("x//y", "empty segment"), ("", "empty segment"),
        ("x/", "empty segment"), ("x/../y", "segment"), ("x y", "contains \" \""), ("x/{y", "contains \"{\""),
        ("x/%41", "contains \"%\""), ("x y/{{process:uid}}", "contains \" \""), ("x/{{uid}}", "found uid"),
        (String(repeating: "a", count: 1025), "at most 1024 bytes, found 1025"),
        (String(repeating: "a", count: 1014) + "/{{process:uid}}", "at most 1024 bytes, found 1025"),
    ])
    func `what no manifest may give is no name, wherever it comes from`(_ text: String, _ reason: String) throws {
        let error = #expect(throws: WorkloadNameError.self) { try WorkloadName(text) }
        #expect(error?.description.contains(reason) == true, "\(error?.description ?? "")")
        let json = try JSONEncoder().encode([text])
        #expect(throws: WorkloadNameError.self) { try JSONDecoder().decode([WorkloadName].self, from: json) }
    }

    @Test(arguments: [
        "x", "tidemarks/x", "a/tidemark", "x.y-z_0", String(repeating: "a", count: 1024), "{{process:uid}}/tidemark",
    ])
    func `a name reads back as it was written`(_ text: String) throws {
        let json = try JSONEncoder().encode([try WorkloadName(text)])
        #expect(try JSONDecoder().decode([String].self, from: json) == [text])
        #expect(try JSONDecoder().decode([WorkloadName].self, from: json).map(\.text) == [text])
    }

    @Test(arguments: [
        ("a", "a", true), ("a/b", "a", true), ("ab", "a", false), ("a", "a/b", false), ("a.b", "a", false),
        ("b/a", "a", false),
    ])
    func `a path is within itself and what it is below`(_ path: String, _ other: String, _ expected: Bool) throws {
        #expect(try SPIFFEPath(path).isWithin(SPIFFEPath(other)) == expected)
    }
}
