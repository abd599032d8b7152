import Foundation

/// `bpf-compiler <clang> <source.bpf.c> <output.swift>`: one object, as base64 in a Swift constant.
@main
struct BPFCompiler {
    static func main() throws {
        let arguments = CommandLine.arguments
        guard arguments.count == 4 else { throw Failure.usage }
        let source = URL(filePath: arguments[2]), output = URL(filePath: arguments[3])
        let object = output.deletingPathExtension().appendingPathExtension("bpf.o")
        try compile(source, to: object, clang: URL(filePath: arguments[1]))
        try embedding(try Data(contentsOf: object)).write(to: output, atomically: true, encoding: .utf8)
    }

    private static func compile(_ source: URL, to object: URL, clang: URL) throws {
        let process = Process()
        process.executableURL = clang
        process.arguments = [
            "-O2", "-g", "-target", "bpf", "-mcpu=v3", "-Wall", "-Werror", "-D__TARGET_ARCH_\(Machine.target)",
            // After all else: <linux/bpf.h> wants <asm/types.h>, which Debian keeps per architecture.
            "-idirafter", "/usr/include/\(Machine.folder)",
            "-I", source.deletingLastPathComponent().path(),
            "-c", source.path(), "-o", object.path(),
        ]
        try process.run()
        process.waitUntilExit()
        guard process.terminationStatus == 0 else { throw Failure.clang(process.terminationStatus) }
    }

    private static func embedding(_ object: Data) -> String {
        """
        /// bpf/identity.bpf.c, compiled.
        enum IdentityObject {
            static let base64: StaticString = "\(object.base64EncodedString())"
        }

        """
    }
}

private enum Machine {
    #if arch(arm64)
        static let target = "arm64", folder = "aarch64-linux-gnu"
    #else
        static let target = "x86", folder = "x86_64-linux-gnu"
    #endif
}

private enum Failure: Error, CustomStringConvertible {
    case usage
    case clang(Int32)

    var description: String {
        switch self {
        case .usage: "usage: bpf-compiler <clang> <source.bpf.c> <output.swift>"
        case .clang(let status):
            "clang ended with status \(status); its message is above. "
                + "Missing headers: apt install libbpf-dev linux-libc-dev"
        }
    }
}
