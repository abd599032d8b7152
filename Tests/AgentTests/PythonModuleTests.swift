import Foundation
import Testing
import Workloads

@testable import Agent
@testable import Kernel

@Suite("Python modules") struct PythonModuleTests {
    private func facts(_ program: String = "python3", executable: String = "/usr/bin/python3.11") -> ProcessFacts {
        ProcessFacts(
            key: ProcessKey(pid: 1, startTime: 1), userID: 0, realUserID: 0, groupID: 0, name: "python3",
            arguments: [program], executable: .init(path: executable, device: 1, inode: 1))
    }

    /// - Parameter files: a folder is there where something is in it.
    private func place(
        _ name: String, among files: Set<String>, fromFolder: Bool = true, of facts: ProcessFacts? = nil,
    ) -> PythonModule.Place? {
        let module = PythonModule(name, of: facts ?? self.facts(), fromFolder: fromFolder)
        return try? module.place { path in
            files.contains(path) ? .file : files.contains { $0.hasPrefix(path + "/") } ? .folder : nil
        }
    }

    private let library = "/usr/lib/python3.11/http/server.py"

    @Test func `a module of the interpreter's is found there, and in the environment it was started from`() {
        let own: Set = ["/usr/lib/python3.11/http/__init__.py", library]
        #expect(place("http.server", among: own) == .file(library))
        let environment = "/venv/lib/python3.11/site-packages/x.py"
        #expect(place("x", among: [environment], of: facts("/venv/bin/python")) == .file(environment))
        #expect(place("x", among: [environment]) == .doubt(.notFound("x")))
    }

    /// Whoever stands in a folder with a package of that name runs its code, not the library's.
    @Test func `a package in the working directory hides the library's, whatever is in it`() {
        let own: Set = ["/usr/lib/python3.11/http/__init__.py", library]
        let inside = own.union(["http/__init__.py", "http/server.py"])
        #expect(place("http.server", among: inside) == .doubt(.ambiguous("http/server.py", other: library)))
        #expect(place("http.server", among: inside, fromFolder: false) == .file(library))
        #expect(place("http.server", among: own.union(["http/__init__.py"])) == .doubt(.notFound("http.server")))
        #expect(place("http.server", among: own.union(["http.py"])) == .doubt(.notFound("http.server")))
        // A folder without __init__.py hides nothing.
        #expect(place("http.server", among: own.union(["http/other.py"])) == .file(library))
    }

    @Test(arguments: ["p.cpython-311-x86_64-linux-gnu.so", "p.abi3.so", "p.so", "p/__init__.so", "p/__init__.pyc"])
    func `compiled code is no script, and comes before one`(_ file: String) {
        #expect(place("p", among: [file, "p.py", "p/__main__.py"]) == .doubt(.compiled(file)))
        #expect(place("p.q", among: [file, "p.py", "p/q.py"]) == .doubt(.compiled(file)))
    }

    @Test func `source comes before bytecode, which is no script`() {
        #expect(place("p", among: ["p.py", "p.pyc"]) == .file("p.py"))
        #expect(place("p", among: ["p.pyc"]) == .doubt(.compiled("p.pyc")))
    }

    @Test func `an interpreter of another name has other folders`() {
        for path in ["/usr/bin/pypy3", "/usr/bin/python3", "/opt/python3.11"] {
            let doubt = PythonModule.Doubt.unknownInterpreter(path)
            #expect(place("x", among: ["x.py"], of: facts(executable: path)) == .doubt(doubt))
        }
    }

    @Test(arguments: ["", ".", ".x", "x.", "x..y"])
    func `a name with empty parts is none`(_ name: String) {
        #expect(place(name, among: ["x.py", "x/y.py"]) == .doubt(.notFound(name)))
    }

    /// Trees by chance, held against the Python of this machine.
    @Test func `Python itself runs the module that is found`() async throws {
        let parts = ["p", "p/__init__", "p/__main__", "p/q", "p/q/__init__", "p/q/__main__", "p/other"]
        var random = SystemRandomNumberGenerator()
        let trees = (0..<40).map { _ in parts.filter { _ in Bool.random(using: &random) }.map { $0 + ".py" } }
        let cases = trees.flatMap { files in ["p", "p.q"].map { (files, $0) } }
        let program = "if __name__ == '__main__': print('RAN ' + __file__, flush=True)\n"
        let results = try await InterpreterTrial.run(
            cases.map { files, name in
                .init(
                    files: Dictionary(uniqueKeysWithValues: files.map { ($0, program) }),
                    command: ["/usr/bin/python3", "-Bm", name])
            })
        var told = 0
        for ((files, name), ran) in zip(cases, results) {
            let found = place(name, among: Set(files))
            if case .file(let path) = found {
                #expect(ran == path, "\(name) among \(files)")
                told += 1
            } else {
                #expect(ran == nil, "\(name) among \(files): \(String(describing: found))")
            }
        }
        #expect(told > 10)
    }
}
