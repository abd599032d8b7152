import Limits
import Workloads

/// Selectors that ask for a path where a symbolic link is, as this host has it: processes have the path of the file.
enum LinkedPaths {
    /// On a draft.
    static func remarks(on identity: WorkloadIdentity) -> [String] {
        let paths = identity.selectors.enumerated().flatMap { index, selector in
            asked(by: selector).map { (index, key: $0.key, path: $0.path) }
        }
        return paths.prefix(Limits.Explain.paths).compactMap { index, key, path in
            file(behind: path).map { file in
                "spec.selectors[\(index)] \(key): \(path) is a symbolic link on this host, and no process has its path; write \(file)"
            }
        }
    }

    /// On a process that has no identity, where a link is why.
    static func notes(on facts: ProcessFacts, asked selectors: [Selector]) -> [String] {
        let paths = selectors.lazy.flatMap(asked(by:)).prefix(Limits.Explain.paths)
        let notes = paths.compactMap { key, path -> String? in
            let own = key == .binaryPath ? facts.executable.path : facts.script?.path
            guard let file = file(behind: path), file == own else { return nil }
            return
                "\(key) \(path) is asked for, which is a symbolic link; this process has the path of the file: write \(file)"
        }
        return Set(notes).sorted()
    }

    private static func asked(by selector: Selector) -> [(key: SelectorKey, path: String)] {
        [SelectorKey.binaryPath, .scriptPath].flatMap { key in
            (selector.conditions[key]?.anyOf ?? []).compactMap { pattern in
                if case .text(let path) = pattern { (key, path) } else { nil }
            }
        }
    }

    /// - Returns: nil where the path is a file's own, or none is there.
    private static func file(behind path: String) -> String? {
        guard FileOnDisk(path) != nil else { return nil }
        let file = FileOnDisk.real(path)
        return file == path ? nil : file
    }
}
