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
