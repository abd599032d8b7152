import CLibBPF
import Foundation
import KernelABI
import Testing
import Workloads

@testable import Kernel

extension KernelSessionTests {
    /// Attempts to answer in a workload's name, and to reach a workload past the proxy.
    @Suite(.serialized) struct ListenerAttackTests {
        private let server = Selector(userIDs: [1001], commandLines: [["python3", "server.py"]])
        private let listen = "listen 0.0.0.0 9000"
        private let place = "10.99.0.1 9000"

        /// As after a race that was lost: what is said of the place is wrong.
        @Test func `what a socket lets in is its own record's matter, whatever is said of its place`() throws {
            try Room.with { room in
                try room.install(server)
                let workload = try room.start("server.py")
                #expect(try workload.run(listen) == "listening")
                try room.say(nil, of: "0.0.0.0 9000")
                #expect(try !room.reaches(workload, at: place))

                let stranger = try room.start("other.py", userID: 1002)
                #expect(try stranger.run("listen 0.0.0.0 9001") == "listening")
                try room.say(1, of: "0.0.0.0 9001")
                let upstream = try room.beginUpstream(to: "10.99.0.1 9001")
                #expect(try stranger.run("accept 1") == "error TIMEOUT")
                withExtendedLifetime(upstream) {}
            }
        }

        @Test func `the way past the proxy leads to the workload it was made for, and to no other`() throws {
            try Room.with { room in
                try room.install(server)
                let workload = try room.start("server.py")
                #expect(try workload.run(listen) == "listening")
                for (identity, answer) in [(Room.otherIdentity, "error TIMEOUT"), (Room.identity, "192.0.2.7|4711")] {
                    let upstream = try room.beginUpstream(to: place, for: identity)
                    #expect(try workload.run("accept 1").hasPrefix(answer))
                    withExtendedLifetime(upstream) {}
                }
            }
        }

        /// A place has no device: the kernel chooses the stranger's for all that comes by the loopback.
        @Test func `a socket bound to another device does not answer in a workload's name`() throws {
            try Room.with { room in
                try room.install(server)
                try room.addDevice()
                let workload = try room.start("server.py"), stranger = try room.start("other.py", userID: 1002)
                #expect(try workload.run("listen_on tide0 0.0.0.0 9000") == "listening")
                #expect(try stranger.run("listen_on lo 0.0.0.0 9000") == "listening")
                let endpoint = try InternetEndpoint(place)
                try Socket(family: endpoint).connect(to: endpoint)
                #expect(try room.proxy[2].accepted().localPort == 9000)
                let refused = try Socket(family: endpoint)
                try room.kernel.prepareUpstream(fd: refused.descriptor, client: endpoint)
                #expect(throws: POSIXError(.ECONNREFUSED)) { try refused.connect(to: endpoint) }
                // Also where it came after that had been asked.
                try room.say(1, of: "0.0.0.0 9000")
                let upstream = try room.beginUpstream(to: place)
                #expect(try stranger.run("accept 1") == "error TIMEOUT")
                withExtendedLifetime(upstream) {}
            }
        }

        /// The attack: to listen as a stranger, leave the socket to a child, and become a workload.
        @Test func `a listener is that of the image that called listen(), by its ids of that moment`() throws {
            try Room.with { room in
                try room.install(server)
                let workload = try room.start("other.py", userID: 0)
                let image = try #require(room.kernel.record(of: workload.pid)?.image)
                #expect(try workload.run(listen) == "listening")
                let known = try #require(room.kernel.listeners().first)
                #expect(known.image == image)
                #expect(known.credentials.effectiveUserID == 0)
                #expect(try workload.run("setuid 1001") == "done")
                let script = room.folder.appending(path: "server.py")
                try workloadProgram.write(to: script, atomically: true, encoding: .utf8)
                try workload.become("become /usr/bin/python3 python3 server.py")
                #expect(try room.identity(workload) == Room.identity)
                #expect(room.kernel.listeners() == [known])
                #expect(room.kernel.record(of: workload.pid)?.image != image)
            }
        }

        @Test func `a listener without a bound port in a namespace that is not served is reached by nobody`() throws {
            try Room.with { room in
                try room.install(Selector(commandLines: [["python3", "server.py"]]))
                let (workload, network) = try room.startElsewhere("server.py")
                let endpoint = try InternetEndpoint("127.0.0.1 \(workload.run("listen_unbound"))")
                let client = try Socket(family: endpoint, in: network)
                try client.beginConnect(to: endpoint)
                #expect(try workload.run("accept 1") == "error TIMEOUT")
            }
        }

        @Test func `who was connected before a listener was managed is cut, and who came by the proxy is not`() throws {
            try Room.with { room in
                let workload = try room.start("server.py")
                #expect(try workload.run(listen) == "listening")
                let bare = try room.connect(to: place)
                #expect(try workload.run("accept_and_hold") == "accepted")
                let listener = try #require(room.kernel.listeners().first)
                try room.kernel.setListenerIdentity(listener, Room.identity)
                let client = try room.connect(to: place), inbound = try room.proxy[2].accepted()
                #expect(try room.kernel.destroyUnprotected(at: [listener], in: .current()) == 1)
                #expect(throws: POSIXError(.ECONNABORTED)) { try workload.expect("receive") }
                bare.send("more")
                inbound.send("proxy")
                #expect(client.receive() == "proxy")
            }
        }

        @Test func `every address of the loopback is a managed place where a workload listens on all`() throws {
            try Room.with { room in
                try room.install(server, other: Selector(commandLines: [["python3", "agent.py"]]))
                let workload = try room.start("server.py"), agent = try room.start("agent.py")
                #expect(try workload.run(listen) == "listening")
                for address in ["127.0.0.1", "127.0.0.2", "127.255.255.254"] {
                    let arrival = try room.dial(agent, "connect \(address) 9000")
                    #expect(arrival.flow?.destination == (try InternetEndpoint("\(address) 9000")))
                }
                #expect(try workload.run("close") == "closed")
                #expect(try agent.run("connect 127.0.0.2 9000") == "error ECONNREFUSED")
            }
        }
    }
}

extension Workload {
    /// - Throws: the error a command ends in.
    fileprivate func expect(_ command: String) throws {
        let answer = try run(command)
        if answer == "error ECONNABORTED" { throw POSIXError(.ECONNABORTED) }
    }
}

extension Room {
    /// A dial of the proxy on behalf of a client; does not wait for an answer.
    fileprivate func beginUpstream(to endpoint: String, for identity: IdentityHandle = .none) throws -> Socket {
        let upstream = try Socket(family: InternetEndpoint(endpoint))
        try kernel.prepareUpstream(
            fd: upstream.descriptor, client: InternetEndpoint("192.0.2.7 4711"), for: identity)
        try upstream.beginConnect(to: InternetEndpoint(endpoint))
        return upstream
    }

    /// Overwrites what the kernel part has summed up; nil: as if nobody listened there.
    fileprivate func say(_ sum: UInt64?, of endpoint: String) throws {
        let places = try pinned("places")
        defer { close(places) }
        var key = try place(
            netns_cookie: NetworkNamespace.current().cookie, endpoint: InternetEndpoint(endpoint).abi, ipv6_only: 0)
        var value = sum ?? 0
        let status =
            sum == nil
            ? bpf_map_delete_elem(places, &key) : bpf_map_update_elem(places, &key, &value, UInt64(BPF_ANY))
        guard status == 0 else { throw POSIXError(.init(rawValue: -status) ?? .EIO) }
    }

    fileprivate func addDevice() throws {
        let words = ["link", "add", "tide0", "type", "veth", "peer", "name", "tide1"]
        for arguments in [words, ["link", "set", "tide0", "up"]] {
            let process = try Process.run(URL(filePath: "/usr/sbin/ip"), arguments: arguments)
            process.waitUntilExit()
            guard process.terminationStatus == 0 else { throw POSIXError(.ECHILD) }
        }
    }
}
