@preconcurrency import Dispatch
import Glibc
import Limits
import Logging

/// Takes connections off one listening socket until stopped.
final class Acceptor: Sendable {
    private let source: any DispatchSourceRead

    /// - Parameter deliver: is given the descriptor of each accepted socket, to keep.
    init(_ socket: ListeningSocket, logger: Logger, deliver: @escaping @Sendable (CInt) -> Void) {
        let queue = DispatchQueue(label: "tidemark.accept.\(socket.address.text)")
        source = DispatchSource.makeReadSource(fileDescriptor: socket.descriptor, queue: queue)
        source.setEventHandler { Self.drain(socket, logger, deliver) }
        // Keeps the socket until the source has let go of its descriptor.
        source.setCancelHandler { withExtendedLifetime(socket) {} }
        source.activate()
    }

    func stop() { source.cancel() }

    deinit { source.cancel() }

    private static func drain(_ socket: ListeningSocket, _ logger: Logger, _ deliver: (CInt) -> Void) {
        while true {
            switch socket.accept() {
            case .accepted(let descriptor): deliver(descriptor)
            case .nothingWaiting: return
            case .exhausted(let errno):
                logger.error(
                    "cannot accept connections; raise the limit of open files",
                    metadata: ["listener": "\(socket.address.text)", "errno": "\(errno)"],
                )
                // The queue is this listener's own; without a pause it would spin.
                usleep(useconds_t(Limits.Connection.acceptPause / .microseconds(1)))
                return
            }
        }
    }
}
