import CLibBPF
// Dispatch sources may be used from any thread; their protocol does not say so.
@preconcurrency import Dispatch
import Glibc
import KernelABI

/// Delivers the samples of the ring buffer, in order, until released.
final class EventRing: Sendable {
    typealias Handler = @Sendable (kernel_event) -> Void

    private let source: any DispatchSourceRead

    init(map descriptor: CInt, handler: @escaping Handler) throws(KernelError) {
        // The callback's context. The cancel handler below gives it back.
        let context = Unmanaged.passRetained(HandlerBox(handler)).toOpaque()
        guard let reader = ring_buffer__new(descriptor, deliver, context, nil) else {
            let code = errno
            Unmanaged<HandlerBox>.fromOpaque(context).release()
            throw .ringRefused(errno: code)
        }
        // Only the source's own handlers touch them, and it runs one at a time.
        nonisolated(unsafe) let owned = (reader: reader, context: context)
        source = DispatchSource.makeReadSource(fileDescriptor: ring_buffer__epoll_fd(reader))
        source.setEventHandler { ring_buffer__consume(owned.reader) }
        source.setCancelHandler {
            ring_buffer__free(owned.reader)
            Unmanaged<HandlerBox>.fromOpaque(owned.context).release()
        }
        source.activate()
    }

    deinit { source.cancel() }
}

private final class HandlerBox: Sendable {
    let handler: EventRing.Handler

    init(_ handler: @escaping EventRing.Handler) {
        self.handler = handler
    }
}

private func deliver(_ context: UnsafeMutableRawPointer?, _ sample: UnsafeMutableRawPointer?, _ size: Int) -> CInt {
    guard let context, let sample, size >= MemoryLayout<kernel_event>.size else { return 0 }
    let box = Unmanaged<HandlerBox>.fromOpaque(context).takeUnretainedValue()
    box.handler(sample.loadUnaligned(as: kernel_event.self))
    return 0
}
