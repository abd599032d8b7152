import Limits
import Yams

/// One document of a manifest file. docs/manifests.md describes each key.
package enum Manifest: Hashable, Sendable {
    case workloadIdentity(WorkloadIdentity)
    case protectedResource(ProtectedResource)

    /// What `apiVersion` may be; the first is written by `canonicalYAML`.
    package static let apiVersions = ["core.riptides.io/v1alpha1", "tidemark.dev/v1alpha1"]
    package static let kinds = ["WorkloadIdentity", "ProtectedResource"]

    /// Larger files are refused before they are parsed.
    package static let maximumBytes = Limits.Manifests.fileBytes

    package var kind: String {
        switch self {
        case .workloadIdentity: "WorkloadIdentity"
        case .protectedResource: "ProtectedResource"
        }
    }

    /// `metadata.name`, unique within the kind.
    package var name: String {
        switch self {
        case .workloadIdentity(let identity): identity.name
        case .protectedResource(let resource): resource.name
        }
    }

    /// Reads every document of a file, or none of them.
    ///
    /// - Parameter file: what findings call it; nothing is opened.
    /// - Throws: ``ManifestError`` with all that is wrong in the file, as far as its YAML can be parsed.
    package static func decode(yaml: String, file: String) throws(ManifestError) -> [Manifest] {
        var reader = ManifestReader(file: file)
        var manifests: [Manifest] = []
        var places: [String: ManifestError.Finding] = [:]
        for document in YAMLDocuments(yaml, reader: &reader) {
            guard let manifest = reader.manifest(document) else { continue }
            reader.refuseRepetition(of: manifest, in: document, seen: &places)
            manifests.append(manifest)
        }
        if manifests.isEmpty, reader.findings.isEmpty {
            reader.refuse(file: "a document; the file holds none")
        }
        guard reader.findings.isEmpty else { throw ManifestError(findings: reader.findings) }
        return manifests
    }
}
