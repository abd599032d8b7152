/// Why a bundle document can not be read or written.
package enum BundleError: Error, Equatable, CustomStringConvertible {
    case tooLarge(bytes: Int)
    case malformed(String)
    case duplicateKeyID(String)
    case authorityKey(String)

    package var description: String {
        switch self {
        case .tooLarge(let bytes):
            "the bundle has \(bytes) bytes, \(TrustBundle.maximumDocumentBytes) are read; is this a bundle endpoint?"
        case .malformed(let reason):
            "the bundle is no SPIFFE bundle document (Trust Domain and Bundle, section 4): \(reason)"
        case .duplicateKeyID(let id):
            "the bundle has two JWT-SVID keys with kid \"\(id)\"; its publisher has to tell them apart"
        case .authorityKey(let key):
            "authority key \(key) is not on curve P-256, P-384 or P-521; replace that authority"
        }
    }
}
