import SPIFFE
import Testing

@testable import Workloads

@Suite struct ManifestTests {
    @Test func `the first use case decodes as operators write it`() throws {
        let selector = { Selector(userIDs: [501, 1001], names: ["python"], commandLines: [["python", $0]]) }
        let identity = {
            WorkloadIdentity(
                name: $0, agentGroup: "spiffe-mcp-demo-agent-group", workloadID: WorkloadName(stringLiteral: $0),
                selectors: [selector($1)],
            )
        }
        let manifests = try Manifest.decode(yaml: Sample.yaml, file: "manifests.yaml")
        #expect(
            manifests == [
                .workloadIdentity(identity("weather-mcp-server", "mcp_server.py")),
                .workloadIdentity(identity("weather-agent", "mcp_client.py")),
            ],
        )
    }

    @Test func `every key of both kinds is read`() throws {
        let manifests = try Manifest.decode(yaml: Self.everything, file: "all.yaml")
        guard case .workloadIdentity(let identity) = manifests.first,
            case .protectedResource(let resource) = manifests.last
        else { return #expect(Bool(false), "one document of each kind") }
        #expect(identity.agentGroup == "lab")
        #expect(identity.selectors.count == 3)
        #expect(identity.selectors[1] == Selector(commandLines: [["a", "b"], ["c"]]))
        #expect(identity.priority == -3)
        #expect(identity.allowedInbound?.map(\.description) == ["spiffe://prod.example/jobs/*"])
        #expect(identity.allowedOutbound == [])
        #expect(identity.tlsMode == .permissive)
        #expect(resource.resource.text == "http://10.0.0.2:8000/mcp")
        #expect(resource.scopes == ["weather:read"])
        #expect(resource.allowed.map(\.description) == ["spiffe://prod.example/weather-agent"])
    }

    @Test func `every key of a selector is read`() throws {
        guard case .workloadIdentity(let identity) = try Manifest.decode(yaml: Self.everyKey, file: "f").first else {
            Issue.record("expected an identity")
            return
        }
        let hash = String(repeating: "0a", count: 32)
        #expect(
            identity.selectors[0].conditions == [
                .userID: Condition(noneOf: [.number(0)]),
                .realUserID: Condition(anyOf: [.number(1)], noneOf: [.number(2)]),
                .groupID: Condition(anyOf: [.number(3)]), .realGroupID: Condition(anyOf: [.number(4)]),
                .additionalGroupID: Condition(anyOf: [.number(5), .number(6)]),
                .name: Condition(anyOf: [.prefix("py")]),
                .commandLine: Condition(
                    anyOf: [
                        .words(["python", "mcp_"], lastIsPrefix: true), .words(["python", "*"], lastIsPrefix: false),
                    ],
                    noneOf: [.words(["python", "x"], lastIsPrefix: false)]),
                .argument(0): Condition(anyOf: [.text("!x")]), .argument(63): Condition(noneOf: [.text("y*")]),
                .binaryPath: Condition(anyOf: [.prefix("/usr/bin/python")]),
                .binaryHash: Condition(anyOf: [.text(hash)]), .scriptPath: Condition(anyOf: [.text("/opt/x.py")]),
                .scriptHash: Condition(noneOf: [.text(hash)]), .cgroup: Condition(anyOf: [.prefix("/system.slice/")]),
                .parent: Condition(anyOf: [.text("team/a")]), .ancestor: Condition(noneOf: [.prefix("agents/")]),
                .systemdUnit: Condition(anyOf: [.text("x.service")]), .host: Condition(anyOf: [.text("true")]),
            ],
        )
        #expect(identity.workloadID == "agents/{{process:uid}}")
    }

    @Test(arguments: [Sample.yaml, everything, everyKey])
    func `canonical YAML decodes to the same value`(_ yaml: String) throws {
        let manifests = try Manifest.decode(yaml: yaml, file: "first")
        let again = try Manifest.decode(yaml: manifests.map(\.canonicalYAML).joined(separator: "---\n"), file: "second")
        #expect(again == manifests)
    }

    @Test(arguments: [
        "true", "1e3", "a: b", "- x", "#c", "ü \u{1f600}", "\"q\" \\", "null", "*a", "x'", "0x1f", "2024-01-01",
    ])
    func `a name that YAML could take for something else survives canonical YAML`(_ name: String) throws {
        let manifest = Manifest.workloadIdentity(
            Sample.identity("a", Selector(names: [name], commandLines: [Selector.words(of: name)])))
        #expect(try Manifest.decode(yaml: manifest.canonicalYAML, file: "f") == [manifest])
    }

    @Test func `a list of allowed IDs holds in both directions`() throws {
        let yaml = Sample.yaml + "  allowedSPIFFEIDs: [\"spiffe://a/b\"]\n"
        guard case .workloadIdentity(let identity) = try Manifest.decode(yaml: yaml, file: "f").last else {
            return #expect(Bool(false), "an identity")
        }
        #expect(identity.allowedInbound == identity.allowedOutbound)
        #expect(identity.allowedInbound?.count == 1)
    }

    @Test func `anchors and aliases are read`() throws {
        let yaml = Sample.yaml.replacing("uid: [501, 1001]", with: "uid: &u [501]", maxReplacements: 1)
            .replacing("uid: [501, 1001]", with: "uid: *u")
        let uids = try Manifest.decode(yaml: yaml, file: "f").compactMap { manifest in
            if case .workloadIdentity(let identity) = manifest {
                identity.selectors[0].conditions[.userID]?.anyOf
            } else {
                nil
            }
        }
        #expect(uids == [[.number(501)], [.number(501)]])
    }

    @Test func `whatever prefix of a file arrives, the answer is a value or findings`() {
        for length in 0..<Sample.yaml.utf8.count {
            let cut = String(decoding: Sample.yaml.utf8.prefix(length), as: UTF8.self)
            do {
                #expect(try Manifest.decode(yaml: cut, file: "cut.yaml").count <= 2)
            } catch {
                #expect(!error.findings.isEmpty)
            }
        }
    }

    @Test(arguments: [Sample.yaml, everything, everyKey])
    func `whatever is changed in a file, the answer is findings or a value that canonical YAML keeps`(_ yaml: String) {
        let characters = Array(yaml)
        for _ in 0..<200 {
            var changed = characters
            for _ in 0...Int.random(in: 0...1) {
                changed[.random(in: 0..<changed.count)] =
                    characters.randomElement() ?? Character(Unicode.Scalar(UInt8.random(in: 0...127)))
            }
            let text = String(changed)
            do {
                let manifests = try Manifest.decode(yaml: text, file: "changed")
                let canonical = manifests.map(\.canonicalYAML).joined(separator: "---\n")
                #expect(try Manifest.decode(yaml: canonical, file: "canonical") == manifests, "\(text)")
            } catch {
                #expect(!error.findings.isEmpty, "\(text)")
            }
        }
    }

    @Test func `a bomb of aliases, of brackets or of bytes is refused`() {
        let laughs = (1...20).map { "a\($0): &a\($0) [*a\($0 - 1), *a\($0 - 1)]" }
        let bombs = [
            "a0: &a0 x\n" + laughs.joined(separator: "\n"),
            String(repeating: "[", count: 200_000),
            String(repeating: "- ", count: 100_000),
            String(repeating: "# filler\n", count: 40_000),
        ]
        for bomb in bombs {
            #expect(throws: ManifestError.self) { try Manifest.decode(yaml: bomb, file: "bomb") }
        }
    }

    static let everyKey = """
        apiVersion: tidemark.dev/v1alpha1
        kind: WorkloadIdentity
        metadata: {name: all}
        spec:
          scope: {agentGroup: {id: lab}}
          selectors:
            - process:uid: "!0"
              process:uid:real: [1, "!2"]
              process:gid: 3
              process:gid:real: [4]
              process:gid:additional: [5, 6]
              process:name: py*
              process:cmdline: [python mcp_*, "!python x", 'python \\*']
              process:argv[0]: '\\!x'
              process:argv[63]: '!y\\*'
              process:binary:path: /usr/bin/python*
              process:binary:hash: sha256:\(String(repeating: "0A", count: 32))
              process:script:path: /opt/x.py
              process:script:hash: "!\(String(repeating: "0a", count: 32))"
              process:cgroup: /system.slice/*
              process:parent: team/a
              process:ancestor: "!agents/*"
              systemd:unit: x.service
              process:host: true
          workloadID: "agents/{{process:uid}}"

        """

    static let everything = """
        # A comment.
        ---
        apiVersion: tidemark.dev/v1alpha1
        kind: WorkloadIdentity
        metadata: {name: all}
        spec:
          scope: {daemonGroup: {id: lab}}
          selectors:
            - process:uid: 1001
              process:name: python
            - process:cmdline: ["a b", c]
            - process:name: [x, y]
          workloadID: team/all
          priority: -3
          allowedSPIFFEIDs:
            inbound: ["spiffe://prod.example/jobs/*"]
            outbound: []
          connection: {tls: {mode: PERMISSIVE}}
        ---
        apiVersion: tidemark.dev/v1alpha1
        kind: ProtectedResource
        metadata: {name: weather}
        spec:
          resource: http://10.0.0.2:8000/mcp
          workloadID: weather-mcp-server
          scopes: [weather:read]
          allowedSPIFFEIDs: [spiffe://prod.example/weather-agent]
        ---

        """
}
