import AuthorizationServer
import SPIFFE
import Testing
import Workloads

@Suite("Entitlement: may this client have this token, or keep it")
struct EntitlementTests {
    static let weather = "http://weather.example:8000/mcp"

    private func standing(
        _ client: String, objection: String? = nil, registered: Bool = true,
    ) throws -> ClientStanding {
        let resource = ProtectedResource(
            name: "weather", resource: try #require(ResourceURL(Self.weather)), servedBy: "weather-mcp-server",
            scopes: ["weather:read"], allowed: [try SPIFFEIDPattern("spiffe://td/agents/*")])
        return ClientStanding(
            id: try SPIFFEID("spiffe://td/\(client)"), objection: objection, isRegistered: registered,
            resources: [resource])
    }

    @Test func `who is given, registered and among the callers has it`() throws {
        guard case .entitled(let resource) = try standing("agents/1").entitlement(to: Self.weather) else {
            Issue.record("refused")
            return
        }
        #expect(resource.name == "weather")
    }

    @Test func `each thing that lacks is a cause of its own, the first one told`() throws {
        let id = try SPIFFEID("spiffe://td/agents/1")
        let other = try SPIFFEID("spiffe://td/other")
        let elsewhere = Self.weather + "/x"
        let cases: [(ClientStanding, String, Entitlement.Cause)] = [
            (try standing("agents/1", objection: "withdrawn"), Self.weather, .withdrawn("withdrawn")),
            (try standing("agents/1", objection: "gone", registered: false), elsewhere, .withdrawn("gone")),
            (try standing("agents/1", registered: false), Self.weather, .notRegistered(id)),
            (try standing("agents/1"), elsewhere, .noResource(elsewhere)),
            (try standing("other"), Self.weather, .notAllowed(other, resource: Self.weather)),
            (try standing("other", registered: false), Self.weather, .notRegistered(other)),
        ]
        for (standing, name, cause) in cases {
            #expect(standing.entitlement(to: name) == .refused(cause))
        }
    }

    @Test func `a name that somebody chose is cut where it is told`() {
        let cause = Entitlement.Cause.noResource(String(repeating: "x", count: 10_000))
        #expect("\(cause)".utf8.count < 400)
    }
}
