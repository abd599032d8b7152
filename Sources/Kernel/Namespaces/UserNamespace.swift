import CLibBPF
import Glibc
import Workloads

/// Who pays for what a process makes the agent do.
///
/// Whoever makes a user namespace may have any of many uids in it (`/etc/subuid`), so that the uid alone says nothing.
package enum UserNamespace {
    /// Who made the outermost user namespace that the process is in; those that root made are as the host's. In none but these, its
    /// real uid. The kernel part says the same in `current_payer()`.
    ///
    /// - Returns: nil where the process has ended.
    package static func payer(ofPID pid: Int32) -> UInt32? {
        guard let ids = ProcessIDs(ofProcess: pid) else { return nil }
        let own = OwnedDescriptor(open("/proc/\(pid)/ns/user", O_RDONLY | O_CLOEXEC))
        guard own.number >= 0, let maker = try? maker(outermostFrom: own) else { return nil }
        return maker.userID ?? ids.realUserID
    }

    /// nil: it is the initial one, or root made it and all around it.
    struct Maker {
        let userID: UInt32?
    }

    static func maker(outermostFrom innermost: OwnedDescriptor) throws(KernelError) -> Maker {
        var namespace = innermost
        var maker: UInt32?
        while try !isInitial(namespace) {
            var user = uid_t.max
            guard ioctl(namespace.number, getOwner, &user) == 0 else { throw .namespaceRefused(errno: errno) }
            if user != 0 { maker = user }
            let parent = OwnedDescriptor(ioctl(namespace.number, getParent, CInt(0)))
            guard parent.number >= 0 else {
                // None to be seen: that is where we are ourselves.
                guard errno == EPERM else { throw .namespaceRefused(errno: errno) }
                break
            }
            namespace = parent
        }
        return Maker(userID: maker)
    }

    static func isInitial(_ namespace: OwnedDescriptor) throws(KernelError) -> Bool {
        var status = stat()
        guard fstat(namespace.number, &status) == 0 else { throw .namespaceRefused(errno: errno) }
        return UInt64(status.st_ino) == initial
    }

    /// NS_GET_PARENT, NS_GET_OWNER_UID, ioctl_ns(2).
    private static let getParent: UInt = 0xb702
    private static let getOwner: UInt = 0xb704
    /// PROC_USER_INIT_INO: of the namespace that every machine begins with.
    private static let initial: UInt64 = 0xefff_fffd
}
