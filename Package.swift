// swift-tools-version: 6.2
import PackageDescription

/// Our own code: Swift 6 mode, explicit imports and existentials, and no warning survives.
let strict: [SwiftSetting] = [
    .swiftLanguageMode(.v6),
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .treatAllWarnings(as: .error),
]

let argumentParser = Target.Dependency.product(name: "ArgumentParser", package: "swift-argument-parser")
let asyncHTTPClient = Target.Dependency.product(name: "AsyncHTTPClient", package: "async-http-client")
let crypto = Target.Dependency.product(name: "Crypto", package: "swift-crypto")
let grdb = Target.Dependency.product(name: "GRDB", package: "GRDB.swift")
let hummingbirdCore = Target.Dependency.product(name: "HummingbirdCore", package: "hummingbird")
let hummingbird = Target.Dependency.product(name: "Hummingbird", package: "hummingbird")
let lifecycle = Target.Dependency.product(name: "ServiceLifecycle", package: "swift-service-lifecycle")
let unixSignals = Target.Dependency.product(name: "UnixSignals", package: "swift-service-lifecycle")
let logging = Target.Dependency.product(name: "Logging", package: "swift-log")
let nio = Target.Dependency.product(name: "NIOCore", package: "swift-nio")
let nioHTTP1 = Target.Dependency.product(name: "NIOHTTP1", package: "swift-nio")
let nioPosix = Target.Dependency.product(name: "NIOPosix", package: "swift-nio")
let nioTLS = Target.Dependency.product(name: "NIOTLS", package: "swift-nio")
let nioSSL = Target.Dependency.product(name: "NIOSSL", package: "swift-nio-ssl")
let asn1 = Target.Dependency.product(name: "SwiftASN1", package: "swift-asn1")
let x509 = Target.Dependency.product(name: "X509", package: "swift-certificates")
let yams = Target.Dependency.product(name: "Yams", package: "Yams")

/// A library room of the house. Dependencies run down the picture in docs/design.md; scripts/checks/imports.py holds them to it.
func room(_ name: String, _ dependencies: [Target.Dependency], plugins: [Target.PluginUsage] = []) -> Target {
    .target(name: name, dependencies: dependencies, swiftSettings: strict, plugins: plugins)
}

/// How release programs are linked: without symbols for others to link against, without what nobody calls, and with relocations that
/// take a hundredth of the room. Each megabyte of those is resident in every agent. docs/decisions/0027
let small = [
    "-use-ld=lld", "-Xlinker", "--no-export-dynamic", "-Xlinker", "--gc-sections", "-Xlinker", "--icf=safe", "-Xlinker",
    "-z",
    "-Xlinker", "pack-relative-relocs",
]

func program(_ name: String, _ dependencies: [Target.Dependency]) -> Target {
    .executableTarget(
        name: name, dependencies: dependencies, swiftSettings: strict,
        linkerSettings: [.unsafeFlags(small, .when(configuration: .release))])
}

func tests(_ name: String, _ dependencies: [Target.Dependency], exclude: [String] = []) -> Target {
    .testTarget(name: name, dependencies: dependencies, exclude: exclude, swiftSettings: strict)
}

/// Compiles bpf/ inside `swift build`; see bpf/build-plugin.
let bpfBuild: [Target] = [
    .executableTarget(name: "bpf-compiler", path: "bpf/build-plugin/compiler", swiftSettings: strict),
    .plugin(name: "BPFBuild", capability: .buildTool, dependencies: ["bpf-compiler"], path: "bpf/build-plugin/plugin"),
]

let everything: [Target] = [
    .systemLibrary(name: "CLibBPF", path: "Sources/CLibBPF", pkgConfig: "libbpf", providers: [.apt(["libbpf-dev"])]),
    .systemLibrary(name: "CMalloc", path: "Sources/CMalloc"),
    .systemLibrary(name: "CNetlink", path: "Sources/CNetlink", pkgConfig: "libmnl", providers: [.apt(["libmnl-dev"])]),
    .systemLibrary(name: "KernelABI", path: "bpf/abi"),

    room("Limits", ["CMalloc"]),
    room("SPIFFE", ["Limits", x509, crypto, asn1]),
    // The one C module besides Kernel's: NIOSSL has no setting for session tickets.
    room("Handshake", ["Limits", "SPIFFE", nioSSL]),
    room("Workloads", ["Limits", "SPIFFE", yams]),
    room("Issuer", ["Limits", "SPIFFE", x509, crypto, asn1]),
    room("AuthorizationServer", ["Limits", "SPIFFE", "Workloads", crypto]),
    room(
        "ControlPlaneAPI",
        ["Limits", "SPIFFE", "Workloads", asyncHTTPClient, nio, nioHTTP1, nioSSL, crypto, logging]),
    room("Kernel", ["Limits", "CLibBPF", "CNetlink", "KernelABI", "Workloads"], plugins: ["BPFBuild"]),
    room("Gateway", ["Limits", "SPIFFE", "Workloads"]),
    room(
        "Proxy",
        [
            "Limits", "SPIFFE", "Handshake", "Gateway", "Workloads", nio, nioPosix, nioHTTP1, nioTLS, nioSSL, x509,
            crypto, asn1,
            lifecycle,
            logging,
        ],
    ),
    room(
        "ControlPlane",
        [
            "Limits", "SPIFFE", "Handshake", "Workloads", "Issuer", "AuthorizationServer", "ControlPlaneAPI",
            asyncHTTPClient, hummingbird, hummingbirdCore, grdb, nio, nioHTTP1, nioTLS, nioSSL, x509, crypto, asn1,
            lifecycle, logging, yams,
        ],
    ),
    room(
        "Agent",
        [
            "Limits", "SPIFFE", "Workloads", "ControlPlaneAPI", "Kernel", "Proxy", "Gateway",
            hummingbird, nio, x509, crypto, asn1, lifecycle, logging,
        ],
    ),

    program(
        "tidemarkd", ["Agent", "Limits", "ControlPlaneAPI", argumentParser, logging, lifecycle, unixSignals, yams]),
    program(
        "tidemark-server",
        ["ControlPlane", "Limits", "ControlPlaneAPI", argumentParser, logging, lifecycle, unixSignals]),
    program(
        "tidemark", ["ControlPlaneAPI", "Workloads", "SPIFFE", argumentParser, nio, logging, yams]),

    tests("LimitsTests", ["Limits"]),
    tests("SPIFFETests", ["Limits", "SPIFFE", x509, crypto, asn1]),
    tests("WorkloadsTests", ["Limits", "Workloads", "SPIFFE"]),
    tests("IssuerTests", ["Issuer", "SPIFFE", x509, crypto, asn1]),
    tests("AuthorizationServerTests", ["Limits", "AuthorizationServer", "SPIFFE", "Workloads", crypto]),
    tests("GatewayTests", ["Gateway", "SPIFFE", "Workloads"]),
    tests(
        "ProxyTests",
        [
            "Limits", "Proxy", "Handshake", "Gateway", "SPIFFE", "Workloads", nio, nioHTTP1, nioPosix, nioSSL, x509,
            crypto,
            logging,
        ],
    ),
    tests(
        "ControlPlaneTests",
        [
            "Limits", "ControlPlane", "ControlPlaneAPI", "AuthorizationServer", "Issuer", "SPIFFE", "Workloads",
            asyncHTTPClient, grdb, nio, nioHTTP1, nioPosix, nioSSL, crypto, x509, asn1, lifecycle, logging,
        ],
    ),
    tests("CommandTests", ["tidemark", "ControlPlaneAPI", "SPIFFE", "Workloads"]),
    tests("KernelTests", ["Kernel", "SPIFFE", "Workloads", "KernelABI", "CLibBPF"], exclude: ["programs"]),
    tests(
        "AgentTests",
        [
            "Limits", "Agent", "ControlPlaneAPI", "Gateway", "SPIFFE", "Workloads", "Kernel", "Proxy", nio, x509,
            crypto, logging,
        ]),
]

let package = Package(
    name: "tidemark",
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser.git", from: "1.8.2"),
        .package(url: "https://github.com/apple/swift-asn1.git", from: "1.7.4"),
        .package(url: "https://github.com/apple/swift-certificates.git", from: "1.21.1"),
        .package(url: "https://github.com/apple/swift-crypto.git", from: "4.5.2"),
        .package(url: "https://github.com/apple/swift-log.git", from: "1.16.2"),
        .package(url: "https://github.com/apple/swift-nio.git", from: "2.101.2"),
        // Exact: the data plane leans on its bundled BoringSSL.
        .package(url: "https://github.com/apple/swift-nio-ssl.git", exact: "2.37.6"),
        .package(url: "https://github.com/groue/GRDB.swift.git", from: "7.10.0"),
        .package(url: "https://github.com/hummingbird-project/hummingbird.git", from: "2.28.1"),
        .package(url: "https://github.com/jpsim/Yams.git", from: "6.2.2"),
        .package(url: "https://github.com/swift-server/async-http-client.git", from: "1.37.0"),
        .package(url: "https://github.com/swift-server/swift-service-lifecycle.git", from: "2.13.0"),
    ],
    targets: bpfBuild + everything,
)
