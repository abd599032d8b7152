package import Kernel
import Limits
import SPIFFE
package import Workloads

/// The kernel part, as far as the attestor needs it.
package protocol ProcessRecords: Sendable {
    /// - Returns: nil for a process that is gone, or of which nothing is recorded.
    func record(of pid: Int32) -> (facts: ProcessFacts, image: ProcessImage)?
    /// - Returns: nil for a process that is not that image any more.
    func execution(of image: ProcessImage) -> Execution?
    /// What processes run, all of them.
    func programs() -> Set<ProcessImage>
    /// Cheap.
    func isAlive(_ process: ProcessKey) -> Bool
    /// Whose share is burdened with what is done for it; nil where it has ended.
    func payer(of process: ProcessKey) -> UInt32?
    /// Whether it runs now, recorded or not.
    func exists(_ process: ProcessKey) -> Bool
    func install(
        _ program: SelectorProgram, handles: [WorkloadName: IdentityHandle], known: [ProcessImage: [Int]],
    ) throws(KernelError) -> PolicyGeneration
    func answer(
        _ image: ProcessImage, holding slots: [Int], generation: PolicyGeneration,
    ) throws(KernelError) -> Bool
}

extension KernelSession: ProcessRecords {}

/// A process with everything known of it that the policy asks for.
package struct Attestation: Sendable {
    package let facts: ProcessFacts
    package let image: ProcessImage
    /// Facts that were asked for and could not be found, with the reason.
    package let gaps: [SelectorKey: String]
    /// False: a gap may close by itself, so nothing is decided by it.
    package let isFinal: Bool
}

/// The user-space half of the decision: finds out what the kernel part cannot know of a process, and tells it.
///
/// Only what some selector asks of a process that it could match is looked for. What was found of one image is kept until
/// that process ends; whoever asks meanwhile waits for the same answer.
package actor Attestor {
    private let kernel: any ProcessRecords
    private let hasher: FileHasher
    private let interpreters: KnownInterpreters
    private var questions: Questions?
    private var known: KnownImages
    private var running: [ProcessImage: SharedAnswer<Bool>] = [:]
    private var opened = OpenedAhead()

    /// - Parameter scripts: which scripts programs run, as an agent before this one found, when they could be seen.
    init(
        kernel: any ProcessRecords, hasher: FileHasher = FileHasher(),
        interpreters: KnownInterpreters = KnownInterpreters(), remembering limit: Int = Limits.Queues.images,
        scripts: [KnownImages.Script] = [],
    ) {
        self.kernel = kernel
        self.hasher = hasher
        self.interpreters = interpreters
        known = KnownImages(limit: limit, scripts)
    }

    /// Those who wait to be told of some image.
    var waiting: Int { running.values.reduce(0) { $0 + $1.waiting } }

    /// For the agent after this one.
    var scripts: [KnownImages.Script] { known.scripts }

    /// Puts a policy into force in the kernel, with the answers for all processes that were looked at already.
    package func install(_ matcher: Matcher, handles: [WorkloadName: IdentityHandle]) throws(KernelError) {
        known.forget { !kernel.isAlive($0.process) }
        var answers: [ProcessImage: [Int]] = [:]
        var residues = Residues(of: matcher.program)
        var next = Questions(matcher, generation: nil)
        for (image, found) in known.all {
            let keys = next.keys(for: found.facts)
            guard !keys.isEmpty, keys.isDisjoint(with: Questions.kin), let findings = known.lasting(keys, of: image)
            else { continue }
            answers[image] = residues.slots(holdingFor: found.facts.adding(findings))
        }
        next.generation = try kernel.install(matcher.program, handles: handles, known: answers)
        questions = next
        known.forgetKin()
    }

    /// - Returns: nil for a process that is gone or of which nothing is recorded, and where nobody waits for it any more.
    package func complete(pid: Int32) async -> Attestation? {
        guard let record = kernel.record(of: pid) else { return nil }
        while let asked = questions {
            guard let found = try? await complete(record.facts, record.image, asked) else { return nil }
            if isInForce(asked) { return found }
        }
        return Attestation(facts: record.facts, image: record.image, gaps: [:], isFinal: true)
    }

    /// Who a process is now; from now on the kernel part decides it alone.
    package func identify(_ process: ProcessKey) async throws(AttestorError) -> Attested {
        guard let record = kernel.record(of: process.pid), record.facts.key == process else { throw .ended(process) }
        return try await judge(record.facts, record.image)
    }

    /// The same: nil where it is gone, where there is no policy, or where it cannot be decided now.
    package func decide(_ process: ProcessKey) async -> Match? { try? await identify(process).match }

    /// Who a process was when it ran by these numbers, as long as it is the same image still.
    package func attest(_ image: ProcessImage, as ids: ProcessIDs) async throws(AttestorError) -> Attested {
        guard let record = kernel.record(of: image.process.pid), record.image.process == image.process else {
            throw .ended(image.process)
        }
        guard record.image == image else { throw .becameAnother(image.process) }
        return try await judge(record.facts, image, as: ids)
    }

    /// The same, waited for so long at most, and no longer than the task that asks is wanted: nothing of it is left then.
    nonisolated func attest(
        _ image: ProcessImage, as ids: ProcessIDs, within patience: Duration,
    ) async throws -> Attested {
        try await FirstAnswer.within(patience) {
            try await self.attest(image, as: ids)
        } else: {
            FlowError.tooLate($0)
        }
    }

    /// Opens the files that have to be looked at, at once: whoever is behind others with hashing gets these, and not what
    /// has come into their places meanwhile. Where too many are open already they are opened when their turn comes.
    package func open(_ process: ProcessKey) async {
        guard let asked = questions, let record = kernel.record(of: process.pid), record.facts.key == process else {
            return
        }
        let (facts, image) = record
        guard let execution = kernel.execution(of: image) else { return }
        let program = execution.program
        let keys = known.missing(asked.keys(for: facts), of: image, running: program, again: false)
            .intersection(ProcessExamination.files)
        guard !keys.isEmpty, running[image] == nil else { return }
        let examination = examination(of: facts, execution)
        guard opened.hasRoom(for: examination.payer, kernel.isAlive) else { return }
        let files = await examination.open(keys)
        guard kernel.record(of: process.pid)?.image == image, running[image] == nil,
            !known.missing(keys, of: image, running: program, again: false).isEmpty
        else { return }
        opened.add(files, keys, of: program, for: examination.payer)
    }

    /// What is known already of the files that an image runs, and will not be otherwise.
    func files(of image: ProcessImage) -> [SelectorKey: Finding] {
        guard let program = kernel.execution(of: image)?.program else { return [:] }
        return known.findings(of: image, running: program)
            .filter { ProcessExamination.files.contains($0.key) && $0.value.isLasting }
    }

    // MARK: Decisions

    private func judge(
        _ facts: ProcessFacts, _ image: ProcessImage, as ids: ProcessIDs? = nil,
    ) async throws(AttestorError) -> Attested {
        while true {
            guard let asked = questions else { throw .noPolicy }
            guard let found = try await complete(facts, image, asked) else {
                let isThere = kernel.record(of: image.process.pid)?.image.process == image.process
                throw isThere ? .becameAnother(image.process) : .ended(image.process)
            }
            // Another policy may have come meanwhile, with other questions.
            guard isInForce(asked) else { continue }
            guard found.isFinal else { throw .undecidable(image.process, found.gaps) }
            tell(found, asked)
            let facts = ids.map(found.facts.running(as:)) ?? found.facts
            return Attested(facts: facts, image: image, match: asked.matcher.match(facts))
        }
    }

    private func isInForce(_ asked: Questions) -> Bool { asked.generation == questions?.generation }

    private func tell(_ found: Attestation, _ asked: Questions) {
        guard asked.needsAnswer(for: found.facts), let generation = asked.generation else { return }
        // Refused by a full map alone: the process stays undecided in the kernel, and is decided here each time.
        _ = try? kernel.answer(
            found.image, holding: asked.program.residue(holdingFor: found.facts), generation: generation)
    }

    // MARK: Facts

    private func complete(
        _ facts: ProcessFacts, _ image: ProcessImage, _ asked: Questions,
    ) async throws(AttestorError) -> Attestation? {
        guard let execution = kernel.execution(of: image) else { return nil }
        let program = execution.program
        let keys = asked.keys(for: facts)
        var asksAgain = true
        while case let missing = known.missing(keys, of: image, running: program, again: asksAgain), !missing.isEmpty,
            isInForce(asked)
        {
            let isThatImage: Bool
            do { isThatImage = try await examination(of: facts, image, execution, missing, asked).value } catch {
                throw .abandoned(image.process)
            }
            guard isThatImage else { return nil }
            asksAgain = false
        }
        let findings = known.findings(of: image, running: program).filter { keys.contains($0.key) }
        return Attestation(
            facts: facts.adding(findings), image: image,
            gaps: findings.compactMapValues { if case .unknown(let reason, _) = $0 { reason } else { nil } },
            isFinal: findings.values.allSatisfy(\.isLasting),
        )
    }

    /// One of an image at a time, which goes on when all who waited have left; false where the process is no longer that image.
    private func examination(
        of facts: ProcessFacts, _ image: ProcessImage, _ execution: Execution, _ keys: Set<SelectorKey>,
        _ asked: Questions,
    ) -> SharedAnswer<Bool> {
        if let answer = running[image] { return answer }
        let answer = SharedAnswer<Bool>()
        running[image] = answer
        Task {
            let isThatImage = await self.examine(facts, image, execution, keys, asked)
            running[image] = nil
            answer.give(isThatImage)
        }
        return answer
    }

    private func examination(of facts: ProcessFacts, _ execution: Execution) -> ProcessExamination {
        ProcessExamination(
            facts: facts, surroundings: execution.surroundings, payer: kernel.payer(of: facts.key) ?? facts.realUserID,
            hasher: hasher, interpreters: interpreters
        ) { [kernel] in kernel.isAlive(facts.key) }
    }

    private func examine(
        _ facts: ProcessFacts, _ image: ProcessImage, _ execution: Execution, _ keys: Set<SelectorKey>,
        _ asked: Questions,
    ) async -> Bool {
        let examination = examination(of: facts, execution)
        let ahead = opened.take(execution.program, keys.intersection(ProcessExamination.files))
        let opened = if let ahead { ahead } else { await examination.open(keys) }
        // What was opened belongs to the image that was asked about only if the process is that image still.
        guard kernel.record(of: image.process.pid)?.image == image else { return false }
        var findings = await examination.findings(keys, opened)
        if !keys.isDisjoint(with: Questions.kin) {
            findings.merge(await kin(of: facts, upTo: keys.contains(.ancestor) ? Lineage.generations : 1, asked)) { $1 }
        }
        // Of other processes it was found by a policy that is no longer in force.
        if !isInForce(asked) { findings = findings.filter { !Questions.kin.contains($0.key) } }
        known.add(findings, of: image, running: execution.program, facts, living: kernel.programs)
        return true
    }

    /// Who started it, and who started those: as they are now. Of one that has ended nothing is known, nor of those before it.
    private func kin(of facts: ProcessFacts, upTo limit: Int, _ asked: Questions) async -> [SelectorKey: Finding] {
        var identities: [SPIFFEPath?] = []
        for record in kernel.line(above: facts, upTo: limit) {
            let found = try? await complete(record.facts, record.image, asked)
            if let found, !found.isFinal {
                let reason = "\(record.facts.key) is one of those that started it, and is not decided itself"
                return [.parent: .unknown(reason, isLasting: false), .ancestor: .unknown(reason, isLasting: false)]
            }
            identities.append(found.flatMap { asked.matcher.verdict(on: $0.facts).workloadID })
        }
        let lineage = identities.reversed().reduce(Lineage.unknown) { $0.below($1) }
        return [
            .parent: lineage.parent.map { .text($0) } ?? .absent,
            .ancestor: limit > 1 ? .texts(lineage.ancestors) : nil,
        ].compactMapValues(\.self)
    }
}

/// Who a process is, and the facts that say so.
package struct Attested: Sendable {
    package let facts: ProcessFacts
    package let image: ProcessImage
    package let match: Match
}

/// Why a process cannot be told.
package enum AttestorError: Error, Sendable, CustomStringConvertible {
    case noPolicy
    case ended(ProcessKey)
    case becameAnother(ProcessKey)
    case undecidable(ProcessKey, [SelectorKey: String])
    /// Whoever asked was told to stop.
    case abandoned(ProcessKey)

    package var description: String {
        switch self {
        case .noPolicy: "no policy has come from the control plane yet"
        case .ended(let process): "process \(process.pid) ended before it was known what it is"
        case .becameAnother(let process):
            "process \(process.pid) executed another program after it had opened this socket; connect again"
        case .undecidable(_, let gaps):
            "not decided yet: "
                + gaps.sorted { $0.key < $1.key }.map { "\($0.key): \($0.value)" }.joined(separator: "; ")
        case .abandoned(let process): "what process \(process.pid) is was not waited for; connect again"
        }
    }
}
