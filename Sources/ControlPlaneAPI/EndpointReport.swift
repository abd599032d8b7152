import Foundation
package import SPIFFE

/// `PUT /v1/agents/self/endpoints`: a piece of what an agent tells of where its workloads listen.
///
/// An agent tells everything once a stream, in any number of pieces under one name, the last of which is ``isWhole``: what it
/// told in former tellings only is gone then, and nothing before. From then on it tells changes under the same name.
package struct EndpointReport: Sendable, Codable {
    /// Names the telling.
    package var telling: String
    package var added: [Endpoint]
    package var removed: [Endpoint]
    package var isWhole: Bool
    /// Endpoints that the agent itself left out, by workload: beyond the limit for one.
    package var dropped: [Dropped]

    /// How many endpoints of one workload were left out.
    package struct Dropped: Sendable, Codable, Hashable {
        package var workload: SPIFFEID
        package var count: Int

        package init(workload: SPIFFEID, count: Int) {
            self.workload = workload
            self.count = count
        }
    }

    package init(
        telling: String, added: [Endpoint] = [], removed: [Endpoint] = [], isWhole: Bool, dropped: [Dropped] = [],
    ) {
        self.telling = telling
        self.added = added
        self.removed = removed
        self.isWhole = isWhole
        self.dropped = dropped
    }

    /// Everything at once.
    package init(endpoints: [Endpoint]) {
        self.init(telling: UUID().uuidString, added: endpoints, isWhole: true)
    }
}

/// The answer.
package struct EndpointReceipt: Sendable, Codable {
    /// Those of the piece that are not taken. Told again, they may be.
    package var refused: [RefusedEndpoint]

    package init(refused: [RefusedEndpoint]) { self.refused = refused }
}

/// An endpoint that is not told to the fleet, and why.
package struct RefusedEndpoint: Sendable, Codable, Hashable {
    package var endpoint: Endpoint
    package var reason: String

    package init(endpoint: Endpoint, reason: String) {
        self.endpoint = endpoint
        self.reason = reason
    }
}
