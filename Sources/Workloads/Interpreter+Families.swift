// Options as in each program's manual; an option that is not listed is taken for one without a value.
extension Interpreter.Grammar {
    /// - Parameter program: base name of the executable: `python3.12`, `node`.
    /// - Returns: nil where it is no interpreter that is known here.
    static func of(program: String) -> Interpreter.Grammar? {
        families[program] ?? families[withoutVersion(program)]
    }

    /// `python3.12` and `lua5.4-static` without what follows the letters; `ruby2.7`, `perl5.36.0`.
    private static func withoutVersion(_ program: String) -> String {
        String(program.prefix { $0.isASCII && $0.isLetter })
    }

    private static let families: [String: Interpreter.Grammar] = {
        var families: [String: Interpreter.Grammar] = [
            "deno": deno, "bun": bun, "perl": perl, "ruby": ruby, "php": php, "java": java, "Rscript": rscript,
        ]
        for name in ["python", "pypy"] { families[name] = python }
        for name in ["node", "nodejs"] { families[name] = node }
        for name in ["sh", "bash", "rbash", "dash", "zsh", "ksh", "mksh", "ash"] { families[name] = shell }
        for name in ["lua", "luajit", "luau"] { families[name] = lua }
        return families
    }()

    private static let python = Self(
        withValue: ["-W", "-X", "-Q", "--check-hash-based-pycs"], code: ["-c"], module: ["-m"])

    private static let node = Self(
        withValue: [
            "-r", "--require", "--import", "--loader", "--experimental-loader", "-C", "--conditions", "--env-file",
            "--env-file-if-exists", "--title", "--icu-data-dir", "--openssl-config", "--tls-cipher-list",
            "--input-type",
            "--diagnostic-dir", "--report-dir", "--report-directory", "--redirect-warnings",
            "--experimental-config-file",
            "--watch-path",
        ],
        code: ["-e", "--eval", "-p", "--print", "-pe", "-i", "--interactive", "--run"],
        joinsLetters: false,
    )

    private static let deno = Self(
        withValue: [
            "-c", "--config", "--import-map", "--cert", "--location", "--lock", "--env-file", "-L", "--log-level",
            "--node-modules-dir", "--seed", "--ext",
        ],
        commands: ["run", "serve"], joinsLetters: false,
    )

    private static let bun = Self(
        withValue: [
            "-r", "--preload", "--require", "--import", "-c", "--config", "--cwd", "--env-file", "--port", "--define",
            "-d",
            "--loader", "-l", "--tsconfig-override", "--conditions",
        ],
        code: ["-e", "--eval", "-p", "--print"], commands: ["run"],
        endings: [".js", ".mjs", ".cjs", ".ts", ".mts", ".cts", ".jsx", ".tsx"], joinsLetters: false,
    )

    /// `-s`: commands come from standard input, and the words that follow are `$1` and on.
    private static let shell = Self(
        withValue: ["-o", "+o", "-O", "+O", "--rcfile", "--init-file"], code: ["-c", "-s"], hasPlusOptions: true)

    private static let perl = Self(
        withValue: ["-I", "-M", "-m"], withRest: ["-i", "-F", "-d", "-D", "-x", "-C", "-V"], code: ["-e", "-E"])

    private static let ruby = Self(
        withValue: [
            "-I", "-r", "-C", "-E", "--encoding", "--external-encoding", "--internal-encoding", "--backtrace-limit",
        ],
        withRest: ["-i", "-F", "-x", "-W", "-K", "-T", "-0"],
        code: ["-e"],
    )

    private static let php = Self(
        withValue: ["-c", "--php-ini", "-d", "--define", "-z", "--zend-extension", "-t", "--docroot"],
        code: [
            "-r", "--run", "-R", "--process-code", "-B", "--process-begin", "-E", "--process-end", "-S", "--server",
            "-a",
        ],
        file: ["-f", "--file", "-F", "--process-file"],
    )

    private static let lua = Self(withValue: ["-l"], code: ["-e"])

    /// A main class is no file: it is found along the class path. `Main.java` is compiled and run.
    private static let java = Self(
        withValue: [
            "-cp", "-classpath", "--class-path", "-p", "--module-path", "--upgrade-module-path", "--add-modules",
            "--add-opens", "--add-exports", "--add-reads", "--patch-module", "--limit-modules", "--source",
            "--describe-module",
            "-d", "--enable-native-access",
        ],
        code: ["-m", "--module"], file: ["-jar"], endings: [".java"], joinsLetters: false, onlyEndings: true,
    )

    private static let rscript = Self(code: ["-e"], joinsLetters: false)
}
