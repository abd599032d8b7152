package import Workloads

/// `GET /v1/explain?pid=N`, and of a process that could be: `POST /v1/explain` with an ``ExecQuestion``.
package struct Explanation: Sendable, Codable {
    package var facts: ProcessFacts
    package var match: Match
    /// The SPIFFE ID, where the match names one.
    package var spiffeID: String?
    /// What the kernel part says of the same facts; nil where it was not to be asked.
    package var kernel: KernelOpinion?
    /// Where its connections would be; nil for a process that could be.
    package var network: NetworkPlace?
    /// How a command becomes a process, in order; for ``ExecQuestion`` alone.
    package var steps: [String]?
    /// Sentences: what rests on claimed facts, whether the process is inside the attach point, what its last
    /// connections were refused for.
    package var notes: [String]

    package init(
        facts: ProcessFacts, match: Match, spiffeID: String?, kernel: KernelOpinion? = nil,
        network: NetworkPlace? = nil, steps: [String]? = nil, notes: [String] = [],
    ) {
        self.facts = facts
        self.match = match
        self.spiffeID = spiffeID
        self.kernel = kernel
        self.network = network
        self.steps = steps
        self.notes = notes
    }
}

/// The kernel part's answer to the question `match` answers.
package struct KernelOpinion: Sendable, Codable, Equatable {
    /// As the kernel part decides, without asking user space.
    package enum Answer: String, Sendable, Codable {
        case identified
        case unmanaged
        /// Waits for user space.
        case undecided
        /// It cannot tell: such a process is refused.
        case unknown
    }

    package var answer: Answer
    /// As in the manifest: a template with its places open.
    package var workloadID: String?
    /// False is a defect of Tidemark.
    package var agrees: Bool

    package init(answer: Answer, workloadID: String?, agrees: Bool) {
        self.answer = answer
        self.workloadID = workloadID
        self.agrees = agrees
    }
}

/// A network namespace of the host.
package struct NetworkPlace: Sendable, Codable, Equatable {
    /// As `readlink /proc/PID/ns/net` shows.
    package var inode: UInt64
    /// It is the agent's own.
    package var isAgents: Bool
    /// The proxy is in it.
    package var isServed: Bool

    package init(inode: UInt64, isAgents: Bool, isServed: Bool) {
        self.inode = inode
        self.isAgents = isAgents
        self.isServed = isServed
    }
}

/// A command line that is not executed, and who would execute it. The body of `POST /v1/explain`.
package struct ExecQuestion: Sendable, Codable {
    /// The program, looked up as execvp(3) does, and its arguments.
    package var command: [String]
    /// `PATH` of the caller; nil where it has none.
    package var searchPath: String?
    /// Absolute.
    package var workingDirectory: String
    package var userID: UInt32
    package var groupID: UInt32
    package var additionalGroupIDs: [UInt32]
    /// Below the cgroup2 mount, begins with `/`.
    package var cgroup: String
    /// Who would be its parent, by pid and by when it began: field 22 of /proc/PID/stat; 0: not known, and so is the parent.
    package var parent: Int32
    package var parentStart: UInt64
    /// The caller's mount namespace, as `readlink /proc/self/ns/mnt` shows; nil where that cannot be read.
    package var mountNamespace: String?

    package init(
        command: [String], searchPath: String?, workingDirectory: String, userID: UInt32, groupID: UInt32,
        additionalGroupIDs: [UInt32], cgroup: String, parent: Int32, parentStart: UInt64,
        mountNamespace: String?,
    ) {
        self.command = command
        self.searchPath = searchPath
        self.workingDirectory = workingDirectory
        self.userID = userID
        self.groupID = groupID
        self.additionalGroupIDs = additionalGroupIDs
        self.cgroup = cgroup
        self.parent = parent
        self.parentStart = parentStart
        self.mountNamespace = mountNamespace
    }
}
