import CLibBPF
import Foundation

/// One program of the object and the place it belongs to.
struct Hook {
    enum Place {
        /// A typed tracepoint or a hook of the LSM: the whole machine.
        case kernel
        case cgroup
        /// One network namespace each; see ``Steering``.
        case network(NetworkNamespace)
    }

    let program: String
    let place: Place
    /// Of cgroups and network namespaces.
    var attachType = BPF_SK_LOOKUP

    /// The file its link is pinned as.
    var pin: String {
        if case .network(let network) = place { "\(program)-\(network.cookie)" } else { program }
    }

    static let all = [
        Hook(program: "process_executed", place: .kernel),
        Hook(program: "process_forked", place: .kernel),
        Hook(program: "process_exited", place: .kernel),
        Hook(program: "cgroup_removed", place: .kernel),
        Hook(program: "socket_changed", place: .kernel),
        Hook(program: "admit", place: .cgroup, attachType: BPF_CGROUP_INET_INGRESS),
        Hook(program: "follow_socket", place: .cgroup, attachType: BPF_CGROUP_SOCK_OPS),
        Hook(program: "connect_ipv4", place: .cgroup, attachType: BPF_CGROUP_INET4_CONNECT),
        Hook(program: "connect_ipv6", place: .cgroup, attachType: BPF_CGROUP_INET6_CONNECT),
        Hook(program: "send_ipv4", place: .cgroup, attachType: BPF_CGROUP_UDP4_SENDMSG),
        Hook(program: "send_ipv6", place: .cgroup, attachType: BPF_CGROUP_UDP6_SENDMSG),
        Hook(program: "send_unhooked", place: .cgroup, attachType: BPF_CGROUP_INET_EGRESS),
        Hook(program: "peer_name_ipv4", place: .cgroup, attachType: BPF_CGROUP_INET4_GETPEERNAME),
        Hook(program: "peer_name_ipv6", place: .cgroup, attachType: BPF_CGROUP_INET6_GETPEERNAME),
        Hook(program: "bound_ipv4", place: .cgroup, attachType: BPF_CGROUP_INET4_POST_BIND),
        Hook(program: "bound_ipv6", place: .cgroup, attachType: BPF_CGROUP_INET6_POST_BIND),
    ]
}

/// Attaches hooks so that the pins keep them, without a moment in which a hook of a former agent is gone.
struct Attachment {
    let cgroup: Cgroup
    let pinDirectory: String

    func attach(_ hook: Hook, of object: borrowing BPFObject) throws(KernelError) {
        let program = try object.program(hook.program)
        guard case .kernel = hook.place else { return try attach(hook, program: bpf_program__fd(program)) }
        guard let link = bpf_program__attach(program) else {
            throw .attachRefused(program: hook.program, errno: errno)
        }
        defer { bpf_link__destroy(link) }
        try replace(hook, by: bpf_link__fd(link))
    }

    /// For places a program can be changed in without a gap.
    func attach(_ hook: Hook, program: CInt) throws(KernelError) {
        if try update(hook, to: program) { return }
        let target = try openTarget(hook)
        defer { close(target) }
        let link = bpf_link_create(program, target, hook.attachType, nil)
        guard link >= 0 else { throw .attachRefused(program: hook.program, errno: -link) }
        defer { close(link) }
        try replace(hook, by: link)
    }

    private func pin(of hook: Hook) -> String { "\(pinDirectory)/\(hook.pin)" }

    /// - Returns: false where nothing is pinned, or what is pinned is attached to another place.
    private func update(_ hook: Hook, to program: CInt) throws(KernelError) -> Bool {
        let link = bpf_obj_get(pin(of: hook))
        guard link >= 0 else { return false }
        defer { close(link) }
        guard isAttachedHere(link, hook) else { return false }
        let status = bpf_link_update(link, program, nil)
        guard status == 0 else { throw .attachRefused(program: hook.program, errno: -status) }
        return true
    }

    private func isAttachedHere(_ link: CInt, _ hook: Hook) -> Bool {
        guard let info = info(of: link) else { return false }
        switch hook.place {
        case .kernel: return true
        case .cgroup: return info.cgroup.cgroup_id == cgroup.id
        case .network(let network): return UInt64(info.netns.netns_ino) == network.inode
        }
    }

    private func openTarget(_ hook: Hook) throws(KernelError) -> CInt {
        let descriptor: CInt
        switch hook.place {
        case .kernel: return -1
        case .cgroup: descriptor = open(cgroup.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        case .network(let network): descriptor = fcntl(network.descriptor.number, F_DUPFD_CLOEXEC, 0)
        }
        guard descriptor >= 0 else { throw .attachRefused(program: hook.program, errno: errno) }
        return descriptor
    }

    /// A pin that is not there is no error.
    func detach(pin: String) {
        unlink("\(pinDirectory)/\(pin)")
    }

    /// Pins whose network namespace has ended: their links are attached to nothing any more.
    ///
    /// - Returns: cookies of those.
    func removeEnded(_ program: String) -> [UInt64] {
        let names = (try? FileManager.default.contentsOfDirectory(atPath: pinDirectory)) ?? []
        return names.filter { $0.hasPrefix(program + "-") }.compactMap { name in
            guard let cookie = UInt64(name.dropFirst(program.utf8.count + 1)), hasEnded("\(pinDirectory)/\(name)")
            else { return nil }
            unlink("\(pinDirectory)/\(name)")
            return cookie
        }
    }

    private func hasEnded(_ pin: String) -> Bool {
        let link = bpf_obj_get(pin)
        guard link >= 0 else { return false }
        defer { close(link) }
        return info(of: link)?.netns.netns_ino == 0
    }

    private func info(of link: CInt) -> bpf_link_info? {
        var info = bpf_link_info()
        var size = UInt32(MemoryLayout<bpf_link_info>.size)
        return bpf_obj_get_info_by_fd(link, &info, &size) == 0 ? info : nil
    }

    /// Pins beside the old link, then renames over it: the old one goes only once the new one stays.
    private func replace(_ hook: Hook, by link: CInt) throws(KernelError) {
        let pin = pin(of: hook), next = pin + "-next"
        unlink(next)
        let status = bpf_obj_pin(link, next)
        guard status == 0 else { throw .attachRefused(program: hook.program, errno: -status) }
        guard rename(next, pin) == 0 else { throw .attachRefused(program: hook.program, errno: errno) }
    }
}
