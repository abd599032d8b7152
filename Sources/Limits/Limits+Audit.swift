extension Limits {
    /// What one request may carry.
    package enum Request {
        /// Of any request's body to the control plane. A file of some 400 identities; agents send more in pieces.
        package static let body = 256 << 10
        /// Request line and headers together, through a proxy. Servers take 8 to 64 KiB.
        package static let headerBytes = 64 << 10
        /// How much of a refused request's body a proxy reads past until it closes the connection instead.
        package static let discardedBody = 1 << 20
        /// One header of a request to the control plane.
        package static let fieldBytes = 8 << 10
        /// All of them.
        package static let fieldsBytes = 32 << 10
        /// The same in number.
        package static let fields = 64
    }

    /// What the audit keeps of what others make happen. Bytes are those of UTF-8 as JSON escapes it, since a control
    /// character takes six of them.
    package enum Audit {
        /// Of one text that a stranger chose: a name, a path, a reason.
        package static let textBytes = 1 << 10
        /// Of one list of texts, such as an argv, of which the kernel part keeps 1 KiB.
        package static let listBytes = 4 << 10
        /// What an event takes beside its texts: keys, numbers, times.
        package static let eventOverhead = 1 << 10
        /// Of the events in one report; less than ``Request/body`` by what surrounds them.
        package static let batchBytes = 192 << 10
        package static let batchEvents = 500
        /// Of the events that wait in one agent, in memory and on its disk, while the control plane is away.
        package static let queueBytes = 16 << 20
        /// How old an event may be when it comes in: a host that was away for a year.
        package static let longestDelay = Duration.seconds(366 * 86_400)
        /// Of the records on the control plane's disk; the oldest go. Default.
        package static let keptBytes = 4 << 30
        /// The newest ones, which no retention removes.
        package static let keptRecords = 1000
        /// Records removed in one transaction, which holds up others.
        package static let removedAtOnce = 2000
        /// Between two such transactions, for the others.
        package static let removalPause = Duration.milliseconds(20)
        /// Between two checkpoints, if anything was recorded: what is cut off within it is found by a newer head alone.
        package static let checkpointInterval = Duration.seconds(60)
        /// Until a place outside has taken a checkpoint. They are asked side by side.
        package static let copyDeadline = Duration.seconds(10)
        /// How far a host's clock may be ahead.
        package static let clockSkew = Duration.seconds(3600)
        /// Members of an object, or of a list of others than texts, in the audit.
        package static let members = 64
        /// A resource, or a client, as a request to the authorization server names it.
        package static let nameBytes = 256
        /// A scope, a parameter or an address that is refused.
        package static let wordBytes = 64
    }

    static let audit = [
        Limit("Request.body", .bytes(Request.body)),
        Limit("Request.headerBytes", .bytes(Request.headerBytes)),
        Limit("Request.discardedBody", .bytes(Request.discardedBody)),
        Limit("Request.fieldBytes", .bytes(Request.fieldBytes)),
        Limit("Request.fieldsBytes", .bytes(Request.fieldsBytes)),
        Limit("Request.fields", .count(Request.fields)),
        Limit("Audit.textBytes", .bytes(Audit.textBytes)),
        Limit("Audit.listBytes", .bytes(Audit.listBytes)),
        Limit("Audit.eventOverhead", .bytes(Audit.eventOverhead)),
        Limit("Audit.batchBytes", .bytes(Audit.batchBytes)),
        Limit("Audit.batchEvents", .count(Audit.batchEvents)),
        Limit("Audit.queueBytes", .bytes(Audit.queueBytes)),
        Limit("Audit.longestDelay", .time(Audit.longestDelay)),
        Limit("Audit.keptBytes", .bytes(Audit.keptBytes)),
        Limit("Audit.keptRecords", .count(Audit.keptRecords)),
        Limit("Audit.removedAtOnce", .count(Audit.removedAtOnce)),
        Limit("Audit.removalPause", .time(Audit.removalPause)),
        Limit("Audit.checkpointInterval", .time(Audit.checkpointInterval)),
        Limit("Audit.copyDeadline", .time(Audit.copyDeadline)),
        Limit("Audit.clockSkew", .time(Audit.clockSkew)),
        Limit("Audit.members", .count(Audit.members)),
        Limit("Audit.nameBytes", .bytes(Audit.nameBytes)),
        Limit("Audit.wordBytes", .bytes(Audit.wordBytes)),
    ]
}
