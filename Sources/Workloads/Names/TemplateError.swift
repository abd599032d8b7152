import Limits
package import SPIFFE

/// Why a workload ID with places is no such thing, or cannot be filled for one process.
package enum TemplateError: Error, Hashable, Sendable, CustomStringConvertible {
    /// `{{` without `}}`, or the reverse.
    case braces(String)
    /// More than one place in one segment.
    case severalPlaces(String)
    case nothingLiteral(String)
    /// A key that may not stand in a template; nil where it is no key at all.
    case key(String, SelectorKey?)
    /// The process has no such value, or it is not known.
    case missing(WorkloadIDTemplate.Place)
    /// The value cannot be part of a SPIFFE ID.
    case unfit(WorkloadIDTemplate.Place, value: String)
    /// The process has one, of more bytes than there is room for.
    case longValue(WorkloadIDTemplate.Place, bytes: Int)
    case tooLong(template: String, bytes: Int)
    case path(SPIFFEIDError)

    package var description: String {
        switch self {
        case .braces(let segment): "a key between {{ and }} in \"\(segment)\", such as {{process:uid}}"
        case .severalPlaces(let segment):
            "one {{key}} in each path segment, found several in \"\(segment)\"; put a / between them, so that no two processes read alike"
        case .nothingLiteral(let text): "a text beside the {{key}}, such as agents/{{process:uid}}, found \"\(text)\""
        case .key(let name, let key): "one of \(Self.places) between {{ and }}, found \(name)\(Self.reason(key))"
        case .missing(let place):
            "the process has no \(place.rawValue), or it is not known yet; add the key to the selector, or take another one"
        case .unfit(let place, let value):
            "\(place.rawValue) is \"\(value)\", and a segment of a SPIFFE ID has only a-z A-Z 0-9 . - _; give it an identity of its own"
        case .longValue(let place, let bytes):
            "\(place.rawValue) has \(bytes) bytes, and \(Limits.Identities.placeBytes) are the most that an ID takes of it; give it a shorter one, or an identity of its own"
        case .tooLong(let template, let bytes):
            "\(template) becomes up to \(bytes) bytes, and \(Limits.Identities.templateBytes) are the most; write it shorter"
        case .path(let error): "the path of a SPIFFE ID: \(error)"
        }
    }

    private static let places = WorkloadIDTemplate.Place.allCases.map(\.rawValue).joined(separator: ", ")

    private static func reason(_ key: SelectorKey?) -> String {
        switch key {
        case .none: ""
        case .name, .commandLine, .argument:
            ", which is claimed: whoever starts a process could choose its identity; use process:binary:hash"
        case .scriptPath:
            ", which is claimed: whoever starts a process could choose its identity; use process:script:hash"
        case .binaryPath: ", which has slashes; use process:binary:hash"
        case .cgroup: ", which has slashes; use systemd:unit"
        case .additionalGroupID: ", of which a process can have several; use process:gid"
        case .ancestor: ", of which a process can have several; write one identity for each"
        case .parent: ", which has slashes; write one identity for each"
        default: ""
        }
    }
}
