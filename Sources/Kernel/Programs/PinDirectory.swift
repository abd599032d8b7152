import CLibBPF
import Foundation

/// The folder of a bpffs that keeps maps and links alive: maps by name, links below `links`.
struct PinDirectory {
    let path: String

    var links: String { path + "/links" }

    /// Makes it where it does not exist; readable by root alone, for one of the maps holds a key.
    init(path: String) throws(KernelError) {
        self.path = path
        guard
            FileSystemKind(of: path) ?? FileSystemKind(of: URL(filePath: path).deletingLastPathComponent().path())
                == .bpf
        else { throw .notBPFFileSystem(path: path) }
        for folder in [path, links] {
            guard mkdir(folder, 0o700) == 0 || errno == EEXIST else { throw .pinDirectory(path: folder, errno: errno) }
        }
    }

    /// Whether an agent's state is in it.
    var isInhabited: Bool { access(path + "/processes", F_OK) == 0 }

    /// Takes the links first: a hook never runs without its maps.
    func remove() throws(KernelError) {
        for folder in [links, path] {
            for name in (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? [] {
                unlink("\(folder)/\(name)")
            }
            guard rmdir(folder) == 0 else { throw .pinDirectory(path: folder, errno: errno) }
        }
    }
}
