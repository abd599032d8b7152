import ControlPlaneAPI
import Foundation
import Workloads

/// Why a verb did not do what it was asked to.
enum Failure: Error, CustomStringConvertible {
    /// The control plane or the agent answered, and said no.
    case refused(Problem)
    case unreachable(socket: String, reason: String, hint: String)
    case unexpected(ControlPlaneError)
    case unreadable(file: String, reason: String)
    case invalid(ManifestError)
    case draftConflicts([String])
    case notEnforced(version: UInt64, agents: [String])
    case stillWaiting(version: UInt64, agents: [String], seconds: Int)
    case notFound(kind: String?, name: String?)
    case auditBroken(AuditVerification)

    init(_ error: ControlPlaneError, hint: String) {
        switch error {
        case .problem(let problem): self = .refused(problem)
        case .unreachable(let address, let reason), .turnedAway(let address, let reason):
            self = .unreachable(socket: address, reason: reason, hint: hint)
        case .unexpected: self = .unexpected(error)
        }
    }

    /// EX_UNAVAILABLE where nobody answered.
    var exitCode: Int32 {
        if case .unreachable = self { 69 } else { 1 }
    }

    var description: String {
        switch self {
        case .refused(let problem): problem.description
        case .unreachable(let socket, let reason, let hint): "no answer from \(socket): \(reason); \(hint)"
        case .unexpected(let error): error.description
        case .unreadable(let file, let reason): "\(file) cannot be read: \(reason)"
        case .invalid(let error): error.description
        case .draftConflicts: lines.joined(separator: "\n")
        case .notEnforced(let version, let agents):
            "version \(version) is in the registry, but not enforced by \(agents.joined(separator: "; ")); "
                + "correct the manifest and apply it again"
        case .stillWaiting(let version, let agents, let seconds):
            "version \(version) is in the registry, but after \(seconds) s still not acknowledged by "
                + "\(agents.joined(separator: ", ")); look at that agent's log, or wait longer with --timeout"
        case .notFound(let kind, let name):
            "there is no \([kind, name].compactMap { $0 }.joined(separator: " ")); tidemark get lists what there is"
        case .auditBroken(let found):
            "the audit is not intact: \(found.reason ?? "a record does not fit") (record \(found.brokenAt ?? 0)); "
                + "compare with a backup and find out who wrote to the store"
        }
    }

    /// On standard error, each line with the program's name. A line break in a stranger's text begins none.
    func tell() {
        for line in lines { Console.tell("tidemark: \(line)") }
    }

    private var lines: [String] {
        switch self {
        case .refused(let problem): [problem.message] + (problem.findings ?? [])
        case .invalid(let error): error.findings.map(\.description)
        case .draftConflicts(let conflicts):
            ["the draft cannot be in force together with what is; nothing was compared"] + conflicts
        default: [description]
        }
    }
}
