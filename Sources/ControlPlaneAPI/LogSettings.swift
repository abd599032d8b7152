package import Logging
import Workloads

/// `log:` of both daemons' configuration. Everything goes to standard error.
package struct LogSettings: Sendable, Equatable {
    /// How a line is written.
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

    /// - Parameter descriptor: where lines are written; standard error but in tests.
    package func logger(label: String, descriptor: Int32 = StandardStream.error.rawValue) -> Logger {
        let format = format
        let stream = LogStream(descriptor: descriptor) { count, reason in
            let message = "\(count) lines of this log were lost: \(reason)"
            return switch format {
            case .text: TextLogHandler.line(.error, label, " " + message.visible)
            case .json: JSONLogHandler.line(.error, label, message, ["lost": "\(count)"])
            }
        }
        var logger = Logger(label: label) { label in
            switch format {
            case .text: TextLogHandler(label: label, stream: stream)
            case .json: JSONLogHandler(label: label, stream: stream)
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
