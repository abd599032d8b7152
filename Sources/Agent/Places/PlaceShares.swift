import Limits
import SPIFFE

/// How many places on this host each workload may have managed: the kernel's table has an end, and whoever has network namespaces and
/// addresses of his own could fill it for everybody.
struct PlaceShares {
    private var taken: [SPIFFEID: Int] = [:]
    private var total = 0
    /// Places beyond that, by workload; nobody is led to them.
    private(set) var dropped: [SPIFFEID: Int] = [:]
    private let ofWorkload: Int
    private let inAll: Int

    init(ofWorkload: Int = Limits.Endpoints.ofWorkload, inAll: Int = Limits.Endpoints.ofHost) {
        self.ofWorkload = ofWorkload
        self.inAll = inAll
    }

    /// - Returns: false: it has as many as it may.
    mutating func take(for workload: SPIFFEID) -> Bool {
        guard taken[workload, default: 0] < ofWorkload, total < inAll else { return false }
        taken[workload, default: 0] += 1
        total += 1
        return true
    }

    /// - Parameter count: at most so many places of it are left out.
    mutating func drop(_ count: Int, of workload: SPIFFEID) { dropped[workload, default: 0] += count }
}
