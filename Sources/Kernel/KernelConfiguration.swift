/// Where the kernel part is attached and kept.
package struct KernelConfiguration: Sendable, Equatable {
    /// A folder of cgroup v2: processes in it and below it are in scope, and the agent has to be one of them.
    package var cgroupPath: String
    /// Inside a bpffs; made if it does not exist. One agent a folder.
    package var pinDirectory: String
    /// Loopback port of the outbound proxy, taken from everybody else in the agent's network namespace.
    package var outboundPort: UInt16

    package init(cgroupPath: String, pinDirectory: String, outboundPort: UInt16) {
        self.cgroupPath = cgroupPath
        self.pinDirectory = pinDirectory
        self.outboundPort = outboundPort
    }
}
