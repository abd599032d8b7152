import Hummingbird
import HummingbirdCore
import Logging
import NIOCore

/// Turns whatever a route throws into a `Problem`, so that a caller meets one shape of refusal only.
struct ProblemMiddleware: RouterMiddleware {
    func handle(
        _ request: Request, context: ConnectionContext,
        next: (Request, ConnectionContext) async throws -> Response,
    ) async throws -> Response {
        do {
            return try await next(request, context)
        } catch {
            let refusal = Self.refusal(for: error, request: request)
            if refusal.status >= 500 {
                context.logger.error("\(refusal)", metadata: ["path": "\(request.uri.path)"])
            } else {
                context.logger.info("refused: \(refusal)", metadata: ["path": "\(request.uri.path)"])
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
