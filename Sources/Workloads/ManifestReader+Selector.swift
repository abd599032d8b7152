import Yams

extension ManifestReader {
    private static let keys = ["process:uid", "process:name", "process:cmdline"]
    private static let later = [
        "process:gid", "process:pid", "process:parent:name", "process:binary:path", "process:binary:hash",
        "process:binary:name", "process:env", "process:cgroup", "process:systemd:unit", "docker:label",
        "docker:image:id", "k8s:namespace", "k8s:serviceaccount", "k8s:pod:label", "k8s:pod:name",
    ]

    mutating func selectors(_ field: Field) -> [Selector]? {
        guard let elements = list(field, of: "selectors") else { return nil }
        guard !elements.isEmpty else {
            refuse(field, "at least one selector, found an empty list; without one no process is this workload")
            return nil
        }
        return elements.compactMap { selector($0) }
    }

    private mutating func selector(_ field: Field) -> Selector? {
        let before = findings.count
        guard let keys = mapping(field, known: Self.keys, later: Self.later) else { return nil }
        guard !keys.isEmpty || findings.count > before else {
            let keys = Self.keys.joined(separator: ", ")
            refuse(field, "at least one of \(keys); an empty selector would match every process")
            return nil
        }
        return Selector(
            userIDs: keys["process:uid"].flatMap { oneOrMore($0, of: "uids") }?.compactMap { userID($0) },
            names: keys["process:name"].flatMap { oneOrMore($0, of: "process names") }?.compactMap { taskName($0) },
            commandLines: keys["process:cmdline"].flatMap { oneOrMore($0, of: "command lines") }?.compactMap {
                words($0)
            },
        )
    }

    /// 4294967295 is the kernel's "no uid".
    private mutating func userID(_ field: Field) -> UInt32? {
        integer(field, in: 0...Int(UInt32.max - 1), "a uid, a whole number").map(UInt32.init)
    }

    private mutating func taskName(_ field: Field) -> String? {
        guard let name = text(field, "a process name") else { return nil }
        if name.utf8.count <= Selector.maximumNameBytes { return name }
        let kept = String(decoding: name.utf8.prefix(Selector.maximumNameBytes), as: UTF8.self)
        refuse(
            field,
            "a name of at most \(Selector.maximumNameBytes) bytes, found \(name.utf8.count); "
                + "the kernel cuts a process's name there: write \"\(kept)\"",
        )
        return nil
    }

    private mutating func words(_ field: Field) -> [String]? {
        guard let line = text(field, "a command line") else { return nil }
        let words = Selector.words(of: line)
        guard !words.isEmpty else {
            refuse(field, "a command line, found white space alone")
            return nil
        }
        let bytes = Selector.bytes(of: words)
        guard bytes <= Selector.maximumCommandLineBytes else {
            refuse(
                field,
                "a command line of at most \(Selector.maximumCommandLineBytes) bytes, counting one after each word, "
                    + "found \(bytes); it is matched from the start, so write fewer words",
            )
            return nil
        }
        return words
    }
}
