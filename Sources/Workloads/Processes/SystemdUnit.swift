/// Which systemd unit a cgroup belongs to.
package enum SystemdUnit {
    /// Of the kinds that have a cgroup of their own and are no slice.
    package static let suffixes = [".service", ".scope", ".socket", ".mount", ".swap"]

    /// The topmost component that is no slice, where it is a unit: what a unit, or anybody else who was given a cgroup,
    /// makes below their own cannot name it.
    ///
    /// - Parameter path: below the cgroup2 mount, begins with `/`.
    /// - Returns: nil outside any unit, such as in a slice itself.
    package static func name(inCgroup path: String) -> String? {
        let components = path.utf8.split(separator: UInt8(ascii: "/")).lazy.map { String(Substring($0)) }
        return components.first { !has(".slice", $0) }.flatMap { isName($0) ? $0 : nil }
    }

    package static func isName(_ component: String) -> Bool { suffixes.contains { has($0, component) } }

    /// Also something before it.
    private static func has(_ suffix: String, _ component: String) -> Bool {
        component.utf8.count > suffix.utf8.count && component.utf8.suffix(suffix.utf8.count).elementsEqual(suffix.utf8)
    }
}
