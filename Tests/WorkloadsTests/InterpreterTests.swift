import Testing

@testable import Workloads

@Suite struct InterpreterTests {
    /// A command line as in a shell without quotes; the program's name is that of its executable.
    static let table: [(String, Interpreter.Script?)] = [
        ("python3 x.py", .file("x.py")),
        ("python3.12 -u /opt/app/x.py --port 1", .file("/opt/app/x.py")),
        ("python -m http.server 8000", .pythonModule("http.server")),
        ("python -Ium pkg", .pythonModule("pkg")),
        ("python -mpkg", .pythonModule("pkg")),
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
        ("bash --norc --rcfile f x.sh", .file("x.sh")),
        ("bash -c x.sh y", nil),
        ("sh -ec x.sh", nil),
        ("sh -s x.sh", nil),
        ("dash /etc/init.d/x start", .file("/etc/init.d/x")),
        ("zsh", nil),
        ("ksh -- -x", .file("-x")),
        ("ash x", .file("x")),

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
        let words = line.split(separator: " ").map(String.init)
        #expect(Interpreter.script(executable: "/usr/bin/" + words[0], arguments: words) == expected)
    }

    @Test func `what argv calls the program does not make it an interpreter`() {
        #expect(Interpreter.script(executable: "/opt/evil", arguments: ["python", "x.py"]) == nil)
        #expect(Interpreter.script(executable: "/usr/bin/python3", arguments: ["evil", "x.py"]) == .file("x.py"))
    }

    @Test func `the kernel's own word on a script wins over argv`() {
        let script = Interpreter.script(
            executable: "/usr/bin/bash", arguments: ["bash", "/opt/other.sh"], shebang: "/opt/run")
        #expect(script == .file("/opt/run"))
    }

    @Test func `no command line at all runs nothing`() {
        #expect(Interpreter.script(executable: "", arguments: []) == nil)
        #expect(Interpreter.script(executable: "/usr/bin/python3", arguments: []) == nil)
    }
}
