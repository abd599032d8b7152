/// Why a text is no SPIFFE ID or trust domain name. SPIFFE ID standard, section 2.
package enum SPIFFEIDError: Error, Hashable, CustomStringConvertible {
    case scheme(String)
    case trustDomainMissing
    case trustDomainTooLong(bytes: Int)
    case trustDomainCharacter(Unicode.Scalar, in: String)
    case pathMissing(String)
    case pathCharacter(Unicode.Scalar, in: String)
    case emptySegment(in: String)
    case dotSegment(in: String)
    case tooLong(bytes: Int)

    package var description: String {
        switch self {
        case .scheme(let text):
            "\"\(text)\" does not begin with spiffe://; write the ID as spiffe://<trust domain>/<path>"
        case .trustDomainMissing:
            "the trust domain is empty; write a name such as prod.example"
        case .trustDomainTooLong(let bytes):
            "the trust domain has \(bytes) bytes, 255 are allowed; choose a shorter name"
        case .trustDomainCharacter(let bad, let name):
            "trust domain \"\(name)\" contains \"\(bad)\"; only a-z 0-9 . - _ are allowed"
        case .pathMissing(let text):
            "\"\(text)\" has no path; a workload needs one, as in spiffe://prod.example/weather-agent"
        case .pathCharacter(let bad, let path):
            "path \"\(path)\" contains \"\(bad)\"; only a-z A-Z 0-9 . - _ are allowed between slashes"
        case .emptySegment(let path):
            "path \"\(path)\" has an empty segment; remove the doubled or trailing slash"
        case .dotSegment(let path):
            "path \"\(path)\" has a \".\" or \"..\" segment; write the path it means"
        case .tooLong(let bytes):
            "the ID has \(bytes) bytes, 2048 are allowed; choose a shorter path"
        }
    }
}
