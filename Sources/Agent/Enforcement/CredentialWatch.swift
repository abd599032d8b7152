import Kernel
import Limits
import Proxy
import Workloads

/// Finds processes that changed their uid or gid while connections are open that they opened through the proxy. For kernels
/// that do not tell of it: it looks several times a second.
///
/// In rounds: each process that has such connections when a round begins is looked at once in it.
struct CredentialWatch {
    private struct Look {
        let ids: ProcessIDs
        let opening: Set<ProcessIDs>
    }

    /// The last one at each process.
    private var looks: [ProcessKey: Look] = [:]
    private var round: ArraySlice<ProcessKey> = []

    /// Processes at one look.
    static let atOnce = Int(Limits.Updates.ofCredentials / .seconds(1) * Double(Limits.Updates.credentialsPerSecond))

    /// Whose turn it is. Who has no connections when a round begins is forgotten.
    mutating func turn(of openers: () -> [ProcessKey]) -> ArraySlice<ProcessKey> {
        if round.isEmpty {
            round = openers()[...]
            let present = Set(round)
            looks = looks.filter { present.contains($0.key) }
        }
        defer { round = round.dropFirst(Self.atOnce) }
        return round.prefix(Self.atOnce)
    }

    /// Whether it has to be asked again who a process is: it has connections that it opened by other ids, and was not asked
    /// about them by those it has now.
    ///
    /// - Parameter opening: by which it opened those that it has.
    mutating func needsAnswer(_ process: ProcessKey, now ids: ProcessIDs, opening: Set<ProcessIDs>) -> Bool {
        let last = looks.updateValue(Look(ids: ids, opening: opening), forKey: process)
        let answered = last?.ids == ids ? last?.opening ?? [] : []
        return !opening.subtracting(answered).isSubset(of: [ids])
    }

    static func run(
        _ proxy: LoopbackProxy, _ kernel: KernelSession, changed: (ProcessKey) -> Void,
    ) async {
        var watch = CredentialWatch()
        while (try? await Task.sleep(for: Limits.Updates.ofCredentials)) != nil {
            for process in watch.turn(of: { proxy.openers }) {
                let opening = proxy.idsOfOpening(by: process)
                guard !opening.isEmpty, let ids = kernel.ids(of: process) else { continue }
                if watch.needsAnswer(process, now: ids, opening: opening) { changed(process) }
            }
        }
    }
}
