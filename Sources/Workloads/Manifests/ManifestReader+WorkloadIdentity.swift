import Limits
import SPIFFE
import Yams

extension ManifestReader {
    mutating func workloadIdentity(name: String, _ field: Field) -> WorkloadIdentity? {
        let spec = mapping(
            field, known: ["scope", "selectors", "workloadID", "priority", "allowedSPIFFEIDs", "connection"],
        )
        let group = required("scope", in: spec, "a mapping with the key agentGroup").flatMap { agentGroup($0) }
        let chosen = required("selectors", in: spec, "a list of selectors").flatMap { selectors($0) }
        let id = required("workloadID", in: spec, "the path of the SPIFFE ID").flatMap { workloadName($0) }
        let priority = spec?["priority"].flatMap {
            integer($0, in: -Limits.Manifests.priority...Limits.Manifests.priority, "a whole number")
        }
        let peers = spec?["allowedSPIFFEIDs"].flatMap { directions($0) }
        let connection = spec?["connection"].flatMap { self.connection($0) }
        guard let group, let chosen, let id else { return nil }
        return WorkloadIdentity(
            name: name, agentGroup: group, workloadID: id, selectors: chosen, priority: priority ?? 0,
            allowedInbound: peers?.inbound, allowedOutbound: peers?.outbound, tlsMode: connection?.tlsMode ?? .mutual,
            outbound: connection?.outbound, keepAcrossExec: connection?.keepAcrossExec ?? false,
        )
    }

    /// The name of an identity.
    private mutating func workloadName(_ field: Field) -> WorkloadName? {
        text(field, "the path of a SPIFFE ID").flatMap { text in
            read(field) { () throws(WorkloadNameError) in try WorkloadName(text) }
        }
    }

    /// The path of one SPIFFE ID.
    mutating func workloadID(_ field: Field) -> SPIFFEPath? {
        text(field, "the path of a SPIFFE ID").flatMap { text in
            read(field) { () throws(WorkloadNameError) in try WorkloadName.path(text) }
        }
    }

    private mutating func read<Value>(_ field: Field, _ parse: () throws(WorkloadNameError) -> Value) -> Value? {
        do { return try parse() } catch {
            refuse(field, "\(error)")
            return nil
        }
    }

    /// One segment of a SPIFFE path: names and group ids become part of SPIFFE IDs and URLs.
    mutating func segment(_ field: Field, _ what: String) -> String? {
        let rule = "\(what) of 1 to 128 characters a-z A-Z 0-9 . - _"
        guard let text = text(field, rule) else { return nil }
        if text.utf8.count <= 128, SPIFFEPath.isSegment(text) { return text }
        refuse(field, "\(rule), found \"\(text)\"")
        return nil
    }

    private mutating func agentGroup(_ field: Field) -> String? {
        guard let scope = mapping(field, known: ["agentGroup", "daemonGroup"]) else { return nil }
        switch (scope["agentGroup"], scope["daemonGroup"]) {
        case (.some(let group), .none), (.none, .some(let group)):
            return required("id", in: mapping(group, known: ["id"]), "the group's id")
                .flatMap { segment($0, "a group id") }
        case (.some, .some(let second)):
            refuse(second, "agentGroup or daemonGroup, not both; they mean the same")
        case (.none, .none):
            if scope.isEmpty { refuse(field, "a mapping with the key agentGroup, found none") }
        }
        return nil
    }

    mutating func patterns(_ field: Field) -> [SPIFFEIDPattern]? {
        let what = "SPIFFE IDs, such as spiffe://prod.example/weather-agent or spiffe://prod.example/jobs/*"
        return list(field, of: what)?.compactMap { pattern($0) }
    }

    private mutating func pattern(_ field: Field) -> SPIFFEIDPattern? {
        guard let written = text(field, "a SPIFFE ID") else { return nil }
        do {
            return try SPIFFEIDPattern(written)
        } catch {
            refuse(field, "a SPIFFE ID, or one ending in /*: \(error)")
            return nil
        }
    }

    /// A list holds for both directions.
    private mutating func directions(_ field: Field) -> (inbound: [SPIFFEIDPattern]?, outbound: [SPIFFEIDPattern]?)? {
        if case .sequence = field.node {
            let both = patterns(field)
            return (both, both)
        }
        guard case .mapping = field.node else {
            let what = "a list of SPIFFE IDs, or a mapping with the keys inbound, outbound"
            refuse(field, "\(what), found \(field.node.nature)")
            return nil
        }
        guard let fields = mapping(field, known: ["inbound", "outbound"]) else { return nil }
        return (fields["inbound"].flatMap { patterns($0) }, fields["outbound"].flatMap { patterns($0) })
    }
}
