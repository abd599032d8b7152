/// Numbers a process runs by at one moment, in the initial user namespace.
package struct ProcessIDs: Sendable, Hashable {
    package var effectiveUserID: UInt32
    package var realUserID: UInt32
    package var effectiveGroupID: UInt32
    package var realGroupID: UInt32

    package init(
        effectiveUserID: UInt32, realUserID: UInt32, effectiveGroupID: UInt32, realGroupID: UInt32,
    ) {
        self.effectiveUserID = effectiveUserID
        self.realUserID = realUserID
        self.effectiveGroupID = effectiveGroupID
        self.realGroupID = realGroupID
    }

    /// Effective and real ones alike.
    package init(userID: UInt32, groupID: UInt32) {
        self.init(
            effectiveUserID: userID, realUserID: userID, effectiveGroupID: groupID, realGroupID: groupID)
    }
}
