/// One entry of `spec.selectors`: all of its keys have to match (AND); nil leaves a key open.
package struct Selector: Hashable, Sendable, Codable {
    /// `process:uid`: any of these effective uids. Attested.
    package var userIDs: [UInt32]?
    /// `process:name`: any of these task names as of exec. Claimed.
    package var names: [String]?
    /// `process:cmdline`: any of these word lists, each the beginning of argv. Claimed.
    package var commandLines: [[String]]?

    package init(userIDs: [UInt32]? = nil, names: [String]? = nil, commandLines: [[String]]? = nil) {
        self.userIDs = userIDs
        self.names = names
        self.commandLines = commandLines
    }
}
