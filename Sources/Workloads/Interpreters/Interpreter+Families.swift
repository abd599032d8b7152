// Options as in each program's manual. What the tables leave out makes a command line undecidable, so an option is in them only if
// it is known which word is the script with it. Left out on purpose are those that look for it elsewhere (`perl -S`, `ruby -C`,
// `bun --cwd`), run it in another process (`node --watch`), or run something else as well (`php -F`,
// `node --snapshot-blob`), such as what is typed in or a profile (`python -i`, `bash -l`, `bash --rcfile`).
extension Interpreter.Grammar {
    typealias Word = Interpreter.Word

    /// - Parameter program: base name of the executable: `node`, or a name with its version, and whatever follows that: `python3.12`,
    ///   `perl5.36.0`, `lua5.4-static`. `node_exporter` and `php-fpm8.2` are none.
    /// - Returns: nil where it is no interpreter that is known here.
    static func of(program: Word) -> Interpreter.Grammar? { families[unversioned(program)] }

    /// The same for programs that read the same language.
    static func family(of program: Word) -> Word? {
        let name = unversioned(program)
        return all.first { $0.programs.contains(name) }?.programs.first
    }

    private static func unversioned(_ program: Word) -> Word {
        Word(program.bytes.prefix { !(UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) })
    }

    private static let all: [(programs: [Word], grammar: Interpreter.Grammar)] = [
        (["python", "pypy"], python), (["node", "nodejs"], node), (["deno"], deno), (["bun"], bun), (["perl"], perl),
        (["ruby"], ruby), (["php"], php), (["java"], java), (["Rscript"], rscript), (["lua", "luajit"], lua),
        (["sh", "bash", "rbash", "dash"], shell), (["zsh"], zsh), (["ksh"], ksh), (["mksh"], mksh),
    ]

    static let families = Dictionary(
        uniqueKeysWithValues: all.flatMap { family in family.programs.map { ($0, family.grammar) } })

    /// getopt of its own: long options take no `=`. `-P` and `-I` keep the working directory out of the module path.
    private static let python = Self(
        flags: letters("bBdEIOPqRsStuvx"),
        withValue: ["-W", "-X", "-Q", "--check-hash-based-pycs"], doubtfulValues: ["pycache_prefix", "presite"],
        code: ["-c", "-h", "-?", "-V", "--help", "--help-all", "--help-env", "--help-xoptions", "--version"],
        module: ["-m"],
        leavesFolder: ["-P", "-I"],
    )

    /// `-s`: commands come from standard input, and the words that follow are `$1` and on. `-o` takes the next word, wherever
    /// among letters it stands; with `-o stdin`, dash reads commands from standard input.
    private static let shell = Self(
        flags: letters("aefhkmnprtuvxBCEHI").union(letters("aefhkmntuvxBCEHI", sign: "+")).union([
            "--noediting", "--noprofile", "--norc", "--posix", "--restricted", "--verbose",
            "-noediting", "-noprofile", "-norc", "-posix", "-restricted", "-verbose",
        ]),
        doubtfulValues: ["stdin", "interactive"],
        lastLetters: ["-o", "+o", "-O", "+O"],
        code: ["-c", "-s", "--help", "--version", "-help", "-version"],
        hasPlusOptions: true, hyphenEndsOptions: true,
    )

    /// Not the others' letters: `-O` stands alone here, and `-b` ends the options. These three leave out `-o`: it has names
    /// that read commands from standard input or a profile, and takes parts of them.
    private static let zsh = Self(
        flags: letters("aefghknpruvwxyCDFGHIJKLMNOPQRSTUVWXY").union(
            letters("aeghkuvwxyCDGHIJLMNOPQRSTUWXY", sign: "+")),
        code: ["-c", "-s", "--help", "--version"],
        hasPlusOptions: true, hyphenEndsOptions: true,
    )

    /// ksh93. `-E` runs a profile; `-D`, `-I` and `-R` run nothing, or take a file.
    private static let ksh = Self(
        flags: letters("aefhkmnprtuvxBCGH").union(letters("aefhkmuvxBCGH", sign: "+")),
        code: ["-c", "-s", "--help", "--version"],
        hasPlusOptions: true, hyphenEndsOptions: true,
    )

    private static let mksh = Self(
        flags: letters("abefhkmnpruvxCUX").union(letters("abefhkmuvxCUX", sign: "+")),
        code: ["-c", "-s"],
        hasPlusOptions: true, hyphenEndsOptions: true,
    )

    private static let perl = Self(
        flags: letters("acfgnpstTuUwWX").subtracting(["-c", "-u"]),
        withValue: ["-I"], withRest: ["-i", "-F", "-C", "-M", "-m"], withDigits: ["-0", "-l"],
        code: ["-e", "-E", "-h", "-?", "-v", "-V"],
    )

    private static let ruby = Self(
        flags: letters("adlnpsUvw").union([
            "--debug", "--verbose", "--jit", "--yjit", "--rjit", "--debug-frozen-string-literal", "-W0", "-W1", "-W2",
            "-W",
        ]),
        withValue: [
            "-I", "-r", "-E", "--encoding", "--external-encoding", "--internal-encoding", "--enable", "--disable",
        ],
        withRest: ["-i", "-F"], withEquals: ["--backtrace-limit", "--parser"], withDigits: ["-0"],
        beginnings: ["--enable-", "--disable-", "--yjit-", "--rjit-", "--jit-", "-W:"],
        code: ["-e", "-h", "--help", "--version", "--copyright"],
    )

    /// `php -- x.php` reads code from standard input.
    private static let php = Self(
        flags: letters("neqHC").union(["--no-php-ini", "--profile-info", "--no-header", "--hide-args"]),
        withValue: ["-c", "--php-ini", "-d", "--define", "-z", "--zend-extension"],
        code: [
            "-r", "--run", "-R", "--process-code", "-B", "--process-begin", "-E", "--process-end", "-S", "--server",
            "-a", "--interactive", "-h", "-?", "--help", "--usage", "-i", "--info", "-m", "--modules", "-v",
            "--version",
            "-l", "--syntax-check", "-s", "--syntax-highlight", "--syntax-highlighting", "-w", "--strip", "--ini",
        ],
        file: ["-f", "--file"],
        endsOptions: false,
    )

    private static let lua = Self(
        flags: ["-v", "-E", "-W"], withValue: ["-l"], code: ["-e"], joinsLetters: false, takesRestOfWord: true)

    /// A main class is no file: it is found along the class path. `Main.java` is compiled and run.
    private static let java = Self(
        flags: [
            "-showversion", "--show-version", "--show-module-resolution", "--enable-preview", "-verbose", "-ea", "-da",
            "-esa", "-dsa", "-enableassertions", "-disableassertions", "-enablesystemassertions",
            "-disablesystemassertions",
            "-client", "-server", "-jar",
        ],
        withValue: [
            "-cp", "-classpath", "--class-path", "-p", "--module-path", "--upgrade-module-path", "--add-modules",
            "--add-opens", "--add-exports", "--add-reads", "--patch-module", "--limit-modules",
            "--enable-native-access",
            "--source",
        ],
        withEquals: ["--finalization", "--illegal-access", "--illegal-native-access"],
        beginnings: [
            "-X", "-D", "-ea:", "-da:", "-enableassertions:", "-disableassertions:", "-verbose:", "-agentlib:",
            "-agentpath:",
            "-javaagent:", "-splash:",
        ],
        code: [
            "-m", "--module", "-version", "--version", "-fullversion", "--full-version", "-h", "-?", "-help", "--help",
            "-X",
            "--help-extra", "--list-modules", "-d", "--describe-module", "--validate-modules",
        ],
        makesFile: ["-jar", "--source"],
        endings: [".java"], runsNothingElse: true, joinsLetters: false, takesFilesOfWords: true, endsOptions: false,
    )

    private static let rscript = Self(
        flags: [
            "--verbose", "--vanilla", "--no-save", "--no-restore", "--no-environ", "--no-site-file", "--no-init-file",
            "--no-echo", "--slave", "--quiet", "--silent",
        ],
        withEquals: ["--default-packages", "--encoding"],
        code: ["-e", "--help", "--version"], joinsLetters: false,
    )

    /// `-a` and on of "a…".
    static func letters(_ letters: String, sign: Unicode.Scalar = "-") -> Set<Word> {
        Set(letters.utf8.map { Word([UInt8(ascii: sign), $0]) })
    }
}
