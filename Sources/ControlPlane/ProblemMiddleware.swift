import Foundation
import Hummingbird
import HummingbirdCore
import Limits
import Logging
import NIOCore

/// Turns whatever a route throws into a `Problem`, so that a caller meets one shape of refusal only.
struct ProblemMiddleware: RouterMiddleware {
    let now: @Sendable () -> Date
    /// Of log lines: whoever may dial is refused as often as it asks. What fails has lines of its own.
    private let refusals = RefusalBudget(perMinute: Limits.Log.refusedPerMinute)
    private let failures = RefusalBudget(perMinute: Limits.Log.refusedPerMinute)

    init(now: @escaping @Sendable () -> Date) {
        self.now = now
    }

    func handle(
        _ request: Request, context: ConnectionContext,
        next: (Request, ConnectionContext) async throws -> Response,
    ) async throws -> Response {
        do {
            return try await next(request, context)
        } catch {
            let refusal = Self.refusal(for: error, request: request)
            let isFailure = refusal.status >= 500
            if let metadata = (isFailure ? failures : refusals).line(at: now(), path: request.uri.path) {
                let text = "\(refusal)".cut(toJSONBytes: Limits.Log.refusalBytes)
                context.logger.log(
                    level: isFailure ? .error : .info, isFailure ? "\(text)" : "refused: \(text)", metadata: metadata)
            }
            return try .refusal(refusal)
        }
    }

    private static func refusal(for error: any Error, request: Request) -> ControlPlaneRefusal {
        switch error {
        case let refusal as ControlPlaneRefusal: refusal
        case let error as HTTPError where error.status == .notFound || error.status == .methodNotAllowed:
            .noSuchRoute("\(request.method) \(request.uri.path)")
        case let error as HTTPError: .body(error.body ?? "\(error.status)")
        default: .unforeseen("\(error)")
        }
    }
}

extension RefusalBudget {
    /// What stands beside a line of the log; nil: there is to be none.
    func line(at now: Date, path: String? = nil) -> Logger.Metadata? {
        let verdict = take(at: now)
        guard verdict.isTold else { return nil }
        var metadata: Logger.Metadata = [:]
        if let path { metadata["path"] = "\(path.cut(toJSONBytes: Limits.Log.refusalBytes))" }
        if verdict.untold > 0 { metadata["untold"] = "\(verdict.untold)" }
        return metadata
    }
}
