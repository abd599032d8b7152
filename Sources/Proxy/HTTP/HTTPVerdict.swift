import Gateway
import NIOCore

/// What is to happen to one request.
enum HTTPVerdict: Sendable {
    /// - Parameters:
    ///   - adding: headers on top of what hygiene leaves.
    ///   - stripping: further headers and trailers that the resource's manifest takes out.
    ///   - over: a newly dialled channel, its gate still shut; nil: the one in use.
    case forward(adding: [HeaderHygiene.Header], stripping: [String] = [], over: (any Channel)?)
    case refuse(Refusal)
}
