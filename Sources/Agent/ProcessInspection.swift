package import Kernel
package import Workloads

/// Everything there is to know of a live process, whatever the policy asks: for explanations and drafts.
///
/// Decides nothing, and tells the kernel part nothing.
package struct ProcessInspection: Sendable {
    package struct Found: Sendable {
        package var facts: ProcessFacts
        package let image: ProcessImage
        /// What could not be found, with the reason.
        package let gaps: [SelectorKey: String]
    }

    private let kernel: KernelSession
    private let policy: PolicyBoard
    private let hasher: FileHasher

    /// How far up the ancestors are looked at, as the attestor does.
    private static let generations = 32

    package init(kernel: KernelSession, policy: PolicyBoard, hasher: FileHasher) {
        self.kernel = kernel
        self.policy = policy
        self.hasher = hasher
    }

    /// - Returns: nil for a process that is gone or of which nothing is recorded.
    package func inspect(pid: Int32) async -> Found? {
        guard let record = kernel.record(of: pid), var found = await files(of: record) else { return nil }
        await addKin(to: &found.facts)
        return found
    }

    /// The same without parents and ancestors.
    package func files(ofPID pid: Int32) async -> Found? {
        guard let record = kernel.record(of: pid) else { return nil }
        return await files(of: record)
    }

    private func files(of record: (facts: ProcessFacts, image: ProcessImage)) async -> Found? {
        let keys: Set<SelectorKey> = [.binaryHash, .scriptPath, .scriptHash]
        let examination = ProcessExamination(facts: record.facts, hasher: hasher)
        let opened = await examination.open(keys)
        // What was opened belongs to the image that was asked about only if the process is that image still.
        guard kernel.isRunning(record.image) else { return nil }
        let findings = await examination.findings(keys, opened)
        return Found(
            facts: record.facts.adding(findings), image: record.image,
            gaps: findings.compactMapValues { if case .unknown(let reason, _) = $0 { reason } else { nil } })
    }

    /// Who started it, and who started those: the eldest is decided first.
    private func addKin(to facts: inout ProcessFacts) async {
        let matcher = policy.current.matcher
        var identities: [String] = []
        var parent: String?
        for ancestor in line(of: facts).reversed() {
            var facts = ancestor.facts
            if matcher.needsUserSpace(facts), let found = await files(of: ancestor) { facts = found.facts }
            facts.parentIdentity = parent
            facts.ancestorIdentities = identities
            parent = matcher.verdict(on: facts).workloadID
            if let parent { identities.insert(parent, at: 0) }
        }
        facts.parentIdentity = parent
        facts.ancestorIdentities = identities
    }

    /// Nearest first. Of one that has ended nothing is known, nor of those before it.
    private func line(of facts: ProcessFacts) -> [(facts: ProcessFacts, image: ProcessImage)] {
        var line: [(facts: ProcessFacts, image: ProcessImage)] = []
        var child = facts
        while line.count < Self.generations, let key = child.parent, key.startTime < child.key.startTime,
            let record = kernel.record(of: key.pid), record.image.process == key
        {
            line.append(record)
            child = record.facts
        }
        return line
    }
}
