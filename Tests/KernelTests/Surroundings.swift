import Foundation

@testable import Kernel

/// What a ``Room`` stands in, made of nothing and removed completely.
final class Surroundings {
    let folder: URL
    let cgroup: String
    /// Where the test process was before, and is again afterwards.
    let outer: Cgroup
    private let outerNetwork: CInt
    var bpffs: URL { folder.appending(path: "bpffs") }

    init() throws {
        let name = "tidemark-test-\(getpid())-\(UInt32.random(in: 0...UInt32.max))"
        folder = FileManager.default.temporaryDirectory.appending(path: name)
        let root = try Cgroup.root()
        outer = try Cgroup(path: root.path + (Cgroup.name(of: "self") ?? "/"))
        // A slice: what is made in it can be a unit.
        cgroup = root.path + "/" + name + ".slice"
        outerNetwork = open(NetworkNamespace.currentPath, O_RDONLY | O_CLOEXEC)
        try FileManager.default.createDirectory(at: bpffs, withIntermediateDirectories: true)
        try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: folder.path())
        try FileManager.default.createDirectory(atPath: cgroup, withIntermediateDirectories: false)
        // Foundation makes a socket of its own for its first program, which is not to be in the test's namespace.
        try Self.run("/usr/bin/mount", "-t", "bpf", "bpf", bpffs.path())
    }

    func enter() throws {
        // In this order: nothing in scope is ever in the root namespace.
        guard Namespaces.leave() == 0 else { throw POSIXError(.EPERM) }
        try String(getpid()).write(toFile: cgroup + "/cgroup.procs", atomically: false, encoding: .utf8)
        let commands = """
            link set lo up
            address add \(Room.managedIPv4)/32 dev lo
            address add \(Room.managedIPv6)/128 dev lo nodad

            """
        let batch = folder.appending(path: "ip")
        try commands.write(to: batch, atomically: false, encoding: .utf8)
        try Self.run("/usr/sbin/ip", "-batch", batch.path())
    }

    func remove() {
        try? String(getpid()).write(toFile: outer.path + "/cgroup.procs", atomically: false, encoding: .utf8)
        _ = Namespaces.enter(outerNetwork)
        close(outerNetwork)
        umount(bpffs.path())
        removeCgroup()
        try? FileManager.default.removeItem(at: folder)
    }

    /// A process that was ended leaves its cgroup a moment after it was waited for.
    private func removeCgroup() {
        let deadline = ContinuousClock.now + .seconds(10)
        while rmdir(cgroup) != 0, errno == EBUSY, ContinuousClock.now < deadline { usleep(10_000) }
    }

    private static func run(_ program: String, _ arguments: String...) throws {
        let process = try Process.run(URL(filePath: program), arguments: arguments)
        process.waitUntilExit()
        guard process.terminationStatus == 0 else { throw POSIXError(.ECHILD) }
    }
}

/// The two calls on network namespaces, which Glibc's headers show to GNU sources alone.
private enum Namespaces {
    private static let networkNamespace: CInt = 0x4000_0000

    static func leave() -> CInt {
        guard let symbol = dlsym(nil, "unshare") else { return -1 }
        return unsafeBitCast(symbol, to: (@convention(c) (CInt) -> CInt).self)(networkNamespace)
    }

    static func enter(_ descriptor: CInt) -> CInt {
        guard let symbol = dlsym(nil, "setns") else { return -1 }
        return unsafeBitCast(symbol, to: (@convention(c) (CInt, CInt) -> CInt).self)(descriptor, networkNamespace)
    }
}
