/// How a workload may reach a place where no managed workload is known to listen.
package enum Passage: Hashable, Sendable {
    case plain(because: String)
    /// If what it sends begins TLS, as one of these entries asks.
    case ownTLS([Egress])
    /// Not at all, for all that is known; somebody managed may be found there yet.
    case closed(because: String)

    /// - Parameters:
    ///   - outbound: of its identity.
    ///   - address: 16 bytes in network order, IPv4 as `::ffff:a.b.c.d`.
    package static func of(
        _ outbound: Outbound?, to address: [UInt8], port: UInt16, managedNetworks: ManagedNetworks?,
    ) -> Passage {
        let covering = (outbound?.egress ?? []).filter { $0.covers(address, port: port) }
        let tls = covering.filter { $0.form == .tls }
        if let range = managedNetworks?.range(of: address) {
            // Whatever is listed as plain: in there nothing is.
            return tls.isEmpty
                ? .closed(
                    because:
                        "no managed workload is known to listen there, and the managed network \(range) knows no plain text"
                )
                : .ownTLS(tls)
        }
        guard outbound != nil else {
            return .plain(because: "connection.outbound is OPEN, and it is in no managed network")
        }
        if covering.contains(where: { $0.form == .plain }) { return .plain(because: "egress lists it as plain") }
        return tls.isEmpty
            ? .closed(because: "no managed workload is known to listen there, and no entry of egress covers it")
            : .ownTLS(tls)
    }
}
