import Foundation
import Testing

@testable import Kernel

/// Of a network namespace whose maker does what he likes with it.
@Suite(.serialized) struct InterfaceAddressTests {
    @Test func `what the devices have is told, of both families, with the device it is on`() throws {
        let place = try Place()
        try place.run(
            "ip link add d0 type veth peer name d1; ip addr add 10.7.0.1/24 dev d0; ip addr add fd07::1/64 dev d0 nodad"
        )
        try place.run("ip link set lo up; ip addr add 10.8.0.1 peer 10.9.0.1 dev d0")
        let found = try place.namespace.addresses()
        let index = try #require(
            UInt32(place.run("ip -o link show d0 | cut -d: -f1").trimmingCharacters(in: .newlines)))
        func expected(_ number: CUnsignedInt, _ text: String) throws -> InterfaceAddress {
            InterfaceAddress(interface: number, address: try #require(InternetAddress(text)))
        }
        #expect(
            found == [
                try expected(1, "127.0.0.1"), try expected(1, "::1"), try expected(index, "10.7.0.1"),
                try expected(index, "fd07::1"), try expected(index, "10.8.0.1"),
            ])
    }

    @Test func `of more addresses than are read the rest is left, at once`() throws {
        let place = try Place()
        try place.run(
            """
            for a in $(seq 0 9); do for b in $(seq 1 200); do echo "addr add 10.$a.0.$b/32 dev lo"; done; done | ip -batch -
            """)
        #expect(try place.namespace.addresses(atMost: 700).count == 700)
        #expect(try place.namespace.addresses().count == 2000)
    }

    /// getifaddrs(3) never comes to an end here: something is always new.
    @Test func `who adds and removes addresses without end holds nobody up`() throws {
        let place = try Place()
        try place.run("ip link set lo up")
        let flood = try place.start(
            """
            each() { for a in $(seq 0 9); do for b in $(seq 1 250); do echo "addr $1 10.$a.0.$b/32 dev lo"; done; done; }
            echo begun
            while :; do each add | ip -batch -; each del | ip -batch -; done
            """)
        defer {
            Self.end(flood)
        }
        let home = InterfaceAddress(interface: 1, address: try #require(InternetAddress("127.0.0.1")))
        var counts: Set<Int> = []
        for _ in 0..<300 {
            let found = try place.namespace.addresses()
            #expect(found.contains(home))
            counts.insert(found.count)
        }
        #expect(counts.count > 3, "they came and went meanwhile")
    }

    /// SIGTERM may be ignored: that is inherited.
    private static func end(_ process: Process) {
        kill(process.processIdentifier, SIGKILL)
        process.waitUntilExit()
    }

    /// A namespace that a process of ours keeps.
    private final class Place {
        let namespace: NetworkNamespace
        private let keeper = Process()

        init() throws {
            keeper.executableURL = URL(filePath: "/usr/bin/unshare")
            keeper.arguments = ["--net", "sh", "-c", "echo there; exec sleep 600"]
            let output = Pipe()
            keeper.standardOutput = output
            try keeper.run()
            _ = output.fileHandleForReading.availableData
            namespace = try NetworkNamespace.of(pid: keeper.processIdentifier)
        }

        deinit {
            InterfaceAddressTests.end(keeper)
        }

        @discardableResult
        func run(_ script: String) throws -> String {
            let (process, output) = try launch(script)
            let text = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
            process.waitUntilExit()
            try #require(process.terminationStatus == 0, "\(script)")
            return text
        }

        /// Returns once it has said something.
        func start(_ script: String) throws -> Process {
            let (process, output) = try launch(script)
            _ = output.fileHandleForReading.availableData
            return process
        }

        private func launch(_ script: String) throws -> (Process, Pipe) {
            let process = Process()
            process.executableURL = URL(filePath: "/usr/bin/nsenter")
            process.arguments = ["--net=/proc/\(keeper.processIdentifier)/ns/net", "sh", "-c", script]
            let output = Pipe()
            process.standardOutput = output
            try process.run()
            return (process, output)
        }
    }
}
