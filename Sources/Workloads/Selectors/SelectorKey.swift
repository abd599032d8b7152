import Limits

/// A key of a selector, as written in manifests. Declared, and so ordered, as evidence and canonical YAML list them.
///
/// A further source of facts (containers, Kubernetes) plugs in with a case here, what ``ProcessFacts/fact(for:)`` says of it, and its
/// value form in ``SelectorValue``; all else follows from ``grade`` and ``isDecidedByKernel``.
package enum SelectorKey: Hashable, Sendable, Comparable {
    case userID, realUserID, groupID, realGroupID, additionalGroupID
    case name, commandLine
    /// One word of argv, from 0 to ``maximumArgumentIndex``.
    case argument(Int)
    case binaryPath, binaryHash, scriptPath, scriptHash
    case cgroup, parent, ancestor, systemdUnit
    /// Whether it is in none of the namespaces that containers are made of.
    case host

    package static let maximumArgumentIndex = Limits.Selectors.argumentIndex

    /// - Returns: nil where the text is no key of this version.
    package init?(_ text: String) {
        if let key = Self.byText[text] {
            self = key
        } else if let index = Self.argumentIndex(of: text) {
            self = .argument(index)
        } else {
            return nil
        }
    }

    /// How much the fact proves.
    package var grade: Evidence.Grade {
        switch self {
        case .name, .commandLine, .argument, .scriptPath: .claimed
        default: .attested
        }
    }

    /// Whether the kernel part has the fact itself; the others are looked up for processes whose kernel keys all hold.
    package var isDecidedByKernel: Bool {
        switch self {
        case .binaryHash, .scriptPath, .scriptHash, .parent, .ancestor: false
        default: true
        }
    }

    /// Whether the fact can become another one without an exec.
    var changesWhileRunning: Bool {
        switch self {
        case .userID, .realUserID, .groupID, .realGroupID, .additionalGroupID, .cgroup, .systemdUnit: true
        default: false
        }
    }

    /// Every key, as messages list them.
    package static let texts = fixed.flatMap { key in
        key == .commandLine ? [key.description, "process:argv[N]"] : [key.description]
    }

    private static let fixed: [SelectorKey] = [
        .userID, .realUserID, .groupID, .realGroupID, .additionalGroupID, .name, .commandLine, .binaryPath,
        .binaryHash, .scriptPath, .scriptHash, .cgroup, .parent, .ancestor, .systemdUnit,
        .host,
    ]
    private static let byText = Dictionary(uniqueKeysWithValues: fixed.map { ($0.description, $0) })

    private static func argumentIndex(of text: String) -> Int? {
        guard text.hasPrefix("process:argv["), text.hasSuffix("]") else { return nil }
        let digits = text.dropFirst(13).dropLast()
        guard let index = Int(digits), "\(index)" == digits, (0...maximumArgumentIndex).contains(index) else {
            return nil
        }
        return index
    }
}

extension SelectorKey: CustomStringConvertible {
    package var description: String {
        switch self {
        case .userID: "process:uid"
        case .realUserID: "process:uid:real"
        case .groupID: "process:gid"
        case .realGroupID: "process:gid:real"
        case .additionalGroupID: "process:gid:additional"
        case .name: "process:name"
        case .commandLine: "process:cmdline"
        case .argument(let index): "process:argv[\(index)]"
        case .binaryPath: "process:binary:path"
        case .binaryHash: "process:binary:hash"
        case .scriptPath: "process:script:path"
        case .scriptHash: "process:script:hash"
        case .cgroup: "process:cgroup"
        case .parent: "process:parent"
        case .ancestor: "process:ancestor"
        case .systemdUnit: "systemd:unit"
        case .host: "process:host"
        }
    }
}

extension SelectorKey {
    var isNumeric: Bool { self <= .additionalGroupID }
    var isHash: Bool { self == .binaryHash || self == .scriptHash }

    /// Whether a process can have several values at once.
    var isSet: Bool { self == .additionalGroupID || self == .ancestor }
}
