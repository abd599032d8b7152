import SPIFFE
import Yams

extension ManifestReader {
    private static let anyKind = "one of " + Manifest.kinds.joined(separator: ", ")

    mutating func manifest(_ root: Node) -> Manifest? {
        let before = findings.count
        let whole = Field(node: root, path: "")
        guard let document = mapping(whole, known: ["apiVersion", "kind", "metadata", "spec"]) else { return nil }
        checkVersion(document)
        let name = metadataName(document)
        let kind = required("kind", in: document, Self.anyKind).flatMap { text($0, Self.anyKind) }
        let spec = required("spec", in: document, "a mapping")
        let manifest = read(kind: kind, at: document["kind"], name: name ?? "", spec: spec)
        return findings.count == before ? manifest : nil
    }

    mutating func refuseRepetition(of manifest: Manifest, in root: Node, seen: inout [String: ManifestError.Finding]) {
        let identifier = "\(manifest.kind) \(manifest.name)"
        guard let node = root["metadata"]?["name"] else { return }
        let here = ManifestError.Finding(
            file: file, line: node.mark?.line ?? 1, column: node.mark?.column ?? 1, key: "metadata.name", expected: "",
        )
        if let first = seen.updateValue(here, forKey: identifier) {
            seen[identifier] = first
            refuse(
                Field(node: node, path: "metadata.name"),
                "another name: \(identifier) is already in line \(first.line) of this file",
            )
        }
    }

    private mutating func checkVersion(_ document: Fields) {
        let what = Manifest.apiVersions.joined(separator: " or ")
        guard let field = required("apiVersion", in: document, what), let version = text(field, what) else { return }
        if !Manifest.apiVersions.contains(version) { refuse(field, "\(what), found \"\(version)\"") }
    }

    private mutating func metadataName(_ document: Fields) -> String? {
        guard let field = required("metadata", in: document, "a mapping with the key name") else { return nil }
        return required("name", in: mapping(field, known: ["name"]), "a name").flatMap { segment($0, "a name") }
    }

    private mutating func read(kind: String?, at field: Field?, name: String, spec: Field?) -> Manifest? {
        switch kind {
        case "WorkloadIdentity": return spec.flatMap { workloadIdentity(name: name, $0) }.map(Manifest.workloadIdentity)
        case "ProtectedResource":
            return spec.flatMap { protectedResource(name: name, $0) }.map(Manifest.protectedResource)
        case .some(let other):
            let meant = Spelling.nearest(to: other, among: Manifest.kinds).map { "; did you mean \($0)?" } ?? ""
            if let field { refuse(field, "\(Self.anyKind), found \"\(other)\"\(meant)") }
            return nil
        case .none: return nil
        }
    }

    private mutating func protectedResource(name: String, _ field: Field) -> ProtectedResource? {
        let spec = mapping(
            field, known: ["resource", "workloadID", "scopes", "allowedSPIFFEIDs", "stripHeaders"])
        let url = required("resource", in: spec, "the resource's URL").flatMap { resourceURL($0) }
        let servedBy = required("workloadID", in: spec, "the workloadID that serves the resource").flatMap {
            workloadID($0)
        }
        let scopes = spec?["scopes"].flatMap { list($0, of: "scopes") }?.compactMap { scope($0) }
        let allowed = required("allowedSPIFFEIDs", in: spec, "a list of the SPIFFE IDs that may have a token")
            .flatMap { patterns($0) }
        let stripped = spec?["stripHeaders"].flatMap { list($0, of: "header names") }?.compactMap {
            headerName($0)
        }
        guard let url, let servedBy, let allowed else { return nil }
        return ProtectedResource(
            name: name, resource: url, servedBy: servedBy, scopes: scopes ?? [], allowed: allowed,
            stripHeaders: stripped ?? [],
        )
    }

    private mutating func resourceURL(_ field: Field) -> ResourceURL? {
        let what = "an absolute http or https URL without user, query and fragment"
        guard let written = text(field, what) else { return nil }
        do {
            return try ResourceURL(checking: written)
        } catch {
            let why = error.reason.isEmpty ? "" : ": \(error.reason)"
            refuse(field, "\(what), such as http://10.0.0.2:8000/mcp, found \"\(written)\"\(why)")
            return nil
        }
    }

    private static let keptHeaders = ["host", "content-length", "transfer-encoding"]

    /// RFC 9110, section 5.1, in letters, digits and hyphens; not one without which a request has no end or no addressee.
    private mutating func headerName(_ field: Field) -> String? {
        guard let name = text(field, "a header's name") else { return nil }
        let isName = !name.isEmpty && name.allSatisfy { $0.isASCII && ($0.isLetter || $0.isNumber || $0 == "-") }
        if isName, !Self.keptHeaders.contains(name.lowercased()) { return name }
        refuse(
            field, "a header's name such as X-Tenant, not one that frames the request, found \"\(name)\"")
        return nil
    }

    /// RFC 6749, section 3.3.
    private mutating func scope(_ field: Field) -> String? {
        guard let scope = text(field, "a scope") else { return nil }
        if scope.utf8.allSatisfy({ (0x21...0x7e).contains($0) && $0 != 0x22 && $0 != 0x5c }) { return scope }
        refuse(field, "a scope of printable ASCII without space, quote and backslash, found \"\(scope)\"")
        return nil
    }
}
