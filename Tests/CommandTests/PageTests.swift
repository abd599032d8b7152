import ControlPlaneAPI
import Foundation
import SPIFFE
import Testing
import Workloads

@testable import tidemark

@Suite("Pages")
struct PageTests {
    private var facts: ProcessFacts {
        ProcessFacts(
            key: ProcessKey(pid: 42, startTime: 7), userID: 1001, realUserID: 1000, groupID: 1001,
            additionalGroupIDs: [4, 5], name: "python", arguments: ["python", "x y.py"],
            executable: .init(path: "/usr/bin/python3", device: 1, inode: 2, hash: "ab"),
            script: .init(path: "/srv/x y.py", hash: "cd"), cgroup: "/a.service",
            parent: ProcessKey(pid: 1, startTime: 1), parentIdentity: "init", ancestorIdentities: ["init"],
        )
    }

    @Test func `an explanation shows every fact, each key of the selector, and what the kernel part says`() {
        let evidence = Evidence(
            key: "process:uid", grade: .attested, expected: "1001", actual: "1001", holds: true)
        let explanation = Explanation(
            facts: facts, match: .workload(workloadID: "a", because: [evidence]), spiffeID: "spiffe://d/a",
            kernel: KernelOpinion(answer: .identified, workloadID: "a", agrees: true),
            network: NetworkPlace(inode: 9, isAgents: false, isServed: true), notes: ["one"],
        )
        let shown = ExplanationPage(explanation).page.lines
        for line in [
            "process     42, started 7 ns after boot", "uid         1001 (real 1000), gid 1001 (real 1001)",
            "groups      4, 5", "argv        python \"x y.py\"", "  sha256    ab", "script      /srv/x y.py",
            "  sha256    cd", "cgroup      /a.service", "unit        a.service",
            "parent      1, started 1 ns after boot, init", "host        no: in namespaces of its own or a container's",
            "ancestors   init", "network     net:[9], served", "identity    spiffe://d/a",
            "✓  process:uid  attested  1001      1001", "kernel part: a", "note: one",
        ] {
            #expect(shown.contains(line), "\(line)")
        }
    }

    @Test func `a near miss names the key that fails, and another answer of the kernel part is called a defect`() {
        let evidence = Evidence(
            key: "process:name", grade: .claimed, expected: "python", actual: "snake", holds: false)
        let explanation = Explanation(
            facts: facts, match: .unmanaged(nearest: [NearMiss(workloadID: "a", evidence: [evidence])]), spiffeID: nil,
            kernel: KernelOpinion(answer: .identified, workloadID: "a", agrees: false), steps: ["first"],
        )
        let shown = ExplanationPage(explanation).page.lines
        #expect(shown.first == "step: first")
        #expect(shown.contains("a, but for process:name"))
        #expect(shown.contains("✗  process:name  claimed  python    snake"))
        #expect(shown.contains("kernel part: a, which is another answer: a defect"))
    }

    @Test func `a connection shows both ends, their SVIDs, bytes and why`() {
        var found = ConnectionExplanation(state: .carried, because: "redirected", destination: "10.0.0.2:80")
        found.direction = .outbound
        found.source = "10.0.0.1:5"
        found.workload = "spiffe://d/a"
        found.svidSerial = "01"
        found.peer = "spiffe://d/b"
        found.bytesToApplication = 3
        found.bytesFromApplication = 4
        let shown = ConnectionPage(found).page.lines
        for line in [
            "connection  10.0.0.1:5 to 10.0.0.2:80", "state       carried, outbound", "because     redirected",
            "workload    spiffe://d/a, SVID 01", "peer        spiffe://d/b",
            "bytes       3 to the application, 4 from it", "its process is gone, or of another host",
        ] {
            #expect(shown.contains(line), "\(line)")
        }
    }

    @Test func `a draft shows its documents, the counts and each process`() {
        var counts = DraftReport.Counts()
        counts.processes = 9
        counts.gain = 1
        let report = DraftReport(
            agentGroup: "g", version: 3,
            documents: [.init(kind: "WorkloadIdentity", name: "a", effect: .ignored, reason: "of another group")],
            conflicts: [], counts: counts,
            changes: [
                .init(
                    process: ProcessKey(pid: 42, startTime: 1), name: "n", arguments: ["n", "x"], userID: 5,
                    effect: .gains, from: nil, to: "a", reason: nil)
            ],
        )
        let shown = DraftPage(report).page.lines
        #expect(shown.first == "workloadidentity/a ignored: of another group")
        #expect(shown.contains("9 processes: 1 would gain an identity, 0 lose it, 0 change it"))
        #expect(shown.contains("42   5    n     gains   -     a   n x"))
    }
}

@Suite("Top")
struct TopTests {
    private func report(at seconds: Double, bytes: UInt64, execs: UInt64, cpu: Double, lost: UInt64 = 0) -> TopReport {
        var kernel = KernelCounters()
        kernel.execs = execs
        kernel.processesLost = lost
        var identity = TopReport.Identity(workloadID: "a")
        identity.bytesToApplication = bytes
        return TopReport(
            time: Date(timeIntervalSince1970: seconds), kernel: kernel, cpuSeconds: cpu, connectionCount: 0,
            identities: [identity], connections: [],
        )
    }

    @Test func `rates are differences by the second`() {
        let frame = TopFrame(
            from: report(at: 10, bytes: 100, execs: 5, cpu: 1), to: report(at: 12, bytes: 300, execs: 9, cpu: 1.5))
        #expect(frame.execsPerSecond == 2)
        #expect(frame.agentCPU == 25)
        #expect(frame.identities.first?.bytesToApplicationPerSecond == 100)
    }

    @Test func `an agent that was restarted, and a first look, have no rates`() {
        let now = report(at: 12, bytes: 3, execs: 1, cpu: 0.1)
        let restarted = TopFrame(from: report(at: 10, bytes: 100, execs: 5, cpu: 9), to: now)
        for frame in [restarted, TopFrame(from: nil, to: now)] {
            #expect(frame.execsPerSecond == 0 && frame.agentCPU == 0)
            #expect(frame.identities.first?.bytesToApplicationPerSecond == 0)
            #expect(frame.identities.first?.bytesToApplication == 3)
        }
    }

    @Test func `a loss is loud, in the second line`() {
        let frame = TopFrame(from: nil, to: report(at: 1, bytes: 0, execs: 0, cpu: 0, lost: 2))
        let shown = TopPage(frame, size: nil).page.lines
        #expect(shown[1].hasPrefix("!!! LOST: processesLost 2"))
    }

    @Test func `a page is never larger than its terminal`() {
        let frame = TopFrame(from: nil, to: report(at: 1, bytes: 0, execs: 0, cpu: 0))
        let shown = TopPage(frame, size: .init(columns: 20, rows: 3)).page.lines
        #expect(shown.count == 3 && shown.allSatisfy { $0.count <= 20 })
    }

    @Test(arguments: [(0.0, "0 B"), (1023.0, "1023 B"), (1536.0, "1.5 KiB"), (3_221_225_472.0, "3.0 GiB")])
    func `bytes are shown in their unit`(_ count: Double, _ text: String) {
        #expect(TopPage.bytes(count) == text)
    }
}
