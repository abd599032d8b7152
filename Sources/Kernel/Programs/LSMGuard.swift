/// The extra of kernels whose BPF LSM can be used: a managed process is not traced by other users, and says so when it
/// changes its ids. Whether a kernel has it is found out by loading.
package enum LSMGuard: Sendable, Equatable {
    case attached
    /// - Parameter reason: the kernel's, for the log; nothing else rests on it.
    case unavailable(reason: String)

    static let programs = ["tracer_checked", "user_changed", "group_changed"]

    static func attach(_ loaded: Result<KernelPrograms.Guarding, KernelError>, _ attachment: Attachment) -> LSMGuard {
        do throws(KernelError) {
            let object = try loaded.get()
            for program in programs {
                try attachment.attach(Hook(program: program, place: .kernel), of: object.object)
            }
            return .attached
        } catch {
            for program in programs { attachment.detach(pin: program) }
            return .unavailable(reason: error.shortDescription)
        }
    }
}

extension KernelError {
    /// Without the loader's log, which is long where a whole type of program is refused.
    fileprivate var shortDescription: String {
        if case .objectRefused(let errno, _) = self {
            "the kernel refuses its programs (errno \(errno))"
        } else {
            "\(self)"
        }
    }
}
