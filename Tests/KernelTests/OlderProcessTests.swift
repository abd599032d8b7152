import Foundation
import KernelABI
import SPIFFE
import Testing
import Workloads

@testable import Kernel

extension KernelSessionTests {
    /// Processes and sockets that were there before the kernel part.
    @Suite(.serialized) struct OlderProcessTests {
        private let agent = Selector(userIDs: [1001], commandLines: [["python3", "agent.py"]])
        private let destination = "\(Room.managedIPv4) \(Room.managedPort)"

        @Test func `a process older than the kernel part is who it would be`() throws {
            try Room.with(older: ["agent.py": [], "other.py": []]) { room in
                try room.install(agent)
                let flow = try #require(try room.dial(room.workloads[0]).flow)
                #expect(flow.identity == Room.identity)
                #expect(flow.process.pid == room.workloads[0].pid)
                #expect(try room.identity(room.workloads[1]) == .none)
            }
        }

        @Test func `the facts of an older process are complete`() throws {
            try Room.with(older: ["agent.py": []]) { room in
                let facts = try #require(room.kernel.facts(of: room.workloads[0].pid))
                let started = try room.start("agent.py")
                let expected = try #require(room.kernel.facts(of: started.pid))
                #expect(facts.key.pid == room.workloads[0].pid)
                #expect(facts.key.startTime < expected.key.startTime)
                #expect(facts.name == expected.name)
                #expect(facts.arguments == expected.arguments)
                #expect(!facts.argumentsTruncated)
                #expect(facts.executable == expected.executable)
                #expect(facts.parentPID == getpid())
            }
        }

        @Test func `an older process whose first thread has ended is who it would be`() throws {
            try Room.with(older: ["agent.py": ["retire"]]) { room in
                try room.install(agent)
                #expect(try room.identity(room.workloads[0]) == Room.identity)
                let facts = try #require(room.kernel.facts(of: room.workloads[0].pid))
                #expect(facts.predatesAgent && facts.arguments == ["python3", "agent.py"])
                #expect(facts.parentPID == getpid())
            }
        }

        @Test func `a child and a thread of an older process are what it is`() throws {
            try Room.with(older: ["agent.py": []]) { room in
                try room.install(agent)
                for way in ["child", "thread"] {
                    #expect(try room.identity(room.workloads[0], "\(way) connect \(destination)") == Room.identity)
                }
            }
        }

        @Test func `an older process that executes another program is that program`() throws {
            try Room.with(older: ["agent.py": []]) { room in
                try room.install(agent)
                let witness = try Witness.install(as: "witness", in: room.folder)
                try room.workloads[0].become("become \(witness) nobody")
                #expect(try room.identity(room.workloads[0]) == .none)
            }
        }

        @Test func `a socket made before the kernel part was there is redirected when it connects`() throws {
            try Room.with(older: ["agent.py": ["make"]]) { room in
                try room.install(agent)
                #expect(try room.identity(room.workloads[0], "dial \(destination)") == Room.identity)
            }
        }

        @Test func `a connection older than the kernel part goes on as it was, and whose it is can be told`() throws {
            try Room.with(older: ["agent.py": ["begin_dial 10.99.0.1 8000 40000"]]) { room in
                try room.install(agent)
                let near = try InternetEndpoint("127.0.0.1 40000"), far = try InternetEndpoint("10.99.0.1 8000")
                let sockets = try room.kernel.sockets(between: near, and: far, in: .current())
                let socket = try #require(sockets.first { $0.source == near })
                #expect(try room.workloads[0].run("state") == "1", "established")
                #expect(socket.record == nil, "nobody saw it connect")
                #expect(socket.holders() == [room.workloads[0].pid])
                let facts = try #require(room.kernel.facts(of: room.workloads[0].pid))
                let program = SelectorProgram(slots: [.init(selector: agent, workloadID: "weather-agent")])
                #expect(Matcher(program: program).match(facts).workloadID == "weather-agent")
            }
        }

        @Test(arguments: [("0.0.0.0", "4"), ("10.99.0.1", "4"), ("::", "6"), ("::", "6only")])
        func `a listener older than the kernel part is known`(_ bound: String, _ family: String) throws {
            try Room.with(older: ["agent.py": ["listen \(bound) 9000 \(family)"]]) { room in
                try room.install(agent)
                let listener = try #require(room.kernel.listeners().first { $0.endpoint.port == 9000 })
                #expect(try listener.endpoint == InternetEndpoint("\(bound) 9000"))
                #expect(listener.process.pid == room.workloads[0].pid)
                #expect(listener.servesIPv6Only == (family == "6only"))
            }
        }

        /// Its sockets belong to the cgroup it made them in, where nobody would see them close.
        @Test func `a listener outside the scope, older than the kernel part or not, is not known`() throws {
            try Room.with(older: ["agent.py": ["listen 0.0.0.0 9000"]], olderOutside: true) { room in
                #expect(room.kernel.facts(of: room.workloads[0].pid)?.predatesAgent == true)
                #expect(room.kernel.listeners() == [])
                let outsider = try room.outsider()
                #expect(try outsider.run("listen 0.0.0.0 9001") == "listening")
                #expect(room.kernel.listeners() == [])
            }
        }

        @Test func `the agent's own listeners are none of those that are known`() throws {
            try Room.with { room in
                let known = room.kernel.listeners()
                #expect(!known.contains { $0.process.pid == getpid() })
            }
        }

        @Test func `connections to a managed listener older than the kernel part reach the proxy`() throws {
            try Room.with(older: ["agent.py": ["listen 0.0.0.0 9000"]]) { room in
                try room.install(agent)
                let endpoint = try InternetEndpoint("10.99.0.1 9000")
                // The policy came after the listener: giving it its identity is the agent's part.
                let listener = try #require(room.kernel.listeners().first)
                #expect(listener.identity == .undecided)
                try room.kernel.setListenerIdentity(listener, Room.identity)
                let client = try Socket(family: endpoint)
                try client.connect(to: endpoint)
                #expect(try room.proxy[2].accepted().localPort == 9000)
            }
        }

        /// The attack: to take the port of a service that was there before the agent, and with it its identity.
        @Test func `whoever takes the port of an older listener has nothing of it`() throws {
            try Room.with(older: ["agent.py": ["listen 0.0.0.0 9000"]]) { room in
                try room.install(agent)
                let known = room.kernel.listeners()
                #expect(known.map(\.process.pid) == [room.workloads[0].pid])
                try room.kernel.setListenerIdentity(try #require(known.first), Room.identity)
                #expect(try room.workloads[0].run("close") == "closed")
                #expect(room.kernel.listeners() == [])

                let stranger = try room.start("agent.py", userID: 1002)
                #expect(try stranger.run("listen 0.0.0.0 9000") == "listening")
                #expect(room.kernel.listeners().map(\.identity) == [.none])
                #expect(try room.reaches(stranger, at: "10.99.0.1 9000"))
                // Nor is it asked on behalf of a client of the workload.
                let endpoint = try InternetEndpoint("10.99.0.1 9000")
                let upstream = try Socket(family: endpoint)
                try room.kernel.prepareUpstream(fd: upstream.descriptor, client: endpoint)
                #expect(throws: POSIXError(.ECONNREFUSED)) { try upstream.connect(to: endpoint) }
            }
        }

        @Test func `of two older sockets at one place each is followed by itself`() throws {
            let listen = "listen 0.0.0.0 9000"
            try Room.with(older: ["agent.py": [listen, listen], "other.py": [listen]]) { room in
                try room.install(agent)
                #expect(room.kernel.listeners().count == 3)
                for expected in [2, 1] {
                    #expect(try room.workloads[0].run("close") == "closed")
                    #expect(room.kernel.listeners().count == expected)
                }
                #expect(room.kernel.listeners().map(\.process.pid) == [room.workloads[1].pid])
                #expect(throws: POSIXError(.ECONNREFUSED)) { try room.connect(to: "10.99.0.1 9000") }
                #expect(try room.workloads[1].run("close") == "closed")
                #expect(try room.count("places", place()) == 0)
            }
        }

        @Test func `an older listener that is shut down, and not closed, is none`() throws {
            try Room.with(older: ["agent.py": ["listen 0.0.0.0 9000"]]) { room in
                try room.install(agent)
                #expect(try room.workloads[0].run("shut_down") == "shut down")
                #expect(room.kernel.listeners() == [])
                #expect(try room.workloads[0].run("listen_again") == "listening")
                #expect(room.kernel.listeners().map(\.foundRunning) == [false])
            }
        }
    }
}
