import Limits
package import SPIFFE

/// `spec.workloadID` of an identity: the path of one SPIFFE ID, or a template that each process fills. Checked once, where
/// it comes in.
package enum WorkloadName: Hashable, Sendable {
    case fixed(SPIFFEPath)
    case template(WorkloadIDTemplate)

    package init(_ text: String) throws(WorkloadNameError) {
        try self.init(text, longest: Limits.Identities.templateBytes)
    }

    /// - Parameter most: bytes of the longest path that a template may give.
    private init(_ text: String, longest most: Int) throws(WorkloadNameError) {
        guard WorkloadIDTemplate.hasBraces(text) else {
            self = .fixed(try Self.path(text))
            return
        }
        let template = try Self.template(text)
        // It stands for all of them: what is literal is checked as in any path, and so are length and reserved names.
        let longest = try Self.path(template.example).text.utf8.count
        guard longest <= most else {
            throw .template(.tooLong(template: text, bytes: longest))
        }
        self = .template(template)
    }

    /// - Throws: what is no path that a manifest may give.
    package static func path(_ text: String) throws(WorkloadNameError) -> SPIFFEPath {
        guard !text.hasPrefix("/") else { throw .leadingSlash(text) }
        guard text.utf8.count <= Limits.Identities.pathBytes else { throw .tooLong(bytes: text.utf8.count) }
        let path = try checked(text)
        guard !path.isWithin(.reserved) else { throw .reserved(text) }
        return path
    }

    private static func checked(_ text: String) throws(WorkloadNameError) -> SPIFFEPath {
        do { return try SPIFFEPath(text) } catch { throw .path(error) }
    }

    private static func template(_ text: String) throws(WorkloadNameError) -> WorkloadIDTemplate {
        do { return try WorkloadIDTemplate(text) } catch { throw .template(error) }
    }

    /// As in the manifest.
    package var text: String {
        switch self {
        case .fixed(let path): path.text
        case .template(let template): template.text
        }
    }

    package var template: WorkloadIDTemplate? {
        if case .template(let template) = self { template } else { nil }
    }

    /// The facts it takes from a process.
    package var keys: Set<SelectorKey> { template?.keys ?? [] }

    /// Whether it gives this name to some process.
    package func covers(_ path: SPIFFEPath) -> Bool {
        switch self {
        case .fixed(let own): own == path
        case .template(let template): template.covers(path)
        }
    }

    /// The name of one process.
    package func expand(_ facts: ProcessFacts) throws(TemplateError) -> SPIFFEPath {
        switch self {
        case .fixed(let path): path
        case .template(let template): try template.expand(facts)
        }
    }

    var segments: [WorkloadIDTemplate.Segment] {
        switch self {
        case .fixed(let path):
            path.text.split(separator: "/").map { WorkloadIDTemplate.Segment(before: String($0)) }
        case .template(let template): template.segments
        }
    }

    /// Whether some process could have a name of both; errs towards yes.
    func meets(_ other: WorkloadName) -> Bool {
        switch (self, other) {
        case (.fixed(let path), _): other.covers(path)
        case (_, .fixed(let path)): covers(path)
        case (.template(let template), .template(let other)): template.meets(other)
        }
    }
}

/// Why a text is no ``WorkloadName``: what was expected, and found.
package enum WorkloadNameError: Error, Hashable, Sendable, CustomStringConvertible {
    case leadingSlash(String)
    case reserved(String)
    case tooLong(bytes: Int)
    case path(SPIFFEIDError)
    case template(TemplateError)

    package var description: String {
        switch self {
        case .leadingSlash(let text): "a path without the leading slash, found \"\(text)\""
        case .reserved(let text):
            "a path outside tidemark/, which is kept for agents and servers, found \"\(text)\""
        case .tooLong(let bytes): "a path of at most \(Limits.Identities.pathBytes) bytes, found \(bytes)"
        case .path(let error): "the path of a SPIFFE ID: \(error)"
        case .template(let error): "\(error)"
        }
    }
}

extension WorkloadName: CustomStringConvertible, Comparable {
    package var description: String { text }

    package static func < (left: WorkloadName, right: WorkloadName) -> Bool { left.text < right.text }
}

extension WorkloadName: Codable {
    package init(from decoder: any Decoder) throws {
        // What another release accepted is read, so that it can be deleted; what a process gets of it is held to the limit of now.
        try self.init(decoder.singleValueContainer().decode(String.self), longest: Limits.Identities.pathBytes)
    }

    package func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(text)
    }
}

/// For names that are written in code; one that is none is a defect.
extension WorkloadName: ExpressibleByStringLiteral {
    package init(stringLiteral text: String) {
        do { try self.init(text) } catch { preconditionFailure("\(error)") }
    }
}
