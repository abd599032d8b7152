package import ControlPlaneAPI
import Kernel
package import Proxy

/// What an agent is told: `/etc/tidemark/agent.yaml`, each key but `limits` also a flag of `tidemarkd run`.
package struct AgentConfiguration: Sendable, Equatable {
    /// Part of the agent's SPIFFE ID; a path segment.
    package var name: String
    package var controlPlane: ControlPlaneEndpoint
    /// Read once, at the first attestation, and removed after it.
    package var joinTokenFile: String?
    /// Holds the last policy snapshot; no secret.
    package var stateDirectory: String
    /// The local API's Unix socket.
    package var socket: String
    /// Attach point of the kernel part. nil: the root of cgroup v2, wherever that is mounted.
    package var cgroup: String?
    /// Network namespaces that are mounted in these folders are served before a workload is seen in them. nil: where
    /// `ip netns`, the container runtimes and Docker keep theirs; none for an agent that has but a part of its host.
    package var networkFolders: [String]?
    /// Executables that are believed to run the scripts they are given, beside root's own: absolute, without symbolic links.
    package var interpreters: [String]
    /// Where links and maps are pinned; inside a bpffs.
    package var pinDirectory: String
    /// Loopback port of the outbound proxy; no program but the agent can receive on it.
    package var outboundPort: UInt16
    package var limits: ProxyLimits
    package var log: LogSettings

    /// Where the control plane is, and by what it is known.
    package struct ControlPlaneEndpoint: Sendable, Equatable {
        /// `https://host:port`.
        package var address: String
        /// PEM of the control plane's root, for the first call; later the bundle is kept fresh by snapshots.
        package var caFile: String
    }

    package init(name: String, controlPlane: ControlPlaneEndpoint) {
        self.name = name
        self.controlPlane = controlPlane
        self.joinTokenFile = nil
        self.stateDirectory = "/var/lib/tidemark/agent"
        self.socket = "/run/tidemark/agent.sock"
        self.cgroup = nil
        self.networkFolders = nil
        self.interpreters = []
        self.pinDirectory = "/sys/fs/bpf/tidemark"
        self.outboundPort = 15001
        self.limits = ProxyLimits()
        self.log = LogSettings()
    }
}

extension AgentConfiguration {
    var namedNetworks: MountedNamespaces {
        let usual = cgroup == nil ? ["/run/netns", "/run/docker/netns"] : []
        return MountedNamespaces(below: networkFolders ?? usual)
    }

    /// The kernel part's share; without a cgroup it is attached to the root, which is the whole host.
    func kernel() throws -> KernelConfiguration {
        KernelConfiguration(
            cgroupPath: try cgroup ?? Cgroup.root().path, pinDirectory: pinDirectory, outboundPort: outboundPort,
        )
    }
}

extension AgentConfiguration: Decodable {
    private enum CodingKeys: String, CodingKey, CaseIterable {
        case name, controlPlane, joinTokenFile, stateDirectory, socket, cgroup, networkFolders, interpreters,
            pinDirectory,
            outboundPort, limits, log
    }

    package init(from decoder: any Decoder) throws {
        try decoder.refuseKeys(besides: CodingKeys.self)
        let keys = try decoder.container(keyedBy: CodingKeys.self)
        self.init(
            name: try keys.decode(String.self, forKey: .name),
            controlPlane: try keys.decode(ControlPlaneEndpoint.self, forKey: .controlPlane),
        )
        joinTokenFile = try keys.decodeIfPresent(String.self, forKey: .joinTokenFile)
        stateDirectory = try keys.decodeIfPresent(String.self, forKey: .stateDirectory) ?? stateDirectory
        socket = try keys.decodeIfPresent(String.self, forKey: .socket) ?? socket
        cgroup = try keys.decodeIfPresent(String.self, forKey: .cgroup)
        networkFolders = try keys.decodeIfPresent([String].self, forKey: .networkFolders)
        interpreters = try keys.decodeIfPresent([String].self, forKey: .interpreters) ?? interpreters
        if let path = interpreters.first(where: { $0.utf8.first != UInt8(ascii: "/") }) {
            throw DecodingError.dataCorruptedError(
                forKey: .interpreters, in: keys,
                debugDescription: "expected absolute paths of executables, found \"\(path)\"")
        }
        pinDirectory = try keys.decodeIfPresent(String.self, forKey: .pinDirectory) ?? pinDirectory
        outboundPort = try keys.decodeIfPresent(UInt16.self, forKey: .outboundPort) ?? outboundPort
        if let told = try keys.decodeIfPresent(ToldLimits.self, forKey: .limits) {
            told.change(&limits)
        }
        log = try keys.decodeIfPresent(LogSettings.self, forKey: .log) ?? log
    }
}

extension AgentConfiguration.ControlPlaneEndpoint: Decodable {
    private enum CodingKeys: String, CodingKey, CaseIterable { case address, caFile }

    package init(from decoder: any Decoder) throws {
        try decoder.refuseKeys(besides: CodingKeys.self)
        let keys = try decoder.container(keyedBy: CodingKeys.self)
        address = try keys.decode(String.self, forKey: .address)
        caFile = try keys.decode(String.self, forKey: .caFile)
    }
}
