import Proxy
import SPIFFE
import Testing
import Workloads

@testable import Agent

@Suite("Standing of what opened a connection") struct StandingTests {
    private let agent: SPIFFEID
    private let other: SPIFFEID
    private let opened: OpenedConnection

    init() throws {
        agent = try SPIFFEID("spiffe://prod.example/agent")
        other = try SPIFFEID("spiffe://prod.example/other")
        opened = OpenedConnection(
            opener: Opener(process: ProcessKey(pid: 7, startTime: 1), image: 2), workload: agent)
    }

    private func objection(
        _ standing: Standing, _ occasion: Occasion = .executed, outlivesExec: Bool = false, judgedAnew: Bool = false,
    ) -> String? {
        standing.objection(
            to: opened, on: occasion,
            absent: AbsentOpeners(outliveExec: outlivesExec, wouldBeJudgedAnew: judgedAnew))
    }

    @Test(arguments: [Occasion.executed, .otherCredentials, .policy, .unseen], [false, true])
    func `who still is who opened it keeps it, whatever it executed`(_ occasion: Occasion, _ outlivesExec: Bool) {
        for image in [UInt32(2), 3] {
            let standing = Standing.runs(image: image, as: .workload(agent))
            #expect(objection(standing, occasion, outlivesExec: outlivesExec, judgedAnew: true) == nil)
        }
    }

    @Test func `who is somebody else, nobody, or not known loses it, and is told why`() {
        #expect(
            objection(.runs(image: 3, as: .workload(other)))
                == "the process executed another program, and the process is spiffe://prod.example/other now")
        #expect(
            objection(.runs(image: 2, as: .nobody), .otherCredentials)
                == "the process changed its uid or gid, and the process has no identity now")
        #expect(
            objection(.runs(image: 2, as: .nobody), .policy)
                == "the policy has other selectors, and the process has no identity now")
        #expect(objection(.runs(image: 3, as: .unknown("a disk"))) != nil)
    }

    @Test func `what outlives exec is lost by other ids of the same image, and by a policy that would not give it`() {
        #expect(objection(.runs(image: 3, as: .nobody), outlivesExec: true) == nil)
        #expect(objection(.runs(image: 3, as: .unknown("a disk")), outlivesExec: true) == nil)
        #expect(objection(.runs(image: 2, as: .nobody), .otherCredentials, outlivesExec: true) != nil)
        #expect(objection(.runs(image: 3, as: .nobody), .policy, outlivesExec: true) == nil)
        #expect(objection(.runs(image: 3, as: .nobody), .policy, outlivesExec: true, judgedAnew: true) != nil)
    }

    @Test func `what a process left behind stays until its identity is another`() {
        #expect(objection(.ended) == nil)
        #expect(objection(.ended, .policy) == nil)
        #expect(
            objection(.ended, .policy, judgedAnew: true)
                == "the policy has other selectors, and the process that opened this connection has ended")
    }
}
