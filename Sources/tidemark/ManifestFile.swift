import Foundation

/// A file of manifests as named on the command line; `-` is standard input.
struct ManifestFile {
    let name: String

    init(_ name: String) { self.name = name }

    func read() throws(Failure) -> String {
        do {
            guard name == "-" else { return try String(contentsOfFile: name, encoding: .utf8) }
            let data = try FileHandle.standardInput.readToEnd() ?? Data()
            guard let text = String(data: data, encoding: .utf8) else {
                throw Failure.unreadable(file: "standard input", reason: "it is not UTF-8; save it as UTF-8")
            }
            return text
        } catch let failure as Failure {
            throw failure
        } catch {
            throw .unreadable(file: name, reason: Self.reason(error))
        }
    }

    private static func reason(_ error: any Error) -> String {
        let error = error as NSError
        switch CocoaError.Code(rawValue: error.code) {
        case .fileReadNoSuchFile, .fileNoSuchFile: return "there is no such file; check the path"
        case .fileReadNoPermission: return "permission denied; run as a user who may read it"
        case .fileReadInapplicableStringEncoding, .fileReadUnknownStringEncoding:
            return "it is not UTF-8; save it as UTF-8"
        default: return error.localizedDescription
        }
    }
}
