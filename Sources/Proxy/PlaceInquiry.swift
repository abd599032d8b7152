import Glibc
import Limits
import NIOCore
import SPIFFE
import Workloads

/// Finds out how a connection goes on for a place where the kernel part knew nobody to be managed, and which its identity
/// may not simply reach as it is.
struct PlaceInquiry: Sendable {
    enum Way: Equatable {
        /// Somebody managed listens there, as turned out.
        case mutual
        case asItIs(because: String)
    }

    let flow: OutboundFlow
    let network: UInt64
    let routes: any RoutePolicy
    var patience = Limits.Egress.hold

    /// Asks until it is known, and no longer than is bearable: an endpoint that is new takes a moment to be told of.
    func way(of descriptor: CInt) async throws(ProxyError) -> Way {
        let deadline = ContinuousClock.now + patience
        while true {
            let route = routes.outbound(workload: flow.workload, destination: flow.destination, network: network)
            if let cause = route.rule(for: flow.workload, to: flow.destination).decision(on: .unproved).refusal {
                throw .peerRefused(cause)
            }
            switch route.passage {
            case nil: return .mutual
            case .plain(let reason)?: return .asItIs(because: reason)
            case .ownTLS(let entries)?: return try await tls(descriptor, entries)
            case .closed(let reason)?:
                // Fail closed: what is not known is not spoken to in plain.
                guard ContinuousClock.now < deadline else { throw .placeRefused(flow.destination.text, reason) }
            }
            do { try await Task.sleep(for: Limits.Updates.ofHeldPlaces) } catch { throw .clientGone }
        }
    }

    private static let peek = CInt(MSG_PEEK) | CInt(MSG_DONTWAIT)

    private func tls(_ descriptor: CInt, _ entries: [Egress]) async throws(ProxyError) -> Way {
        let place = flow.destination.text
        guard case .complete(let name) = try await hello(on: descriptor) else {
            throw .placeRefused(place, "egress lists it as tls, and the program does not begin TLS")
        }
        guard entries.contains(where: { $0.admits(serverName: name) }) else {
            throw .placeRefused(place, "no tls entry of egress admits \(name ?? "a client that names no server")")
        }
        return .asItIs(because: "egress lists it as tls\(name.map { ", asked for as \($0)" } ?? "")")
    }

    /// What the program begins with; it stays in the socket.
    private func hello(on descriptor: CInt) async throws(ProxyError) -> ClientHello {
        let limit = Limits.Connection.handshake
        let deadline = ContinuousClock.now + limit
        var pause = Duration.milliseconds(1)
        var bytes = [UInt8](repeating: 0, count: Limits.Egress.clientHello)
        while ContinuousClock.now < deadline {
            let count = recv(descriptor, &bytes, bytes.count, Self.peek)
            if count == 0 { throw .clientGone }
            if count < 0, errno != EAGAIN, errno != EINTR { throw .clientGone }
            let hello: ClientHello = count > 0 ? ClientHello(reading: Array(bytes.prefix(count))) : .incomplete
            if hello != .incomplete || count == bytes.count { return hello }
            do { try await Task.sleep(for: pause) } catch { throw .clientGone }
            pause = min(pause * 2, Limits.Updates.ofClientHello)
        }
        throw .tooLate("the first message of the program's own TLS", limit: limit)
    }
}
