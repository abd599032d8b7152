import Synchronization

/// The policy in force, for everyone who asks; swapped whole.
package final class PolicyBoard: Sendable {
    private struct State {
        var policy: EnforcedPolicy
        var revision: UInt64 = 0
    }

    private let state: Mutex<State>

    package init(_ policy: EnforcedPolicy = .nothing) {
        state = Mutex(State(policy: policy))
    }

    package var current: EnforcedPolicy { state.withLock { $0.policy } }

    /// Rises with each change, of the endpoints and of this host's listeners too.
    package var revision: UInt64 { state.withLock { $0.revision } }

    package func change(_ body: (inout EnforcedPolicy) -> Void) {
        state.withLock { state in
            body(&state.policy)
            state.revision += 1
        }
    }
}
