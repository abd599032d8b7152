import Foundation
import Limits
package import Logging
import Workloads

/// For people: `time level program: key=value [module] message`, one line each, whatever strangers' texts are in it.
package struct TextLogHandler: LogHandler {
    package var logLevel: Logger.Level = .info
    package var metadata: Logger.Metadata = [:]
    private let label: String
    private let stream: LogStream

    package init(label: String, stream: LogStream) {
        self.label = label
        self.stream = stream
    }

    package subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    package func log(event: LogEvent) {
        let members = metadata.merging(event.metadata ?? [:]) { _, new in new }.sorted { $0.key < $1.key }
            .map { " \($0.key)=\(Self.word("\($0.value)"))" }
        stream.write(
            Self.line(event.level, label, members.joined() + " [\(event.source)] " + "\(event.message)".kept.visible))
    }

    static func line(_ level: Logger.Level, _ label: String, _ rest: String) -> String {
        "\(Date().formatted(.iso8601)) \(level) \(label):\(rest)\n"
    }

    /// A value that could be taken for what follows it stands in quotes.
    private static func word(_ value: String) -> String {
        let text = value.kept.visible
        return text.isEmpty || text.hasAny(of: " \"=[]") ? text.quoted : text
    }
}

/// `{"level":…,"message":…,"program":…,"time":…, metadata…}`; times are RFC 3339 in UTC.
package struct JSONLogHandler: LogHandler {
    package var logLevel: Logger.Level = .info
    package var metadata: Logger.Metadata = [:]
    private let label: String
    private let stream: LogStream

    package init(label: String, stream: LogStream) {
        self.label = label
        self.stream = stream
    }

    package subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    package func log(event: LogEvent) {
        var members: [String: String] = [:]
        for (key, value) in metadata.merging(event.metadata ?? [:], uniquingKeysWith: { _, new in new }) {
            members[key] = "\(value)".kept
        }
        stream.write(Self.line(event.level, label, "\(event.message)".kept, members))
    }

    static func line(_ level: Logger.Level, _ label: String, _ message: String, _ others: [String: String]) -> String {
        var members = others
        members["time"] = Date().formatted(Date.ISO8601FormatStyle(includingFractionalSeconds: true))
        members["level"] = level.rawValue
        members["program"] = label
        members["message"] = message
        // A dictionary of texts can be encoded.
        let json = (try? WireCoding.encoder().encode(members)) ?? Data()
        return String(decoding: json, as: UTF8.self).visibleJSON + "\n"
    }
}

extension String {
    /// As much of a message, or of a value in it, as a log line has room for.
    fileprivate var kept: String {
        guard utf8.count > Limits.Log.textBytes else { return self }
        return String(naming: Array(utf8.prefix(Limits.Log.textBytes))) + " … (cut)"
    }
}
