import Agent
import ArgumentParser
import ControlPlaneAPI
import Foundation

struct Uninstall: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Remove the pinned links and maps: from here on nothing on this host is enforced.",
    )

    @Option(help: "Folder inside a bpffs for pinned links and maps.")
    var pinDirectory = "/sys/fs/bpf/tidemark"

    func run() throws {
        try AgentService.uninstall(pinDirectory: pinDirectory)
        try StandardStream.output.write("removed \(pinDirectory)\n")
    }
}
