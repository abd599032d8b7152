import ArgumentParser
import Workloads

/// A kind as operators type it: in any case, singular or plural.
struct ManifestKind: ExpressibleByArgument {
    /// As in a manifest.
    let name: String

    init?(argument: String) {
        let typed = argument.lowercased()
        guard
            let kind = Manifest.kinds.first(where: { kind in
                let singular = kind.lowercased()
                return [singular, singular + "s", singular.dropLast() + "ies"].contains(typed)
            })
        else { return nil }
        name = kind
    }

    static let allValueStrings = Manifest.kinds.map { $0.lowercased() }
}
