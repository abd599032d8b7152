import CLibBPF
import Glibc

/// One program of the object and the place it belongs to.
struct Hook {
    enum Place {
        /// A typed tracepoint: the whole machine.
        case tracepoint
        case cgroup
        /// The agent's network namespace.
        case network
    }

    let program: String
    let place: Place

    static let all = [
        Hook(program: "process_executed", place: .tracepoint),
        Hook(program: "process_forked", place: .tracepoint),
        Hook(program: "process_exited", place: .tracepoint),
        Hook(program: "follow_socket", place: .cgroup),
        Hook(program: "steer", place: .network),
        Hook(program: "connect_ipv4", place: .cgroup),
        Hook(program: "connect_ipv6", place: .cgroup),
        Hook(program: "peer_name_ipv4", place: .cgroup),
        Hook(program: "peer_name_ipv6", place: .cgroup),
        Hook(program: "bound_ipv4", place: .cgroup),
        Hook(program: "bound_ipv6", place: .cgroup),
    ]
}

/// Attaches hooks so that the pins keep them, without a moment in which a hook of a former agent is gone.
struct Attachment {
    let cgroup: Cgroup
    let pinDirectory: String

    func attach(_ hook: Hook, of object: borrowing BPFObject) throws(KernelError) {
        let program = try object.program(hook.program)
        let pin = "\(pinDirectory)/\(hook.program)"
        if hook.place != .tracepoint, try update(pin, to: program, hook: hook) { return }
        let target = try openTarget(hook)
        defer { if target >= 0 { close(target) } }
        let link =
            switch hook.place {
            case .tracepoint: bpf_program__attach(program)
            case .cgroup: bpf_program__attach_cgroup(program, target)
            case .network: bpf_program__attach_netns(program, target)
            }
        guard let link else { throw .attachRefused(program: hook.program, errno: errno) }
        defer { bpf_link__destroy(link) }
        try replace(pin, by: bpf_link__fd(link), hook: hook)
    }

    /// - Returns: false where nothing is pinned, or what is pinned is attached to another place.
    private func update(_ pin: String, to program: OpaquePointer, hook: Hook) throws(KernelError) -> Bool {
        let link = bpf_obj_get(pin)
        guard link >= 0 else { return false }
        defer { close(link) }
        guard isAttachedHere(link, hook) else { return false }
        let status = bpf_link_update(link, bpf_program__fd(program), nil)
        guard status == 0 else { throw .attachRefused(program: hook.program, errno: -status) }
        return true
    }

    private func isAttachedHere(_ link: CInt, _ hook: Hook) -> Bool {
        var info = bpf_link_info()
        var size = UInt32(MemoryLayout<bpf_link_info>.size)
        guard bpf_obj_get_info_by_fd(link, &info, &size) == 0 else { return false }
        switch hook.place {
        case .tracepoint: return true
        case .cgroup: return info.cgroup.cgroup_id == cgroup.id
        case .network: return UInt64(info.netns.netns_ino) == NetworkNamespace.currentInode
        }
    }

    private func openTarget(_ hook: Hook) throws(KernelError) -> CInt {
        let descriptor: CInt
        switch hook.place {
        case .tracepoint: return -1
        case .cgroup: descriptor = open(cgroup.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        case .network: descriptor = open(NetworkNamespace.current, O_RDONLY | O_CLOEXEC)
        }
        guard descriptor >= 0 else { throw .attachRefused(program: hook.program, errno: errno) }
        return descriptor
    }

    /// Pins beside the old link, then renames over it: the old one goes only once the new one stays.
    private func replace(_ pin: String, by link: CInt, hook: Hook) throws(KernelError) {
        let next = pin + "-next"
        unlink(next)
        let status = bpf_obj_pin(link, next)
        guard status == 0 else { throw .attachRefused(program: hook.program, errno: -status) }
        guard rename(next, pin) == 0 else { throw .attachRefused(program: hook.program, errno: errno) }
    }
}

/// The network namespace of the calling thread.
enum NetworkNamespace {
    static let current = "/proc/thread-self/ns/net"

    static var currentInode: UInt64 {
        var status = stat()
        return stat(current, &status) == 0 ? UInt64(status.st_ino) : 0
    }

    /// The number BPF programs compare: SO_NETNS_COOKIE of a socket made here.
    static var currentCookie: UInt64 {
        let socket = Glibc.socket(AF_INET, Int32(SOCK_DGRAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        defer { close(socket) }
        var cookie: UInt64 = 0
        var size = socklen_t(MemoryLayout<UInt64>.size)
        getsockopt(socket, SOL_SOCKET, netnsCookieOption, &cookie, &size)
        return cookie
    }

    /// SO_NETNS_COOKIE, asm-generic/socket.h.
    private static let netnsCookieOption: CInt = 71
}
