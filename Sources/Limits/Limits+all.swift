extension Limits {
    /// Every bound there is, as docs/limits.md has them: a test finds one that is missing here, or there.
    package static let all: [Limit] =
        certificateChain + connection + memory + log + svid + slots + audit + endpoints + files + egress + refusals
        + wait
        + explain
        + identities + tokens + manifests + reports + stream + oauth
        + formats + joinTokens + selectors + calls + store + queues + namespaces

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
        Limit("Connection.closing", .time(Connection.closing)),
        Limit("Connection.acceptPause", .time(Connection.acceptPause)),
        Limit("Connection.readBytes", .bytes(Connection.readBytes)),
        Limit("Connection.quietReadBytes", .bytes(Connection.quietReadBytes)),
        Limit("Connection.firstLook", .time(Connection.firstLook)),
        Limit("Connection.backlog", .count(Connection.backlog)),
        Limit("Connection.keepAlive", .time(Connection.keepAlive)),
        Limit("Connection.keepAlivePause", .time(Connection.keepAlivePause)),
        Limit("Connection.keepAliveTries", .count(Connection.keepAliveTries)),
        Limit("Connection.writeBytes", .bytes(Connection.writeBytes)),
        Limit("Connection.writeAgainBytes", .bytes(Connection.writeAgainBytes)),
    ]

    private static let memory = [
        Limit("Memory.heaps", .count(Memory.heaps)),
        Limit("Memory.freeAtEnd", .bytes(Memory.freeAtEnd)),
        Limit("Memory.asked", .bytes(Memory.asked)),
    ]

    private static let log = [
        Limit("Log.textBytes", .bytes(Log.textBytes)),
        Limit("Log.patience", .time(Log.patience)),
        Limit("Log.closedPerMinute", .count(Log.closedPerMinute)),
        Limit("Log.refusedPerMinute", .count(Log.refusedPerMinute)),
        Limit("Log.refusalBytes", .bytes(Log.refusalBytes)),
        Limit("Log.loaderLines", .count(Log.loaderLines)),
        Limit("Log.answerBytes", .bytes(Log.answerBytes)),
    ]

    private static let svid = [
        Limit("SVID.backdating", .time(SVID.backdating)),
        Limit("SVID.longestLifetime", .time(SVID.longestLifetime)),
        Limit("SVID.ahead", .time(SVID.ahead)),
        Limit("SVID.withdrawnAtLeast", .time(SVID.withdrawnAtLeast)),
        Limit("SVID.lifetime", .time(SVID.lifetime)),
        Limit("SVID.agentLifetime", .time(SVID.agentLifetime)),
        Limit("SVID.shortestLifetime", .time(SVID.shortestLifetime)),
        Limit("SVID.jwtLifetime", .time(SVID.jwtLifetime)),
        Limit("SVID.bundleRefresh", .time(SVID.bundleRefresh)),
        Limit("SVID.formerAgent", .time(SVID.formerAgent)),
        Limit("SVID.retry", .time(SVID.retry)),
        Limit("SVID.longestRetry", .time(SVID.longestRetry)),
        Limit("SVID.look", .time(SVID.look)),
        Limit("SVID.rootLifetime", .time(SVID.rootLifetime)),
        Limit("SVID.intermediateLifetime", .time(SVID.intermediateLifetime)),
    ]

    private static let slots = [
        Limit("Slots.controlPlane", .count(Slots.controlPlane)),
        Limit("Slots.operators", .count(Slots.operators)),
        Limit("Slots.proxy", .count(Slots.proxy)),
        Limit("Slots.strangersOneIn", .share(Slots.strangersOneIn)),
        Limit("Slots.guestsOneIn", .share(Slots.guestsOneIn)),
        Limit("Slots.always", .count(Slots.always)),
        Limit("Slots.chance", .time(Slots.chance)),
        Limit("Slots.knownSources", .count(Slots.knownSources)),
        Limit("Slots.knownFor", .time(Slots.knownFor)),
        Limit("Slots.leastOfServer", .count(Slots.leastOfServer)),
        Limit("Slots.mostOfServer", .count(Slots.mostOfServer)),
        Limit("Slots.leastOfProxy", .count(Slots.leastOfProxy)),
        Limit("Slots.mostOfProxy", .count(Slots.mostOfProxy)),
        Limit("Slots.longestDeadline", .time(Slots.longestDeadline)),
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
        Limit("Files.settled", .time(Files.settled)),
        Limit("Files.burst", .time(Files.burst)),
    ]

    private static let egress = [
        Limit("Egress.hold", .time(Egress.hold)),
        Limit("Egress.clientHello", .bytes(Egress.clientHello)),
    ]

    private static let manifests = [
        Limit("Manifests.bytes", .bytes(Manifests.bytes)),
        Limit("Manifests.fileBytes", .bytes(Manifests.fileBytes)),
        Limit("Manifests.aliases", .count(Manifests.aliases)),
        Limit("Manifests.findings", .count(Manifests.findings)),
        Limit("Manifests.conflicts", .count(Manifests.conflicts)),
        Limit("Manifests.priority", .count(Manifests.priority)),
        Limit("Manifests.egressEntries", .count(Manifests.egressEntries)),
        Limit("Manifests.portRanges", .count(Manifests.portRanges)),
        Limit("Manifests.managedNetworks", .count(Manifests.managedNetworks)),
    ]

    private static let explain = [
        Limit("Explain.paths", .count(Explain.paths)),
        Limit("Explain.refusals", .count(Explain.refusals)),
        Limit("Explain.refusalWorkloads", .count(Explain.refusalWorkloads)),
    ]

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
        Limit("Wait.listenersAtHand", .time(Wait.listenersAtHand)),
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
        Limit("Tokens.inactiveLifetime", .time(Tokens.inactiveLifetime)),
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
        Limit("Reports.streamsPerSecond", .count(Reports.streamsPerSecond)),
        Limit("Reports.streamsAtOnce", .count(Reports.streamsAtOnce)),
        Limit("Reports.longestWait", .time(Reports.longestWait)),
    ]
}
