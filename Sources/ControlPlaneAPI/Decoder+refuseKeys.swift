extension Decoder {
    /// A misspelt key must not silently mean its default.
    package func refuseKeys<Known: CodingKey & CaseIterable>(besides known: Known.Type) throws {
        let found = try container(keyedBy: AnyKey.self).allKeys
        let names = Known.allCases.map(\.stringValue)
        if let unknown = found.first(where: { !names.contains($0.stringValue) }) {
            throw DecodingError.dataCorrupted(
                .init(
                    codingPath: codingPath + [unknown],
                    debugDescription: "unknown key; known here are \(names.joined(separator: ", "))",
                ),
            )
        }
    }
}

private struct AnyKey: CodingKey {
    let stringValue: String
    var intValue: Int? { nil }

    init(stringValue: String) { self.stringValue = stringValue }
    init?(intValue: Int) { nil }
}
