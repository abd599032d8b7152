extension Limits {
    /// Every bound there is, as docs/limits.md has them: a test finds one that is missing here, or there.
    package static let all: [Limit] =
        certificateChain + connection + memory + log + svid + slots + audit + endpoints + files + egress + refusals
        + wait
        + explain
        + identities + tokens + manifests + reports + stream + oauth

    private static let certificateChain = [
        Limit("CertificateChain.certificates", .count(CertificateChain.certificates)),
        Limit("CertificateChain.bytes", .bytes(CertificateChain.bytes)),
        Limit("CertificateChain.verificationsAtOnce", .count(CertificateChain.verificationsAtOnce)),
    ]

    private static let connection = [
        Limit("Connection.handshake", .time(Connection.handshake)),
        Limit("Connection.requestHead", .time(Connection.requestHead)),
        Limit("Connection.request", .time(Connection.request)),
        Limit("Connection.idle", .time(Connection.idle)),
        Limit("Connection.bodyBytesPerSecond", .bytes(Connection.bodyBytesPerSecond)),
        Limit("Connection.dial", .time(Connection.dial)),
        Limit("Connection.lingering", .time(Connection.lingering)),
        Limit("Connection.refusal", .time(Connection.refusal)),
        Limit("Connection.standing", .time(Connection.standing)),
    ]

    private static let memory = [
        Limit("Memory.heaps", .count(Memory.heaps)),
        Limit("Memory.freeAtEnd", .bytes(Memory.freeAtEnd)),
        Limit("Memory.asked", .bytes(Memory.asked)),
    ]

    private static let log = [
        Limit("Log.textBytes", .bytes(Log.textBytes)),
        Limit("Log.patience", .time(Log.patience)),
    ]

    private static let svid = [
        Limit("SVID.backdating", .time(SVID.backdating)),
        Limit("SVID.longestLifetime", .time(SVID.longestLifetime)),
        Limit("SVID.ahead", .time(SVID.ahead)),
        Limit("SVID.withdrawnAtLeast", .time(SVID.withdrawnAtLeast)),
    ]

    private static let slots = [
        Limit("Slots.controlPlane", .count(Slots.controlPlane)),
        Limit("Slots.operators", .count(Slots.operators)),
        Limit("Slots.proxy", .count(Slots.proxy)),
        Limit("Slots.strangersOneIn", .share(Slots.strangersOneIn)),
        Limit("Slots.chance", .time(Slots.chance)),
        Limit("Slots.knownSources", .count(Slots.knownSources)),
        Limit("Slots.knownFor", .time(Slots.knownFor)),
    ]

    private static let files = [
        Limit("Files.bytes", .bytes(Int(Files.bytes))),
        Limit("Files.bytesPerSecond", .bytes(Int(Files.bytesPerSecond))),
        Limit("Files.chunkBytes", .bytes(Files.chunkBytes)),
        Limit("Files.turnsAtOnce", .count(Files.turnsAtOnce)),
        Limit("Files.holeBytes", .bytes(Int(Files.holeBytes))),
        Limit("Files.waiting", .count(Files.waiting)),
        Limit("Files.openedAhead", .count(Files.openedAhead)),
        Limit("Files.remembered", .count(Files.remembered)),
        Limit("Files.answer", .time(Files.answer)),
        Limit("Files.stuckOfUser", .count(Files.stuckOfUser)),
        Limit("Files.stuck", .count(Files.stuck)),
        Limit("Files.threads", .count(Files.threads)),
        Limit("Files.idleThread", .time(Files.idleThread)),
    ]

    private static let egress = [
        Limit("Egress.hold", .time(Egress.hold)),
        Limit("Egress.clientHello", .bytes(Egress.clientHello)),
    ]

    private static let manifests = [Limit("Manifests.bytes", .bytes(Manifests.bytes))]

    private static let explain = [Limit("Explain.paths", .count(Explain.paths))]

    private static let refusals = [
        Limit("Refusals.window", .time(Refusals.window)),
        Limit("Refusals.sources", .count(Refusals.sources)),
        Limit("Refusals.explained", .count(Refusals.explained)),
        Limit("Refusals.strangersPerMinute", .count(Refusals.strangersPerMinute)),
        Limit("Refusals.forgotten", .time(Refusals.forgotten)),
    ]

    private static let wait = [
        Limit("Wait.identity", .time(Wait.identity)),
        Limit("Wait.svid", .time(Wait.svid)),
        Limit("Wait.grant", .time(Wait.grant)),
        Limit("Wait.listeners", .time(Wait.listeners)),
        Limit("Wait.listenersAtStart", .time(Wait.listenersAtStart)),
        Limit("Wait.audit", .time(Wait.audit)),
    ]

    private static let identities = [
        Limit("Identities.handles", .count(Identities.handles)),
        Limit("Identities.announced", .count(Identities.announced)),
        Limit("Identities.svids", .count(Identities.svids)),
        Limit("Identities.traffic", .count(Identities.traffic)),
        Limit("Identities.ofGroup", .count(Identities.ofGroup)),
        Limit("Identities.inAll", .count(Identities.inAll)),
        Limit("Identities.placeBytes", .bytes(Identities.placeBytes)),
        Limit("Identities.templateBytes", .bytes(Identities.templateBytes)),
        Limit("Identities.pathBytes", .bytes(Identities.pathBytes)),
    ]

    private static let tokens = [
        Limit("Tokens.ofSVID", .count(Tokens.ofSVID)),
        Limit("Tokens.ofGroup", .count(Tokens.ofGroup)),
        Limit("Tokens.inAll", .count(Tokens.inAll)),
        Limit("Tokens.active", .count(Tokens.active)),
        Limit("Tokens.inactive", .count(Tokens.inactive)),
    ]

    private static let reports = [
        Limit("Reports.requestsPerSecond", .count(Reports.requestsPerSecond)),
        Limit("Reports.requestsAtOnce", .count(Reports.requestsAtOnce)),
        Limit("Reports.bytesPerSecond", .bytes(Reports.bytesPerSecond)),
        Limit("Reports.bytesAtOnce", .bytes(Reports.bytesAtOnce)),
        Limit("Reports.endpointsPerSecond", .count(Reports.endpointsPerSecond)),
        Limit("Reports.endpointsAtOnce", .count(Reports.endpointsAtOnce)),
        Limit("Reports.issuesPerSecond", .count(Reports.issuesPerSecond)),
        Limit("Reports.issuesAtOnce", .count(Reports.issuesAtOnce)),
        Limit("Reports.longestWait", .time(Reports.longestWait)),
    ]
}
