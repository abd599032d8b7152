import NIOHTTP1

/// What an HTTP lane is about.
enum HTTPPhase {
    case idle
    case deciding(HTTPRequestHead)
    case exchanging(HTTPExchange)
    /// Answered by the proxy itself; what is left of the request is read past, so many bytes at most.
    case discarding(budget: Int)
    /// Nothing is carried any more.
    case closing
}
