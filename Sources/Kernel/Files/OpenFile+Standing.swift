import CLibBPF
import Glibc

/// Who can change a file, and whether it shows.
extension OpenFile {
    /// Root's file that nobody else may write.
    package var isRootsAlone: Bool {
        var status = stat()
        return fstat(number, &status) == 0 && status.isRootsAlone
    }

    /// The same, on a file system of root's on which writing moves the time of change, mapped writing included.
    ///
    /// Not tmpfs, where the time stands still while pages of a mapping are dirty; not overlays, whose lower files can be
    /// changed beside them; nor what is mounted nosuid, as the administrator does with what users bring along.
    package var showsEveryChange: Bool {
        var system = statfs()
        guard isRootsAlone, fstatfs(number, &system) == 0 else { return false }
        return FileSystemMagic(system).movesTimeOfChange && system.f_flags & FileSystemMagic.nosuid == 0
    }

    /// At this moment, whether by a descriptor or a mapping. False also where it cannot be told.
    package var hasNoWriter: Bool { has_no_writer(number) == 1 }
}

extension stat {
    var isRootsAlone: Bool { st_uid == 0 && st_mode & (S_IWGRP | S_IWOTH) == 0 }
}

/// What fstatfs(2) calls the kind of a file system.
struct FileSystemMagic: Hashable {
    private let number: UInt64

    init(_ system: statfs) { number = UInt64(truncatingIfNeeded: system.f_type) & 0xffff_ffff }

    /// ST_NOSUID.
    static let nosuid = 2

    /// ext2 to ext4, XFS, Btrfs, F2FS.
    private static let timed: Set<UInt64> = [0xef53, 0x5846_5342, 0x9123_683e, 0xf2f5_2010]

    /// Of these, files are what the kernel says or does at the moment they are read: proc, sysfs, cgroup and cgroup2, debugfs,
    /// tracefs, securityfs, bpf, configfs, fusectl, mqueue, nsfs, efivarfs, pstore, selinuxfs, smackfs, binfmt_misc, devpts,
    /// rpc_pipefs, nfsd, resctrl.
    private static let kernels: Set<UInt64> = [
        0x9fa0, 0x6265_6572, 0x27_e0eb, 0x6367_7270, 0x6462_6720, 0x7472_6163, 0x7363_6673, 0xcafe_4a11, 0x6265_6570,
        0x6573_5543, 0x1980_0202, 0x6e73_6673, 0xde5e_81e4, 0x6165_676c, 0xf97c_ff8c, 0x4341_5d53, 0x4249_4e4d, 0x1cd1,
        0x6759_6969, 0x6e66_7364, 0x0765_5821,
    ]

    var isOfKernel: Bool { Self.kernels.contains(number) }

    /// Each write of somebody who did not have it open before gives the file another ctime.
    var movesTimeOfChange: Bool { Self.timed.contains(number) }
}
