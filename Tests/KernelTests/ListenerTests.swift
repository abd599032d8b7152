import Foundation
import Testing
import Workloads

@testable import Kernel

extension KernelSessionTests {
    /// Whose a listener is, and who serves it.
    @Suite(.serialized) struct ListenerTests {
        private let server = Selector(userIDs: [1001], commandLines: [["python3", "server.py"]])

        @Test func `a listener that was never bound is known by the port the kernel chose`() throws {
            try Room.with { room in
                try room.install(server)
                let workload = try room.start("server.py")
                let endpoint = try InternetEndpoint("0.0.0.0 \(workload.run("listen_unbound"))")
                #expect(room.kernel.listeners().map(\.endpoint) == [endpoint])
                #expect(room.kernel.listeners().map(\.identity) == [Room.identity])
                let port = try InternetEndpoint("10.99.0.1 \(endpoint.port)")
                let client = try Socket(family: port)
                try client.connect(to: port)
                #expect(try room.proxy[2].accepted().localPort == endpoint.port)
            }
        }

        @Test func `an IPv6-only listener is managed for IPv6, and leaves IPv4 to whoever serves it`() throws {
            try Room.with { room in
                try room.install(server)
                let workload = try room.start("server.py"), other = try room.start("other.py")
                #expect(try workload.run("listen :: 9000 6only") == "listening")
                #expect(room.kernel.listeners().map(\.servesIPv6Only) == [true])
                #expect(try other.run("listen 0.0.0.0 9000") == "listening")

                let endpoint6 = try InternetEndpoint("fd99::1 9000"), endpoint4 = try InternetEndpoint("10.99.0.1 9000")
                let client6 = try Socket(family: endpoint6), client4 = try Socket(family: endpoint4)
                try client6.connect(to: endpoint6)
                #expect(try room.proxy[3].accepted().localPort == 9000)
                try other.send("accept")
                try client4.connect(to: endpoint4)
                #expect(client4.receive() == "application")
                #expect(try other.answer().hasPrefix("10.99.0.1|"))
            }
        }

        @Test func `a process for each connection serves its parent's listener, which outlives it`() throws {
            try Room.with { room in
                try room.install(server)
                let workload = try room.start("server.py")
                #expect(try workload.run("listen 0.0.0.0 9000") == "listening")
                let known = room.kernel.listeners()
                for port in [4711, 4712] {
                    let client = try InternetEndpoint("192.0.2.7 \(port)")
                    let answer = try room.serve(client, at: InternetEndpoint("10.99.0.1 9000")) {
                        try workload.send("accept_in_child")
                        return workload
                    }
                    #expect(answer == "192.0.2.7|\(port) 192.0.2.7|\(port)")
                    #expect(room.kernel.listeners() == known)
                }
                #expect(known.map(\.process) == [try #require(room.kernel.facts(of: workload.pid)).key])
            }
        }

        /// As with systemd: the listener is that of the process that called listen(), not of the one that serves it.
        @Test(arguments: [
            ("activator.py", "server.py", false), ("server.py", "other.py", true),
        ])
        func `a listener that is handed to a service has the identity of whoever called listen`(
            _ opener: String, _ service: String, _ managed: Bool,
        ) throws {
            try Room.with { room in
                try room.install(server)
                let workload = try room.start(opener)
                try workloadProgram.write(to: room.folder.appending(path: service), atomically: true, encoding: .utf8)
                #expect(try workload.run("listen 0.0.0.0 9000") == "listening")
                try workload.become("activate 1001 \(service)")
                // The kernel takes a second listen() for a change of the backlog.
                #expect(try workload.run("listen_again") == "listening")
                let listener = try #require(room.kernel.listeners().first)
                #expect(listener.identity == (managed ? Room.identity : .none))
                #expect(listener.process.pid == workload.pid)

                let endpoint = try InternetEndpoint("10.99.0.1 9000")
                let client = try Socket(family: endpoint)
                try client.connect(to: endpoint)
                #expect(try workload.run(managed ? "accept 2" : "accept").hasPrefix("error") == managed)
                if managed { #expect(try room.proxy[2].accepted().localPort == 9000) }
            }
        }

        /// - Parameter scripts: in the order in which they listen.
        @Test(arguments: [["server.py", "other.py"], ["other.py", "server.py"]])
        func `an unmanaged companion at the same port takes nothing from a managed listener`(
            _ scripts: [String],
        ) throws {
            try Room.with { room in
                try room.install(server)
                for script in scripts {
                    #expect(try room.start(script).run("listen 0.0.0.0 9000") == "listening")
                }
                #expect(Set(room.kernel.listeners().map(\.identity)) == [Room.identity, .none])
                let endpoint = try InternetEndpoint("10.99.0.1 9000")
                for _ in 1...8 {
                    let client = try Socket(family: endpoint)
                    try client.connect(to: endpoint)
                    #expect(try room.proxy[2].accepted().localPort == 9000)
                    // Nobody knows which of them would answer.
                    let upstream = try Socket(family: endpoint)
                    try room.kernel.prepareUpstream(fd: upstream.descriptor, client: endpoint)
                    #expect(throws: POSIXError(.ECONNREFUSED)) { try upstream.connect(to: endpoint) }
                }
            }
        }

        @Test func `a Multipath TCP listener is managed as well`() throws {
            try Room.with { room in
                try room.install(server)
                let answer = try room.start("server.py").run("listen 0.0.0.0 9000 mptcp")
                guard FileManager.default.fileExists(atPath: "/proc/sys/net/mptcp/enabled") else {
                    #expect(answer == "error EPROTONOSUPPORT")
                    return
                }
                #expect(answer == "listening")
                #expect(room.kernel.listeners().map(\.identity) == [Room.identity])
                let endpoint = try InternetEndpoint("10.99.0.1 9000")
                let client = try Socket(family: endpoint)
                try client.connect(to: endpoint)
                #expect(try room.proxy[2].accepted().localPort == 9000)
            }
        }

        @Test func `a process of another uid cannot join a managed listener's port`() throws {
            try Room.with { room in
                try room.install(server)
                let workload = try room.start("server.py"), other = try room.start("server.py", userID: 1002)
                #expect(try workload.run("listen 0.0.0.0 9000") == "listening")
                #expect(try other.run("listen 0.0.0.0 9000") == "error EADDRINUSE")
            }
        }
    }
}

extension Room {
    /// Dials a managed listener as the proxy does, on behalf of a client; the answer of the workload that accepts.
    func serve(
        _ client: InternetEndpoint, at endpoint: InternetEndpoint, by accept: () throws -> Workload
    ) throws
        -> String
    {
        let upstream = try Socket(family: endpoint)
        try kernel.prepareUpstream(fd: upstream.descriptor, client: client)
        let workload = try accept()
        try upstream.connect(to: endpoint)
        return try workload.answer()
    }
}
