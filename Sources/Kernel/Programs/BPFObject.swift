import CLibBPF
import Foundation

/// The BPF object, loaded into the kernel; its maps are those already pinned, where there are any.
///
/// Owns the libbpf handle. Pinned maps and links outlive it.
struct BPFObject: ~Copyable {
    let handle: OpaquePointer

    /// Which programs of the object are loaded.
    enum Part {
        /// All that exist once.
        case host
        /// The one that each network namespace has an instance of; see ``SteeringProgram``.
        case steering
        /// Those that want a kernel whose BPF LSM can be used.
        case guarding

        fileprivate func has(_ program: String) -> Bool {
            switch self {
            case .host: program != Steering.program && !LSMGuard.programs.contains(program)
            case .steering: program == Steering.program
            case .guarding: LSMGuard.programs.contains(program)
            }
        }
    }

    /// Loads and verifies a part of the object; attaches nothing.
    ///
    /// - Parameter directory: where the maps are pinned, or are already and are taken.
    init(_ part: Part = .host, pinningMapsIn directory: String) throws(KernelError) {
        guard let image = Self.image else { throw .objectDamaged }
        let (loaded, log) = LoaderLog.recording { Self.load(part, of: image, pinningMapsIn: directory) }
        switch loaded {
        case .success(let handle): self.handle = handle
        case .failure(let failure) where log.contains { $0.contains("parameter mismatch") }:
            _ = failure
            throw .incompatiblePins(directory: directory, log: log)
        case .failure(let failure): throw .objectRefused(errno: failure.errno, log: log)
        }
    }

    deinit { bpf_object__close(handle) }

    /// Decoded once: a part of it is loaded for each network namespace, and a process may be waiting for that.
    private static let image = Data(base64Encoded: IdentityObject.base64.description)

    private struct LoadFailure: Error {
        let errno: Int32
    }

    private static func load(
        _ part: Part, of image: Data, pinningMapsIn directory: String,
    ) -> Result<OpaquePointer, LoadFailure> {
        guard let handle = image.withUnsafeBytes({ bpf_object__open_mem($0.baseAddress, $0.count, nil) }) else {
            return .failure(LoadFailure(errno: errno))
        }
        var map = bpf_object__next_map(handle, nil)
        while let current = map {
            if !bpf_map__is_internal(current), let name = bpf_map__name(current) {
                bpf_map__set_pin_path(current, directory + "/" + String(cString: name))
            }
            map = bpf_object__next_map(handle, current)
        }
        select(part, of: handle)
        let status = bpf_object__load(handle)
        guard status == 0 else {
            bpf_object__close(handle)
            return .failure(LoadFailure(errno: -status))
        }
        return .success(handle)
    }

    private static func select(_ part: Part, of handle: OpaquePointer) {
        var program = bpf_object__next_program(handle, nil)
        while let current = program {
            let name = bpf_program__name(current).map { String(cString: $0) } ?? ""
            bpf_program__set_autoload(current, part.has(name))
            program = bpf_object__next_program(handle, current)
        }
    }

    /// A map by its name in maps.h, once its entries have the size this build expects.
    func map<Key, Value>(_ name: String) throws(KernelError) -> BPFMap<Key, Value> {
        guard let map = bpf_object__find_map_by_name(handle, name) else { throw .partMissing(name: name) }
        let expected = MemoryLayout<Key>.size + MemoryLayout<Value>.size
        let found = Int(bpf_map__key_size(map) + bpf_map__value_size(map))
        guard expected == found else { throw .mapLayout(name: name, expected: expected, found: found) }
        let descriptor = fcntl(bpf_map__fd(map), F_DUPFD_CLOEXEC, 0)
        guard descriptor >= 0 else { throw .mapRefused(operation: "open", map: name, errno: errno) }
        return BPFMap(name: name, descriptor: OwnedDescriptor(descriptor))
    }

    /// Stays the object's.
    func descriptor(ofMap name: String) throws(KernelError) -> CInt {
        guard let map = bpf_object__find_map_by_name(handle, name) else { throw .partMissing(name: name) }
        return bpf_map__fd(map)
    }

    func program(_ name: String) throws(KernelError) -> OpaquePointer {
        guard let program = bpf_object__find_program_by_name(handle, name) else { throw .partMissing(name: name) }
        return program
    }

    /// Runs a program of type `iter` over everything there is.
    func iterate(_ name: String) throws(KernelError) { try KernelIterator(name, of: self).run() }

    /// Runs a program of type `raw_tp`, once; it finds its question in a map.
    func trigger(_ name: String) throws(KernelError) {
        var options = bpf_test_run_opts()
        options.sz = MemoryLayout<bpf_test_run_opts>.size
        let status = bpf_prog_test_run_opts(bpf_program__fd(try program(name)), &options)
        guard status == 0 else { throw .programRefused(name: name, errno: -status) }
    }

    /// Runs a program of type `syscall`, once, in the caller's context.
    func run(_ name: String, context: some BitwiseCopyable) throws(KernelError) {
        let program = try program(name)
        let status = withUnsafeBytes(of: context) { bytes in
            var options = bpf_test_run_opts()
            options.sz = MemoryLayout<bpf_test_run_opts>.size
            options.ctx_in = bytes.baseAddress
            options.ctx_size_in = UInt32(bytes.count)
            let status = bpf_prog_test_run_opts(bpf_program__fd(program), &options)
            return status == 0 ? Int32(bitPattern: options.retval) : status
        }
        guard status == 0 else { throw .programRefused(name: name, errno: -status) }
    }
}
