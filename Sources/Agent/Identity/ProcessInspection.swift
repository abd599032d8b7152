package import Kernel
import SPIFFE
package import Workloads

/// Everything there is to know of a live process, whatever the policy asks: for explanations and drafts.
///
/// Decides nothing, and tells the kernel part nothing.
package struct ProcessInspection: Sendable {
    /// All that can be known of one image of a process.
    package struct Found: Sendable {
        package var facts: ProcessFacts
        package let image: ProcessImage
        var lineage = Lineage.unknown
        /// What could not be found, with the reason.
        package let gaps: [SelectorKey: String]
    }

    private let kernel: KernelSession
    private let policy: PolicyBoard
    private let attestor: Attestor
    private let hasher: FileHasher
    let interpreters: KnownInterpreters

    package init(
        kernel: KernelSession, policy: PolicyBoard, attestor: Attestor, hasher: FileHasher,
        interpreters: KnownInterpreters,
    ) {
        self.kernel = kernel
        self.policy = policy
        self.attestor = attestor
        self.hasher = hasher
        self.interpreters = interpreters
    }

    /// - Returns: nil for a process that is gone or of which nothing is recorded.
    package func inspect(pid: Int32) async -> Found? {
        guard let record = kernel.record(of: pid), var found = await files(of: record) else { return nil }
        found.lineage = await lineage(of: found.facts)
        found.facts = found.facts.of(found.lineage)
        return found
    }

    /// The same without parents and ancestors.
    package func files(ofPID pid: Int32) async -> Found? {
        guard let record = kernel.record(of: pid) else { return nil }
        return await files(of: record)
    }

    private func files(of record: (facts: ProcessFacts, image: ProcessImage)) async -> Found? {
        guard let execution = kernel.execution(of: record.image) else { return nil }
        // What is decided by: looked at now, a process that changed its working directory would show another script, or none.
        let known = await attestor.files(of: record.image)
        let keys = ProcessExamination.files.subtracting(known.keys)
        let examination = ProcessExamination(
            facts: record.facts, surroundings: execution.surroundings,
            payer: kernel.payer(of: record.facts.key) ?? record.facts.realUserID, hasher: hasher,
            interpreters: interpreters
        ) { [kernel] in kernel.isRunning(record.image) }
        let opened = await examination.open(keys)
        // What was opened belongs to the image that was asked about only if the process is that image still.
        guard kernel.isRunning(record.image) else { return nil }
        let findings = known.merging(await examination.findings(keys, opened)) { known, _ in known }
        return Found(
            facts: record.facts.adding(findings), image: record.image,
            gaps: findings.compactMapValues { if case .unknown(let reason, _) = $0 { reason } else { nil } })
    }

    /// Who started it, and who started those: the eldest is decided first.
    private func lineage(of facts: ProcessFacts) async -> Lineage {
        let matcher = policy.current.matcher
        var lineage = Lineage.unknown
        for ancestor in kernel.line(above: facts).reversed() {
            var facts = ancestor.facts
            if matcher.needsUserSpace(facts), let found = await files(of: ancestor) { facts = found.facts }
            lineage = lineage.below(matcher.verdict(on: facts.of(lineage)).workloadID)
        }
        return lineage
    }
}

extension ProcessRecords {
    /// The processes above one as they are now, nearest first.
    func line(
        above facts: ProcessFacts, upTo limit: Int = Lineage.generations
    ) -> [(facts: ProcessFacts, image: ProcessImage)] {
        Lineage.line(above: facts, upTo: limit) { key in
            record(of: key.pid).flatMap { $0.image.process == key ? ($0, $0.facts) : nil }
        }
    }
}
