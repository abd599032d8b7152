import CLibBPF
// Dispatch sources may be used from any thread; their protocol does not say so.
@preconcurrency import Dispatch
import Glibc
import KernelABI
import Limits

/// Delivers the samples of the ring buffer, in order, until released.
final class EventRing: Sendable {
    typealias Handler = @Sendable (kernel_event) -> Void

    private let source: any DispatchSourceRead
    /// For those that wake nobody: see report() in bpf/agent.h.
    private let timer: any DispatchSourceTimer

    /// How long such an event may lie.
    private static let interval = DispatchTimeInterval.milliseconds(Int(Limits.Queues.eventPause / .milliseconds(1)))

    /// - Parameter ended: called once, after the last sample.
    init(
        map descriptor: CInt, handler: @escaping Handler, ended: @escaping @Sendable () -> Void,
    ) throws(KernelError) {
        // The callback's context. The cancel handler below gives it back.
        let context = Unmanaged.passRetained(HandlerBox(handler)).toOpaque()
        guard let reader = ring_buffer__new(descriptor, deliver, context, nil) else {
            let code = errno
            Unmanaged<HandlerBox>.fromOpaque(context).release()
            throw .ringRefused(errno: code)
        }
        // Only the handlers touch them, on one queue, one at a time.
        nonisolated(unsafe) let owned = (reader: reader, context: context)
        let queue = DispatchQueue(label: "tidemark.kernel-events")
        timer = DispatchSource.makeTimerSource(queue: queue)
        timer.schedule(deadline: .now() + Self.interval, repeating: Self.interval, leeway: Self.interval)
        source = DispatchSource.makeReadSource(fileDescriptor: ring_buffer__epoll_fd(reader), queue: queue)
        source.setEventHandler { ring_buffer__consume(owned.reader) }
        // Cancelled before the source is, so its last run is over when the reader goes.
        timer.setEventHandler { ring_buffer__consume(owned.reader) }
        source.setCancelHandler {
            ring_buffer__consume(owned.reader)
            ring_buffer__free(owned.reader)
            Unmanaged<HandlerBox>.fromOpaque(owned.context).release()
            ended()
        }
        source.activate()
        timer.activate()
    }

    deinit {
        timer.cancel()
        source.cancel()
    }
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
