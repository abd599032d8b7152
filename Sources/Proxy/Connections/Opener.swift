package import SPIFFE
package import Workloads

/// Which image of which process opened a connection, and by which policy it was decided who that is.
package struct Opener: Hashable, Sendable {
    package let process: ProcessKey
    /// Execs of the process since it was forked.
    package let image: UInt32
    /// The policy's number in the kernel part.
    package let generation: UInt32
    /// By which the process ran then, whatever its other threads ran by.
    package let ids: ProcessIDs

    package init(
        process: ProcessKey, image: UInt32 = 0, generation: UInt32 = 0,
        ids: ProcessIDs = ProcessIDs(userID: 0, groupID: 0),
    ) {
        self.process = process
        self.image = image
        self.generation = generation
        self.ids = ids
    }
}

/// A live connection, as far as its right rests on who opened it.
package struct OpenedConnection: Sendable {
    package let opener: Opener
    /// As whom.
    package let workload: SPIFFEID

    package init(opener: Opener, workload: SPIFFEID) {
        self.opener = opener
        self.workload = workload
    }
}
