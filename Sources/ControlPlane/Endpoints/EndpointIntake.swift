import ControlPlaneAPI
import Foundation
import GRDB
import Limits
import SPIFFE

/// One piece of an agent's report, and what is to be said of it whatever the store holds.
struct JudgedReport: Sendable {
    let report: EndpointReport
    /// As they were told, and what the rules say.
    let added: [(told: Endpoint, ruling: Result<Endpoint, EndpointRefusal>)]
    /// In the one spelling that counts.
    let removed: [Endpoint]

    init(_ report: EndpointReport, by agent: AgentDirectory.Agent, rules: EndpointRules) {
        self.report = report
        let ruling = { (endpoint: Endpoint) in
            Result { () throws(EndpointRefusal) in try rules.decision(endpoint, by: agent.group) }
        }
        added = report.added.map { ($0, ruling($0)) }
        removed = report.removed.map { (try? ruling($0).get()) ?? $0 }
    }

    /// Who is said to listen where that is allowed.
    var workloads: Set<SPIFFEID> { Set(added.compactMap { try? $0.ruling.get().workload }) }
}

/// Takes one piece of an agent's report: what is in order; the rest is dropped, each with its reason, and hinders nothing else.
struct EndpointIntake {
    let agent: AgentDirectory.Agent
    /// Whether a workload is of the agent's group, or was until a moment ago.
    let isKnown: (SPIFFEID) -> Bool
    /// Told under a name of the audit's own: the kind, and what to record.
    struct Finding {
        var kind: String
        var type: String
        var details: [String: AuditValue]
    }

    private(set) var refused: [RefusedEndpoint] = []
    /// Kept, and behind an earlier claim.
    private(set) var contested: [RefusedEndpoint] = []
    private(set) var findings: [Finding] = []

    init(agent: AgentDirectory.Agent, isKnown: @escaping (SPIFFEID) -> Bool) {
        self.agent = agent
        self.isKnown = isKnown
    }

    mutating func take(_ judged: JudgedReport, in database: Database) throws {
        let report = judged.report
        for endpoint in judged.removed { try EndpointClaims.remove(endpoint, of: agent.id, in: database) }
        var own = try EndpointClaims.all(of: agent.id, in: database)
        var counts = own.reduce(into: [:]) { $0[$1.workload, default: 0] += 1 }
        var total = try EndpointClaims.count(in: database)
        for (told, ruling) in judged.added {
            switch decision(ruling, own: own, ofWorkload: counts[told.workload] ?? 0, total: total) {
            case .success(let endpoint):
                if own.insert(endpoint).inserted {
                    counts[endpoint.workload, default: 0] += 1
                    total += 1
                }
                try claim(endpoint, telling: report.telling, in: database)
            case .failure(let refusal): refuse(told, refusal)
            }
        }
        for dropped in report.dropped.prefix(Limits.Endpoints.toldOfAgent) {
            let reason = EndpointRefusal.tooManyOfWorkload(Limits.Endpoints.ofWorkload)
            find(
                "endpoint.refused", dropped.workload, kind: reason.kind, because: "\(reason)",
                ["count": .integer(Int64(dropped.count))])
        }
        if report.isWhole { try EndpointClaims.settle(report.telling, of: agent.id, in: database) }
    }

    private func decision(
        _ ruling: Result<Endpoint, EndpointRefusal>, own: Set<Endpoint>, ofWorkload count: Int, total: Int,
    ) -> Result<Endpoint, EndpointRefusal> {
        Result { () throws(EndpointRefusal) in
            let endpoint = try ruling.get()
            guard isKnown(endpoint.workload) else {
                throw .notInGroup(workload: "\(endpoint.workload)", group: agent.group)
            }
            if own.contains(endpoint) { return endpoint }
            if let refusal = Self.refusal(ofWorkload: count, ofAgent: own.count, total: total) { throw refusal }
            return endpoint
        }
    }

    /// Whether there is room for one more, given how many there are. No agent has more than what is left for others: a few that take
    /// all they can leave places to all the rest.
    static func refusal(ofWorkload: Int, ofAgent: Int, total: Int) -> EndpointRefusal? {
        if ofWorkload >= Limits.Endpoints.ofWorkload { return .tooManyOfWorkload(Limits.Endpoints.ofWorkload) }
        if ofAgent >= Limits.Endpoints.ofAgent { return .tooManyOfAgent(Limits.Endpoints.ofAgent) }
        return ofAgent < Limits.Endpoints.inAll - total ? nil : .tooMany(Limits.Endpoints.inAll)
    }

    private mutating func claim(_ endpoint: Endpoint, telling: String, in database: Database) throws {
        try EndpointClaims.add(endpoint, of: agent.id, telling: telling, in: database)
        guard let holder = try EndpointClaims.holder(of: endpoint, in: database),
            (holder.agent, holder.workload) != (agent.id.description, endpoint.workload.description)
        else { return }
        // Kept, as it stands once the other one is gone.
        contested.append(RefusedEndpoint(endpoint: endpoint, reason: holder.reason))
        find(
            "endpoint.conflict", endpoint.workload, kind: "conflict \(endpoint)", because: holder.reason,
            [
                "endpoint": .string(endpoint.text), "holder": .string(holder.workload),
                "holderAgent": .string(holder.agent),
            ])
    }

    private mutating func refuse(_ endpoint: Endpoint, _ refusal: EndpointRefusal) {
        refused.append(RefusedEndpoint(endpoint: endpoint, reason: "\(refusal)"))
        find(
            "endpoint.refused", endpoint.workload, kind: refusal.kind, because: "\(refusal)",
            ["endpoint": .string(endpoint.text)])
    }

    private mutating func find(
        _ type: String, _ workload: SPIFFEID, kind: String, because reason: String, _ more: [String: AuditValue],
    ) {
        let details = more.merging(
            [
                "claimed": .string("\(workload)"), "agent": .string("\(agent.id)"), "reason": .string(reason),
            ], uniquingKeysWith: { first, _ in first })
        findings.append(Finding(kind: "\(type) \(workload) \(kind)", type: type, details: details))
    }
}

extension Endpoint {
    /// `192.0.2.1:80`, `[2001:db8::1]:80`.
    var text: String { address.contains(":") ? "[\(address)]:\(port)" : "\(address):\(port)" }
}
