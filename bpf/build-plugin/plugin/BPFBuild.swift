import Foundation
import PackagePlugin

/// Compiles the BPF object with the toolchain's own clang and embeds it in the target as a Swift file.
@main
struct BPFBuild: BuildToolPlugin {
    func createBuildCommands(context: PluginContext, target: any Target) throws -> [Command] {
        let sources = context.package.directoryURL.appending(path: "bpf")
        let output = context.pluginWorkDirectoryURL.appending(path: "IdentityObject.swift")
        return [
            .buildCommand(
                displayName: "Compiling bpf/identity.bpf.c",
                executable: try context.tool(named: "bpf-compiler").url,
                arguments: [
                    try context.tool(named: "clang").url.path(),
                    sources.appending(path: "identity.bpf.c").path(),
                    output.path(),
                ],
                inputFiles: try cFiles(in: sources) + cFiles(in: sources.appending(path: "abi")),
                outputFiles: [output],
            )
        ]
    }

    private func cFiles(in folder: URL) throws -> [URL] {
        try FileManager.default.contentsOfDirectory(at: folder, includingPropertiesForKeys: nil)
            .filter { ["c", "h"].contains($0.pathExtension) }
            .sorted { $0.path() < $1.path() }
    }
}
