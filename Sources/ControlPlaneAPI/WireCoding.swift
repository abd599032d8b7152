package import Foundation

/// JSON as all of Tidemark speaks it: times are RFC 3339 in UTC with milliseconds, keys sorted, bytes base64.
package enum WireCoding {
    package static func encoder() -> JSONEncoder {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        encoder.dateEncodingStrategy = .custom { date, encoder in
            var container = encoder.singleValueContainer()
            try container.encode(text(date))
        }
        return encoder
    }

    /// The nearest millisecond: what is read from such a text gives the same text again, as audits are hashed over it.
    package static func text(_ date: Date) -> String {
        // The style cuts off what is beyond, and no binary fraction is quite a millisecond.
        let milliseconds = (date.timeIntervalSinceReferenceDate * 1000).rounded()
        return Date(timeIntervalSinceReferenceDate: (milliseconds + 0.25) / 1000).formatted(style)
    }

    package static func decoder() -> JSONDecoder {
        let decoder = JSONDecoder()
        decoder.dateDecodingStrategy = .custom { decoder in
            let text = try decoder.singleValueContainer().decode(String.self)
            return try Date(text, strategy: style)
        }
        return decoder
    }

    private static let style = Date.ISO8601FormatStyle(includingFractionalSeconds: true)
}
