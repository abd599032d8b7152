import SPIFFE

extension Manifest {
    /// The document as `get -o yaml` prints it: every key that is not at its default, in a fixed order.
    ///
    /// `decode` of it gives the same value.
    package var canonicalYAML: String {
        var lines = ["apiVersion: \(Self.apiVersions[0])", "kind: \(kind)"]
        lines += ["metadata:", "  name: \(YAMLText.scalar(name))", "spec:"]
        switch self {
        case .workloadIdentity(let identity): lines += identity.specLines
        case .protectedResource(let resource): lines += resource.specLines
        }
        return lines.joined(separator: "\n") + "\n"
    }
}

extension WorkloadIdentity {
    fileprivate var specLines: [String] {
        var lines = ["  scope:", "    agentGroup:", "      id: \(YAMLText.scalar(agentGroup))", "  selectors:"]
        lines += selectors.flatMap(\.lines)
        lines.append("  workloadID: \(YAMLText.scalar(workloadID.text))")
        if priority != 0 { lines.append("  priority: \(priority)") }
        if allowedInbound != nil || allowedOutbound != nil {
            lines.append("  allowedSPIFFEIDs:")
            if let allowedInbound { lines.append("    inbound: \(YAMLText.list(allowedInbound.map(\.description)))") }
            if let allowedOutbound {
                lines.append("    outbound: \(YAMLText.list(allowedOutbound.map(\.description)))")
            }
        }
        let connection =
            (tlsMode != .mutual ? ["    tls:", "      mode: \(tlsMode.rawValue)"] : []) + (outbound?.lines ?? [])
            + (keepAcrossExec ? ["    keepAcrossExec: true"] : [])
        if !connection.isEmpty { lines += ["  connection:"] + connection }
        return lines
    }
}

extension Outbound {
    fileprivate var lines: [String] {
        ["    outbound: MUTUAL"] + (egress.isEmpty ? [] : ["    egress:"]) + egress.flatMap(\.lines)
    }
}

extension Egress {
    fileprivate var lines: [String] {
        var lines = ["      - as: \(form.rawValue)"]
        if !addresses.isEmpty { lines.append("        addresses: \(YAMLText.list(addresses.map(\.description)))") }
        if !names.isEmpty { lines.append("        names: \(YAMLText.list(names.map(\.description)))") }
        if ports != [.all] { lines.append("        ports: \(YAMLText.list(ports.map(\.description)))") }
        return lines
    }
}

extension Selector {
    fileprivate var lines: [String] {
        keys.enumerated().map { place, key in
            "\(place == 0 ? "    - " : "      ")\(key): \(conditions[key]?.yaml(for: key) ?? "")"
        }
    }
}

extension Condition {
    fileprivate func yaml(for key: SelectorKey) -> String {
        let values = texts.map { (key.isNumeric || key == .host) && !$0.hasPrefix("!") ? $0 : YAMLText.scalar($0) }
        return key == .commandLine && values.count == 1 ? values[0] : "[" + values.joined(separator: ", ") + "]"
    }
}

extension ProtectedResource {
    fileprivate var specLines: [String] {
        [
            "  resource: \(YAMLText.scalar(resource.text))",
            "  workloadID: \(YAMLText.scalar(servedBy.text))",
            "  scopes: \(YAMLText.list(scopes))",
            "  allowedSPIFFEIDs: \(YAMLText.list(allowed.map(\.description)))",
        ] + (stripHeaders.isEmpty ? [] : ["  stripHeaders: \(YAMLText.list(stripHeaders))"])
    }
}

/// Texts as YAML: plain where no reader can take them for anything else, in double quotes otherwise.
enum YAMLText {
    static func list(_ texts: [String]) -> String { "[" + texts.map(scalar).joined(separator: ", ") + "]" }

    static func scalar(_ text: String) -> String { isPlain(text) ? text : quoted(text) }

    /// Letters first, then nothing that has a meaning in YAML anywhere, and no word that is a truth value or null.
    private static func isPlain(_ text: String) -> Bool {
        let reserved: Set<String> = ["true", "false", "yes", "no", "on", "off", "null", "y", "n"]
        guard let first = text.utf8.first, isLetter(first), text.utf8.last != UInt8(ascii: " ") else { return false }
        guard !reserved.contains(text.lowercased()) else { return false }
        return text.utf8.allSatisfy { isLetter($0) || (0x30...0x39).contains($0) || " ._/-".utf8.contains($0) }
    }

    private static func isLetter(_ byte: UInt8) -> Bool {
        (0x41...0x5a).contains(byte) || (0x61...0x7a).contains(byte)
    }

    private static func quoted(_ text: String) -> String {
        let escaped = text.unicodeScalars.map { scalar in
            switch scalar {
            case "\"": "\\\""
            case "\\": "\\\\"
            case "\u{20}"..."\u{7e}": String(scalar)
            default: escape(scalar)
            }
        }
        return "\"" + escaped.joined() + "\""
    }

    private static func escape(_ scalar: Unicode.Scalar) -> String {
        let digits = String(scalar.value, radix: 16)
        return "\\U" + String(repeating: "0", count: 8 - digits.count) + digits
    }
}
