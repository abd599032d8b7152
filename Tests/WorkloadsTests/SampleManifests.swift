@testable import Workloads

/// The first use case, as operators write it.
enum Sample {
    static let yaml = """
        apiVersion: core.riptides.io/v1alpha1
        kind: WorkloadIdentity
        metadata:
          name: weather-mcp-server
        spec:
          scope:
            agentGroup:
              id: spiffe-mcp-demo-agent-group
          selectors:
            - process:uid: [501, 1001]
              process:name: [python]
              process:cmdline: python mcp_server.py
          workloadID: weather-mcp-server
        ---
        apiVersion: core.riptides.io/v1alpha1
        kind: WorkloadIdentity
        metadata:
          name: weather-agent
        spec:
          scope:
            agentGroup:
              id: spiffe-mcp-demo-agent-group
          selectors:
            - process:uid: [501, 1001]
              process:name: [python]
              process:cmdline: python mcp_client.py
          workloadID: weather-agent

        """

    static func identity(
        _ name: String, priority: Int = 0, group: String = "lab", _ selectors: Selector...
    ) -> WorkloadIdentity {
        WorkloadIdentity(
            name: name, agentGroup: group, workloadID: WorkloadName(stringLiteral: name), selectors: selectors,
            priority: priority)
    }

    static func process(uid: UInt32 = 1001, name: String = "python", _ arguments: String...) -> ProcessFacts {
        process(uid: uid, name: name, arguments: arguments)
    }

    static func process(uid: UInt32, name: String, arguments: [String]) -> ProcessFacts {
        ProcessFacts(
            key: ProcessKey(pid: 42, startTime: 7), userID: uid, realUserID: uid, groupID: uid, name: name,
            arguments: arguments, executable: .init(path: "/usr/bin/python3", device: 1, inode: 2),
        )
    }
}
