extension Limits {
    /// What a caller of ours waits for, and reads of an answer. The other end is our own server or agent.
    package enum Calls {
        /// An answer, and the question that `tidemark` asks an agent. 4,096 identities with everything they can have.
        package static let answerBytes = 16 << 20
        /// An answer in place of the stream.
        package static let refusalBytes = 1 << 20
        /// Until a connection stands.
        package static let connect = Duration.seconds(5)
        /// For an answer.
        package static let answer = Duration.seconds(30)
        /// Without a byte on a request or stream; it counts as lost then. Four heartbeats.
        package static let silence = Duration.seconds(20)
        /// An operator's command, for an answer.
        package static let operatorAnswer = Duration.seconds(60)
        /// `tidemark audit verify`. The whole chain is hashed.
        package static let verification = Duration.seconds(600)
        /// `tidemark explain` and its kind, for the agent. A draft has every file read that runs on the host.
        package static let agentAnswer = Duration.seconds(300)
        /// One call of `tidemark audit -f`, for a record. Then it asks again.
        package static let nextRecord = Duration.seconds(30)
        /// Between two looks for that record.
        package static let recordPause = Duration.milliseconds(200)
        /// What such a call may take beyond it.
        package static let nextRecordMargin = Duration.seconds(15)
        /// Records of the audit in one answer.
        package static let auditRecords = 1000
        /// Connections that `tidemark top` is told of. Those that carried most.
        package static let topConnections = 100
    }

    static let calls = [
        Limit("Calls.answerBytes", .bytes(Calls.answerBytes)),
        Limit("Calls.refusalBytes", .bytes(Calls.refusalBytes)),
        Limit("Calls.connect", .time(Calls.connect)),
        Limit("Calls.answer", .time(Calls.answer)),
        Limit("Calls.silence", .time(Calls.silence)),
        Limit("Calls.operatorAnswer", .time(Calls.operatorAnswer)),
        Limit("Calls.verification", .time(Calls.verification)),
        Limit("Calls.agentAnswer", .time(Calls.agentAnswer)),
        Limit("Calls.nextRecord", .time(Calls.nextRecord)),
        Limit("Calls.recordPause", .time(Calls.recordPause)),
        Limit("Calls.nextRecordMargin", .time(Calls.nextRecordMargin)),
        Limit("Calls.auditRecords", .count(Calls.auditRecords)),
        Limit("Calls.topConnections", .count(Calls.topConnections)),
    ]
}
