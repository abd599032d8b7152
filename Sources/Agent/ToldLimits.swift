import ControlPlaneAPI
import Limits
import Proxy

/// `limits` in agent.yaml: what of the proxy's limits an operator may choose.
struct ToldLimits: Decodable {
    private let connections, bodyBytesPerSecond: Int?
    private let handshake, requestHead, idle: Duration?

    private enum CodingKeys: String, CodingKey, CaseIterable {
        case connections, handshake, requestHead, idle, bodyBytesPerSecond
    }

    init(from decoder: any Decoder) throws {
        try decoder.refuseKeys(besides: CodingKeys.self)
        let keys = try decoder.container(keyedBy: CodingKeys.self)
        connections = try Self.number(.connections, Limits.Slots.leastOfProxy...Limits.Slots.mostOfProxy, in: keys)
        bodyBytesPerSecond = try Self.number(.bodyBytesPerSecond, 0...1_000_000, in: keys)
        handshake = try Self.duration(.handshake, in: keys)
        requestHead = try Self.duration(.requestHead, in: keys)
        idle = try Self.duration(.idle, in: keys)
    }

    func change(_ limits: inout ProxyLimits) {
        if let connections { limits.maximumConnections = connections }
        if let handshake { (limits.handshake, limits.firstByte) = (handshake, handshake) }
        if let requestHead { limits.requestHead = requestHead }
        if let idle { limits.idle = idle }
        if let bodyBytesPerSecond { limits.bodyBytesPerSecond = bodyBytesPerSecond }
    }

    private static func number(
        _ key: CodingKeys, _ range: ClosedRange<Int>, in keys: KeyedDecodingContainer<CodingKeys>,
    ) throws -> Int? {
        guard let number = try keys.decodeIfPresent(Int.self, forKey: key) else { return nil }
        guard range.contains(number) else {
            throw DecodingError.dataCorruptedError(
                forKey: key, in: keys,
                debugDescription: "expected \(range.lowerBound)...\(range.upperBound), found \(number)")
        }
        return number
    }

    private static func duration(
        _ key: CodingKeys, in keys: KeyedDecodingContainer<CodingKeys>,
    ) throws -> Duration? {
        guard let text = try keys.decodeIfPresent(String.self, forKey: key) else { return nil }
        let units: [Character: Int64] = ["s": 1, "m": 60, "h": 3600]
        guard let unit = text.last.flatMap({ units[$0] }), let count = Int64(text.dropLast()),
            (1...1000).contains(count)
        else {
            throw DecodingError.dataCorruptedError(
                forKey: key, in: keys,
                debugDescription: "expected a duration such as 10s or 5m, found \"\(text)\"")
        }
        return .seconds(count * unit)
    }
}
