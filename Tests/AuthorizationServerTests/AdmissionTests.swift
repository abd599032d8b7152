import AuthorizationServer
import Foundation
import SPIFFE
import Testing

@Suite("Admission of callers")
struct AdmissionTests {
    private let bench: Bench

    init() throws { bench = try Bench() }

    private func callEach(_ fields: [(String, String)], client: CertificateIdentity?) async throws -> [Answer] {
        var answers: [Answer] = []
        for path in ["/token", "/introspect", "/revoke"] {
            let form = [("grant_type", "client_credentials"), ("resource", Bench.weather), ("token", "x")] + fields
            answers.append(try await bench.post(path, form, client: client))
        }
        return answers
    }

    @Test func `whoever has asked too much is told to wait, at every endpoint, and nothing is decided or told`()
        async throws
    {
        let certificate = try bench.certificate("weather-agent")
        let id = certificate.spiffeID
        await bench.records.change { $0.waits[id] = 7 }
        let answers =
            try await callEach([("client_id", id.description)], client: certificate)
            + [bench.register("{}", client: certificate)]
        for answer in answers {
            #expect(answer.outcome == "429 temporarily_unavailable")
            #expect(answer.headers["Retry-After"] == "7")
            #expect(answer.headers["Cache-Control"] == "no-store")
        }
        #expect(await bench.records.events.isEmpty)
        #expect(await bench.records.clients.isEmpty)
        #expect(await bench.records.tokens.isEmpty)
        let kinds: [OAuthEvent.Kind] = [.tokenRefused, .introspectionRefused, .revocationRefused, .clientRefused]
        #expect(await bench.records.admissions == kinds.map { .init(caller: id, stands: true, kind: $0) })
        let other = try bench.certificate("reader")
        #expect(try await bench.register("{}", client: other).status == 201)
    }

    @Test func `who comes without a certificate is counted as whom its assertion proves, once`() async throws {
        let id = try Bench.id("weather-agent")
        let assertion = [
            ("client_assertion_type", Bench.jwtSpiffe), ("client_assertion", try bench.assertion()),
        ]
        _ = try await callEach(assertion, client: nil)
        #expect(await bench.records.admissions.map(\.caller) == [id, id, id])
        let told = await bench.records.events.count
        await bench.records.change { $0.waits[id] = 1 }
        #expect(try await callEach(assertion, client: nil).map(\.status) == [429, 429, 429])
        #expect(await bench.records.events.count == told)
        _ = try await callEach(assertion, client: bench.certificate("weather-agent"))
        #expect(await bench.records.admissions.count == 9)
    }

    @Test func `what was withdrawn of an ID spends nothing of it`() async throws {
        let stolen = try bench.certificate("weather-agent", age: 10)
        let own = try bench.certificate("weather-agent", generation: 2)
        let id = own.spiffeID
        let time = IssueTime(bench.time.value - 5)
        await bench.records.change { $0.withdraw(id, through: time) }
        _ = try await bench.register("{}", client: stolen)
        _ = try await bench.register("{}", client: own)
        #expect(await bench.records.admissions.map(\.stands) == [false, true])
    }
}
