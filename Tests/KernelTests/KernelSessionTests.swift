import Foundation
import Testing
import Workloads

@testable import Kernel

/// The real object on the real kernel, with real processes. Serial: each test moves the test process about.
@Suite(.serialized) struct KernelSessionTests {
    private let agent = Selector(userIDs: [1001], names: ["python3"], commandLines: [["python3", "agent.py"]])

    @Test func `a process that matches uid, name and command line is redirected and named`() throws {
        try Room.with { room in
            try room.install(agent)
            let workload = try room.start("agent.py")
            guard case .redirected(let flow?, let peer) = try room.dial(workload) else {
                Issue.record("not redirected, or without a flow")
                return
            }
            #expect(flow.process == room.kernel.facts(of: workload.pid)?.key)
            #expect(flow.process.pid == workload.pid)
            #expect(flow.identity == Room.identity)
            #expect(try flow.destination == InternetEndpoint("\(Room.managedIPv4) \(Room.managedPort)"))
            #expect(peer == "\(Room.managedIPv4)|\(Room.managedPort)")
        }
    }
}
