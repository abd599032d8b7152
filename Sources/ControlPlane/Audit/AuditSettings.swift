import ControlPlaneAPI
package import Foundation

/// How the audit is kept: the key `audit` of `server.yaml`.
package struct AuditSettings: Sendable, Equatable {
    /// Of the checkpoint key and the newest checkpoint. nil: below the data directory.
    package var keyDirectory: URL?
    package var retention: AuditRetention
    package var copies: [AuditCopy]

    package init(
        keyDirectory: URL? = nil, retention: AuditRetention = AuditRetention(), copies: [AuditCopy] = [],
    ) {
        self.keyDirectory = keyDirectory
        self.retention = retention
        self.copies = copies
    }
}

extension AuditSettings {
    /// As it is written.
    package struct Text: Sendable, Equatable, Decodable {
        package var keyDirectory: String?
        /// `400d`.
        package var retention: String?
        /// `500MiB`, `4GiB`.
        package var maximumSize: String?
        package var copies: [String]?

        private enum CodingKeys: String, CodingKey, CaseIterable { case keyDirectory, retention, maximumSize, copies }

        package init(from decoder: any Decoder) throws {
            try decoder.refuseKeys(besides: CodingKeys.self)
            let keys = try decoder.container(keyedBy: CodingKeys.self)
            keyDirectory = try keys.decodeIfPresent(String.self, forKey: .keyDirectory)
            retention = try keys.decodeIfPresent(String.self, forKey: .retention)
            maximumSize = try keys.decodeIfPresent(String.self, forKey: .maximumSize)
            copies = try keys.decodeIfPresent([String].self, forKey: .copies)
        }
    }

    init(_ text: Text) throws(ConfigurationError) {
        self.init()
        keyDirectory = text.keyDirectory.map { URL(filePath: $0, directoryHint: .isDirectory) }
        retention.age = try text.retention.map { text throws(ConfigurationError) in
            try Self.days(text, key: "audit.retention")
        }
        if let size = text.maximumSize { retention.bytes = try Self.bytes(size, key: "audit.maximumSize") }
        for place in text.copies ?? [] {
            guard let copy = AuditCopy(place) else {
                throw .value(key: "audit.copies", found: place, expected: "an absolute path, or an http(s) address")
            }
            copies.append(copy)
        }
    }

    private static func days(_ text: String, key: String) throws(ConfigurationError) -> Duration {
        guard text.hasSuffix("d"), let days = Int64(text.dropLast()), (1...36_500).contains(days) else {
            throw .value(key: key, found: text, expected: "days, such as 400d")
        }
        return .seconds(days * 86_400)
    }

    private static func bytes(_ text: String, key: String) throws(ConfigurationError) -> Int64 {
        for (unit, shift) in [("MiB", 20), ("GiB", 30), ("TiB", 40)] where text.hasSuffix(unit) {
            if let count = Int64(text.dropLast(3)), (1...1_000_000).contains(count) { return count << Int64(shift) }
        }
        throw .value(key: key, found: text, expected: "a size such as 500MiB or 4GiB")
    }
}
