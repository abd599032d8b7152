import Foundation
import Limits
import SPIFFE

/// How many identities of templates may have an SVID on this host: a user who runs a template's program as many IDs is to leave room for
/// others. Those that are written out are as many as their manifests, and always have one.
struct SVIDShares {
    /// A user's processes that have their IDs by one template.
    struct Owner: Hashable {
        let template: String
        /// nil: nobody knows.
        let user: UInt32?
    }

    private let limit: Int
    private var owners: [SPIFFEID: Owner] = [:]
    private var held: [Owner: Int] = [:]

    init(limit: Int) { self.limit = limit }

    /// - Parameter owner: nil: it is written out.
    /// - Returns: false: its owner has as many as are left for others.
    mutating func take(_ workload: SPIFFEID, for owner: Owner?) -> Bool {
        guard let owner, owners[workload] == nil else { return true }
        let (own, free) = (held[owner, default: 0], limit - owners.count)
        guard free > 0, own == 0 || own < free else { return false }
        owners[workload] = owner
        held[owner] = own + 1
        return true
    }

    mutating func giveBack(_ workload: SPIFFEID) {
        guard let owner = owners.removeValue(forKey: workload) else { return }
        let left = held[owner, default: 0] - 1
        held[owner] = left > 0 ? left : nil
    }
}
