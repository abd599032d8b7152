/// What the kernel can decide of a set of identities: selectors in order of precedence.
///
/// Of all slots that match a process the first one names its identity, so the order is the whole policy.
package struct SelectorProgram: Sendable, Equatable {
    package var slots: [Slot]

    package struct Slot: Sendable, Equatable {
        package var selector: Selector
        /// `WorkloadIdentity.workloadID`.
        package var workloadID: String

        package init(selector: Selector, workloadID: String) {
            self.selector = selector
            self.workloadID = workloadID
        }
    }

    package init(slots: [Slot]) {
        self.slots = slots
    }
}

extension SelectorProgram {
    /// One slot a selector, strongest first; see ``Precedence``.
    package init(compiling identities: [WorkloadIdentity]) {
        self.init(
            slots: Precedence.ordered(identities).map {
                Slot(selector: $0.selector, workloadID: $0.identity.workloadID)
            })
    }
}
