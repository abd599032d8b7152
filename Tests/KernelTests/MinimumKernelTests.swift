import Testing

@testable import Kernel

struct MinimumKernelTests {
    @Test(arguments: [
        ("6.1.0-56-amd64", [6, 1]), ("6.18.44", [6, 18]), ("6.12-rc3", [6, 12]), ("10.0.1+", [10, 0]),
        ("5.15.0-91-generic", [5, 15]), ("6.1", [6, 1]), ("6", []), ("", []), ("six.one", []), ("6.x", []),
    ])
    func `a release is read as far as its first two numbers`(_ release: String, _ expected: [Int]) {
        let version = MinimumKernel.parse(release)
        #expect(version.map { [$0.0, $0.1] } ?? [] == expected)
    }

    @Test(arguments: [("6.0.19", true), ("5.19", true), ("6.1.0", false), ("6.2", false), ("10.0", false)])
    func `what is older than the minimum is older by number, not by text`(_ release: String, _ isOlder: Bool) throws {
        #expect(try (#require(MinimumKernel.parse(release)) < MinimumKernel.version) == isOlder)
    }

    @Test func `this kernel is one that will do`() throws {
        try MinimumKernel.require()
    }
}
