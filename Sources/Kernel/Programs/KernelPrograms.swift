/// The kernel part, verified and loaded; attached to nothing yet.
///
/// @unchecked: after `init` nothing in it changes.
final class KernelPrograms: @unchecked Sendable {
    let host: BPFObject
    let steering: SteeringProgram
    /// Whether a kernel has what these need is found out by loading them.
    let guarding: Result<Guarding, KernelError>

    /// @unchecked: nothing in it changes, as above.
    final class Guarding: @unchecked Sendable {
        let object: BPFObject

        fileprivate init(pinningMapsIn directory: String) throws(KernelError) {
            object = try BPFObject(.guarding, pinningMapsIn: directory)
        }
    }

    /// - Parameter directory: where the maps are pinned, or are already and are taken.
    init(pinningMapsIn directory: String) throws(KernelError) {
        host = try BPFObject(.host, pinningMapsIn: directory)
        steering = try SteeringProgram(pinDirectory: directory)
        guarding = Result { () throws(KernelError) in try Guarding(pinningMapsIn: directory) }
    }
}
