import Workloads

/// The path of an HTTP request, in the one spelling every server reads the same way.
///
/// A server may decode, merge or resolve what a gateway compared as bytes; a target that leaves room for that is
/// refused rather than guessed at. RFC 9112, section 3.2, and ``NormalPath``, which resources are held to as well.
package struct RequestTarget: Sendable, Equatable {
    /// Starts with `/`, without the query.
    package let path: String

    /// - Parameter target: as in the request line: `/mcp?x=1`. The query is the server's own matter.
    /// - Throws: a ``Refusal`` with status 400.
    package init(_ target: String) throws(Refusal) {
        guard target.utf8.first == UInt8(ascii: "/") else {
            throw .path("the request target is not a path")
        }
        for byte in target.utf8 where byte <= 0x20 || byte >= 0x7f {
            throw .path("the request target contains byte \(byte)")
        }
        if target.contains("#") { throw .path("the request target contains a fragment") }
        do {
            path = try NormalPath(target.prefix { $0 != "?" }).text
        } catch {
            throw .path(error.reason)
        }
    }
}
