import Foundation
import Limits

/// Puts together what comes on one snapshot stream: a JSON object a line, the first one a whole ``PolicySnapshot``, each later
/// one whole or a ``SnapshotChange`` of the one before. Any of these may come as ``SnapshotPiece``s. An empty line is a heartbeat.
///
/// After an error the stream is of no use any more: only a new one begins with a whole snapshot.
struct SnapshotLines {
    private var line = Data()
    private var pieces = SnapshotPieces()
    private var last: PolicySnapshot?

    /// - Parameter bytes: the next of the stream, cut anywhere.
    /// - Returns: the snapshots that are complete now, whole.
    mutating func take(_ bytes: some Collection<UInt8>) throws -> [PolicySnapshot] {
        var complete: [PolicySnapshot] = []
        for piece in bytes.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false).enumerated() {
            if piece.offset > 0, let snapshot = try endLine() { complete.append(snapshot) }
            line.append(contentsOf: piece.element)
            guard line.count <= Limits.Stream.lineBytes else { throw TooLong() }
        }
        return complete
    }

    private mutating func endLine() throws -> PolicySnapshot? {
        defer { line.removeAll(keepingCapacity: true) }
        guard !line.isEmpty else { return nil }
        var decoded = try WireCoding.decoder().decode(Line.self, from: line)
        if case .piece(let piece) = decoded {
            guard let whole = try pieces.take(piece) else { return nil }
            decoded = try WireCoding.decoder().decode(Line.self, from: whole)
        }
        guard pieces.isEmpty else { throw SnapshotPieceError.interrupted }
        let snapshot =
            switch decoded {
            case .whole(let snapshot): snapshot
            case .change(let change): try change.snapshot(after: last)
            case .endpoints(let change): try change.snapshot(after: last)
            case .piece: throw SnapshotPieceError.nested
            }
        last = snapshot
        return snapshot
    }

    private struct TooLong: Error, CustomStringConvertible {
        let description = "a line of over \(Limits.Stream.lineBytes) bytes"
    }

    private enum Line: Decodable {
        case whole(PolicySnapshot)
        case change(SnapshotChange)
        case endpoints(EndpointChange)
        case piece(SnapshotPiece)

        init(from decoder: any Decoder) throws {
            if try decoder.container(keyedBy: SnapshotPiece.CodingKeys.self).contains(.piece) {
                self = .piece(try SnapshotPiece(from: decoder))
                return
            }
            if try decoder.container(keyedBy: EndpointChange.CodingKeys.self).contains(.endpointsAdded) {
                self = .endpoints(try EndpointChange(from: decoder))
                return
            }
            let isChange = try decoder.container(keyedBy: SnapshotChange.CodingKeys.self).contains(.since)
            self = isChange ? .change(try SnapshotChange(from: decoder)) : .whole(try PolicySnapshot(from: decoder))
        }
    }
}
