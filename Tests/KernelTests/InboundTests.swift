import Foundation
import KernelABI
import Testing
import Workloads

@testable import Kernel

extension KernelSessionTests {
    /// Listeners of managed workloads: their connections come by the proxy.
    @Suite(.serialized) struct InboundTests {
        private let server = Selector(userIDs: [1001], commandLines: [["python3", "server.py"]])

        /// - Parameters: where it listens, of which family, and where it is dialled.
        @Test(arguments: [
            ("0.0.0.0", "4", "10.99.0.1"), ("10.99.0.1", "4", "10.99.0.1"), ("::", "6", "fd99::1"),
            ("::", "6", "10.99.0.1"),
        ])
        func `a connection to a managed listener reaches the proxy, then the application, which sees the true client`(
            _ bound: String, _ family: String, _ dialled: String,
        ) throws {
            try Room.with { room in
                try room.install(server)
                let workload = try room.start("server.py")
                #expect(try workload.run("listen \(bound) 9000 \(family)") == "listening")
                #expect(room.kernel.listeners().map(\.identity) == [Room.identity])

                let endpoint = try InternetEndpoint("\(dialled) 9000")
                let client = try Socket(family: endpoint)
                try client.connect(to: endpoint)
                let inbound = try room.proxy[dialled.contains(":") ? 3 : 2].accepted()
                #expect(inbound.localPort == 9000)

                let upstream = try Socket(family: endpoint)
                let origin = try InternetEndpoint(dialled.contains(":") ? "2001:db8::7 4711" : "192.0.2.7 4711")
                try room.kernel.prepareUpstream(fd: upstream.descriptor, client: origin)
                try workload.send("accept")
                try upstream.connect(to: endpoint)
                let mapped = family == "6" && origin.address.isIPv4 ? "::ffff:" : ""
                let seen = "\(mapped)\(origin.address)|4711"
                #expect(try workload.answer() == "\(seen) \(seen)")
                #expect(upstream.receive() == "application")
            }
        }

        @Test func `the way past the proxy ends with the socket it was made for`() throws {
            try Room.with { room in
                try room.install(server)
                let workload = try room.start("server.py")
                #expect(try workload.run("listen 0.0.0.0 9000") == "listening")
                let endpoint = try InternetEndpoint("10.99.0.1 9000")
                let source = try InternetEndpoint("10.99.0.1 40002")
                for expected in [true, false] {
                    let dialler = try Socket(family: endpoint, from: source)
                    if expected { try room.kernel.prepareUpstream(fd: dialler.descriptor, client: source) }
                    try workload.send(expected ? "accept" : "accept 3")
                    try dialler.connect(to: endpoint)
                    #expect(
                        try workload.answer()
                            == (expected ? "\(source.address)|40002 \(source.address)|40002" : "error TIMEOUT"))
                }
            }
        }

        @Test func `an unmanaged listener is reached directly, and the agent can change that both ways`() throws {
            try Room.with { room in
                let workload = try room.start("server.py")
                #expect(try workload.run("listen 0.0.0.0 9000") == "listening")
                let endpoint = try InternetEndpoint("10.99.0.1 9000")
                for identity in [IdentityHandle.none, Room.identity, .none] {
                    let listener = try #require(room.kernel.listeners().first)
                    try room.kernel.setListenerIdentity(listener, identity)
                    let client = try Socket(family: endpoint)
                    try workload.send(identity == .none ? "accept" : "accept 3")
                    try client.connect(to: endpoint)
                    #expect(try workload.answer().hasPrefix("error") == (identity != .none))
                }
            }
        }

        @Test func `what was found out of a listener as it was changes nothing of it as it is`() throws {
            try Room.with { room in
                let workload = try room.start("server.py")
                #expect(try workload.run("listen 0.0.0.0 9000") == "listening")
                let old = try #require(room.kernel.listeners().first)
                try room.kernel.setListenerIdentity(old, Room.identity)
                #expect(throws: KernelError.unknownListener(old.endpoint)) {
                    try room.kernel.setListenerIdentity(old, .none)
                }
                let now = try #require(room.kernel.listeners().first)
                #expect(now.identity == Room.identity)
                workload.stop()
                #expect(throws: KernelError.unknownListener(old.endpoint)) {
                    try room.kernel.setListenerIdentity(now, .none)
                }
            }
        }

        @Test func `a proxy that is gone leaves a managed listener unreachable`() throws {
            try Room.with { room in
                try room.install(server)
                let workload = try room.start("server.py")
                #expect(try workload.run("listen 0.0.0.0 9000") == "listening")
                room.stopProxy()
                let endpoint = try InternetEndpoint("10.99.0.1 9000")
                #expect(throws: POSIXError(.ECONNREFUSED)) { try Socket(family: endpoint).connect(to: endpoint) }
            }
        }

        @Test func `a listener is known until the last of its sockets closes`() throws {
            try Room.with { room in
                try room.install(server)
                let workload = try room.start("server.py")
                #expect(try workload.run("listen 0.0.0.0 9000") == "listening")
                #expect(try workload.run("listen 0.0.0.0 9000") == "listening")
                let key = try #require(room.kernel.facts(of: workload.pid)?.key)
                #expect(try workload.run("close") == "closed")
                #expect(room.kernel.listeners().map(\.process) == [key])
                let endpoint = try InternetEndpoint("10.99.0.1 9000")
                try Socket(family: endpoint).connect(to: endpoint)
                #expect(try room.proxy[2].accepted().localPort == 9000)
                #expect(try workload.run("close") == "closed")
                #expect(room.kernel.listeners() == [])
                #expect(try room.count("places", place()) == 0)
            }
        }
    }
}
