import NIOCore

/// Who is on the other end of a Unix socket, for the audit.
enum OperatorName {
    /// The kernel's `struct ucred`, as SO_PEERCRED fills it in at `connect`.
    private struct Credentials {
        var pid: Int32 = 0
        var uid: UInt32 = 0
        var gid: UInt32 = 0
    }

    /// `uid N`.
    static func of(_ channel: any Channel) async -> String {
        guard let provider = channel as? any SocketOptionProvider else { return "unknown" }
        // SO_PEERCRED, 17 on each architecture Linux and Swift have in common.
        let answer: EventLoopFuture<Credentials> = provider.unsafeGetSocketOption(
            level: .socket, name: .init(rawValue: 17))
        guard let credentials = try? await answer.get() else { return "unknown" }
        return "uid \(credentials.uid)"
    }
}
