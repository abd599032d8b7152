import CLibBPF
import Foundation
import Synchronization
import Testing
import Workloads

@testable import Kernel

extension KernelSessionTests {
    /// What listens in network namespaces of its own, and how these come and go.
    @Suite(.serialized) struct NetworkListenerTests {
        private let server = Selector(commandLines: [["python3", "server.py"]])
        private let place = "127.0.0.1 9000"

        @Test func `the same address in two namespaces is two listeners, each with its own proxy`() throws {
            try Room.with { room in
                try room.install(server)
                let (first, networkA) = try room.startElsewhere("server.py")
                let (second, networkB) = try room.startElsewhere("server.py")
                let networks = [networkA, networkB], proxies = try networks.map(room.serve)
                for workload in [first, second] { #expect(try workload.run("listen \(place)") == "listening") }
                let known = room.kernel.listeners()
                #expect(Set(known.map(\.network)) == Set(networks.map(\.cookie)))
                #expect(known.map(\.identity) == [Room.identity, Room.identity])
                for (network, proxy) in zip(networks, proxies) {
                    let client = try Socket(family: InternetEndpoint(place), in: network)
                    try client.connect(to: InternetEndpoint(place))
                    #expect(try proxy.inbound4.accepted().localPort == 9000)
                }
                #expect(throws: POSIXError(.ECONNREFUSED)) {
                    try Socket(family: InternetEndpoint(place)).connect(to: InternetEndpoint(place))
                }
            }
        }

        @Test func `an unmanaged listener beside a managed one of another namespace is reached directly`() throws {
            try Room.with { room in
                try room.install(server)
                let (workload, network) = try room.startElsewhere("server.py")
                _ = try room.serve(network)
                #expect(try workload.run("listen \(place)") == "listening")
                let other = try room.start("other.py")
                #expect(try other.run("listen \(place)") == "listening")
                let client = try Socket(family: InternetEndpoint(place))
                try other.send("accept")
                try client.connect(to: InternetEndpoint(place))
                #expect(client.receive() == "application")
                #expect(try other.answer().hasPrefix("127.0.0.1|"))
            }
        }

        @Test func `the way past the proxy of one namespace is none in another, by the very same ports`() throws {
            try Room.with { room in
                try room.install(server)
                let (first, networkA) = try room.startElsewhere("server.py")
                let (second, networkB) = try room.startElsewhere("server.py")
                _ = try room.serve(networkA)
                let proxy = try room.serve(networkB)
                let endpoint = try InternetEndpoint(place), source = try InternetEndpoint("127.0.0.1 40002")
                let client = try InternetEndpoint("192.0.2.7 4711")
                for workload in [first, second] { #expect(try workload.run("listen \(place)") == "listening") }

                let upstream = try Socket(from: source, in: networkA)
                try room.kernel.prepareUpstream(fd: upstream.descriptor, client: client)
                try first.send("accept")
                try upstream.connect(to: endpoint)
                #expect(try first.answer() == "192.0.2.7|4711 192.0.2.7|4711")
                // That one is open all the while.
                let attacker = try Socket(from: source, in: networkB)
                try attacker.connect(to: endpoint)
                #expect(try proxy.inbound4.accepted().localPort == 9000)
                #expect(try second.run("accept 1") == "error TIMEOUT")
            }
        }

        @Test func `in a namespace that is given up connections are refused, and managed listeners unreachable`() throws
        {
            try Room.with { room in
                try room.install(server)
                let (workload, network) = try room.startElsewhere("server.py")
                var proxy: Room.Served? = try room.serve(network)
                #expect(try workload.run("listen \(place)") == "listening")
                try room.kernel.abandon(network: network.cookie)
                #expect(!room.kernel.servedNetworks.contains(network.cookie))
                proxy = nil
                #expect(try room.dial(workload) == .failed("error EHOSTUNREACH"))
                let endpoint = try InternetEndpoint(place)
                #expect(throws: POSIXError(.ECONNREFUSED)) {
                    try Socket(family: endpoint, in: network).connect(to: endpoint)
                }
                // Served again, it is what it was.
                proxy = try room.serve(network)
                try Socket(family: endpoint, in: network).connect(to: endpoint)
                #expect(try proxy?.inbound4.accepted().localPort == 9000)
            }
        }

        @Test func `a namespace ends with its processes, and nothing is left of it`() throws {
            try Room.with { room in
                try room.install(server)
                let cookie = try room.serveBriefly("server.py")
                let pin = room.configuration.pinDirectory + "/links/steer-\(cookie)"
                #expect(room.kernel.servedNetworks.contains(cookie))
                // Taken down by the kernel, in its own time.
                for _ in 0..<600 where room.attachment(ofPin: pin) != 0 { usleep(50_000) }
                #expect(room.attachment(ofPin: pin) == 0)
                try room.kernel.forgetEndedNetworks()
                #expect(access(pin, F_OK) == -1)
                #expect(!room.kernel.servedNetworks.contains(cookie))
                #expect(room.kernel.listeners() == [])
            }
        }

        @Test func `fifty namespaces come and go while a managed process elsewhere connects without a failure`() throws
        {
            try Room.with { room in
                try room.install(Selector(names: ["python3"]))
                let resident = try room.start("resident.py"), mover = try room.start("mover.py", userID: 0)
                let answering = room.answerSteadily()
                let managed = "\(Room.managedIPv4) \(Room.managedPort)"
                #expect(try resident.run("dial_steadily \(managed)") == "dialling")
                let descriptors = try room.openDescriptors()
                for _ in 1...50 {
                    #expect(try mover.run("leave_network") == "left")
                    let network = try NetworkNamespace.of(pid: mover.pid), proxy = try room.serve(network)
                    let flow = try room.arrival(of: mover, to: managed, at: proxy.outbound4)
                    #expect(flow?.network == network.cookie)
                    #expect(try mover.answer() == "proxy \(Room.managedIPv4)|\(Room.managedPort)")
                    try room.kernel.abandon(network: network.cookie)
                }
                let told = try resident.run("stop_dialling").split(separator: " ")
                answering.stop()
                #expect(try #require(Int(told[0])) > 0, "it dialled meanwhile")
                #expect(told[1] == "0", "\(told)")
                #expect(try room.openDescriptors() <= descriptors)
                #expect(try room.kernel.servedNetworks == [NetworkNamespace.current().cookie])
            }
        }
    }
}

extension Room {
    /// A workload that listens in a namespace of its own, with the proxy, until both end.
    ///
    /// - Returns: the namespace's cookie.
    fileprivate func serveBriefly(_ script: String) throws -> UInt64 {
        let (workload, network) = try startElsewhere(script)
        let proxy = try serve(network)
        #expect(try workload.run("listen 127.0.0.1 9000") == "listening")
        #expect(kernel.listeners().map(\.network) == [network.cookie])
        withExtendedLifetime(proxy) { workload.stop() }
        return network.cookie
    }

    /// Inode of the network namespace that a pinned link is attached to; 0: of none any more; nil: no such link.
    fileprivate func attachment(ofPin pin: String) -> UInt32? {
        let link = bpf_obj_get(pin)
        guard link >= 0 else { return nil }
        defer { close(link) }
        var info = bpf_link_info()
        var size = UInt32(MemoryLayout<bpf_link_info>.size)
        return bpf_obj_get_info_by_fd(link, &info, &size) == 0 ? info.netns.netns_ino : nil
    }

    fileprivate func openDescriptors() throws -> Int {
        try FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd").count
    }

    /// A thread that answers whatever arrives at the proxy's own listener.
    fileprivate func answerSteadily() -> SteadyAnswer { SteadyAnswer(proxy[0].descriptor) }
}

private final class SteadyAnswer: Sendable {
    private let isStopped = Atomic(false)
    private let ended = DispatchSemaphore(value: 0)

    init(_ listener: CInt) {
        let thread = Thread { [self] in
            while !isStopped.load(ordering: .acquiring) {
                guard awaitInput(listener, milliseconds: 20) else { continue }
                let connection = accept(listener, nil, nil)
                _ = send(connection, "proxy", 5, Int32(MSG_NOSIGNAL))
                close(connection)
            }
            ended.signal()
        }
        thread.start()
    }

    func stop() {
        isStopped.store(true, ordering: .releasing)
        ended.wait()
    }
}
