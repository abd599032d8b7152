import Testing

@testable import Workloads

@Suite struct InterpreterTests {
    /// A command line as in a shell without quotes; the program's name is that of its executable.
    static let table: [(String, Interpreter.Script?)] = [
        ("python3 x.py", .file("x.py")),
        ("python3.12 -u /opt/app/x.py --port 1", .file("/opt/app/x.py")),
        ("python -m http.server 8000", .pythonModule("http.server", fromFolder: true)),
        ("python -Ium pkg", .pythonModule("pkg", fromFolder: false)),
        ("python -mpkg", .pythonModule("pkg", fromFolder: true)),
        ("python -W ignore -X dev x.py", .file("x.py")),
        ("python -Wignore -Xdev x.py", .file("x.py")),
        ("python -uW ignore x.py", .file("x.py")),
        ("python --check-hash-based-pycs always x.py", .file("x.py")),
        ("python -c code x.py", nil),
        ("python -uc code x.py", nil),
        ("python -ccode x.py", nil),
        ("python - x.py", nil),
        ("python", nil),
        ("python -", nil),
        ("python -m", nil),
        ("python -- -x.py", .file("-x.py")),
        ("pypy3 x.py", .file("x.py")),
        ("python3-config x.py", .file("x.py")),

        ("node server.js --require y", .file("server.js")),
        ("nodejs --inspect --require ./hook.js server.js", .file("server.js")),
        ("node --require=./hook.js server.js", .file("server.js")),
        ("node --max-old-space-size=512 -r hook server.js", .file("server.js")),
        ("node -e code server.js", nil),
        ("node --eval=code server.js", nil),
        ("node -p code", nil),
        ("node - server.js", nil),
        ("node -- server.js", .file("server.js")),
        ("deno run --allow-net main.ts", .file("main.ts")),
        ("deno run --config deno.json main.ts", .file("main.ts")),
        ("deno --quiet run main.ts", .file("main.ts")),
        ("deno eval code", nil),
        ("deno test main.ts", nil),
        ("deno run -", nil),
        ("bun run index.ts", .file("index.ts")),
        ("bun index.ts", .file("index.ts")),
        ("bun --preload a.ts index.ts", .file("index.ts")),
        ("bun install x", nil),
        ("bun -e code", nil),

        ("bash x.sh", .file("x.sh")),
        ("bash -ex x.sh", .file("x.sh")),
        ("bash -o pipefail -e x.sh", .file("x.sh")),
        ("bash -eo pipefail x.sh", .file("x.sh")),
        ("bash +o history +x x.sh", .file("x.sh")),
        ("bash --norc x.sh", .file("x.sh")),
        ("bash -c x.sh y", nil),
        ("sh -ec x.sh", nil),
        ("sh - x.sh", .file("x.sh")),
        ("sh -s x.sh", nil),
        ("dash /etc/init.d/x start", .file("/etc/init.d/x")),
        ("zsh", nil),
        ("ksh -- -x", .file("-x")),
        ("zsh -Oe x", .file("x")),
        ("mksh -e +x x", .file("x")),
        ("dash -o errexit x", .file("x")),
        ("ash x", nil),
        ("luau x.lua", nil),

        ("perl -w x.pl", .file("x.pl")),
        ("perl -I lib -MFoo x.pl", .file("x.pl")),
        ("perl -Ilib x.pl", .file("x.pl")),
        ("perl5.36.0 -e code x.pl", nil),
        ("perl -wne code x.pl", nil),
        ("perl -i.save -F: x.pl", .file("x.pl")),
        ("ruby -i.save x.rb", .file("x.rb")),
        ("ruby -I lib -rset x.rb", .file("x.rb")),
        ("ruby2.7 -e code", nil),
        ("php -d memory_limit=1G x.php", .file("x.php")),
        ("php8.2 -f x.php -- -y", .file("x.php")),
        ("php -r code x.php", nil),
        ("php -S 127.0.0.1:8000", nil),
        ("lua5.4 -l mod x.lua", .file("x.lua")),
        ("luajit -e code x.lua", nil),
        ("Rscript --vanilla x.R", .file("x.R")),
        ("Rscript -e code", nil),

        ("java -jar app.jar --x", .file("app.jar")),
        ("java -Xmx1g -cp lib -jar app.jar", .file("app.jar")),
        ("java -Dx=y --add-opens a=b -jar app.jar", .file("app.jar")),
        ("java -cp app.jar com.example.Main", nil),
        ("java --class-path=app.jar Main", nil),
        ("java Main.java", .file("Main.java")),
        ("java --source 21 Main.java", .file("Main.java")),
        ("java -m mod/Main x.java", nil),
        ("java -jar", nil),

        ("nginx -c x.conf", nil),
        ("env python x.py", nil),
        ("pythonic x.py", nil),
    ]

    @Test(arguments: table)
    func `the script is what the interpreter would read`(_ line: String, _ expected: Interpreter.Script?) {
        #expect(read(line) == expected.map { .script($0) } ?? .nothing)
    }

    private func read(_ line: String, isCut: Bool = false) -> Interpreter.Reading {
        let words = line.split(separator: " ").map(String.init)
        return Interpreter.read(executable: "/usr/bin/" + words[0], arguments: words, isCut: isCut)
    }

    /// What each line would run is none of these words, or not for certain.
    @Test(arguments: [
        ("python --unknown x.py", Interpreter.Doubt.option("--unknown")),
        ("python -uJ x.py", .option("-uJ")),
        ("node --watch server.js", .option("--watch")),
        ("node --test a.js", .option("--test")),
        ("node --snapshot-blob b server.js", .option("--snapshot-blob")),
        ("node --build-snapshot entry.js", .option("--build-snapshot")),
        ("node --max-old-space-size 512 server.js", .option("--max-old-space-size")),
        ("node inspect evil.js", .operand("inspect")),
        ("deno run --lock trusted.ts evil.ts", .option("--lock")),
        ("bash -oe errexit x.sh", .option("-oe")),
        ("deno run https://x/trusted.ts", .operand("https://x/trusted.ts")),
        ("deno run dev", .operand("dev")),
        ("bun --cwd /evil trusted.ts", .option("--cwd")),
        ("bun run dev", .operand("dev")),
        ("bash -oc errexit x.sh", .option("-oc")),
        ("zsh -b -x trusted.sh", .option("-b")),
        ("zsh -o shinstdin trusted.sh", .option("-o")),
        ("zsh -Oo shinstdin trusted.sh", .option("-Oo")),
        ("ksh93 -o rc trusted.sh", .option("-o")),
        ("ksh93 -E trusted.sh", .option("-E")),
        ("mksh -O x trusted.sh", .option("-O")),
        ("dash -o stdin trusted.sh", .option("stdin")),
        ("dash -eo stdin trusted.sh", .option("stdin")),
        ("perl -de evil trusted.pl", .option("-de")),
        ("perl -S trusted.pl", .option("-S")),
        ("perl -x/evil trusted.pl", .option("-x/evil")),
        ("ruby -C /evil trusted.rb", .option("-C")),
        ("php -F trusted.php -B code", .option("-F")),
        ("java @words -jar trusted.jar", .option("@words")),
        ("java -jar @words", .option("@words")),
        ("lua -W5 x.lua", .option("-W5")),
    ])
    func `an option that is not known, or leads elsewhere, makes it undecidable`(
        _ line: String, _ doubt: Interpreter.Doubt
    ) {
        guard case .undecidable(let found) = read(line) else {
            Issue.record("\(read(line))")
            return
        }
        #expect(found == doubt)
        #expect("\(found)".contains("\""))
    }

    /// Values of options are no scripts: attacks that were seen, and honest lines that were refused.
    @Test(arguments: [
        ("node --disable-warning app.js evil.js", "evil.js"), ("node --test-reporter app.js evil.js", "evil.js"),
        ("node --dns-result-order ipv4first app.js", "app.js"), ("node --max-http-header-size 65536 app.js", "app.js"),
        ("node --max_http_header_size 65536 app.js", "app.js"), ("node --no-warnings app.js", "app.js"),
        ("deno run --conditions app.ts evil.ts", "evil.ts"), ("deno -A app.ts", "app.ts"), ("deno app.ts", "app.ts"),
        ("deno run -RN --allow-env=HOME app.ts", "app.ts"), ("java -jar -Xmx1g app.jar", "app.jar"),
        ("deno run -Rc trusted.ts evil.ts", "evil.ts"), ("perl -0777ne code x.pl", nil), ("perl -l012w x.pl", "x.pl"),
        ("php -- trusted.php", nil), ("java --source 21 Main", "Main"),
    ])
    func `words that belong to options are told apart from the script`(_ line: String, _ file: String?) {
        #expect(read(line) == file.map { .script(.file($0)) } ?? .nothing)
    }

    @Test func `of a command line that was cut the last word is none`() {
        #expect(read("python3 -u /opt/trusted.py", isCut: true) == .undecidable(.cut))
        #expect(read("python3 -u", isCut: true) == .undecidable(.cut))
        #expect(read("python3 -m trusted", isCut: true) == .undecidable(.cut))
        #expect(read("bash -o pipefail", isCut: true) == .undecidable(.cut))
        #expect(read("python3 /opt/x.py --port", isCut: true) == .script(.file("/opt/x.py")))
        #expect(read("python3 -c code", isCut: true) == .nothing)
    }

    @Test func `words are bytes`() {
        // What follows belongs to the same character for Swift; an interpreter sees a hyphen.
        for mark in ["\u{301}", "\u{fe0f}"] {
            #expect(read("python3 -\(mark) x.py") == .undecidable(.option("-\(mark)")))
            #expect(read("node --require=\(mark)x.js app.js") == .script(.file("app.js")))
        }
        // A Kelvin sign is a K for Swift.
        #expect(read("perl -\u{212a} x.pl") == .undecidable(.option("-\u{212a}")))
        #expect(Interpreter.read(executable: "/usr/bin/\u{212a}sh", arguments: ["ksh", "x"]) == .nothing)
        #expect(read(#"python3 caf\xe9.py"#) == .script(.file(#"caf\xe9.py"#)))
        #expect(
            Interpreter.read(executable: #"/opt/\xff/python3"#, arguments: ["python3", "x.py"])
                == .script(.file("x.py")))
    }

    @Test func `what argv calls the program does not make it an interpreter`() {
        #expect(Interpreter.read(executable: "/opt/evil", arguments: ["python", "x.py"]) == .nothing)
        #expect(
            Interpreter.read(executable: "/usr/bin/python3", arguments: ["evil", "x.py"]) == .script(.file("x.py")))
    }

    @Test(arguments: ["node_exporter", "php-fpm8.2", "sh-server", "python.exe", "java-server", "perlbal"])
    func `what begins like an interpreter's name is none`(_ name: String) {
        #expect(Interpreter.read(executable: "/usr/bin/" + name, arguments: [name, "x"]) == .nothing)
        #expect(!Interpreter.isNamed(byPath: "/usr/bin/" + name))
    }

    @Test func `the kernel's own word on a script wins over argv`() {
        let script = Interpreter.read(
            executable: "/usr/bin/bash", arguments: ["bash", "/opt/other.sh"], shebang: "/opt/run")
        #expect(script == .script(.file("/opt/run")))
    }

    @Test func `of a name that may be cut the kernel's word is none`() {
        func read(_ bytes: Int) -> Interpreter.Reading {
            let path = "/" + String(repeating: "x", count: bytes - 1)
            return Interpreter.read(executable: "/usr/bin/bash", arguments: ["bash", path], shebang: path)
        }
        guard case .script = read(254) else {
            Issue.record("254 bytes are whole")
            return
        }
        #expect(read(255) == .undecidable(.cut))
    }

    @Test func `no command line at all runs nothing`() {
        #expect(Interpreter.read(executable: "", arguments: []) == .nothing)
        #expect(Interpreter.read(executable: "/usr/bin/python3", arguments: []) == .nothing)
    }

    @Test(arguments: [
        ["python3", "-i", "x.py"], ["bash", "-i", "x.sh"], ["bash", "-l", "x.sh"], ["bash", "--login", "x.sh"],
        ["bash", "--rcfile", "f", "x.sh"], ["bash", "--init-file", "f", "x.sh"], ["sh", "-il", "x.sh"],
        ["lua", "-i", "x.lua"],
        ["python3", "-X", "pycache_prefix=x", "x.py"], ["python3", "-IXpycache_prefix=x", "-m", "x"],
    ])
    func `what has something else run beside the script is undecidable`(_ words: [String]) {
        let reading = Interpreter.read(executable: "/usr/bin/\(words[0])", arguments: words)
        guard case .undecidable(.option) = reading else {
            Issue.record("\(reading)")
            return
        }
    }

    @Test(arguments: [
        ("#!/usr/bin/python3\nx", "python3.11", true), ("#! /usr/bin/env python3 \nx", "python3.11", true),
        ("#!/usr/bin/env -S A=b python3 -I\n", "python3.11", true), ("#!/bin/sh", "bash", true),
        ("#!/usr/bin/python3\r\n", "python3.11", true), ("#!/usr/bin/pypy3\n", "python3.11", true),
        ("#!/usr/bin/python3\n", "bash", false), ("#!/bin/sh\n", "python3.11", false), ("#!\n", "bash", false),
        ("#!/usr/bin/env\n", "bash", false), ("#!/opt/wrapper\n", "bash", false),
        ("#!/usr/bin/python3\n", "curl", false),
        ("\u{feff}#!/bin/sh\n", "bash", false), ("print(1)\n", "python3.11", false), ("", "bash", false),
    ])
    func `the kernel's word for a script counts where the script's own first line says the same`(
        _ head: String, _ program: String, _ isTold: Bool,
    ) {
        let doubt = Interpreter.doubt(
            aboutFirstLine: Array(head.utf8), executable: "/usr/bin/\(program)", isShebang: true)
        #expect((doubt == nil) == isTold)
    }

    @Test func `a file without a first line of that kind is whose argv gives it to`() {
        let doubt = { (head: String) in
            Interpreter.doubt(aboutFirstLine: Array(head.utf8), executable: "/usr/bin/bash", isShebang: false)
        }
        #expect(doubt("echo") == nil && doubt("#!/bin/dash\n") == nil)
        #expect(doubt("#!/usr/bin/python3\n") == .otherInterpreter("bash", named: "python3"))
    }
}
