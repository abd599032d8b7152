import Glibc

/// A thread of the system's, for what holds one up or changes it. Foundation's gives no promise of when it is gone.
enum SystemThread {
    /// Returns when the thread is gone: nothing holds on to the body any more then. Does nothing at all where the machine
    /// has no room for another thread.
    static func run(_ body: @escaping @Sendable () -> Void) {
        if let thread = make(body) { pthread_join(thread, nil) }
    }

    /// - Returns: false where the machine has no room for another thread.
    static func start(_ body: @escaping @Sendable () -> Void) -> Bool {
        guard let thread = make(body) else { return false }
        pthread_detach(thread)
        return true
    }

    private final class Body: Sendable {
        let run: @Sendable () -> Void

        init(_ run: @escaping @Sendable () -> Void) { self.run = run }
    }

    private static func make(_ body: @escaping @Sendable () -> Void) -> pthread_t? {
        let owned = Unmanaged.passRetained(Body(body))
        var thread = pthread_t()
        let status = pthread_create(
            &thread, nil,
            { argument in
                if let argument { Unmanaged<Body>.fromOpaque(argument).takeRetainedValue().run() }
                return nil
            }, owned.toOpaque())
        guard status == 0 else {
            owned.release()
            return nil
        }
        return thread
    }
}
