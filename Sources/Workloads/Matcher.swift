/// Decides which identity a process has. Pure; the kernel part decides the same from the same ``SelectorProgram``.
package struct Matcher: Sendable, Equatable {
    private let program: SelectorProgram

    /// How many selectors that do not match are told of.
    package static let nearMisses = 5

    package init(_ identities: [WorkloadIdentity]) {
        program = SelectorProgram(compiling: identities)
    }

    package func match(_ facts: ProcessFacts) -> Match {
        if let slot = program.slots.first(where: { $0.selector.matches(facts) }) {
            return .workload(workloadID: slot.workloadID, because: slot.selector.evidence(for: facts))
        }
        return .unmanaged(nearest: nearest(to: facts))
    }

    /// Most keys right first; among those the longest common beginning of the command line, then precedence.
    private func nearest(to facts: ProcessFacts) -> [NearMiss] {
        let ranked = program.slots.enumerated().map { place, slot in
            let miss = NearMiss(workloadID: slot.workloadID, evidence: slot.selector.evidence(for: facts))
            let right = miss.evidence.count { $0.holds }
            return (miss: miss, rank: (-right, -slot.selector.commonWords(with: facts.arguments), place))
        }
        return ranked.sorted { $0.rank < $1.rank }.prefix(Self.nearMisses).map(\.miss)
    }
}

extension Selector {
    /// All keys that are given hold.
    package func matches(_ facts: ProcessFacts) -> Bool {
        matchesUser(facts) && matchesName(facts) && matchesCommandLine(facts)
    }

    fileprivate func matchesUser(_ facts: ProcessFacts) -> Bool { userIDs?.contains(facts.userID) ?? true }

    // Byte by byte, as the kernel compares; Swift's == would take two spellings of one character for the same.
    fileprivate func matchesName(_ facts: ProcessFacts) -> Bool {
        names?.contains { $0.utf8.elementsEqual(facts.name.utf8) } ?? true
    }

    fileprivate func matchesCommandLine(_ facts: ProcessFacts) -> Bool {
        commandLines?.contains { words in
            facts.arguments.starts(with: words) { $0.utf8.elementsEqual($1.utf8) }
        } ?? true
    }

    fileprivate func commonWords(with arguments: [String]) -> Int {
        commandLines?.map { words in zip(words, arguments).prefix { $0 == $1 }.count }.max() ?? 0
    }

    /// One entry a key that is given, in the order uid, name, cmdline.
    package func evidence(for facts: ProcessFacts) -> [Evidence] {
        var all: [Evidence] = []
        if let userIDs {
            all.append(
                Evidence(
                    key: "process:uid", grade: .attested, expected: Self.either(userIDs.map(String.init)),
                    actual: "\(facts.userID)", holds: matchesUser(facts),
                ),
            )
        }
        if let names {
            all.append(
                Evidence(
                    key: "process:name", grade: .claimed, expected: Self.either(names), actual: facts.name,
                    holds: matchesName(facts),
                ),
            )
        }
        if let commandLineTexts {
            all.append(
                Evidence(
                    key: "process:cmdline", grade: .claimed, expected: Self.either(commandLineTexts),
                    actual: facts.commandLine, holds: matchesCommandLine(facts),
                ),
            )
        }
        return all
    }

    private static func either(_ texts: [String]) -> String { texts.joined(separator: " or ") }
}

extension ProcessFacts {
    /// argv for reading: an argument that is empty or holds white space stands in quotes.
    package var commandLine: String {
        let words = arguments.map { $0.isEmpty || $0.contains(where: \.isWhitespace) ? "\"\($0)\"" : $0 }
        return words.joined(separator: " ") + (argumentsTruncated ? " …" : "")
    }
}
