import CLibBPF
import Glibc
import KernelABI
import Synchronization
import Workloads

/// Asks the kernel part which identity a process with these facts would have, without there being one.
final class DecisionProbe: Sendable {
    private let program: OwnedDescriptor
    private let question: BPFMap<UInt32, decision_request>
    private let processes: BPFMap<UInt32, process_facts>
    private let cgroups: BPFMap<UInt64, cgroup_facts>
    private let answers: BPFMap<process_key, user_space_answer>
    private let asking = Mutex(())

    /// No process has this number (PID_MAX_LIMIT is 2^22), and no cgroup that one.
    private static let nobody: UInt32 = 1 << 30
    private static let nowhere: UInt64 = .max

    init(of object: borrowing BPFObject) throws(KernelError) {
        let descriptor = fcntl(bpf_program__fd(try object.program("decide_asked")), F_DUPFD_CLOEXEC, 0)
        guard descriptor >= 0 else { throw .programRefused(name: "decide_asked", errno: errno) }
        program = OwnedDescriptor(descriptor)
        question = try object.map("decision_asked")
        processes = try object.map("processes")
        cgroups = try object.map("cgroups")
        answers = try object.map("user_space_answers")
    }

    /// - Parameter answered: what user space knows, where it was asked for: see ``SelectorMaps/answer(_:holding:generation:)``.
    func decide(
        _ facts: ProcessFacts, answered: (ProcessImage) throws(KernelError) -> Void,
    ) throws(KernelError) -> KernelDecision {
        try asking.withLock { (_) throws(KernelError) -> KernelDecision in
            let image = ProcessImage(
                process: ProcessKey(pid: Int32(Self.nobody), startTime: facts.key.startTime), number: 0)
            try processes.set(process_facts(facts, as: image), for: Self.nobody)
            try cgroups.set(cgroup_facts(facts), for: Self.nowhere)
            defer {
                try? processes.remove(Self.nobody)
                try? cgroups.remove(Self.nowhere)
                try? answers.remove(image.abi)
            }
            try answered(image)
            var request = decision_request()
            request.credentials = credentials(facts)
            request.tgid = Self.nobody
            request.cgroup_id = Self.nowhere
            try question.set(request, for: 0)
            try run()
            guard let answer = question[0] else { throw .partMissing(name: "decision_asked") }
            return KernelDecision(answer)
        }
    }

    private func run() throws(KernelError) {
        var options = bpf_test_run_opts()
        options.sz = MemoryLayout<bpf_test_run_opts>.size
        let status = bpf_prog_test_run_opts(program.number, &options)
        guard status == 0 else { throw .programRefused(name: "decide_asked", errno: -status) }
    }
}

/// What the kernel part decided, and by which slot of the program.
package struct KernelDecision: Sendable, Equatable {
    /// `.undecided`: the slot needs what only user space can find out.
    package let identity: IdentityHandle
    package let slot: Int?

    init(_ request: decision_request) {
        identity = IdentityHandle(rawValue: request.identity)
        slot = request.slot < UInt32(SELECTOR_SLOTS) ? Int(request.slot) : nil
    }
}

extension process_facts {
    fileprivate init(_ facts: ProcessFacts, as image: ProcessImage) {
        self.init()
        key = ProcessImage(process: image.process, number: 0).abi
        self.image = image.number
        let argv = facts.arguments.flatMap { (word: String) -> [UInt8] in word.namedBytes + [0] }
        let isCut = argv.count > Int(PROCESS_ARGV_LEN) || facts.argumentsTruncated
        argv_len = UInt32(min(argv.count, Int(PROCESS_ARGV_LEN)))
        if isCut {
            flags |= UInt32(PROCESS_ARGV_TRUNCATED)
            // The last word has no NUL where it may have been cut.
            if argv.count <= Int(PROCESS_ARGV_LEN), argv.last == 0 { argv_len -= 1 }
        }
        if facts.hidesProcesses { flags |= UInt32(PROCESS_HIDES_OTHERS) }
        if facts.isOnHost { flags |= UInt32(PROCESS_ON_HOST) }
        if facts.executable.pathIsForeign { flags |= UInt32(PROCESS_PATH_FOREIGN) }
        withUnsafeMutableBytes(of: &name) {
            $0.copyBytes(from: facts.name.namedBytes.prefix(Int(PROCESS_NAME_LEN) - 1))
        }
        withUnsafeMutableBytes(of: &path) {
            $0.copyBytes(from: facts.executable.path.namedBytes.prefix(Int(PROCESS_PATH_LEN) - 1))
        }
        withUnsafeMutableBytes(of: &program) {
            let name = facts.executable.path.namedBytes.split(separator: UInt8(ascii: "/")).last ?? []
            $0.copyBytes(from: name.prefix(Int(PROCESS_NAME_LEN) - 1))
        }
        withUnsafeMutableBytes(of: &script) {
            $0.copyBytes(from: (facts.script?.path ?? "").namedBytes.prefix(Int(PROCESS_PATH_LEN) - 1))
        }
        withUnsafeMutableBytes(of: &self.argv) { $0.copyBytes(from: argv.prefix($0.count)) }
    }
}

extension cgroup_facts {
    fileprivate init(_ facts: ProcessFacts) {
        self.init()
        ready = 1
        withUnsafeMutableBytes(of: &path) {
            $0.copyBytes(from: facts.cgroup.namedBytes.prefix(Int(CGROUP_PATH_LEN) - 1))
        }
        withUnsafeMutableBytes(of: &unit) {
            $0.copyBytes(from: (facts.systemdUnit ?? "").namedBytes.prefix(Int(CGROUP_UNIT_LEN) - 1))
        }
    }
}

private func credentials(_ facts: ProcessFacts) -> credentials {
    var result = KernelABI.credentials()
    result.ids = ids(
        euid: facts.userID, uid: facts.realUserID, egid: facts.groupID, gid: facts.realGroupID)
    result.group_count = UInt32(facts.additionalGroupIDs.count)
    if facts.additionalGroupsTruncated { result.group_count = UInt32(CREDENTIALS_GROUPS) + 1 }
    withUnsafeMutableBytes(of: &result.groups) { bytes in
        bytes.withMemoryRebound(to: UInt32.self) { groups in
            for (place, group) in facts.additionalGroupIDs.prefix(groups.count).enumerated() { groups[place] = group }
        }
    }
    return result
}
