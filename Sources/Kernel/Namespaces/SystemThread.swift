import Glibc

/// A thread of the system's, for what holds one up or changes it. Foundation's gives no promise of when it is gone.
package enum SystemThread {
    /// Returns when the thread is gone: nothing holds on to the body any more then. Does nothing at all where the machine
    /// has no room for another thread.
    static func run(_ body: @escaping @Sendable () -> Void) {
        if let thread = make(body) { pthread_join(thread, nil) }
    }

    /// - Parameter name: as tools show it, at most 15 bytes.
    /// - Returns: false where the machine has no room for another thread.
    package static func start(named name: String? = nil, _ body: @escaping @Sendable () -> Void) -> Bool {
        let named: @Sendable () -> Void = {
            if let name { Self.name(name) }
            body()
        }
        guard let thread = make(named) else { return false }
        pthread_detach(thread)
        return true
    }

    /// As pthread_setname_np(3) does it, which Glibc shows to nobody here. A name is for people: without one all goes on.
    private static func name(_ name: String) {
        let file = open("/proc/thread-self/comm", O_WRONLY | O_CLOEXEC)
        guard file >= 0 else { return }
        write(file, name, name.utf8.count)
        close(file)
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
