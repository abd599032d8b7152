import NIOHTTP1

/// One request and its answer, each of which may end before the other one.
struct HTTPExchange {
    let request: HTTPRequestHead
    /// Of the request's headers, and of its trailers.
    let stripping: [String]
    var keepAlive: Bool
    var requestEnded = false
    var answerStarted = false
    var answerEnded = false
}
