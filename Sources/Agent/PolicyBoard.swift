import Synchronization

/// The policy in force, for everyone who asks; swapped whole.
package final class PolicyBoard: Sendable {
    private let policy: Mutex<EnforcedPolicy>

    package init(_ policy: EnforcedPolicy = .nothing) {
        self.policy = Mutex(policy)
    }

    package var current: EnforcedPolicy { policy.withLock { $0 } }

    package func change(_ body: (inout EnforcedPolicy) -> Void) {
        policy.withLock { body(&$0) }
    }
}
