import Kernel
import Workloads

/// What was found of the images that were looked at, in bounded number. What files say belongs to the exec that opened them, and so
/// to all that were forked since: later they see other files by the same names, or none.
struct KnownImages {
    struct Known {
        /// As when it was looked at first.
        let facts: ProcessFacts
        let program: ProcessImage
        /// What rests on other processes.
        var kin: [SelectorKey: Finding] = [:]
        let place: UInt64
    }

    private struct Program {
        let user: UInt32
        var findings: [SelectorKey: Finding] = [:]
        let place: UInt64
    }

    /// What cannot be found again: which script a program runs.
    struct Script: Equatable, Sendable, Codable {
        let program: ProcessImage
        let user: UInt32
        let path: String
        let hash: String?
    }

    private let limit: Int
    private var images: [ProcessImage: Known] = [:]
    private var programs: [ProcessImage: Program] = [:]
    private var count: UInt64 = 0

    /// - Parameter scripts: what an agent before this one had found, oldest first.
    init(limit: Int, _ scripts: [Script] = []) {
        self.limit = limit
        for script in scripts.suffix(limit) {
            count += 1
            var findings: [SelectorKey: Finding] = [.scriptPath: .text(script.path)]
            if let hash = script.hash { findings[.scriptHash] = .text(hash) }
            programs[script.program] = Program(user: script.user, findings: findings, place: count)
        }
    }

    /// Oldest first.
    var scripts: [Script] {
        programs.sorted { $0.value.place < $1.value.place }.compactMap { program, known in
            guard case .text(let path)? = known.findings[.scriptPath] else { return nil }
            let hash: String? = if case .text(let hash)? = known.findings[.scriptHash] { hash } else { nil }
            return Script(program: program, user: known.user, path: path, hash: hash)
        }
    }

    var all: [ProcessImage: Known] { images }

    func findings(of image: ProcessImage, running program: ProcessImage) -> [SelectorKey: Finding] {
        (programs[program]?.findings ?? [:]).merging(images[image]?.kin ?? [:]) { $1 }
    }

    /// - Returns: nil where one of these is missing that may be found.
    func lasting(_ keys: Set<SelectorKey>, of image: ProcessImage) -> [SelectorKey: Finding]? {
        guard let known = images[image] else { return nil }
        let findings = findings(of: image, running: known.program)
        return keys.allSatisfy { findings[$0]?.isLasting == true } ? findings : nil
    }

    /// - Parameter again: also those that were not found for a reason that may have passed.
    func missing(
        _ keys: Set<SelectorKey>, of image: ProcessImage, running program: ProcessImage, again: Bool,
    ) -> Set<SelectorKey> {
        let findings = findings(of: image, running: program)
        return keys.filter { key in findings[key].map { again && !$0.isLasting } ?? true }
    }

    /// - Parameter living: the programs that run, asked for where there are too many.
    mutating func add(
        _ findings: [SelectorKey: Finding], of image: ProcessImage, running program: ProcessImage,
        _ facts: ProcessFacts,
        living: () -> Set<ProcessImage>,
    ) {
        count += 1
        let kin = findings.filter { Questions.kin.contains($0.key) }
        images[image, default: Known(facts: facts, program: program, place: count)].kin.merge(kin) { $1 }
        var known = programs[program] ?? Program(user: facts.realUserID, place: count)
        // What was seen first is what it opened.
        known.findings.merge(findings.filter { kin[$0.key] == nil }) { $0.isLasting ? $0 : $1 }
        programs[program] = known
        if images.count > limit { dropImages() }
        if programs.count > limit { dropPrograms(but: living()) }
    }

    mutating func forget(_ isGone: (ProcessImage) -> Bool) { images = images.filter { !isGone($0.key) } }

    /// They hold under one policy alone.
    mutating func forgetKin() { for image in images.keys { images[image]?.kin = [:] } }

    private mutating func dropImages() {
        for (image, _) in images.sorted(by: { $0.value.place < $1.value.place }).prefix(max(1, limit / 4)) {
            images[image] = nil
        }
    }

    /// Those that nobody runs. Where that does not help, the oldest of the user who has most: nobody makes others' be forgotten.
    private mutating func dropPrograms(but living: Set<ProcessImage>) {
        programs = programs.filter { living.contains($0.key) }
        guard programs.count > limit * 3 / 4 else { return }
        let users = Dictionary(grouping: programs, by: \.value.user)
        guard let most = users.values.max(by: { $0.count < $1.count }) else { return }
        for (program, _) in most.sorted(by: { $0.value.place < $1.value.place }).prefix(max(1, most.count / 4)) {
            programs[program] = nil
        }
    }
}
