import ControlPlaneAPI
import Foundation
import Limits
import SPIFFE

/// What an agent has told of its endpoints, and what is still to be told. A value: pieces come out of it, answers go into it.
struct EndpointTelling {
    private var name = UUID().uuidString
    private var told: Set<Endpoint> = []
    /// Whether all of it was told, in however many pieces.
    private var isWhole = false
    /// Told, and not taken.
    private(set) var refused: Set<Endpoint> = []
    /// Endpoints that are left out, by workload.
    private(set) var dropped: [SPIFFEID: Int] = [:]

    /// Everything is to be told again: the control plane may have forgotten.
    mutating func begin() { self = EndpointTelling() }

    /// What was refused is told once more: the reason may be gone.
    mutating func retryRefused() {
        told.subtract(refused)
        refused = []
    }

    /// Of one workload the first ones, those that were told before the others.
    mutating func bounded(_ endpoints: [Endpoint]) -> [Endpoint] {
        let known = told
        let former = dropped
        dropped = [:]
        let kept = Dictionary(grouping: endpoints, by: \.workload).values.flatMap { ofOne in
            let kept = (ofOne.filter(known.contains) + ofOne.filter { !known.contains($0) })
                .prefix(Limits.Endpoints.ofWorkload)
            if let workload = ofOne.first?.workload, kept.count < ofOne.count {
                dropped[workload] = ofOne.count - kept.count
            }
            return kept
        }
        newlyDropped = dropped.filter { former[$0.key] == nil }
        return kept
    }

    /// Those of ``dropped`` that had nothing dropped before.
    private(set) var newlyDropped: [SPIFFEID: Int] = [:]

    /// - Parameter endpoints: all there are now.
    /// - Returns: what to send, in order; nothing where nothing is new.
    func pieces(for endpoints: [Endpoint]) -> [EndpointReport] {
        let now = Set(endpoints)
        let missing = endpoints.filter { !told.contains($0) }
        let gone = told.subtracting(now)
        let left = newlyDropped.map { EndpointReport.Dropped(workload: $0.key, count: $0.value) }
        let size = Limits.Endpoints.inPiece
        var pieces = stride(from: 0, to: missing.count, by: size).map { start in
            EndpointReport(
                telling: name, added: Array(missing[start..<min(start + size, missing.count)]), isWhole: false)
        }
        pieces += stride(from: 0, to: gone.count, by: size).map { start in
            EndpointReport(telling: name, removed: Array(gone.dropFirst(start).prefix(size)), isWhole: false)
        }
        if pieces.isEmpty, !isWhole || !left.isEmpty { pieces = [EndpointReport(telling: name, isWhole: false)] }
        if let last = pieces.indices.last {
            pieces[last].isWhole = !isWhole
            pieces[last].dropped = left
        }
        return pieces
    }

    func isNamed(in piece: EndpointReport) -> Bool { piece.telling == name }

    mutating func took(_ piece: EndpointReport, _ receipt: EndpointReceipt) {
        // What was told under a former name goes when this telling is whole: it is still to be told.
        guard isNamed(in: piece) else { return }
        told = told.union(piece.added).subtracting(piece.removed)
        isWhole = isWhole || piece.isWhole
        refused.subtract(piece.removed)
        refused.formUnion(receipt.refused.map(\.endpoint))
    }
}
