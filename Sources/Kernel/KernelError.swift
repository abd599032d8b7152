/// What went wrong at the kernel boundary, and what to do about it.
package enum KernelError: Error, Equatable, CustomStringConvertible {
    case notRoot(effectiveUserID: UInt32)
    case kernelTooOld(release: String)
    case noTypeInformation(path: String)
    case noCgroupMount
    case notCgroupV2(path: String)
    case outsideCgroup(own: String, configured: String)
    case notBPFFileSystem(path: String)
    case pinDirectory(path: String, errno: Int32)
    case objectDamaged
    /// - Parameter log: the last lines of libbpf's, the verifier's included.
    case objectRefused(errno: Int32, log: [String])
    /// Maps that another version of the agent left pinned.
    case incompatiblePins(directory: String, log: [String])
    case partMissing(name: String)
    case mapLayout(name: String, expected: Int, found: Int)
    case attachRefused(program: String, errno: Int32)
    case mapRefused(operation: String, map: String, errno: Int32)
    case programRefused(name: String, errno: Int32)
    case ringRefused(errno: Int32)
    case tooManySelectors(count: Int, maximum: Int)
    case tooManyArgumentIndexes([Int], maximum: Int)
    case selectorTooLong(key: String, value: String, maximumBytes: Int)
    case noHandle(workloadID: String)
    case unknownListener(InternetEndpoint)
    case credentialsTooLong(bytes: Int, maximum: Int)
    case socketDiagnosis(errno: Int32)
    case namespaceGone(path: String, errno: Int32)
    case namespaceRefused(errno: Int32)
    case socketRefused(errno: Int32)
    case addressesRefused(errno: Int32)

    // Long: a line for each case, so that all that operators are told is read side by side.
    package var description: String {
        switch self {
        case .notRoot(let user): "the kernel part needs root, this is uid \(user); start the agent as root"
        case .kernelTooOld(let release): "this kernel is \(release); Tidemark needs Linux 6.1 or later"
        case .noTypeInformation(let path):
            "the kernel has no type information at \(path); use one with CONFIG_DEBUG_INFO_BTF=y, version 6.1 or later"
        case .noCgroupMount: "no cgroup v2 is mounted; mount it: mount -t cgroup2 none /sys/fs/cgroup"
        case .notCgroupV2(let path):
            "\(path) is not a folder of cgroup v2; set `cgroup` to one below the cgroup2 mount in /proc/mounts"
        case .outsideCgroup(let own, let configured):
            "the agent runs in cgroup \(own), outside of \(configured), so its sockets would not be seen; "
                + "start it inside, or set `cgroup` to a folder above it"
        case .notBPFFileSystem(let path):
            "\(path) is not in a BPF file system; mount one: mount -t bpf bpf /sys/fs/bpf, or change `pinDirectory`"
        case .pinDirectory(let path, let errno):
            "cannot use \(path) for pins (errno \(errno)); check that its parent exists in a BPF file system"
        case .objectDamaged: "the BPF object in this binary does not open; install the agent again"
        case .objectRefused(let errno, let log):
            "the kernel refused the BPF object (errno \(errno)); it needs Linux 6.1 or later and root with CAP_BPF and "
                + "CAP_NET_ADMIN. The loader's last words:\n" + log.joined(separator: "\n")
        case .incompatiblePins(let directory, let log):
            "the maps pinned in \(directory) are another version's; run `tidemarkd uninstall`, then start again. "
                + log.joined(separator: "\n")
        case .partMissing(let name):
            "the BPF object has no part \"\(name)\"; install the agent again"
        case .mapLayout(let name, let expected, let found):
            "map \"\(name)\" holds \(found)-byte entries, this agent expects \(expected); install the agent again"
        case .attachRefused(let program, let errno):
            "the kernel refused to attach \"\(program)\" (errno \(errno)); see whether another agent holds this cgroup "
                + "exclusively (bpftool cgroup tree) or the kernel is locked down"
        case .mapRefused(let operation, let map, let errno):
            "cannot \(operation) map \"\(map)\" (errno \(errno)); 7 means that it is full: declare less in one policy"
        case .programRefused(let name, let errno):
            "the kernel refused to run \"\(name)\" (errno \(errno)); Linux 6.1 or later is needed"
        case .ringRefused(let errno):
            "cannot read the kernel's events (errno \(errno)); check the limit of open files"
        case .tooManySelectors(let count, let maximum):
            "\(count) selectors are asked for, the kernel part decides among \(maximum); split the agent group"
        case .tooManyArgumentIndexes(let indexes, let maximum):
            "process:argv is asked for at \(indexes.count) places (\(indexes.map(String.init).joined(separator: ", "))), the "
                + "kernel part looks at \(maximum) in one policy; use process:cmdline, or split the agent group"
        case .selectorTooLong(let key, let value, let maximum):
            "\(key) \"\(value)\" is longer than the \(maximum) bytes the kernel part compares; shorten it"
        case .noHandle(let workloadID):
            "no handle was given for workload \(workloadID); this is a defect of the agent, please report it"
        case .unknownListener(let endpoint):
            "nobody in scope listens at \(endpoint) any more; ask for the listeners again"
        case .credentialsTooLong(let bytes, let maximum):
            "credentials of \(bytes) bytes do not fit in \(maximum); shorten the certificate chain"
        case .namespaceGone(let path, let errno):
            "the network namespace \(path) cannot be opened (errno \(errno)); its process has ended, or its name is gone"
        case .namespaceRefused(let errno):
            "the kernel refused to enter a network namespace (errno \(errno)); the agent needs CAP_SYS_ADMIN"
        case .addressesRefused(let errno): "addresses cannot be read (errno \(errno)); check memory and open files"
        case .socketRefused(let errno):
            "no socket could be made (errno \(errno)); check the limit of open files"
        case .socketDiagnosis(let errno):
            "the kernel refused to cut sockets (errno \(errno)); it needs CONFIG_INET_DIAG_DESTROY=y"
        }
    }
}
