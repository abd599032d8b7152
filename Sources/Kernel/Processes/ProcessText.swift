import Glibc
import Workloads

/// A file of /proc: lines of bytes, in which a stranger's names may be any bytes.
struct ProcessText {
    private let bytes: [UInt8]

    init(bytes: [UInt8]) { self.bytes = bytes }

    /// nil where it cannot be read, or the process is gone.
    init?(path: String) {
        let file = OwnedDescriptor(open(path, O_RDONLY | O_CLOEXEC))
        guard file.number >= 0, let bytes = try? Self.read(file, path: path) else { return nil }
        self.bytes = bytes
    }

    /// From its beginning, whatever was read before.
    static func read(_ file: borrowing OwnedDescriptor, path: String) throws(FileError) -> [UInt8] {
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 65536)
        guard file.number >= 0, lseek(file.number, 0, SEEK_SET) == 0 else {
            throw .refused(path: path, errno: errno)
        }
        while true {
            let count = Glibc.read(file.number, &chunk, chunk.count)
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { throw .refused(path: path, errno: errno) }
            if count == 0 { return bytes }
            bytes += chunk.prefix(count)
        }
    }

    var lines: [ArraySlice<UInt8>] { bytes.split(separator: UInt8(ascii: "\n")) }

    /// What comes after this on the first line that begins with it.
    func rest(ofLineBeginningWith label: String) -> ArraySlice<UInt8>? {
        var rest = bytes[...]
        while !rest.isEmpty {
            let line = rest.prefix { $0 != UInt8(ascii: "\n") }
            if line.starts(with: label.utf8) { return line.dropFirst(label.utf8.count) }
            rest = rest[line.endIndex...].dropFirst()
        }
        return nil
    }

    /// What comes after the last such byte.
    func rest(afterLast byte: UInt8) -> ArraySlice<UInt8>? {
        bytes.lastIndex(of: byte).map { bytes[($0 + 1)...] }
    }
}

extension ArraySlice<UInt8> {
    /// Between blanks, tabs and line ends.
    var fields: [ArraySlice<UInt8>] {
        split { $0 == UInt8(ascii: " ") || $0 == UInt8(ascii: "\t") || $0 == UInt8(ascii: "\n") }
    }

    /// Decimal digits alone.
    func number<Number: FixedWidthInteger>(as type: Number.Type = Number.self) -> Number? {
        guard allSatisfy({ (0x30...0x39).contains($0) }) else { return nil }
        return Number(String(decoding: self, as: UTF8.self))
    }

    /// Of a field in a list of mounts: white space and backslashes stand there as three octal digits behind a backslash.
    var unescaped: [UInt8] {
        var bytes: [UInt8] = []
        var rest = self
        while let byte = rest.popFirst() {
            if byte == UInt8(ascii: "\\"), rest.count >= 3,
                let escaped = UInt8(String(decoding: rest.prefix(3), as: UTF8.self), radix: 8)
            {
                bytes.append(escaped)
                rest = rest.dropFirst(3)
            } else {
                bytes.append(byte)
            }
        }
        return bytes
    }
}

extension String {
    /// What it names, for a call of the kernel.
    var kernelName: [CChar] { namedBytes.map { CChar(bitPattern: $0) } + [0] }
}
