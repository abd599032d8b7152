import Foundation

/// Where /proc shows a process: the thread it began with can end before it, and shows neither memory nor files then, nor
/// namespaces.
enum LivingThread {
    /// - Returns: of that first thread as long as it lives, of another one afterwards.
    static func folder(of pid: Int32) -> String {
        let process = "/proc/\(pid)"
        return isOver(process) ? other(than: process) ?? process : process
    }

    /// Whether any thread of that process runs: not where all that is left is what its parent has not asked for yet.
    static func exists(in pid: Int32) -> Bool {
        let process = "/proc/\(pid)"
        return !isOver(process) || other(than: process) != nil
    }

    private static func other(than process: String) -> String? {
        let threads = (try? FileManager.default.contentsOfDirectory(atPath: process + "/task")) ?? []
        return threads.lazy.map { "\(process)/task/\($0)" }.first { !isOver($0) }
    }

    /// What `body` says of a thread that lives. One that ends meanwhile is asked again of another.
    static func ask<Answer, Failure>(
        of pid: Int32, _ body: (_ folder: String) throws(Failure) -> Answer,
    ) throws(Failure) -> Answer {
        let asked = folder(of: pid)
        do throws(Failure) { return try body(asked) } catch {
            let next = folder(of: pid)
            guard next != asked else { throw error }
            return try body(next)
        }
    }

    /// Whether there is no such thread, or all that is left of it is its number.
    private static func isOver(_ folder: String) -> Bool {
        guard let bytes = FileManager.default.contents(atPath: folder + "/stat"),
            // The name, in parentheses, may hold anything; the state comes after it. proc(5).
            let nameEnd = bytes.lastIndex(of: UInt8(ascii: ")")), bytes.count > nameEnd + 2
        else { return true }
        return "ZXx".utf8.contains(bytes[nameEnd + 2])
    }
}
