import CLibBPF
import Glibc

/// A program of type `iter`: looks at everything there is of a kind.
final class KernelIterator: Sendable {
    private let name: String
    private let program: OwnedDescriptor

    init(_ name: String, of object: borrowing BPFObject) throws(KernelError) {
        let descriptor = fcntl(bpf_program__fd(try object.program(name)), F_DUPFD_CLOEXEC, 0)
        guard descriptor >= 0 else { throw .programRefused(name: name, errno: errno) }
        self.name = name
        program = OwnedDescriptor(descriptor)
    }

    func run() throws(KernelError) {
        let link = bpf_link_create(program.number, 0, BPF_TRACE_ITER, nil)
        guard link >= 0 else { throw .attachRefused(program: name, errno: -link) }
        defer { close(link) }
        let descriptor = bpf_iter_create(link)
        guard descriptor >= 0 else { throw .attachRefused(program: name, errno: -descriptor) }
        defer { close(descriptor) }
        var nothing = [UInt8](repeating: 0, count: 64)
        while true {
            // The kernel stops now and then to let others run.
            let count = read(descriptor, &nothing, nothing.count)
            if count == 0 { return }
            guard count > 0 || errno == EAGAIN || errno == EINTR else {
                throw .programRefused(name: name, errno: errno)
            }
        }
    }
}
