// As in the manifest: each key with the list of its values' texts.
extension Selector: Codable {
    package init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        conditions = [:]
        for (name, texts) in try container.decode([String: [String]].self) {
            guard let key = SelectorKey(name), !texts.isEmpty else {
                throw DecodingError.dataCorruptedError(in: container, debugDescription: "no selector key: \(name)")
            }
            do {
                conditions[key] = Condition(
                    try texts.map { text throws(SelectorValue.Mistake) in try SelectorValue(text, for: key) })
            } catch {
                throw DecodingError.dataCorruptedError(in: container, debugDescription: "\(name): \(error)")
            }
        }
        if conditions.isEmpty {
            // It would match every process.
            throw DecodingError.dataCorruptedError(in: container, debugDescription: "a selector without a key")
        }
    }

    package func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(Dictionary(uniqueKeysWithValues: conditions.map { ($0.key.description, $0.value.texts) }))
    }
}
