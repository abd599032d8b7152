extension Limits {
    /// What selectors may ask, as the kernel part compares it: bpf/abi/selector.h, bpf/abi/process.h.
    package enum Selectors {
        /// Selectors of one agent group. Bits of a row.
        package static let ofGroup = 4096
        /// Distinct N of `process:argv[N]` in one group. Slots of the kernel part.
        package static let arguments = 8
        /// The last word of argv that one may ask for.
        package static let argumentIndex = 63
        /// One text of a selector, and what is looked at of one word. A key of the kernel part's trie.
        package static let textBytes = 247
        /// `process:name`. The kernel's task name without its NUL.
        package static let nameBytes = 15
        /// `process:cmdline`, with a NUL after each whole word. A key of the kernel part's trie.
        package static let commandLineBytes = 252
        /// Supplementary groups that are looked at. What the kernel part copies.
        package static let additionalGroups = 32
        /// Processes above one that are looked at for its ancestors.
        package static let generations = 32
        /// Argv, each word with its NUL. What the kernel part keeps.
        package static let argvBytes = 1024
        /// `#!` that lead to another `#!`. The kernel's own limit.
        package static let interpreters = 5
        /// A file that are looked at for its first line. BINPRM_BUF_SIZE of the kernel.
        package static let firstLineBytes = 256
        /// The name of a script. What the kernel part keeps of a path, without its NUL.
        package static let scriptNameBytes = 255
    }

    static let selectors = [
        Limit("Selectors.ofGroup", .count(Selectors.ofGroup)),
        Limit("Selectors.arguments", .count(Selectors.arguments)),
        Limit("Selectors.argumentIndex", .count(Selectors.argumentIndex)),
        Limit("Selectors.textBytes", .bytes(Selectors.textBytes)),
        Limit("Selectors.nameBytes", .bytes(Selectors.nameBytes)),
        Limit("Selectors.commandLineBytes", .bytes(Selectors.commandLineBytes)),
        Limit("Selectors.additionalGroups", .count(Selectors.additionalGroups)),
        Limit("Selectors.generations", .count(Selectors.generations)),
        Limit("Selectors.argvBytes", .bytes(Selectors.argvBytes)),
        Limit("Selectors.interpreters", .count(Selectors.interpreters)),
        Limit("Selectors.firstLineBytes", .bytes(Selectors.firstLineBytes)),
        Limit("Selectors.scriptNameBytes", .bytes(Selectors.scriptNameBytes)),
    ]
}
