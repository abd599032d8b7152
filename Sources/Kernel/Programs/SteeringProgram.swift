import CLibBPF
import Glibc
import KernelABI

/// The program that steers, verified once and then loaded for each network namespace with another constant: the cookie.
///
/// Loading the object each time would parse the kernel's type information anew, while a process waits to be served.
///
/// @unchecked: after `init` nothing in it changes; the object is kept for the descriptors its instructions name.
final class SteeringProgram: @unchecked Sendable {
    private let object: BPFObject
    private let instructions: [bpf_insn]
    /// The descriptor by which the instructions name the map of constants.
    private let constants: CInt

    init(pinDirectory: String) throws(KernelError) {
        object = try BPFObject(.steering, pinningMapsIn: pinDirectory)
        let program = try object.program(Steering.program)
        guard let first = bpf_program__insns(program) else { throw .partMissing(name: Steering.program) }
        instructions = Array(UnsafeBufferPointer(start: first, count: bpf_program__insn_cnt(program)))
        constants = try object.descriptor(ofMap: ".rodata.network")
    }

    /// The instance for one network namespace, by its cookie.
    func instance(for cookie: UInt64) throws(KernelError) -> OwnedDescriptor {
        var cookie = cookie
        let map = freeze_constant(&cookie, UInt32(MemoryLayout<UInt64>.size))
        guard map >= 0 else { throw .mapRefused(operation: "create", map: "constants", errno: -map) }
        defer { close(map) }
        let program = load_steering(instructions, instructions.count, constants, map)
        guard program >= 0 else { throw .objectRefused(errno: -program, log: []) }
        return OwnedDescriptor(program)
    }
}
