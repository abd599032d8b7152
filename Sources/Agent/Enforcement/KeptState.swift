import ControlPlaneAPI
import Foundation
import Synchronization

/// Something that the agent's next life on this boot of the host needs, in the state directory: root's alone, written whole or not
/// at all. Holds no secret.
final class KeptState<Value: Codable & Equatable & Sendable>: Sendable {
    private struct Content: Codable {
        /// Numbers of processes and sockets mean others after the next one.
        let boot: String
        let value: Value
    }

    private struct State {
        var value: Value?
        var isWritten = true
    }

    private let url: URL
    private let boot: String
    private let state = Mutex(State())

    /// - Parameter directory: exists.
    init(directory: String, name: String, boot: String = KeptState.bootOfHost) {
        url = URL(filePath: directory, directoryHint: .isDirectory).appending(path: name)
        self.boot = boot
    }

    private static var bootOfHost: String {
        (try? String(contentsOfFile: "/proc/sys/kernel/random/boot_id", encoding: .utf8)) ?? UUID().uuidString
    }

    /// - Returns: nil where there is nothing, or nothing of this boot.
    func load() -> Value? {
        guard let data = try? Data(contentsOf: url),
            let content = try? WireCoding.decoder().decode(Content.self, from: data), content.boot == boot
        else { return nil }
        return content.value
    }

    /// In memory, until the next ``flush()``.
    func keep(_ value: Value) {
        state.withLock {
            guard $0.value != value else { return }
            $0 = State(value: value, isWritten: false)
        }
    }

    /// Writes what is new.
    func flush() throws {
        try state.withLock { state in
            guard !state.isWritten, let value = state.value else { return }
            try WireCoding.encoder().encode(Content(boot: boot, value: value)).write(to: url, options: .atomic)
            try FileManager.default.setAttributes([.posixPermissions: 0o600], ofItemAtPath: url.path)
            state.isWritten = true
        }
    }
}
