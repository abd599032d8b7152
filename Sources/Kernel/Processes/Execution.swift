import CLibBPF
import Glibc
import KernelABI
import Workloads

/// The exec that made a process what it is: its own, or that of whoever forked it.
package struct Execution: Sendable, Equatable {
    /// Which image executed what runs. Whoever is forked has its parent's, for as long as it executes nothing itself.
    package let program: ProcessImage
    /// nil where nothing is known of them.
    package let surroundings: Surroundings?

    package init(program: ProcessImage, surroundings: Surroundings? = nil) {
        self.program = program
        self.surroundings = surroundings
    }

    /// What the names on its command line meant at that moment, as the interpreter was about to see them. Of a process that was
    /// found running, what they meant then.
    package struct Surroundings: Sendable, Equatable {
        let root: Folder
        let working: Folder
        /// Somebody else could have changed its working directory before the interpreter opened the file.
        let isShared: Bool
        /// Nanoseconds since boot, suspend included; nil where it was found running.
        let executed: UInt64?

        /// Whether a file was there as it is now, by its own word. Who can write it can make it say so.
        package func precede(_ version: OpenFile.Version) -> Bool {
            guard let executed else { return true }
            // In this order: the time of exec comes out late rather than early.
            let boot = Self.now(CLOCK_BOOTTIME), wall = Self.now(CLOCK_REALTIME)
            return version.changed <= wall - boot + .nanoseconds(executed)
        }

        static func now(_ clock: clockid_t) -> Duration {
            var time = timespec()
            clock_gettime(clock, &time)
            return .seconds(time.tv_sec) + .nanoseconds(time.tv_nsec)
        }
    }

    /// Mount and file: mounts of a namespace of one's own have other numbers.
    struct Folder: Sendable, Equatable {
        let mount: UInt64
        let inode: UInt64
    }
}

extension Execution {
    init(_ record: process_facts) {
        program = ProcessImage(process: ProcessKey(record.origin), number: record.origin.image)
        surroundings = Surroundings(
            root: Folder(record.root), working: Folder(record.working),
            isShared: record.flags & UInt32(PROCESS_SHARED_FOLDER) != 0,
            executed: record.executed_boottime_ns == 0 ? nil : record.executed_boottime_ns)
    }
}

extension Execution.Folder {
    fileprivate init(_ recorded: folder_place) {
        mount = UInt64(recorded.mount)
        inode = recorded.inode
    }

    /// - Parameter descriptor: open with O_PATH at least. `ino` is there since Linux 5.14.
    init?(of descriptor: CInt) {
        guard let text = ProcessText(path: "/proc/self/fdinfo/\(descriptor)"),
            let mount = text.rest(ofLineBeginningWith: "mnt_id:")?.fields.first?.number(as: UInt64.self),
            let inode = text.rest(ofLineBeginningWith: "ino:")?.fields.first?.number(as: UInt64.self)
        else { return nil }
        self.mount = mount
        self.inode = inode
    }
}

extension KernelSession {
    /// nil for a process that is not that image any more.
    package func execution(of image: ProcessImage) -> Execution? { table.execution(of: image) }

    /// Of all processes that are recorded: which exec made each what it is.
    package func programs() -> Set<ProcessImage> { table.programs() }
}
