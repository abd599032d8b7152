extension Limits {
    /// Network namespaces of a host that have the proxy in them, and their addresses.
    package enum Namespaces {
        /// Of one user, beside those with a name. Each is five descriptors of the agent's.
        package static let ofUser = 1024
        /// Room in the kernel part's table; no user has more than are left.
        package static let inAll = 16_384
        /// Namespaces with a name that are served before anybody is in them. A map of the kernel part.
        package static let ahead = 4096
        /// Between two looks for those that nobody is in any more.
        package static let look = Duration.seconds(1)
        /// Between two looks at their addresses. Netlink does not tell yet.
        package static let addressLook = Duration.seconds(30)
        /// Addresses that are read of one, whatever it has.
        package static let addresses = 4096
        /// Devices that are tried at once for a link-local address.
        package static let links = 16
        /// The thread that watches mounts may outlive its end.
        package static let watchPause = Duration.milliseconds(500)
    }

    static let namespaces = [
        Limit("Namespaces.ofUser", .count(Namespaces.ofUser)),
        Limit("Namespaces.inAll", .count(Namespaces.inAll)),
        Limit("Namespaces.ahead", .count(Namespaces.ahead)),
        Limit("Namespaces.look", .time(Namespaces.look)),
        Limit("Namespaces.addressLook", .time(Namespaces.addressLook)),
        Limit("Namespaces.addresses", .count(Namespaces.addresses)),
        Limit("Namespaces.links", .count(Namespaces.links)),
        Limit("Namespaces.watchPause", .time(Namespaces.watchPause)),
    ]
}
