/// The number the kernel part knows an identity by. Means nothing outside of one agent and its kernel maps.
package struct IdentityHandle: RawRepresentable, Hashable, Sendable {
    package let rawValue: UInt32

    package init(rawValue: UInt32) {
        self.rawValue = rawValue
    }

    /// No identity: the process is not managed.
    package static let none = IdentityHandle(rawValue: 0)
    /// User space has to say; until then the process is treated as managed.
    package static let undecided = IdentityHandle(rawValue: 0xffff_fffe)
    /// Cannot be decided: nothing is known of the process.
    package static let unknown = IdentityHandle(rawValue: 0xffff_ffff)
}
