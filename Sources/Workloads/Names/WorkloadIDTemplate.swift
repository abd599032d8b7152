import Limits
package import SPIFFE

/// A workload ID with places that each process fills from what the kernel vouches for: `agents/{{process:uid}}`.
package struct WorkloadIDTemplate: Hashable, Sendable, CustomStringConvertible {
    package let text: String
    let segments: [Segment]

    /// One segment of the path: plain, or with one place in it.
    struct Segment: Hashable, Sendable {
        var before: String
        var place: Place?
        var after: String = ""
    }

    /// Attested keys with one value that has no slash.
    package enum Place: String, Hashable, Sendable, CaseIterable {
        case userID = "process:uid"
        case realUserID = "process:uid:real"
        case groupID = "process:gid"
        case realGroupID = "process:gid:real"
        case systemdUnit = "systemd:unit"
        case binaryHash = "process:binary:hash"
        case scriptHash = "process:script:hash"
    }

    package init(_ text: String) throws(TemplateError) {
        self.text = text
        var segments: [Segment] = []
        for part in text.split(separator: "/", omittingEmptySubsequences: false) {
            segments.append(try Segment(String(part)))
        }
        self.segments = segments
        guard segments.contains(where: \.isPartlyLiteral) else { throw .nothingLiteral(text) }
    }

    /// Of a text that is meant as one.
    static func hasBraces(_ text: String) -> Bool {
        // Nearly all have none, by the thousand; looking for two characters in a row takes far longer.
        text.utf8.contains { $0 == UInt8(ascii: "{") || $0 == UInt8(ascii: "}") }
            && (text.contains("{{") || text.contains("}}"))
    }

    /// The facts it takes from a process.
    package var keys: Set<SelectorKey> { Set(segments.compactMap { $0.place.flatMap { SelectorKey($0.rawValue) } }) }

    package var description: String { text }

    /// The ID of one process. Nothing is left out or replaced: what does not fit is refused.
    package func expand(_ facts: ProcessFacts) throws(TemplateError) -> SPIFFEPath {
        var parts: [String] = []
        for segment in segments { parts.append(try segment.expand(facts)) }
        let id = parts.joined(separator: "/")
        guard id.utf8.count <= Limits.Identities.templateBytes else {
            throw .tooLong(template: text, bytes: id.utf8.count)
        }
        do { return try SPIFFEPath(id) } catch { throw .path(error) }
    }

    /// What all of its IDs begin with.
    var literalStart: String { text.firstRange(of: "{{").map { String(text[..<$0.lowerBound]) } ?? text }

    /// One of its IDs, with the longest value in each place.
    var example: String {
        segments.map { $0.before + ($0.place?.example ?? "") + $0.after }.joined(separator: "/")
    }

    /// Whether it could give this ID to some process.
    package func covers(_ path: SPIFFEPath) -> Bool {
        let parts = path.text.split(separator: "/", omittingEmptySubsequences: false)
        return parts.count == segments.count && zip(segments, parts).allSatisfy { $0.covers($1) }
    }

    /// Whether some ID could come from both; errs towards yes.
    func meets(_ other: WorkloadIDTemplate) -> Bool {
        segments.count == other.segments.count && zip(segments, other.segments).allSatisfy { $0.meets($1) }
    }
}

extension WorkloadIDTemplate.Segment {
    fileprivate init(_ text: String) throws(TemplateError) {
        guard let opening = text.firstRange(of: "{{") else {
            guard !text.contains("}}") else { throw .braces(text) }
            self.init(before: text)
            return
        }
        guard let closing = text[opening.upperBound...].firstRange(of: "}}") else { throw .braces(text) }
        let after = String(text[closing.upperBound...])
        // Two values side by side could be read in two ways: 1 and 23, or 12 and 3.
        guard !after.contains("{{") else { throw .severalPlaces(text) }
        guard !after.contains("}}") else { throw .braces(text) }
        self.init(
            before: String(text[..<opening.lowerBound]),
            place: try WorkloadIDTemplate.Place(named: String(text[opening.upperBound..<closing.lowerBound])),
            after: after)
    }

    fileprivate var isPartlyLiteral: Bool { !before.isEmpty || !after.isEmpty }

    fileprivate func expand(_ facts: ProcessFacts) throws(TemplateError) -> String {
        guard let place else { return before }
        return before + (try place.value(of: facts)) + after
    }

    func covers(_ text: Substring) -> Bool {
        guard let place else { return text.hasSameBytes(as: before) }
        let fixed = before.utf8.count + after.utf8.count
        guard text.utf8.count > fixed, text.utf8.starts(with: before.utf8),
            text.utf8.suffix(after.utf8.count).elementsEqual(after.utf8)
        else { return false }
        return place.allows(text.utf8.dropFirst(before.utf8.count).dropLast(after.utf8.count))
    }

    func meets(_ other: Self) -> Bool {
        switch (place, other.place) {
        case (.none, _): other.covers(before[...])
        case (_, .none): covers(other.before[...])
        case (.some(let place), .some(let second)):
            (before != other.before || after != other.after || place.kind == second.kind)
                && (before.utf8.starts(with: other.before.utf8) || other.before.utf8.starts(with: before.utf8))
                && (after.utf8.reversed().starts(with: other.after.utf8.reversed())
                    || other.after.utf8.reversed().starts(with: after.utf8.reversed()))
        }
    }
}

extension WorkloadIDTemplate.Place {
    enum Kind { case number, hash, unit }

    var kind: Kind {
        switch self {
        case .userID, .realUserID, .groupID, .realGroupID: .number
        case .binaryHash, .scriptHash: .hash
        case .systemdUnit: .unit
        }
    }

    fileprivate var example: String {
        switch kind {
        case .number: "\(UInt32.max - 1)"
        case .hash: String(repeating: "0", count: 64)
        case .unit:
            String(repeating: "x", count: Limits.Identities.placeBytes - ".service".utf8.count) + ".service"
        }
    }

    fileprivate init(named name: String) throws(TemplateError) {
        guard let place = Self(rawValue: name) else { throw .key(name, SelectorKey(name)) }
        self = place
    }

    /// Whether some process could have this value.
    fileprivate func allows(_ bytes: Substring.UTF8View.SubSequence) -> Bool {
        let text = String(Substring(bytes))
        return switch kind {
        case .number: UInt32(text).map { "\($0)" == text && $0 < .max } ?? false
        case .hash: text.utf8.count == 64 && text.utf8.allSatisfy { "0123456789abcdef".utf8.contains($0) }
        case .unit:
            text.utf8.count <= Limits.Identities.placeBytes && SystemdUnit.isName(text) && SPIFFEPath.isSegment(text)
        }
    }

    fileprivate func value(of facts: ProcessFacts) throws(TemplateError) -> String {
        let value: String? =
            switch self {
            case .userID: "\(facts.userID)"
            case .realUserID: "\(facts.realUserID)"
            case .groupID: "\(facts.groupID)"
            case .realGroupID: "\(facts.realGroupID)"
            case .systemdUnit: facts.systemdUnit
            case .binaryHash: facts.executable.hash
            case .scriptHash: facts.script?.hash
            }
        guard let value else { throw .missing(self) }
        guard value.utf8.count <= Limits.Identities.placeBytes else {
            throw .longValue(self, bytes: value.utf8.count)
        }
        guard allows(value[...].utf8) else { throw .unfit(self, value: value) }
        return value
    }
}
