import ControlPlaneAPI
import Foundation
import Workloads

/// The two streams: results go to standard output, remarks to standard error.
enum Console {
    static func show(_ page: Page) { write(page.text) }

    /// What a program reads: JSON, YAML.
    static func show(_ document: Document) { write(document.text) }

    /// A remark, on one line.
    static func tell(_ line: String) { StandardStream.error.tell(line) }

    /// A result that cannot be written ends the program: whoever wanted it cannot be given it.
    private static func write(_ text: String) {
        do throws(OutputRefused) {
            try StandardStream.output.write(text.hasSuffix("\n") || text.isEmpty ? text : text + "\n")
        } catch {
            // As any program in a pipe whose reader has seen enough.
            if error.isReaderGone { exit(128 + SIGPIPE) }
            tell("tidemark: standard output: \(error)")
            exit(74)
        }
    }
}

/// Text in a format that programs read, in which nothing unseen stands as it is.
struct Document {
    let text: String

    /// - Parameter json: as an encoder made it.
    init(json: String) { text = json.visibleJSON }

    /// - Parameter yaml: as an emitter made it that escapes whatever is not ASCII.
    init(yaml: String, isOneOfMany: Bool = false) {
        let lines = yaml.split(separator: "\n", omittingEmptySubsequences: false).map(\.visible)
        text = (isOneOfMany ? "---\n" : "") + lines.joined(separator: "\n")
    }
}
