import ControlPlaneAPI
import Hummingbird

/// Why a question that was put to the agent on its Unix socket has no answer: the word in ``Problem/error``, and the HTTP status that
/// goes with it.
enum LocalProblem: String {
    // What was asked about is not there.
    case processUnknown = "process_unknown"
    case connectionUnknown = "connection_unknown"
    case agentGroupUnknown = "agent_group_unknown"

    // The question cannot be answered as it is put.
    case pidInvalid = "pid_invalid"
    case endpointInvalid = "endpoint_invalid"
    case bodyInvalid = "body_invalid"
    case commandMissing = "command_missing"
    case programNotFound = "program_not_found"
    case programNotExecutable = "program_not_executable"
    case interpreterUnusable = "interpreter_unusable"

    var status: HTTPResponse.Status {
        switch self {
        case .processUnknown, .connectionUnknown, .agentGroupUnknown: .notFound
        case .pidInvalid, .endpointInvalid, .bodyInvalid, .commandMissing, .programNotFound, .programNotExecutable,
            .interpreterUnusable:
            .badRequest
        }
    }
}

extension Problem {
    init(_ kind: LocalProblem, message: String) { self.init(error: kind.rawValue, message: message) }

    /// What is none of the agent's own is somebody's fault who asked.
    var status: HTTPResponse.Status { LocalProblem(rawValue: error)?.status ?? .badRequest }
}
