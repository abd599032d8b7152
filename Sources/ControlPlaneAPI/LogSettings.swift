import Foundation
package import Logging

/// `log:` of both daemons' configuration. Everything goes to standard error.
package struct LogSettings: Sendable, Equatable {
    package enum Format: String, Sendable, Codable {
        /// For people.
        case text
        /// For collectors: one object a line, see ``JSONLogHandler``.
        case json
    }

    package var level: Logger.Level
    package var format: Format

    package init(level: Logger.Level = .info, format: Format = .text) {
        self.level = level
        self.format = format
    }

    /// What flags say wins over the file.
    ///
    /// - Throws: ``Problem`` for a word that is none of the known ones.
    package func overridden(level: String?, format: String?) throws(Problem) -> LogSettings {
        var settings = self
        if let level {
            guard let known = Logger.Level(rawValue: level) else {
                let words = Logger.Level.allCases.map(\.rawValue).joined(separator: ", ")
                throw Problem(error: "log_level_unknown", message: "log level \"\(level)\"; expected one of \(words)")
            }
            settings.level = known
        }
        if let format {
            guard let known = Format(rawValue: format) else {
                throw Problem(error: "log_format_unknown", message: "log format \"\(format)\"; expected text or json")
            }
            settings.format = known
        }
        return settings
    }

    package func logger(label: String) -> Logger {
        var logger = Logger(label: label) { label in
            switch format {
            case .text: StreamLogHandler.standardError(label: label)
            case .json: JSONLogHandler(label: label)
            }
        }
        logger.logLevel = level
        return logger
    }
}

extension LogSettings: Decodable {
    private enum CodingKeys: String, CodingKey, CaseIterable { case level, format }

    package init(from decoder: any Decoder) throws {
        try decoder.refuseKeys(besides: CodingKeys.self)
        let keys = try decoder.container(keyedBy: CodingKeys.self)
        self.init()
        level = try keys.decodeIfPresent(Logger.Level.self, forKey: .level) ?? level
        format = try keys.decodeIfPresent(Format.self, forKey: .format) ?? format
    }
}

/// `{"level":…,"message":…,"program":…,"time":…, metadata…}`; times are RFC 3339 in UTC.
package struct JSONLogHandler: LogHandler {
    package var logLevel: Logger.Level = .info
    package var metadata: Logger.Metadata = [:]
    private let label: String

    package init(label: String) {
        self.label = label
    }

    package subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    package func log(event: LogEvent) {
        var members: [String: String] = [:]
        for (key, value) in metadata.merging(event.metadata ?? [:], uniquingKeysWith: { _, new in new }) {
            members[key] = "\(value)"
        }
        members["time"] = Date().formatted(Date.ISO8601FormatStyle(includingFractionalSeconds: true))
        members["level"] = event.level.rawValue
        members["program"] = label
        members["message"] = "\(event.message)"
        guard var line = try? WireCoding.encoder().encode(members) else { return }
        line.append(UInt8(ascii: "\n"))
        // One write a line, so that lines of several threads do not mix.
        FileHandle.standardError.write(line)
    }
}
