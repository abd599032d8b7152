import SPIFFE
import Testing
import Workloads

@Suite struct LineageTests {
    /// Each is the parent of the one before it.
    private func processes(started times: [UInt64]) -> [ProcessFacts] {
        let keys = times.enumerated().map { ProcessKey(pid: Int32(100 + $0.offset), startTime: $0.element) }
        return keys.indices.map { index in
            var facts = Sample.process()
            facts.key = keys[index]
            facts.parent = index + 1 < keys.count ? keys[index + 1] : nil
            return facts
        }
    }

    private func line(_ processes: [ProcessFacts], upTo limit: Int, without ended: Int? = nil) -> [Int32] {
        let recorded = processes.filter { $0.key.pid != ended.map { Int32(100 + $0) } }
        return Lineage.line(above: processes[0], upTo: limit) { key in
            recorded.first { $0.key == key }.map { ($0.key.pid, $0) }
        }
    }

    @Test func `ancestors are told nearest first, up to the limit`() {
        let processes = processes(started: [50, 40, 30, 20, 10])
        #expect(line(processes, upTo: 32) == [101, 102, 103, 104])
        #expect(line(processes, upTo: 2) == [101, 102])
        #expect(line(Array(processes.prefix(1)), upTo: 32) == [])
    }

    @Test func `of one that has ended nothing is known, nor of those before it`() {
        #expect(line(processes(started: [50, 40, 30, 20]), upTo: 32, without: 2) == [101])
    }

    @Test func `what is no older than its child is not its parent`() {
        #expect(line(processes(started: [50, 50, 30]), upTo: 32) == [])
        #expect(line(processes(started: [50, 40, 45, 10]), upTo: 32) == [101])
    }

    @Test func `a parent without identity is a parent without one, and its ancestors are told all the same`() {
        let lineage = Lineage.unknown.below("init").below("session").below(nil)
        #expect(lineage.parent == nil)
        #expect(lineage.ancestors == ["session", "init"])
        let child = Sample.process().of(lineage.below("agent"))
        #expect(child.parentIdentity == "agent")
        #expect(child.ancestorIdentities == ["agent", "session", "init"])
    }

    @Test func `thirty-two are remembered, whether they have an identity or not`() {
        let long = (0..<100).reduce(Lineage.unknown) { lineage, number in lineage.below(number == 68 ? "last" : nil) }
        #expect(long.ancestors == ["last"])
        #expect(long.below(nil).ancestors == [])
    }
}
