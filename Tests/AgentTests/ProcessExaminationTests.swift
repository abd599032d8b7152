import Glibc
import Testing
import Workloads

@testable import Agent
@testable import Kernel

@Suite struct ProcessExaminationTests {
    private let script: RunningScript
    private let examination: ProcessExamination

    init() throws {
        script = try RunningScript(["x.py"], files: ["x.py": RunningScript.waiting])
        examination = ProcessExamination(
            facts: script.facts, payer: 0, hasher: FileHasher(), interpreters: KnownInterpreters())
    }

    private func found(_ opened: ProcessExamination.Opened) async -> KnownImages {
        var known = KnownImages(limit: 8)
        add(await examination.findings([.binaryHash], opened), to: &known)
        return known
    }

    private func add(_ findings: [SelectorKey: Finding], to known: inout KnownImages) {
        known.add(findings, of: script.image, running: script.image, script.facts) { [] }
    }

    private func missing(in known: KnownImages) -> Set<SelectorKey> {
        known.missing([.binaryHash], of: script.image, running: script.image, again: true)
    }

    private func refused(_ path: String) -> ProcessExamination.Opened {
        ProcessExamination.Opened(executable: .failure(.refused(path: path, errno: ENOENT)))
    }

    @Test(arguments: ["/proc/7/task/8/exe", "/proc/7/exe"])
    func `what /proc did not show once is asked for again, and found`(_ path: String) async {
        var known = await found(refused(path))
        #expect(missing(in: known) == [.binaryHash])
        let again = await examination.findings([.binaryHash], examination.open([.binaryHash]))
        add(again, to: &known)
        #expect(missing(in: known).isEmpty)
        guard case .text? = known.findings(of: script.image, running: script.image)[.binaryHash] else {
            Issue.record("no hash: \(known)")
            return
        }
    }

    @Test func `a file of the process's own that is gone is gone for good`() async {
        let known = await found(refused("/srv/tool"))
        #expect(missing(in: known).isEmpty)
    }
}
