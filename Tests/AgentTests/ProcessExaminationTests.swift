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
            facts: script.facts, hasher: FileHasher(), interpreters: KnownInterpreters())
    }

    private func found(_ opened: ProcessExamination.Opened) async -> KnownImages {
        var known = KnownImages(limit: 8)
        known.add(await examination.findings([.binaryHash], opened), of: script.image, script.facts)
        return known
    }

    private func refused(_ path: String) -> ProcessExamination.Opened {
        ProcessExamination.Opened(executable: .failure(.refused(path: path, errno: ENOENT)))
    }

    @Test(arguments: ["/proc/7/task/8/exe", "/proc/7/exe"])
    func `what /proc did not show once is asked for again, and found`(_ path: String) async {
        var known = await found(refused(path))
        #expect(known.missing([.binaryHash], of: script.image, again: true) == [.binaryHash])
        let again = await examination.findings([.binaryHash], examination.open([.binaryHash]))
        known.add(again, of: script.image, script.facts)
        #expect(known.missing([.binaryHash], of: script.image, again: true).isEmpty)
        guard case .text? = known[script.image][.binaryHash] else {
            Issue.record("no hash: \(known[script.image])")
            return
        }
    }

    @Test func `a file of the process's own that is gone is gone for good`() async {
        let known = await found(refused("/srv/tool"))
        #expect(known.missing([.binaryHash], of: script.image, again: true).isEmpty)
    }
}
