import CLibBPF
import Limits
import Synchronization

/// What libbpf says while it loads. Its callback has no context, so there is one log for the process.
enum LoaderLog {
    private static let lines = Mutex<[String]>([])

    /// - Returns: the body's result, and the last 40 lines of what was said meanwhile.
    static func recording<Result>(_ body: () -> Result) -> (result: Result, log: [String]) {
        lines.withLock { $0 = [] }
        let before = libbpf_set_print { level, format, arguments in
            // What it says of each step, by the thousand lines, is not even put together.
            if level != LIBBPF_DEBUG { LoaderLog.append(format, arguments) }
            return 0
        }
        let result = body()
        libbpf_set_print(before)
        return (result, lines.withLock { Array($0.suffix(Limits.Log.loaderLines)) })
    }

    private static func append(_ format: UnsafePointer<CChar>?, _ arguments: CVaListPointer?) {
        guard let format, let arguments else { return }
        var text = [CChar](repeating: 0, count: 32768)
        vsnprintf(&text, text.count, format, arguments)
        let message = String(decoding: text.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
        lines.withLock { $0 += message.split(separator: "\n").map(String.init) }
    }
}
