/// One entry of `spec.selectors`: all of its keys have to match (AND); nil leaves a key open.
package struct Selector: Hashable, Sendable, Codable {
    /// `process:uid`: any of these effective uids. Attested.
    package var userIDs: [UInt32]?
    /// `process:name`: any of these task names as of exec. Claimed.
    package var names: [String]?
    /// `process:cmdline`: any of these word lists, each the beginning of argv. Claimed.
    package var commandLines: [[String]]?

    package init(userIDs: [UInt32]? = nil, names: [String]? = nil, commandLines: [[String]]? = nil) {
        self.userIDs = userIDs
        self.names = names
        self.commandLines = commandLines
    }
}

extension Selector {
    /// The kernel's task name without its NUL.
    package static let maximumNameBytes = 15
    /// Of a command line with one NUL after each word: what a key of the kernel part's trie holds.
    package static let maximumCommandLineBytes = 252

    /// Splits at ASCII white space; quotes mean nothing.
    package static func words(of commandLine: String) -> [String] {
        commandLine.utf8.split(whereSeparator: { $0 == 0x20 || (0x09...0x0d).contains($0) }).map {
            String(Substring($0))
        }
    }

    /// The length of what the kernel compares.
    package static func bytes(of words: [String]) -> Int {
        words.reduce(0) { $0 + $1.utf8.count + 1 }
    }

    /// As an operator would write it: the alternatives of `process:cmdline`.
    package var commandLineTexts: [String]? { commandLines?.map { $0.joined(separator: " ") } }
}
