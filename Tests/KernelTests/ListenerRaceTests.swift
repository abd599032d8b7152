import CLibBPF
import Foundation
import KernelABI
import Testing
import Workloads

@testable import Kernel

extension KernelSessionTests {
    /// Two things at once, again and again: afterwards everything is counted right, and nobody slips through in between.
    @Suite(.serialized) struct ListenerRaceTests {
        private let server = Selector(names: ["racer"])
        private let place = "10.99.0.1 9000"
        /// A thousand in a row, as a workload has to answer in time. TIDEMARK_RACES says how many in all, not below 200.
        private let portions: [Int] = {
            let rounds = ProcessInfo.processInfo.environment["TIDEMARK_RACES"].flatMap { Int($0) } ?? 2_000
            return Array(repeating: min(1000, max(200, rounds)), count: max(1, rounds / 1000))
        }()

        @Test func `sockets that open and close at once at one place are counted, each time`() throws {
            try Room.with { room in
                try room.install(server)
                let racer = try room.startRacer()
                let places = room.configuration.pinDirectory + "/places"
                for count in portions {
                    #expect(try racer.run("pairs \(place) \(count) \(places)") == "0 wrong")
                }
                #expect(room.kernel.listeners() == [])
                #expect(try room.count("places", KernelABI.place()) == 0)
                #expect(room.kernel.statistics().listenersLost == 0)
            }
        }

        @Test func `the same while the agent decides them at the same moments`() throws {
            try Room.with { room in
                try room.install(server)
                let racer = try room.startRacer()
                var decided = 0
                for count in portions {
                    try racer.send("churn \(place) \(count)")
                    decided += room.decideAtRandom(until: racer.outputDescriptor)
                    _ = try racer.answer()
                }
                #expect(decided > 0)
                #expect(room.kernel.listeners() == [])
                #expect(try room.count("places", KernelABI.place()) == 0)
            }
        }

        /// The attack: to be connected before it is known who listens.
        @Test func `no connection gets in between listen() and the record of it, under a flood`() throws {
            try Room.with { room in
                let flooder = try room.startRacer("flooder", userID: 1002), racer = try room.startRacer()
                #expect(try flooder.run("flood \(place)") == "flooding")
                // Where two processors are emulated by one, the flood has to be waited for.
                let isFlood = try (1...50).contains { _ in try racer.run("serve \(place) 200") != "0 accepted" }
                #expect(isFlood, "nobody gets in, managed or not")
                try room.install(server)
                for count in portions { #expect(try racer.run("serve \(place) \(count)") == "0 accepted") }
            }
        }
    }
}

private let racer = CProgram("racer", sources: ["racer.c"])

extension Room {
    /// Decides whatever listens one way and another, until there is something to read.
    ///
    /// - Returns: how often that was taken.
    fileprivate func decideAtRandom(until descriptor: CInt) -> Int {
        var decided = 0
        while !awaitInput(descriptor, milliseconds: 0) {
            for socket in kernel.listeners() {
                let others = [IdentityHandle.none, Self.identity, .undecided].filter { $0 != socket.identity }
                // It may have closed meanwhile.
                if (try? kernel.setListenerIdentity(socket, others.randomElement() ?? .none)) != nil { decided += 1 }
            }
        }
        return decided
    }

    /// The program that listens and closes as nobody does on purpose.
    func startRacer(_ name: String = "racer", userID: UInt32 = 0) throws -> Workload {
        let path = try racer.install(as: name, in: folder)
        return try start([path], userID: userID)
    }
}
