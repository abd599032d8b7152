/// Why a file of a process, or of a program that may become one, is not looked at, and what to do about it.
package enum FileError: Error, Equatable, CustomStringConvertible {
    /// By the kernel, as it would be refused to the process.
    case refused(path: String, errno: Int32)
    case notRegular(path: String)
    /// On proc, sysfs or their like: what is read there is made while it is read.
    case ofKernel(path: String)
    /// What /proc shows as the executable is not what was executed; a process can change that.
    case otherExecutable(path: String)
    /// It has no name in the process's mount namespace.
    case workingDirectoryUnknown(path: String)
    /// The process does not stand where it was executed, so the name may mean another file by now.
    case moved(path: String)
    /// To open files with the rights of the process.
    case rightsRefused(errno: Int32)
    case threadRefused

    package var description: String {
        switch self {
        case .threadRefused: "no thread could be started; check the limit of processes (ulimit -u, pids.max)"
        case .refused(let path, let errno):
            "\(path) cannot be read (errno \(errno)); 2 means that it is gone, 13 that the process itself may not"
        case .notRegular(let path):
            "\(path) is no regular file; give the program one"
        case .otherExecutable(let path):
            "the process shows another executable than \(path), which was executed; restart it"
        case .workingDirectoryUnknown(let path):
            "the working directory \(path) was removed, something was mounted over it, or it is of another mount namespace; "
                + "start the program from a folder that is there, or by an absolute path"
        case .moved(let path):
            "what \(path) meant when the program was executed cannot be seen any more, as its process has another working "
                + "directory or root by now, or shared them with another one; restart the program while the agent runs, or "
                + "start it by an absolute path"
        case .ofKernel(let path):
            "\(path) is a file of the kernel's own, of proc, sysfs or their like; give the program a file on a disk"
        case .rightsRefused(let errno):
            "the kernel did not let the agent open files by a process's rights (errno \(errno)); the agent needs "
                + "CAP_SETUID and CAP_SETGID"
        }
    }
}
