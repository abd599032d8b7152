import Foundation
import KernelABI
package import Workloads

/// A live TCP socket of this host, as the kernel lists it.
package struct KernelSocket: Sendable, Equatable {
    /// Its own end, and the other one; of a redirected socket the proxy.
    package let source: InternetEndpoint
    package let destination: InternetEndpoint
    /// Of whoever made it.
    package let userID: UInt32
    /// 0 for one that no file refers to any more, or not yet.
    package let inode: UInt32
    /// Acknowledged by the other end, and received from it; nil where this kernel does not tell.
    package let bytesSent: UInt64?
    package let bytesReceived: UInt64?
    /// nil: no managed process connected it.
    package let record: Record?

    /// What the kernel part stored on it when it was connected.
    package struct Record: Sendable, Equatable {
        package let image: ProcessImage
        package let identity: IdentityHandle
        /// It was sent to the proxy instead.
        package let isRedirected: Bool
        /// This is the proxy's own end of such a connection.
        package let isProxyEnd: Bool
        /// Where the process wanted to go.
        package let destination: InternetEndpoint

        package var process: ProcessKey { image.process }

        init(_ flow: flow) {
            image = ProcessImage(process: ProcessKey(flow.process), number: flow.process.image)
            identity = IdentityHandle(rawValue: flow.identity)
            isRedirected = flow.flags & UInt32(FLOW_REDIRECTED) != 0
            isProxyEnd = flow.flags & UInt32(FLOW_ACCEPTED) != 0
            destination = InternetEndpoint(flow.destination)
        }
    }

    /// Whether this socket is an end of the connection between these two, as its process sees it.
    package func joins(_ one: InternetEndpoint, _ other: InternetEndpoint) -> Bool {
        let far = record.map { $0.isRedirected && !$0.isProxyEnd ? $0.destination : destination } ?? destination
        return source == one && far == other || source == other && far == one
    }

    /// The processes that have it open, by /proc: every descriptor of the host is looked at, so not for often.
    package func holders() -> [Int32] {
        guard inode != 0 else { return [] }
        let wanted = "socket:[\(inode)]"
        let files = FileManager.default
        return ((try? files.contentsOfDirectory(atPath: "/proc")) ?? []).compactMap(Int32.init).sorted().filter { pid in
            let folder = LivingThread.folder(of: pid) + "/fd"
            return ((try? files.contentsOfDirectory(atPath: folder)) ?? []).contains { descriptor in
                (try? files.destinationOfSymbolicLink(atPath: "\(folder)/\(descriptor)")) == wanted
            }
        }
    }
}

extension KernelSession {
    /// The live TCP sockets that are an end of the connection between these two, as their processes see it.
    ///
    /// - Parameter network: in which both addresses are meant.
    package func sockets(
        between one: InternetEndpoint, and other: InternetEndpoint, in network: NetworkNamespace,
    ) throws(KernelError) -> [KernelSocket] {
        let flows = flowDescriptor
        return try network.run { () throws(KernelError) in
            var diagnosis = try SocketDiagnosis()
            return try diagnosis.sockets(flows: flows) { $0.joins(one, other) }
        }
    }
}
