import Foundation
import Testing
import Workloads

@testable import Kernel

extension KernelSessionTests {
    /// Who was a workload when a policy ended, and had opened nothing as one.
    @Suite(.serialized) struct DisownedTests {
        private let hashed = Selector(conditions: [
            .userID: Condition(anyOf: [.number(1001)]), .binaryHash: Condition(anyOf: [.text("00")]),
        ])
        private let nobody = Selector(userIDs: [4711])
        private let dial = "connect \(Room.managedIPv4) \(Room.managedPort)"

        @Test func `who was found out to be a workload has been one, though it dialled nothing`() throws {
            try Room.with { room in
                let generation = try room.install(hashed)
                let workload = try room.start("agent.py"), other = try room.start("other.py")
                #expect(try room.kernel.answer(room.image(of: workload), holding: [0], generation: generation))
                #expect(try room.kernel.answer(room.image(of: other), holding: [], generation: generation))
                try room.install(nobody)
                for way in ["", "child ", "thread "] {
                    #expect(try room.dial(workload, way + dial) == .failed("error EPERM"))
                    #expect(try room.dial(other, way + dial) == .direct)
                }
                try workload.become("become /usr/bin/python3 python3 agent.py")
                #expect(try room.dial(workload) == .direct)
            }
        }

        @Test func `the same for whom an answer came with the policy, and for whom the policy sufficed`() throws {
            try Room.with { room in
                let workload = try room.start("agent.py"), other = try room.start("other.py", userID: 1002)
                let program = SelectorProgram(slots: [.init(selector: hashed, workloadID: "weather-agent")])
                try room.kernel.install(
                    program, handles: ["weather-agent": Room.identity], known: [room.image(of: workload): [0]])
                try room.install(Selector(userIDs: [1002]))
                try room.install(nobody)
                #expect(try room.dial(workload) == .failed("error EPERM"))
                #expect(try room.dial(other) == .failed("error EPERM"))
                #expect(room.kernel.refusalCounts().keys.allSatisfy { $0.reason == .disowned })
            }
        }

        @Test func `a child that was there before its parent was found out has been what its parent was`() throws {
            try Room.with { room in
                let generation = try room.install(hashed)
                let workload = try room.start("agent.py"), other = try room.start("other.py")
                for parent in [workload, other] { #expect(try parent.run("beget") == "begotten") }
                #expect(try room.kernel.answer(room.image(of: workload), holding: [0], generation: generation))
                #expect(try room.kernel.answer(room.image(of: other), holding: [], generation: generation))
                try room.install(nobody)
                #expect(try room.dial(workload, "have_child " + dial) == .failed("error EPERM"))
                #expect(try room.dial(other, "have_child " + dial) == .direct)
            }
        }

        /// Whoever is one by the next policy as well has lost nothing; who shed its identity itself has none to lose.
        @Test func `who stays a workload is one, and who is none any more by its own doing is nobody`() throws {
            try Room.with { room in
                try room.install(Selector(userIDs: [1001]))
                let workload = try room.start("agent.py"), shedding = try room.start("other.py", userID: 0)
                #expect(try shedding.run("setresuid 0 1001 0") == "done")
                #expect(try room.identity(shedding) == Room.identity)
                #expect(try shedding.run("setresuid 0 0 0") == "done")
                #expect(try room.dial(shedding) == .direct)
                try room.install(Selector(userIDs: [1001, 1002]))
                #expect(try room.identity(workload) == Room.identity)
                #expect(try room.dial(shedding) == .direct)
                try room.install(nobody)
                #expect(try room.dial(shedding) == .direct)
                #expect(try room.dial(workload) == .failed("error EPERM"))
            }
        }
    }
}
