package import Foundation
import Limits

/// A part of what would be a longer line of the snapshot stream than there may be.
///
/// The pieces of one come one after another, in order, a line each; what they make up is read as if it had come as one line.
package struct SnapshotPiece: Codable, Equatable, Sendable {
    /// The first one is 1.
    package var piece: Int
    package var of: Int
    package var bytes: Data

    enum CodingKeys: String, CodingKey, CaseIterable {
        case piece, of, bytes
    }

    /// The lines that carry this one: itself where it is short enough. Without their ends.
    package static func lines(of line: Data) throws -> [Data] {
        guard line.count > Limits.Stream.lineBytes else { return [line] }
        guard line.count <= Limits.Stream.messageBytes else { throw SnapshotPieceError.tooLong(bytes: line.count) }
        let encoder = WireCoding.encoder()
        let count = (line.count + bytesInPiece - 1) / bytesInPiece
        return try (0..<count).map { number in
            let start = line.startIndex + number * bytesInPiece
            let bytes = line[start..<min(start + bytesInPiece, line.endIndex)]
            return try encoder.encode(SnapshotPiece(piece: number + 1, of: count, bytes: Data(bytes)))
        }
    }

    /// Base64 makes four bytes of three; some hundred are left for the names and numbers.
    private static let bytesInPiece = (Limits.Stream.lineBytes - 256) / 4 * 3
}

extension SnapshotPiece {
    package init(from decoder: any Decoder) throws {
        try decoder.refuseKeys(besides: CodingKeys.self)
        let container = try decoder.container(keyedBy: CodingKeys.self)
        piece = try container.decode(Int.self, forKey: .piece)
        of = try container.decode(Int.self, forKey: .of)
        bytes = try container.decode(Data.self, forKey: .bytes)
    }
}

/// Pieces until the last one is there. Nothing else may come between them.
struct SnapshotPieces {
    private var bytes = Data()
    private var taken = 0
    private var count = 0

    var isEmpty: Bool { taken == 0 }

    /// - Returns: what they make up, with the last one.
    mutating func take(_ next: SnapshotPiece) throws(SnapshotPieceError) -> Data? {
        guard next.piece == taken + 1, next.piece <= next.of, taken == 0 || next.of == count else {
            throw .outOfOrder(piece: next.piece, of: next.of, after: taken)
        }
        guard bytes.count + next.bytes.count <= Limits.Stream.messageBytes else {
            throw .tooLong(bytes: bytes.count + next.bytes.count)
        }
        (taken, count) = (next.piece, next.of)
        bytes.append(next.bytes)
        guard taken == count else { return nil }
        defer { self = SnapshotPieces() }
        return bytes
    }
}

/// Why pieces make up nothing.
package enum SnapshotPieceError: Error, Equatable, CustomStringConvertible {
    case outOfOrder(piece: Int, of: Int, after: Int)
    /// Something else came before the last one.
    case interrupted
    /// What they make up has pieces itself.
    case nested
    case tooLong(bytes: Int)

    package var description: String {
        switch self {
        case .outOfOrder(let piece, let of, let after): "piece \(piece) of \(of) after piece \(after)"
        case .interrupted: "a line among the pieces of another one"
        case .nested: "pieces of a piece"
        case .tooLong(let bytes):
            "a line of \(bytes) bytes, and \(Limits.Stream.messageBytes) are the most, in pieces too; delete manifests, or wait until withdrawn SVIDs have run out"
        }
    }
}
