import CLibBPF
import Glibc
import KernelABI

/// The kernel part's records of sockets that listen. It alone writes them: what the agent found out is handed over and
/// taken only if the record still is what the agent thought.
struct ListenerTable: Sendable {
    private static let decision = "decide_listener"

    private let records: BPFMap<UInt64, listener>
    private let program: OwnedDescriptor

    init(of object: borrowing BPFObject) throws(KernelError) {
        records = try object.map("listeners")
        let descriptor = fcntl(bpf_program__fd(try object.program(Self.decision)), F_DUPFD_CLOEXEC, 0)
        guard descriptor >= 0 else { throw .programRefused(name: Self.decision, errno: errno) }
        program = OwnedDescriptor(descriptor)
    }

    var all: [ListeningSocket] {
        records.keys.compactMap { cookie in records[cookie].flatMap { ListeningSocket(cookie: cookie, $0) } }
    }

    /// - Returns: false where the socket listens no more, or has another identity than `socket` says.
    func decide(_ socket: ListeningSocket, as identity: IdentityHandle) throws(KernelError) -> Bool {
        let asked = listener_decision(
            cookie: socket.cookie, expected: socket.identity.rawValue, identity: identity.rawValue)
        let (status, answer) = withUnsafeBytes(of: asked) { bytes in
            var options = bpf_test_run_opts()
            options.sz = MemoryLayout<bpf_test_run_opts>.size
            options.ctx_in = bytes.baseAddress
            options.ctx_size_in = UInt32(bytes.count)
            return (bpf_prog_test_run_opts(program.number, &options), options.retval)
        }
        guard status == 0 else { throw .programRefused(name: Self.decision, errno: -status) }
        return answer == 0
    }
}
