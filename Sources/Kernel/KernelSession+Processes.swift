import KernelABI
package import Workloads

extension KernelSession {
    /// The processes that have opened connections as somebody, or undecided. Cheap: /proc is not read.
    package func connected() -> [ProcessKey: KernelConnections] { table.connected() }

    /// Whether the process runs now, recorded or not.
    package func exists(_ process: ProcessKey) -> Bool { table.exists(process) }

    /// The processes the kernel part has seen as an identity, as it last told. Cheap: /proc is not read.
    package func identified() -> [ProcessKey: IdentityHandle] { table.identified() }

    /// Whether the process still is this image. Cheap.
    package func isRunning(_ image: ProcessImage) -> Bool { table.isRunning(image) }

    /// Its task name as of exec, where it runs now. Cheap: /proc is not read.
    package func name(of process: ProcessKey) -> String? { table.name(of: process) }

    /// By which it runs now; nil where it has ended, or is not recorded. One read of /proc.
    package func ids(of process: ProcessKey) -> ProcessIDs? { table.ids(of: process) }

    /// Whether this is a process that runs now. Cheap.
    package func isAlive(_ process: ProcessKey) -> Bool { table.isRecorded(process) }

    /// Whether new sockets of the process are seen by the kernel part.
    package func isInScope(pid: Int32) -> Bool { cgroup.contains(pid: pid) }

    /// Whose share is burdened with what is done for the process, see ``UserNamespace/payer(ofPID:)``; nil where it has ended, or is
    /// not recorded.
    package func payer(of process: ProcessKey) -> UInt32? { table.payer(of: process) }

    /// The processes of which something was not told since then that should have been, with what they have opened: those that are
    /// to be looked at where ``KernelStatistics/eventsLost`` has grown. Of some longer ago.
    package func untold(since moment: KernelMoment) -> [ProcessKey: KernelConnections] { table.untold(since: moment) }

    /// All of which something may not have been told, ever: those that are somebody, or not decided, or have opened something as such.
    package func untoldPerhaps() -> [ProcessKey: KernelConnections] {
        table.untoldPerhaps().merging(listeners().map { ($0.process, []) }) { known, _ in known }
    }
}
