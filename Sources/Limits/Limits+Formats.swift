extension Limits {
    /// What is read of texts and documents that somebody else wrote. Whatever is longer is refused before it is parsed.
    package enum Formats {
        /// A SPIFFE ID. Every implementation has to read so much; SPIFFE ID standard, section 2.3.
        package static let spiffeIDBytes = 2048
        /// Levels of a JSON value. Nothing that is read here nests deeper.
        package static let jsonDepth = 16
        /// A JWT: access tokens, JWT-SVIDs, and what a request shows as one. Ours have some 700 bytes.
        package static let tokenBytes = 16 << 10
        /// A published trust bundle. None of a sane trust domain comes near.
        package static let bundleBytes = 1 << 20
        /// A signing request, DER. One of P-256 has some 300.
        package static let signingRequestBytes = 8 << 10
    }

    static let formats = [
        Limit("Formats.spiffeIDBytes", .bytes(Formats.spiffeIDBytes)),
        Limit("Formats.jsonDepth", .count(Formats.jsonDepth)),
        Limit("Formats.tokenBytes", .bytes(Formats.tokenBytes)),
        Limit("Formats.bundleBytes", .bytes(Formats.bundleBytes)),
        Limit("Formats.signingRequestBytes", .bytes(Formats.signingRequestBytes)),
    ]
}
