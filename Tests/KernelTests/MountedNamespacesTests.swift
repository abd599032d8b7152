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
}
