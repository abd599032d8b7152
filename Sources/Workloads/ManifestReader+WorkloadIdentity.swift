import SPIFFE
import Yams

extension ManifestReader {
    mutating func workloadIdentity(name: String, _ field: Field) -> WorkloadIdentity? {
        let spec = mapping(
            field, known: ["scope", "selectors", "workloadID", "priority", "allowedSPIFFEIDs", "connection"],
        )
        let group = required("scope", in: spec, "a mapping with the key agentGroup").flatMap { agentGroup($0) }
        let chosen = required("selectors", in: spec, "a list of selectors").flatMap { selectors($0) }
        let id = required("workloadID", in: spec, "the path of the SPIFFE ID").flatMap { workloadIDOrTemplate($0) }
        let priority = spec?["priority"].flatMap { integer($0, in: -1_000_000...1_000_000, "a whole number") }
        let peers = spec?["allowedSPIFFEIDs"].flatMap { directions($0) }
        let mode = spec?["connection"].flatMap { tlsMode($0) }
        guard let group, let chosen, let id else { return nil }
        return WorkloadIdentity(
            name: name, agentGroup: group, workloadID: id, selectors: chosen, priority: priority ?? 0,
            allowedInbound: peers?.inbound, allowedOutbound: peers?.outbound, tlsMode: mode ?? .mutual,
        )
    }

    private mutating func workloadIDOrTemplate(_ field: Field) -> String? {
        guard case .scalar(let scalar) = field.node, scalar.string.contains("{{") || scalar.string.contains("}}") else {
            return workloadID(field)
        }
        do {
            let template = try WorkloadIDTemplate(scalar.string)
            // An example stands for them all: what is literal is checked as in any ID, and so are length and reserved names.
            return workloadID(field, template.example).map { _ in scalar.string }
        } catch {
            refuse(field, "\(error)")
            return nil
        }
    }

    /// The path of a SPIFFE ID, without the leading slash.
    mutating func workloadID(_ field: Field) -> String? {
        text(field, "the path of a SPIFFE ID").flatMap { workloadID(field, $0) }
    }

    private mutating func workloadID(_ field: Field, _ id: String) -> String? {
        guard !id.hasPrefix("/") else {
            refuse(field, "a path without the leading slash, found \"\(id)\"")
            return nil
        }
        guard id != "tidemark", !id.hasPrefix("tidemark/") else {
            refuse(field, "a path outside tidemark/, which is kept for agents and servers, found \"\(id)\"")
            return nil
        }
        guard id.utf8.count <= WorkloadIdentity.maximumIDBytes else {
            refuse(field, "a path of at most \(WorkloadIdentity.maximumIDBytes) bytes, found \(id.utf8.count)")
            return nil
        }
        do {
            _ = try SPIFFEID("spiffe://x/" + id)
            return id
        } catch {
            refuse(field, "the path of a SPIFFE ID: \(error)")
            return nil
        }
    }

    /// One segment of a SPIFFE path: names and group ids become part of SPIFFE IDs and URLs.
    mutating func segment(_ field: Field, _ what: String) -> String? {
        let rule = "\(what) of 1 to 128 characters a-z A-Z 0-9 . - _"
        guard let text = text(field, rule) else { return nil }
        if text.utf8.count <= 128, !text.contains("/"), (try? SPIFFEID("spiffe://x/" + text)) != nil { return text }
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

    private mutating func tlsMode(_ field: Field) -> WorkloadIdentity.TLSMode? {
        let what = "MUTUAL or PERMISSIVE"
        guard let connection = mapping(field, known: ["tls"]),
            let tls = required("tls", in: connection, "a mapping with the key mode"),
            let mode = required("mode", in: mapping(tls, known: ["mode"]), what),
            let written = text(mode, what)
        else { return nil }
        if let value = WorkloadIdentity.TLSMode(rawValue: written) { return value }
        refuse(mode, "\(what), found \"\(written)\"")
        return nil
    }
}
