import Foundation
import Testing
import Workloads

@testable import Kernel

extension KernelSessionTests {
    /// Keys that user space has to find out: until it has, a process counts as managed.
    @Suite(.serialized) struct UserSpaceKeyTests {
        private let hashed = Selector(conditions: [
            .userID: Condition(anyOf: [.number(1001)]), .binaryHash: Condition(anyOf: [.text("00")]),
        ])

        @Test func `until user space has answered a process is redirected as undecided`() throws {
            try Room.with { room in
                let generation = try room.install(hashed)
                let workload = try room.start("agent.py")
                #expect(try room.identity(workload) == .undecided)
                let image = try room.image(of: workload)
                #expect(try room.kernel.answer(image, holding: [0], generation: generation))
                #expect(try room.identity(workload) == Room.identity)
                #expect(try room.kernel.answer(image, holding: [], generation: generation))
                #expect(try room.identity(workload) == .none)
            }
        }

        @Test func `a process whose other keys do not hold is decided at once`() throws {
            try Room.with { room in
                try room.install(hashed)
                #expect(try room.identity(room.start("agent.py", userID: 1002)) == .none)
            }
        }

        /// - Parameters: what holds, and which slot decides then.
        @Test(arguments: [(nil, IdentityHandle.undecided), ([0], Room.identity), ([Int](), Room.otherIdentity)])
        func `where the stronger selector waits for user space the weaker one does not come first`(
            _ holding: [Int]?, _ expected: IdentityHandle,
        ) throws {
            try Room.with { room in
                let generation = try room.install(hashed, other: Selector(userIDs: [1001]))
                let workload = try room.start("agent.py")
                if let holding {
                    let image = try room.image(of: workload)
                    #expect(try room.kernel.answer(image, holding: holding, generation: generation))
                }
                #expect(try room.identity(workload) == expected)
            }
        }

        @Test func `user space is asked once a policy, and told the result once`() async throws {
            var told: AsyncStream<KernelEvent>?
            var expected: [KernelEvent] = []
            try Room.with { room in
                let first = try room.install(hashed)
                let workload = try room.start("agent.py")
                let image = try room.image(of: workload)
                for _ in 1...2 { #expect(try room.identity(workload) == .undecided) }
                #expect(try room.kernel.answer(image, holding: [0], generation: first))
                for _ in 1...2 { #expect(try room.identity(workload) == Room.identity) }
                try room.install(hashed)
                for _ in 1...2 { #expect(try room.identity(workload) == .undecided) }
                let key = image.process
                expected = [.undecided(key), .identified(key, Room.identity), .undecided(key)]
                told = room.kernel.events
                #expect(try workload.run("listen 127.0.0.1 9000") == "listening")
                let listener = try InternetEndpoint("127.0.0.1 9000")
                expected.append(.listenerOpened(listener, process: key, identity: .undecided))
            }
            var seen: [KernelEvent] = []
            for await event in try #require(told) {
                seen.append(event)
                if seen.count == expected.count { break }
            }
            #expect(seen == expected)
        }

        @Test func `an answer holds for the image it was given for, and for no other`() throws {
            try Room.with { room in
                let generation = try room.install(hashed)
                let workload = try room.start("agent.py")
                let former = try room.image(of: workload)
                #expect(try room.kernel.answer(former, holding: [0], generation: generation))
                #expect(try room.identity(workload) == Room.identity)
                try workload.become("become /usr/bin/python3 python3 agent.py")
                #expect(try room.identity(workload) == .undecided)
                // One that comes late, for what the process was before.
                #expect(try room.kernel.answer(former, holding: [0], generation: generation))
                #expect(try room.identity(workload) == .undecided)
                let image = try room.image(of: workload)
                #expect(image.process == former.process)
                #expect(image.number == former.number + 1)
                #expect(try room.kernel.answer(image, holding: [0], generation: generation))
                #expect(try room.identity(workload) == Room.identity)
            }
        }

        @Test func `a forked child has to be answered for itself`() throws {
            try Room.with { room in
                let generation = try room.install(hashed)
                let workload = try room.start("agent.py")
                #expect(try room.kernel.answer(room.image(of: workload), holding: [0], generation: generation))
                let connect = "connect \(Room.managedIPv4) \(Room.managedPort)"
                #expect(try room.identity(workload, "child \(connect)") == .undecided)
                #expect(try room.identity(workload) == Room.identity)
            }
        }

        @Test func `an answer for a former policy is refused`() throws {
            try Room.with { room in
                let workload = try room.start("agent.py")
                let former = try room.install(hashed), generation = try room.install(hashed)
                let image = try room.image(of: workload)
                #expect(try !room.kernel.answer(image, holding: [0], generation: former))
                #expect(try room.identity(workload) == .undecided)
                #expect(try room.kernel.answer(image, holding: [0], generation: generation))
                #expect(try room.identity(workload) == Room.identity)
            }
        }

        @Test func `what user space knows comes into force with the policy`() throws {
            try Room.with { room in
                let workload = try room.start("agent.py")
                let program = SelectorProgram(slots: [.init(selector: hashed, workloadID: "weather-agent")])
                try room.kernel.install(
                    program, handles: ["weather-agent": Room.identity], known: [room.image(of: workload): [0]])
                #expect(try room.identity(workload) == Room.identity)
            }
        }

        @Test func `a connection that is not redirected is nobody's matter, answered or not`() throws {
            try Room.with { room in
                try room.install(hashed)
                let elsewhere = "connect \(Room.managedIPv4) \(Room.unmanagedPort)"
                #expect(try room.dial(room.start("agent.py"), elsewhere) == .direct)
            }
        }

        @Test func `nobody reaches the listener of a process that is undecided`() throws {
            try Room.with { room in
                try room.install(hashed)
                let workload = try room.start("agent.py")
                #expect(try workload.run("listen 0.0.0.0 9000") == "listening")
                #expect(try room.kernel.listeners().map(\.identity) == [.undecided])
                let endpoint = try InternetEndpoint("10.99.0.1 9000")
                #expect(throws: POSIXError(.ECONNREFUSED)) { try Socket(family: endpoint).connect(to: endpoint) }
            }
        }
    }
}

extension Room {
    func image(of workload: Workload) throws -> ProcessImage {
        try #require(kernel.record(of: workload.pid)).image
    }
}
