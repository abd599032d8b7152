package import ControlPlaneAPI
import Limits
package import Workloads

/// Which endpoints an agent may report at all, whoever else claims them.
package struct EndpointRules: Sendable, Equatable {
    /// Address ranges that operators bound to agent groups: agents of such a group report no others, and agents of other groups
    /// none of these.
    package var ranges: [String: [AddressRange]]

    package init(ranges: [String: [AddressRange]] = [:]) {
        self.ranges = ranges
    }

    /// The address in the one spelling that counts.
    package func decision(_ endpoint: Endpoint, by group: String) throws(EndpointRefusal) -> Endpoint {
        guard let address = try? AddressRange(endpoint.address), address.prefixBits == 128,
            !endpoint.address.contains("/")
        else { throw .malformed(endpoint.address) }
        guard endpoint.port != 0 else { throw .noPort }
        if let special = Self.special.first(where: { $0.range.contains(address) }) {
            throw .special("\(address)", special.meaning)
        }
        let own = ranges[group] ?? []
        if isLinkLocalAtLarge(address) { return canonical(endpoint, address) }
        guard own.isEmpty || own.contains(where: { $0.contains(address) }) else {
            throw .outsideRanges("\(address)", group: group)
        }
        let others = ranges.filter { $0.key != group && $0.value.contains { $0.contains(address) } }.keys.sorted()
        if own.isEmpty, let other = others.first { throw .rangeOfOthers("\(address)", group: other) }
        return canonical(endpoint, address)
    }

    private func canonical(_ endpoint: Endpoint, _ address: AddressRange) -> Endpoint {
        var endpoint = endpoint
        endpoint.address = "\(address)"
        return endpoint
    }

    /// Ranges of routed addresses say nothing of link-local ones, which every host has beside them: dropping these would leave them
    /// to be dialled in plain text. A range among them binds them like others.
    private func isLinkLocalAtLarge(_ address: AddressRange) -> Bool {
        guard let linkLocal = Self.linkLocal, linkLocal.contains(address) else { return false }
        return !ranges.values.joined().contains { $0.overlaps(linkLocal) }
    }

    private static let linkLocal = try? AddressRange("fe80::/10")

    /// What is nowhere, or somewhere else for everybody. RFC 6890; RFC 4291, sections 2.4 to 2.7.
    private static let special: [(range: AddressRange, meaning: String)] = [
        ("0.0.0.0/8", "unspecified"), ("127.0.0.0/8", "loopback"), ("169.254.0.0/16", "link-local"),
        ("224.0.0.0/4", "multicast"), ("240.0.0.0/4", "reserved"), ("::", "unspecified"), ("::1", "loopback"),
        ("ff00::/8", "multicast"),
    ].compactMap { text, meaning in (try? AddressRange(text)).map { ($0, meaning) } }
}

/// Why a reported endpoint is not taken.
package enum EndpointRefusal: Error, Equatable, CustomStringConvertible {
    case malformed(String)
    case noPort
    case special(String, String)
    case outsideRanges(String, group: String)
    case rangeOfOthers(String, group: String)
    case notInGroup(workload: String, group: String)
    case tooManyOfWorkload(Int)
    case tooManyOfAgent(Int)
    case tooMany(Int)

    /// One word for those of a kind, so that each is told once.
    var kind: String {
        switch self {
        case .malformed, .noPort: "malformed"
        case .special: "special"
        case .outsideRanges, .rangeOfOthers: "range"
        case .notInGroup: "group"
        case .tooManyOfWorkload, .tooManyOfAgent, .tooMany: "number"
        }
    }

    package var description: String {
        switch self {
        case .malformed(let text): "\"\(text.cut(toJSONBytes: Limits.Audit.wordBytes))\" is no IP address"
        case .noPort: "port 0 is no port"
        case .special(let address, let meaning):
            "\(address) is a \(meaning) address, which means nothing to other hosts"
        case .outsideRanges(let address, let group):
            "\(address) is outside of the ranges of agent group \"\(group)\"; see endpointRanges in server.yaml"
        case .rangeOfOthers(let address, let group):
            "\(address) is in a range of agent group \"\(group)\"; see endpointRanges in server.yaml"
        case .notInGroup(let workload, let group): "no manifest gives \(workload) to agent group \"\(group)\""
        case .tooManyOfWorkload(let most): "this workload has \(most) endpoints at this agent, as many as are kept"
        case .tooManyOfAgent(let most): "this agent has \(most) endpoints, as many as are kept"
        case .tooMany(let most): "there are \(most) endpoints in all, as many as are kept"
        }
    }
}
