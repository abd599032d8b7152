import Limits

/// What is known of a process: what the kernel saw at its last exec, its live credentials, and what follows from them.
package struct ProcessFacts: Hashable, Sendable, Codable {
    package var key: ProcessKey
    /// Effective uid in the initial user namespace, as of now; so are the other ids.
    package var userID: UInt32
    package var realUserID: UInt32
    package var groupID: UInt32
    package var realGroupID: UInt32
    /// The first ``maximumAdditionalGroups`` of the supplementary groups.
    package var additionalGroupIDs: [UInt32]
    /// True when there are more of them; no selector that asks for one then matches.
    package var additionalGroupsTruncated: Bool
    /// Task name as of exec, at most 15 bytes: the base name of the file executed. Later `prctl` calls do not show.
    package var name: String
    /// `argv` as of exec. Later writes to the process's own memory do not show.
    package var arguments: [String]
    /// True when argv was longer than the kernel part keeps; the list then ends early, maybe within a word.
    package var argumentsTruncated: Bool
    package var executable: Executable
    /// The file an interpreter runs, where it runs one; see ``Interpreter``.
    package var script: Script?
    /// Path below the cgroup2 mount, begins with `/`.
    package var cgroup: String
    /// See ``SystemdUnit``; nil outside any unit.
    package var systemdUnit: String?
    /// The process that started it, where known.
    package var parent: ProcessKey?
    /// The parent's workload ID, expanded; nil where it has none.
    package var parentIdentity: String?
    /// Workload IDs, expanded, nearest first; the parent's included.
    package var ancestorIdentities: [String]
    /// Found running by the agent: argv and name are as they were found then, not as of exec.
    package var predatesAgent: Bool
    /// At its last exec, and at each fork since, it was in the initial user, PID and mount namespaces.
    package var isOnHost: Bool
    /// Its executable is a ``HidingRuntime``.
    package var hidesProcesses: Bool

    package static let maximumAdditionalGroups = Limits.Selectors.additionalGroups

    /// The file that was executed, after a `#!` the interpreter.
    package struct Executable: Hashable, Sendable, Codable {
        /// As seen in the process's own mount namespace; empty for a memfd.
        package var path: String
        /// Kernel layout: major in bits 20..., minor below.
        package var device: UInt64
        package var inode: UInt64
        /// Seen under a root file system that is not the host's, or in a mount namespace an unprivileged user made: the path says nothing then.
        package var pathIsForeign: Bool
        /// SHA-256 in lower-case hex; nil while it is not known.
        package var hash: String?

        package init(path: String, device: UInt64, inode: UInt64, pathIsForeign: Bool = false, hash: String? = nil) {
            self.path = path
            self.device = device
            self.inode = inode
            self.pathIsForeign = pathIsForeign
            self.hash = hash
        }
    }

    /// The file that an interpreter was told to run.
    package struct Script: Hashable, Sendable, Codable {
        /// Absolute, as seen in the process's own mount namespace; as asked for where the kernel part recorded it; empty
        /// where there is a script that was not found.
        package var path: String
        /// SHA-256 in lower-case hex; nil while it is not known.
        package var hash: String?

        package init(path: String, hash: String? = nil) {
            self.path = path
            self.hash = hash
        }
    }

    /// - Parameters:
    ///   - realGroupID: nil: the same as `groupID`.
    ///   - systemdUnit: nil: what `cgroup` says.
    // Long: each member and its default once, as Swift writes it for no other module.
    package init(
        key: ProcessKey,
        userID: UInt32,
        realUserID: UInt32,
        groupID: UInt32,
        realGroupID: UInt32? = nil,
        additionalGroupIDs: [UInt32] = [],
        additionalGroupsTruncated: Bool = false,
        name: String,
        arguments: [String],
        argumentsTruncated: Bool = false,
        executable: Executable,
        script: Script? = nil,
        cgroup: String = "/",
        systemdUnit: String? = nil,
        parent: ProcessKey? = nil,
        parentIdentity: String? = nil,
        ancestorIdentities: [String] = [],
        predatesAgent: Bool = false,
        isOnHost: Bool = false,
        hidesProcesses: Bool = false,
    ) {
        self.key = key
        self.userID = userID
        self.realUserID = realUserID
        self.groupID = groupID
        self.realGroupID = realGroupID ?? groupID
        self.additionalGroupIDs = additionalGroupIDs
        self.additionalGroupsTruncated = additionalGroupsTruncated
        self.name = name
        self.arguments = arguments
        self.argumentsTruncated = argumentsTruncated
        self.executable = executable
        self.script = script
        self.cgroup = cgroup
        self.systemdUnit = systemdUnit ?? SystemdUnit.name(inCgroup: cgroup)
        self.parent = parent
        self.parentIdentity = parentIdentity
        self.ancestorIdentities = ancestorIdentities
        self.predatesAgent = predatesAgent
        self.isOnHost = isOnHost
        self.hidesProcesses = hidesProcesses
    }

    /// 0 where the parent is not known.
    package var parentPID: Int32 { parent?.pid ?? 0 }

    /// argv for reading: an argument that is empty or holds white space or quotes stands in quotes.
    package var commandLine: String {
        let words = arguments.map { word in
            let isPlain = !word.isEmpty && !word.unicodeScalars.contains { $0.properties.isWhitespace || $0 == "\"" }
            return isPlain ? word : word.quoted
        }
        return words.joined(separator: " ") + (argumentsTruncated ? " …" : "")
    }
}
