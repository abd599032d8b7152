import Limits

/// All that is wrong with one manifest file; nothing of the file is used.
package struct ManifestError: Error, Hashable, Sendable, CustomStringConvertible {
    /// In the order of the file, at most ``maximumFindings``.
    package let findings: [Finding]

    /// Beyond this many the file is not looked at any further.
    package static let maximumFindings = Limits.Manifests.findings

    package init(findings: [Finding]) {
        self.findings = Array(findings.prefix(Self.maximumFindings))
    }

    /// One thing that is wrong in a file, and where.
    package struct Finding: Hashable, Sendable, CustomStringConvertible {
        package let file: String
        /// From 1.
        package let line: Int
        /// From 1, in Unicode scalars.
        package let column: Int
        /// The way from the document's root, such as `spec.selectors[0].process:uid`; empty for the whole document.
        package let key: String
        /// What should be there, and what is.
        package let expected: String

        package init(file: String, line: Int, column: Int, key: String, expected: String) {
            self.file = file
            self.line = line
            self.column = column
            self.key = key
            self.expected = expected
        }

        package var description: String {
            "\(file):\(line):\(column): " + (key.isEmpty ? "" : "\(key): ") + "expected " + expected
        }
    }

    package var description: String { findings.map(\.description).joined(separator: "\n") }
}
