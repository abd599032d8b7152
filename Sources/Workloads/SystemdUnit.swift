/// Which systemd unit a cgroup belongs to.
package enum SystemdUnit {
    /// Of the kinds that have a cgroup of their own and are no slice.
    package static let suffixes = [".service", ".scope", ".socket", ".mount", ".swap"]

    /// The topmost component that is a unit: what a unit makes of the cgroups below its own cannot rename it.
    ///
    /// - Parameter path: below the cgroup2 mount, begins with `/`.
    /// - Returns: nil outside any unit, such as in a slice itself.
    package static func name(inCgroup path: String) -> String? {
        path.utf8.split(separator: UInt8(ascii: "/")).lazy.map { String(Substring($0)) }.first(where: isName)
    }

    /// A suffix with something before it.
    package static func isName(_ component: String) -> Bool {
        suffixes.contains {
            component.utf8.count > $0.utf8.count && component.utf8.suffix($0.utf8.count).elementsEqual($0.utf8)
        }
    }
}
