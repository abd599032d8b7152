import Testing

@testable import Kernel

struct MountedNamespacesTests {
    private let table = """
        22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw
        24 22 0:22 / /run rw,nosuid shared:5 - tmpfs tmpfs rw,mode=755
        310 24 0:4 net:[4026532281] /run/netns/blue rw shared:180 - nsfs nsfs rw
        311 24 0:4 net:[4026532282] /run/netns/with\\040space\\134 rw shared:181 - nsfs nsfs rw
        312 24 0:4 net:[4026532283] /run/docker/netns/c0ffee rw - nsfs nsfs rw
        313 24 0:4 net:[4026532284] /run/netns-of-others/red rw - nsfs nsfs rw
        314 24 0:4 mnt:[4026532285] /run/netns/mount rw - nsfs nsfs rw
        315 24 0:4 net:[40265 /run/netns/cut rw - nsfs nsfs rw
        316
        """

    @Test func `namespaces mounted below the folders are found, and nothing else`() {
        let found = MountedNamespaces.namespaces(in: Array(table.utf8), below: ["/run/netns", "/run/docker/netns"])
        #expect(
            found == [
                4_026_532_281: "/run/netns/blue", 4_026_532_282: "/run/netns/with space\\",
                4_026_532_283: "/run/docker/netns/c0ffee",
            ])
        #expect(MountedNamespaces.namespaces(in: Array(table.utf8), below: []) == [:])
    }

    @Test func `whatever stands in the table, only what is below the folders is told`() {
        for _ in 0..<2_000 {
            var bytes = Array(table.utf8)
            for _ in 0...Int.random(in: 0...5) {
                bytes[.random(in: 0..<bytes.count)] =
                    [0x20, 0x0a, 0x5c, 0x5b, .random(in: 0...255)].randomElement() ?? 0
            }
            let found = MountedNamespaces.namespaces(in: bytes, below: ["/run/netns"])
            #expect(found.values.allSatisfy { $0.hasPrefix("/run/netns/") }, "\(bytes)")
        }
    }

    @Test func `a name that is not UTF-8 hides neither itself nor others`() {
        let odd =
            Array("317 24 0:4 net:[4026532286] /run/netns/".utf8) + [0xff, 0x0d] + Array(" rw - nsfs nsfs rw\n".utf8)
        let found = MountedNamespaces.namespaces(in: odd + Array(table.utf8), below: ["/run/netns"])
        #expect(found[4_026_532_286] == "/run/netns/\\xff\r")
        #expect(found.count == 3)
    }

    @Test func `a mount with a name that is not UTF-8 does not hide where cgroups are`() {
        let table =
            Array("tmpfs /tmp/".utf8) + [0xff, 0xcc, 0x81]
            + Array(" tmpfs rw 0 0\ncgroup2 /sys/fs/cg\\040v2 cgroup2 rw 0 0\n".utf8)
        #expect(Cgroup.mounts(in: ProcessText(bytes: table)) == ["/sys/fs/cg v2"])
    }
}
