import Limits

/// A JSON value as audit details hold it.
package enum AuditValue: Hashable, Sendable {
    case string(String)
    case integer(Int64)
    case boolean(Bool)
    case list([AuditValue])
    case object([String: AuditValue])
}

extension AuditValue {
    /// The same with each text cut to size, and each list and object to as many members.
    package func bounded() -> AuditValue {
        switch self {
        case .string(let text): return .string(text.cut(toJSONBytes: Limits.Audit.textBytes))
        case .integer, .boolean: return self
        case .list(let values):
            let texts = values.compactMap { if case .string(let text) = $0 { text } else { nil } }
            guard texts.count == values.count else {
                return .list(values.prefix(Limits.Audit.members).map { $0.bounded() })
            }
            return .list(texts.cut(toJSONBytes: Limits.Audit.listBytes).map(AuditValue.string))
        case .object(let members):
            let kept = members.sorted { $0.key < $1.key }.prefix(Limits.Audit.members).map {
                ($0.key, $0.value.bounded())
            }
            return .object(Dictionary(uniqueKeysWithValues: kept))
        }
    }
}

extension AuditValue: Codable {
    package init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        if let value = try? container.decode(Bool.self) {
            self = .boolean(value)
        } else if let value = try? container.decode(Int64.self) {
            self = .integer(value)
        } else if let value = try? container.decode(String.self) {
            self = .string(value)
        } else if let value = try? container.decode([AuditValue].self) {
            self = .list(value)
        } else {
            self = .object(try container.decode([String: AuditValue].self))
        }
    }

    package func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        switch self {
        case .string(let value): try container.encode(value)
        case .integer(let value): try container.encode(value)
        case .boolean(let value): try container.encode(value)
        case .list(let value): try container.encode(value)
        case .object(let value): try container.encode(value)
        }
    }
}
