/// What is known of a process: what the kernel saw at its last exec, and its live credentials.
package struct ProcessFacts: Hashable, Sendable, Codable {
    package var key: ProcessKey
    /// Effective uid in the initial user namespace, as of now.
    package var userID: UInt32
    package var realUserID: UInt32
    package var groupID: UInt32
    /// Task name as of exec, at most 15 bytes: the base name of the file executed. Later `prctl` calls do not show.
    package var name: String
    /// `argv` as of exec. Later writes to the process's own memory do not show.
    package var arguments: [String]
    /// True when argv was longer than the kernel part keeps; the list then ends early.
    package var argumentsTruncated: Bool
    package var executable: Executable
    /// The process that started it, where known; 0 otherwise.
    package var parentPID: Int32

    package struct Executable: Hashable, Sendable, Codable {
        /// As seen in the process's own mount namespace; empty for a memfd.
        package var path: String
        /// Kernel layout: major in bits 20..., minor below.
        package var device: UInt64
        package var inode: UInt64

        package init(path: String, device: UInt64, inode: UInt64) {
            self.path = path
            self.device = device
            self.inode = inode
        }
    }

    package init(
        key: ProcessKey,
        userID: UInt32,
        realUserID: UInt32,
        groupID: UInt32,
        name: String,
        arguments: [String],
        argumentsTruncated: Bool = false,
        executable: Executable,
        parentPID: Int32 = 0,
    ) {
        self.key = key
        self.userID = userID
        self.realUserID = realUserID
        self.groupID = groupID
        self.name = name
        self.arguments = arguments
        self.argumentsTruncated = argumentsTruncated
        self.executable = executable
        self.parentPID = parentPID
    }
}
