import Foundation
import KernelABI
import Testing
import Workloads

@testable import Kernel

extension KernelSessionTests {
    /// Sockets that change hands: the process that calls connect() is the one that counts.
    @Suite(.serialized) struct SocketTests {
        private let agent = Selector(userIDs: [1001], commandLines: [["python3", "agent.py"]])
        private let other = Selector(userIDs: [1001], commandLines: [["python3", "other.py"]])
        private let destination = "\(Room.managedIPv4) \(Room.managedPort)"

        @Test func `a socket inherited over fork is the child's when the child dials`() throws {
            try Room.with { room in
                try room.install(agent)
                let workload = try room.start("agent.py")
                #expect(try workload.run("make").hasPrefix("made"))
                let flow = try #require(try room.dial(workload, "child dial \(destination)").flow)
                #expect(flow.identity == Room.identity)
                #expect(flow.process.pid != workload.pid)
            }
        }

        @Test func `a socket opened before exec is dialled as the program that was executed`() throws {
            try Room.with { room in
                try room.install(agent, other: other)
                for (before, after, identity) in [
                    ("agent.py", "other.py", Room.otherIdentity), ("other.py", "agent.py", Room.identity),
                    ("agent.py", "nobody.py", .none), ("nobody.py", "agent.py", Room.identity),
                ] {
                    let workload = try room.start(before)
                    let descriptor = try workload.run("make").dropFirst("made ".count)
                    try workloadProgram.write(to: room.folder.appending(path: after), atomically: true, encoding: .utf8)
                    try workload.become("become /usr/bin/python3 python3 \(after)")
                    #expect(try workload.run("hold \(descriptor)") == "held")
                    #expect(try room.identity(workload, "dial \(destination)") == identity)
                }
            }
        }

        @Test func `a socket passed on before it connects is dialled as its receiver`() throws {
            try Room.with { room in
                try room.install(agent, other: other)
                let giver = try room.start("agent.py")
                for (script, identity) in [("other.py", Room.otherIdentity), ("nobody.py", .none)] {
                    let receiver = try room.start(script)
                    #expect(try giver.run("make").hasPrefix("made"))
                    try room.pass(from: giver, to: receiver)
                    #expect(try room.identity(receiver, "dial \(destination)") == identity)
                }
            }
        }

        /// Not defended: whoever holds a connection may hand it on. It stays its opener's, and is cut with it.
        @Test func `a connection passed on stays that of the process that opened it`() throws {
            try Room.with { room in
                try room.install(agent, other: other)
                try room.kernel.setDestinations([])
                let giver = try room.start("agent.py"), receiver = try room.start("other.py")
                let far = try room.connect(giver)
                try room.pass(from: giver, to: receiver)
                #expect(try room.kernel.destroySockets { $0.identity == Room.otherIdentity } == 0)
                far.send("still here")
                #expect(try receiver.run("receive") == "still here")
                #expect(try room.kernel.destroySockets { $0.identity == Room.identity } == 1)
                #expect(try receiver.run("receive") == "error ECONNABORTED")
            }
        }

        @Test func `Unix sockets are not touched`() throws {
            try Room.with { room in
                try room.install(agent)
                let giver = try room.start("agent.py"), receiver = try room.start("agent.py")
                #expect(try giver.run("make").hasPrefix("made"))
                #expect(try receiver.run("await_gift unix-peer") == "waiting")
                #expect(try giver.run("give unix-peer") == "given unix-peer")
                #expect(try receiver.run("take") == "held")
                #expect(room.kernel.statistics().redirects == 0)
                #expect(room.kernel.statistics().refusals == 0)
            }
        }

        /// - Parameter family: of the socket.
        @Test(arguments: [("4", "10.99.0.1"), ("6", "fd99::1"), ("6", "::ffff:10.99.0.1")])
        func `a connected datagram socket carries its owner and goes where it wanted`(
            _ family: String, _ host: String,
        ) throws {
            try Room.with { room in
                try room.install(agent)
                let workload = try room.start("agent.py"), nobody = try room.start("other.py")
                let dial = "dial_datagram \(host) \(Room.managedPort) \(family)"
                #expect(try workload.run(dial) == "\(host)|\(Room.managedPort)")
                #expect(try nobody.run(dial) == "\(host)|\(Room.managedPort)")
                let record = try #require(try room.record(onSocketOf: workload))
                #expect(ProcessKey(record.process) == room.kernel.facts(of: workload.pid)?.key)
                #expect(record.identity == Room.identity.rawValue)
                #expect(record.flags == 0)
                #expect(try InternetEndpoint(record.destination) == InternetEndpoint("\(host) \(Room.managedPort)"))
                #expect(try room.record(onSocketOf: nobody) == nil)
                #expect(room.kernel.statistics().redirects == 0)
            }
        }
    }
}

extension Room {
    /// Hands the last socket of one workload to another.
    func pass(from giver: Workload, to receiver: Workload) throws {
        let name = "gift-\(receiver.pid)"
        #expect(try receiver.run("await_gift \(name)") == "waiting")
        #expect(try giver.run("give \(name)") == "given \(name)")
        #expect(try receiver.run("take") == "held")
    }
}
