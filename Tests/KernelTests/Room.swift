import Foundation
import Testing
import Workloads

@testable import Kernel

/// A cgroup, a network namespace and a bpffs of a test's own; the test process plays the agent in it.
///
/// All calls have to be on the thread that made it: a network namespace is a thread's.
final class Room {
    let kernel: KernelSession
    let folder: URL
    let outer: Cgroup
    let configuration: KernelConfiguration
    /// In the order of their start; the older ones come first.
    private(set) var workloads: [Workload]
    /// Listens where redirected connections arrive.
    private(set) var proxy: [Socket] = []
    /// Listens where they wanted to go.
    private let direct: [Socket]

    private var cgroups: [Cgroup] = []

    static let outboundPort: UInt16 = 15001
    static let identity = IdentityHandle(rawValue: 7), otherIdentity = IdentityHandle(rawValue: 8)
    static let managedIPv4 = "10.99.0.1", managedIPv6 = "fd99::1", managedPort = 8000
    /// At the same addresses; nobody is redirected from there.
    static let unmanagedPort = 8001

    /// Makes a room, runs the test in it, and leaves nothing behind.
    ///
    /// - Parameters:
    ///   - older: scripts that run, as 1001, before the kernel part is loaded, each after these commands.
    ///   - olderOutside: whether these are out of scope.
    ///   - ownObject: whether the kernel part is loaded for this room alone, as another session shares its maps or they are
    ///     filled.
    static func with(
        older: KeyValuePairs<String, [String]> = [:], olderOutside: Bool = false, ownObject: Bool = false,
        _ body: (Room) throws -> Void,
    ) throws {
        try #require(geteuid() == 0, "these tests load BPF programs: run them as root")
        let surroundings = try Surroundings()
        defer { surroundings.remove() }
        try surroundings.enter()
        let open = ownObject ? KernelSession.open : SharedObject.open
        let room = try Room(surroundings, older: older, outside: olderOutside, open: open)
        defer { room.leave() }
        try body(room)
    }

    private init(
        _ surroundings: Surroundings, older: KeyValuePairs<String, [String]>, outside: Bool,
        open: (KernelConfiguration) throws -> KernelSession,
    ) throws {
        folder = surroundings.folder
        outer = surroundings.outer
        configuration = KernelConfiguration(
            cgroupPath: surroundings.cgroup, pinDirectory: surroundings.bpffs.path() + "/agent",
            outboundPort: Self.outboundPort,
        )
        direct = try [
            "\(Self.managedIPv4) \(Self.managedPort)", "\(Self.managedIPv6) \(Self.managedPort)",
            "\(Self.managedIPv4) \(Self.unmanagedPort)",
        ].map { try Socket(listeningAt: InternetEndpoint($0)) }
        workloads = try older.map { script, commands in
            let workload = try Workload(script, userID: 1001, folder: surroundings.folder)
            if outside { try Self.admit(workload, to: surroundings.outer) }
            for command in commands { _ = try workload.run(command) }
            return workload
        }
        kernel = try open(configuration)
        try kernel.setDestinations([
            InternetEndpoint("\(Self.managedIPv4) \(Self.managedPort)"),
            InternetEndpoint("\(Self.managedIPv6) \(Self.managedPort)"),
        ])
        try startProxy()
    }

    func startProxy() throws {
        proxy = try [
            "127.0.0.1 \(Self.outboundPort)", "::1 \(Self.outboundPort)", "127.0.0.1 15006", "::1 15006",
        ].map { try Socket(listeningAt: InternetEndpoint($0)) }
        try kernel.serve(
            .current(),
            listeners: ProxyListeners(
                outbound4: proxy[0].descriptor, outbound6: proxy[1].descriptor,
                inbound4: proxy[2].descriptor, inbound6: proxy[3].descriptor,
            ),
        )
    }

    func stopProxy() {
        proxy = []
    }

    /// One selector, one identity.
    @discardableResult
    func install(_ selector: Selector) throws -> PolicyGeneration {
        let program = SelectorProgram(slots: [.init(selector: selector, workloadID: "weather-agent")])
        return try kernel.install(program, handles: ["weather-agent": Self.identity])
    }

    /// Two identities, of which the first goes before the second.
    @discardableResult
    func install(_ first: Selector, other second: Selector) throws -> PolicyGeneration {
        let program = SelectorProgram(slots: [
            .init(selector: first, workloadID: "weather-agent"), .init(selector: second, workloadID: "other"),
        ])
        return try kernel.install(program, handles: ["weather-agent": Self.identity, "other": Self.otherIdentity])
    }

    func start(_ script: String, userID: UInt32 = 1001) throws -> Workload {
        let workload = try Workload(script, userID: userID, folder: folder)
        workloads.append(workload)
        return workload
    }

    /// Any program that answers commands.
    func start(_ command: [String], userID: UInt32) throws -> Workload {
        let workload = try Workload(command, userID: userID, folder: folder)
        workloads.append(workload)
        return workload
    }

    /// The C program under a name of the test's choice.
    ///
    /// - Parameter arguments: argv behind its first word, which is the path.
    func startWitness(
        _ name: String = "witness", _ arguments: [String] = [], userID: UInt32 = 1001, options: [String] = [],
    ) throws -> Workload {
        let path = try Witness.install(as: name, in: folder)
        let workload = try Workload([path] + arguments, userID: userID, options: options, folder: folder)
        workloads.append(workload)
        return workload
    }

    /// How a connection of a workload ended.
    enum Arrival: Error, Equatable {
        /// At the proxy. `peer`: whom the workload believes to talk to.
        case redirected(KernelFlow?, peer: String)
        case direct
        case failed(String)
    }

    /// - Parameter command: one of the workload's that connects.
    func dial(_ workload: Workload, _ command: String = "connect \(managedIPv4) \(managedPort)") throws -> Arrival {
        try workload.send(command)
        let watched = proxy.prefix(2) + direct
        var polled = (watched.map(\.descriptor) + [workload.outputDescriptor]).map {
            pollfd(fd: $0, events: Int16(POLLIN), revents: 0)
        }
        guard poll(&polled, nfds_t(polled.count), 30_000) > 0 else { return .failed("nothing happened") }
        guard let ready = polled.firstIndex(where: { $0.revents != 0 }), ready < watched.count else {
            return .failed(try workload.answer())
        }
        let connection = try watched[ready].accepted()
        let flow = kernel.flow(ofAccepted: connection.descriptor)
        connection.send(ready < proxy.prefix(2).count ? "proxy" : "direct")
        let answer = try workload.answer()
        if answer.hasPrefix("proxy ") { return .redirected(flow, peer: String(answer.dropFirst(6))) }
        return isTrue(answer, at: ready - proxy.prefix(2).count) ? .direct : .failed(answer)
    }

    /// Whether a workload that is connected directly is told so: the peer is whom it dialled.
    private func isTrue(_ answer: String, at listener: Int) -> Bool {
        let peers = [
            "\(Self.managedIPv4)|\(Self.managedPort)", "\(Self.managedIPv6)|\(Self.managedPort)",
            "\(Self.managedIPv4)|\(Self.unmanagedPort)",
        ]
        return ["direct ", "direct ::ffff:"].contains { $0 + peers[max(0, listener)] == answer }
    }

    /// Whom the kernel part takes a workload for, as it dials; `.none` is a direct connection, or one that is refused
    /// because it was somebody by a former policy.
    ///
    /// - Throws: where there is no connection at all, or one to the proxy that nobody owns.
    func identity(
        _ workload: Workload, _ command: String = "connect \(managedIPv4) \(managedPort)"
    ) throws
        -> IdentityHandle
    {
        let before = refusedAsDisowned
        switch try dial(workload, command) {
        case .redirected(let flow?, _): return flow.identity
        case .failed("error EPERM") where refusedAsDisowned > before: return .none
        case .direct: return .none
        case let arrival: throw arrival
        }
    }

    private var refusedAsDisowned: UInt64 {
        kernel.refusalCounts().filter { $0.key.reason == .disowned }.values.reduce(0, +)
    }

    /// A connection that stays open: the far end of it.
    func connect(_ workload: Workload) throws -> Socket {
        try workload.send("connect \(Self.managedIPv4) \(Self.managedPort)")
        let far = try direct[0].accepted()
        far.send("direct")
        _ = try workload.answer()
        return far
    }

    /// Moves a workload to another cgroup; its sockets from then on belong there.
    func admit(_ workload: Workload, to cgroup: Cgroup) throws { try Self.admit(workload, to: cgroup) }

    private static func admit(_ workload: Workload, to cgroup: Cgroup) throws {
        try String(workload.pid).write(toFile: cgroup.path + "/cgroup.procs", atomically: false, encoding: .utf8)
    }

    /// Below the room's own.
    func makeCgroup(_ name: String) throws -> Cgroup {
        let path = configuration.cgroupPath + "/" + name
        guard mkdir(path, 0o755) == 0 else { throw POSIXError(.init(rawValue: errno) ?? .EIO) }
        let cgroup = try Cgroup(path: path)
        cgroups.append(cgroup)
        return cgroup
    }

    /// Inode of each pin: another one is another link.
    func pinnedLinks() throws -> [String: UInt64] {
        let folder = configuration.pinDirectory + "/links"
        let names = try FileManager.default.contentsOfDirectory(atPath: folder)
        return try names.reduce(into: [:]) { links, name in
            let attributes = try FileManager.default.attributesOfItem(atPath: folder + "/" + name)
            links[name] = (attributes[.systemFileNumber] as? NSNumber)?.uint64Value
        }
    }

    private func leave() {
        // All of them first: a traced process is not gone before its tracer is.
        for workload in workloads { workload.dismiss() }
        for workload in workloads { workload.stop() }
        for cgroup in cgroups.reversed() { rmdir(cgroup.path) }
        stopProxy()
        try? KernelSession.uninstall(pinDirectory: configuration.pinDirectory)
    }
}

extension Room.Arrival {
    var isRedirected: Bool { flow != nil }

    var flow: KernelFlow? {
        if case .redirected(let flow, _) = self { flow } else { nil }
    }
}
