/// Manifests the tests apply.
enum Manifests {
    static func identity(_ name: String, group: String = "weather", uid: Int = 1001) -> String {
        """
        apiVersion: core.riptides.io/v1alpha1
        kind: WorkloadIdentity
        metadata:
          name: \(name)
        spec:
          scope:
            agentGroup:
              id: \(group)
          selectors:
            - process:uid: [\(uid)]
              process:cmdline: python \(name).py
          workloadID: \(name)

        """
    }

    /// Every process of one user of its own.
    static func template(_ workloadID: String, group: String = "weather") -> String {
        """
        apiVersion: core.riptides.io/v1alpha1
        kind: WorkloadIdentity
        metadata:
          name: template
        spec:
          scope:
            agentGroup:
              id: \(group)
          selectors:
            - process:uid: ["!0"]
              process:cmdline: python agent_*
          workloadID: "\(workloadID)"

        """
    }

    static func resource(servedBy server: String, allowed client: String) -> String {
        """
        apiVersion: core.riptides.io/v1alpha1
        kind: ProtectedResource
        metadata:
          name: forecast
        spec:
          resource: \(forecast)
          workloadID: \(server)
          scopes: [weather:read]
          allowedSPIFFEIDs: ["spiffe://\(TestControlPlane.trustDomain)/\(client)"]

        """
    }

    static let forecast = "http://10.0.0.2:8000/mcp"

    /// A server, a client, and the resource between them.
    static let weather = [identity("server"), identity("client"), resource(servedBy: "server", allowed: "client")]
        .joined(separator: "---\n")
}
