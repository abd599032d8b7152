import Foundation
import Testing
import Workloads

@testable import Kernel

extension KernelSessionTests {
    /// Programs that are called like runtimes with a kernel of their own, and such as are not.
    @Suite(.serialized) struct HidingRuntimeTests {
        private static let runtimes = [
            "runsc", "runsc-sandbox", "firecracker", "cloud-hypervisor", "qemu-system-x86_64", "qemu-system-aarch64",
            "qemu-kvm", "crosvm", "kata-runtime", "containerd-shim-kata-v2",
        ]
        private static let others = [
            "runsc2", "runs", "qemu-img", "qemu-system", "firecrackers", "xcrosvm", "containerd-shim-kata-v", "kata",
        ]

        @Test func `a runtime that hides its processes is nobody, unless its very binary is asked for`() throws {
            // One room for all of them: making one takes longer than this does.
            try Room.with { room in
                for name in Self.runtimes { try expect(room.startWitness(name), hides: true, in: room) }
                for name in Self.others { try expect(room.startWitness(name), hides: false, in: room) }
            }
        }

        private func expect(_ workload: Workload, hides: Bool, in room: Room) throws {
            let facts = try #require(room.kernel.facts(of: workload.pid))
            let path = facts.executable.path
            #expect(facts.hidesProcesses == hides, "\(path)")
            #expect((HidingRuntime(executable: path) != nil) == hides, "\(path)")
            let user = Condition(anyOf: [.number(1001)])
            try room.install(Selector(conditions: [.userID: user]))
            #expect(try room.identity(workload) == (hides ? .none : Room.identity), "\(path)")
            let folder = Pattern.prefix(URL(filePath: path).deletingLastPathComponent().path())
            try room.install(Selector(conditions: [.userID: user, .binaryPath: Condition(anyOf: [folder])]))
            // Whether a path is believed depends on where the tests are; see BinaryPathTests.
            let named: IdentityHandle = facts.executable.pathIsForeign ? .none : Room.identity
            #expect(try room.identity(workload) == (hides ? .none : named), "\(path)")
            try room.install(Selector(conditions: [.userID: user, .binaryPath: Condition(anyOf: [.text(path)])]))
            #expect(try room.identity(workload) == named, "\(path)")
        }

        @Test func `one that asks for the hash of a runtime waits for user space, as for any program`() throws {
            try Room.with { room in
                let workload = try room.startWitness("firecracker")
                let hash = Condition(anyOf: [.text(String(repeating: "0", count: 64))])
                try room.install(Selector(conditions: [.binaryHash: hash]))
                #expect(try room.dial(workload).flow?.identity == .undecided)
                try room.install(Selector(conditions: [.scriptHash: hash]))
                #expect(try room.identity(workload) == .none)
            }
        }
    }
}
