import Yams

extension ManifestReader {
    struct Connection {
        var tlsMode: WorkloadIdentity.TLSMode?
        var outbound: Outbound?
        var keepAcrossExec: Bool
    }

    mutating func connection(_ field: Field) -> Connection? {
        guard let fields = mapping(field, known: ["tls", "outbound", "egress", "keepAcrossExec"]) else {
            return nil
        }
        if fields.isEmpty { refuse(field, "at least one of tls, outbound, egress, keepAcrossExec, found none") }
        let mode = fields["tls"].flatMap { tlsMode($0) }
        let keepAcrossExec = fields["keepAcrossExec"].flatMap { truth($0) } ?? false
        return Connection(tlsMode: mode, outbound: outbound(fields), keepAcrossExec: keepAcrossExec)
    }

    private mutating func tlsMode(_ field: Field) -> WorkloadIdentity.TLSMode? {
        let what = "MUTUAL or PERMISSIVE"
        guard let mode = required("mode", in: mapping(field, known: ["mode"]), what), let written = text(mode, what)
        else { return nil }
        if let value = WorkloadIdentity.TLSMode(rawValue: written) { return value }
        refuse(mode, "\(what), found \"\(written)\"")
        return nil
    }

    private mutating func truth(_ field: Field) -> Bool? {
        guard case .scalar(let scalar) = field.node, let value = Bool(scalar.string) else {
            refuse(field, "true or false, found \(field.node.nature)")
            return nil
        }
        return value
    }

    private mutating func outbound(_ fields: Fields) -> Outbound? {
        let isMutual = fields["outbound"].flatMap { mutuality($0) } ?? false
        guard let list = fields["egress"] else { return isMutual ? Outbound() : nil }
        let entries = egress(list)
        guard isMutual else {
            refuse(list, "no egress without outbound: MUTUAL, as everything may be reached then")
            return nil
        }
        let outbound = Outbound(egress: entries ?? [])
        let most = Outbound.maximumPortRanges
        if let (range, ports) = outbound.plainPorts.first(where: { $0.value.count > most }) {
            refuse(list, "at most \(most) ranges of ports for one address, found \(ports.count) for \(range)")
        }
        return outbound
    }

    private mutating func mutuality(_ field: Field) -> Bool? {
        let what = "MUTUAL or OPEN"
        guard let written = text(field, what) else { return nil }
        if written == "MUTUAL" || written == "OPEN" { return written == "MUTUAL" }
        refuse(field, "\(what), found \"\(written)\"")
        return nil
    }

    private mutating func egress(_ field: Field) -> [Egress]? {
        guard let entries = list(field, of: "places, each with addresses or names, and as: plain or tls") else {
            return nil
        }
        guard entries.count <= Outbound.maximumEntries else {
            refuse(field, "at most \(Outbound.maximumEntries) entries, found \(entries.count)")
            return nil
        }
        return entries.compactMap { entry($0) }
    }

    private mutating func entry(_ field: Field) -> Egress? {
        let fields = mapping(field, known: ["addresses", "names", "ports", "as"])
        let form = required("as", in: fields, "plain or tls").flatMap { self.form($0) }
        let addresses = fields?["addresses"].flatMap { self.addresses($0) }
        let names = fields?["names"].flatMap { self.names($0) }
        let ports = fields?["ports"].flatMap { self.ports($0) }
        guard let fields, let form else { return nil }
        if fields["addresses"] == nil, fields["names"] == nil { refuse(field, "addresses, or names with as: tls") }
        if form == .plain, let names = fields["names"] {
            // Fail closed: nothing in a plain connection vouches for a name, and an answer of the DNS is anybody's.
            refuse(
                names,
                "no names with as: plain, as nothing in plain text vouches for a name; write addresses, or as: tls")
        }
        return Egress(addresses: addresses ?? [], names: names ?? [], ports: ports ?? [.all], form: form)
    }

    private mutating func form(_ field: Field) -> Egress.Form? {
        let what = "plain or tls"
        guard let written = text(field, what) else { return nil }
        if let form = Egress.Form(rawValue: written) { return form }
        refuse(field, "\(what), found \"\(written)\"")
        return nil
    }

    private mutating func addresses(_ field: Field) -> [AddressRange]? {
        oneOrMore(field, of: "addresses and ranges")?.compactMap { field in
            guard let written = text(field, "an address or a range") else { return nil }
            do { return try AddressRange(written) } catch {
                refuse(field, "\(error)")
                return nil
            }
        }
    }

    private mutating func names(_ field: Field) -> [ServerNamePattern]? {
        oneOrMore(field, of: "host names")?.compactMap { field in
            let what = "a host name such as api.example.com, or *.example.com"
            guard let written = text(field, what) else { return nil }
            if let pattern = ServerNamePattern(written) { return pattern }
            refuse(field, "\(what), found \"\(written)\"")
            return nil
        }
    }

    private mutating func ports(_ field: Field) -> [PortRange]? {
        oneOrMore(field, of: "ports")?.compactMap { field in
            let what = "a port from 1 to 65535, or a range such as 6000-6010"
            guard case .scalar(let scalar) = field.node, let range = PortRange(scalar.string) else {
                refuse(field, "\(what), found \(field.node.nature)")
                return nil
            }
            return range
        }
    }
}
