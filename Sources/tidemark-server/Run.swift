import ArgumentParser
import ControlPlane
import ControlPlaneAPI
import Foundation
import Limits
import Logging
import ServiceLifecycle
import UnixSignals

struct Run: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Serve agents over HTTPS and operators over a Unix socket, until told to stop.",
        discussion: ExitCodes.text,
    )

    @OptionGroup var options: ConfigurationOptions

    func run() async throws {
        Heap.giveBack()
        // Nothing this program creates is anyone else's to read.
        umask(0o077)
        let file = try options.file()
        let logger = (file.log ?? LogSettings()).logger(label: "tidemark-server")
        let configuration = try options.configuration(file)
        do {
            let service = try ControlPlaneService(configuration: configuration, logger: logger)
            let group = ServiceGroup(
                configuration: .init(
                    services: [.init(service: service)], gracefulShutdownSignals: [.sigterm, .sigint], logger: logger,
                ),
            )
            try await group.run()
        } catch {
            logger.critical("\(error)")
            throw ExitCode(1)
        }
    }
}
