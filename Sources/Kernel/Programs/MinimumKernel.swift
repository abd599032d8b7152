import Glibc

/// What the kernel part cannot do without. Features are found out by loading, never by the version; the version only
/// turns a verifier's complaint into a sentence an operator can act on.
enum MinimumKernel {
    static let version = (major: 6, minor: 1)
    private static let typeInformation = "/sys/kernel/btf/vmlinux"

    static func require() throws(KernelError) {
        let release = Self.release
        if let found = parse(release), found < version { throw .kernelTooOld(release: release) }
        guard access(typeInformation, R_OK) == 0 else { throw .noTypeInformation(path: typeInformation) }
    }

    /// `6.1.0-56-amd64` is 6.1; nil for what does not begin like that.
    static func parse(_ release: String) -> (Int, Int)? {
        let numbers = release.split(separator: ".", maxSplits: 2).prefix(2).map { Int($0.prefix { $0.isNumber }) }
        guard numbers.count == 2, let major = numbers[0], let minor = numbers[1] else { return nil }
        return (major, minor)
    }

    static var release: String {
        var name = utsname()
        uname(&name)
        return withUnsafeBytes(of: name.release) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
    }
}
