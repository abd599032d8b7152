import Limits

/// One entry of `spec.selectors`: all of its keys have to hold (AND); a key that is not there is left open.
package struct Selector: Hashable, Sendable {
    package var conditions: [SelectorKey: Condition]

    package init(conditions: [SelectorKey: Condition]) {
        self.conditions = conditions
    }

    /// - Parameters:
    ///   - userIDs: `process:uid`, any of these.
    ///   - names: `process:name`, any of these.
    ///   - commandLines: `process:cmdline`, any of these word lists.
    package init(userIDs: [UInt32]? = nil, names: [String]? = nil, commandLines: [[String]]? = nil) {
        conditions = [:]
        if let userIDs { conditions[.userID] = Condition(anyOf: userIDs.map { .number($0) }) }
        if let names { conditions[.name] = Condition(anyOf: names.map { .text($0) }) }
        if let commandLines {
            conditions[.commandLine] = Condition(anyOf: commandLines.map { .words($0, lastIsPrefix: false) })
        }
    }

    /// Whether the kernel part alone cannot decide it.
    package var needsUserSpace: Bool { conditions.keys.contains { !$0.isDecidedByKernel } }

    /// Whether it matches no process without a script.
    package var wantsScript: Bool {
        [SelectorKey.scriptPath, .scriptHash].contains { conditions[$0]?.anyOf.isEmpty == false }
    }

    /// In canonical order.
    package var keys: [SelectorKey] { conditions.keys.sorted() }
}

extension Selector {
    /// The kernel's task name without its NUL.
    package static let maximumNameBytes = Limits.Selectors.nameBytes
    /// Of a command line with one NUL after each whole word: what a key of the kernel part's trie holds.
    package static let maximumCommandLineBytes = Limits.Selectors.commandLineBytes

    /// Splits at ASCII white space; quotes mean nothing.
    package static func words(of commandLine: String) -> [String] {
        commandLine.utf8.split(whereSeparator: { $0 == 0x20 || (0x09...0x0d).contains($0) }).map {
            String(Substring($0))
        }
    }
}
