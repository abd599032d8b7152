import ArgumentParser
import ControlPlaneAPI
import Foundation

/// `--wait`: until the agents do what the registry says.
struct WaitOption: ParsableArguments {
    @Flag(help: "Return when every connected agent it concerns enforces the change.")
    var wait = false

    @Option(help: "With --wait: seconds until giving up with exit code 1.")
    var timeout = 30

    func validate() throws {
        guard (1...3600).contains(timeout) else { throw ValidationError("--timeout takes 1 to 3600 seconds.") }
    }

    /// - Parameter groups: nil for the agents of all groups.
    func untilEnforced(_ version: UInt64, groups: Set<String>?, server: ServerOption) async throws {
        guard wait else { return }
        let clock = ContinuousClock()
        let deadline = clock.now + .seconds(timeout)
        while true {
            let status = try await server.withClient { client async throws(ControlPlaneError) in
                try await client.status()
            }
            let rollout = Rollout(of: version, on: status.agents.filter { groups?.contains($0.agentGroup) ?? true })
            guard rollout.failed.isEmpty else { throw Failure.notEnforced(version: version, agents: rollout.failed) }
            if rollout.pending.isEmpty { return rollout.tell() }
            guard clock.now < deadline else {
                throw Failure.stillWaiting(version: version, agents: rollout.pending, seconds: timeout)
            }
            try await Task.sleep(for: .milliseconds(100))
        }
    }
}

/// How far a version has come.
private struct Rollout {
    let version: UInt64
    var enforcing: [String] = []
    var pending: [String] = []
    /// With what the agent says.
    var failed: [String] = []
    var away: [String] = []

    init(of version: UInt64, on agents: [ControlPlaneStatus.AgentStatus]) {
        self.version = version
        for agent in agents {
            if !agent.connected {
                away.append(agent.spiffeID)
            } else if agent.acknowledgedVersion < version {
                pending.append(agent.spiffeID)
            } else if let error = agent.error {
                failed.append("\(agent.spiffeID): \(error)")
            } else {
                enforcing.append(agent.spiffeID)
            }
        }
    }

    func tell() {
        Console.tell("version \(version) is enforced by \(enforcing.count) agent\(enforcing.count == 1 ? "" : "s")")
        for agent in away { Console.tell("warning: \(agent) is not connected; it goes on with the version it has") }
    }
}
