// Of Node.js 20 to 24, Deno 2 and Bun 1.
extension Interpreter.Grammar {
    /// What V8 takes is among these as far as Node.js documents it: it never takes another word. Preloaded code runs before the
    /// script, as with NODE_OPTIONS.
    static let node = Self(
        flags: words(
            """
            --abort-on-uncaught-exception --addons --allow-addons --allow-child-process --allow-inspector --allow-net
            --allow-wasi --allow-worker --async-context-frame --cpu-prof --deprecation --disable-sigusr1
            --disable-wasm-trap-handler --disallow-code-generation-from-strings --enable-etw-stack-walking --enable-fips
            --enable-network-family-autoselection --enable-source-maps --experimental-abortcontroller
            --experimental-addon-modules --experimental-async-context-frame --experimental-detect-module
            --experimental-eventsource --experimental-fetch --experimental-global-customevent
            --experimental-global-navigator --experimental-global-webcrypto --experimental-import-meta-resolve
            --experimental-json-modules --experimental-network-imports --experimental-network-inspection
            --experimental-permission --experimental-print-required-tla --experimental-repl-await
            --experimental-require-module --experimental-shadow-realm --experimental-specifier-resolution
            --experimental-sqlite --experimental-strip-types --experimental-test-coverage --experimental-test-module-mocks
            --experimental-transform-types --experimental-vm-modules --experimental-wasm-modules --experimental-websocket
            --experimental-webstorage --experimental-worker --expose-gc --expose-internals
            --extra-info-on-fatal-exception --force-async-hooks-checks --force-context-aware --force-fips
            --force-node-api-uncaught-exceptions-policy --frozen-intrinsics --global-search-paths --heap-prof
            --huge-max-old-generation-size --insecure-http-parser --inspect --inspect-brk --inspect-wait
            --interpreted-frames-native-stack --jitless --network-family-autoselection --node-memory-debug
            --node-snapshot --openssl-legacy-provider --openssl-shared-config --opt --optimize-for-size
            --pending-deprecation --perf-basic-prof --perf-basic-prof-only-functions --perf-prof
            --perf-prof-unwinding-info --permission --preserve-symlinks --preserve-symlinks-main --prof
            --report-compact --report-exclude-env --report-exclude-network --report-on-fatalerror --report-on-signal
            --report-uncaught-exception --single-threaded --single-threaded-gc --test-force-exit --test-only
            --throw-deprecation --tls-max-v1.2 --tls-max-v1.3 --tls-min-v1.0 --tls-min-v1.1 --tls-min-v1.2
            --tls-min-v1.3 --trace-atomics-wait --trace-deprecation --trace-env --trace-env-js-stack
            --trace-env-native-stack --trace-exit --trace-gc --trace-promises --trace-sigint --trace-sync-io --trace-tls
            --trace-uncaught --trace-warnings --track-heap-objects --use-bundled-ca --use-env-proxy --use-openssl-ca
            --use-strict --use-system-ca --verify-base-objects --warnings --zero-fill-buffers
            """),
        withValue: words(
            """
            --allow-fs-read --allow-fs-write -C --conditions --cpu-prof-dir --cpu-prof-interval --cpu-prof-name
            --debug-port --diagnostic-dir --disable-proto --disable-warning --dns-result-order --env-file
            --env-file-if-exists --experimental-config-file --experimental-default-type --experimental-loader
            --experimental-policy --heap-prof-dir --heap-prof-interval --heap-prof-name --heapsnapshot-near-heap-limit
            --heapsnapshot-signal --icu-data-dir --import --input-type --inspect-port --inspect-publish-uid --loader
            --localstorage-file --max-http-header-size --max-old-space-size-percentage
            --network-family-autoselection-attempt-timeout --openssl-config --policy-integrity -r --redirect-warnings
            --report-dir --report-directory --report-filename --report-signal --require --secure-heap --secure-heap-min
            --test-concurrency --test-coverage-branches --test-coverage-exclude --test-coverage-functions
            --test-coverage-include --test-coverage-lines --test-global-setup --test-isolation --test-name-pattern
            --test-reporter --test-reporter-destination --test-shard --test-skip-pattern --test-timeout --title
            --tls-cipher-list --tls-keylog --trace-event-categories --trace-event-file-pattern --unhandled-rejections
            --use-largepages --v8-pool-size
            """),
        withEquals: words(
            """
            --gc-interval --initial-old-space-size --inspect --inspect-brk --inspect-wait --max-heap-size --max-lazy
            --max-old-space-size --max-semi-space-size --min-semi-space-size --security-revert --stack-size
            --stack-trace-limit
            """),
        beginnings: ["--harmony"],
        code: words(
            """
            -c --check --completion-bash -e --eval -h --help -p -pe --print -v --v8-options --version
            """),
        reserved: ["inspect", "debug"],
        joinsLetters: false, negates: true,
    )

    private static let modules: [Word] = [".js", ".mjs", ".cjs", ".ts", ".mts", ".cts", ".jsx", ".tsx"]

    /// A word without such an ending may be a task of deno.json.
    static let deno = Self(
        flags: words(
            """
            -q --quiet --cached-only --no-lock --no-npm --no-remote --no-config --no-prompt --no-code-cache
            --no-clear-screen --parallel --trace-ops --enable-testing-features-do-not-use
            """
        ).union(withOptionalValue),
        withValue: words(
            """
            -c --config --import-map --cert --location -L --log-level --seed --ext --conditions --preload --import --require
            --port --host --minimum-dependency-age
            """),
        withEquals: withOptionalValue.union(["--lock", "--node-modules-dir", "--watch-exclude"]),
        beginnings: ["--unstable"],
        code: ["-h", "--help", "-V", "--version"],
        commands: ["run", "serve"],
        otherCommands: words(
            """
            add approve-scripts audit bench bundle cache check clean compile completions coverage create deploy doc eval fmt
            help i info init install jupyter lint lsp outdated publish remove repl rm sandbox task test types uninstall
            update upgrade vendor x
            """),
        endings: modules, takesAddresses: true,
    )

    /// A value stands behind `=` alone.
    private static let withOptionalValue = words(
        """
        -A --allow-all -R --allow-read -W --allow-write -N --allow-net -E --allow-env -S --allow-sys -I --allow-import
        --allow-run --allow-ffi --allow-hrtime --allow-scripts --deny-read --deny-write --deny-net --deny-env --deny-sys
        --deny-run --deny-ffi --deny-import --check --no-check -r --reload --frozen --vendor --inspect --inspect-brk
        --inspect-wait --watch --watch-hmr --unsafely-ignore-certificate-errors --env-file --v8-flags --strace-ops
        """)

    static let bun = Self(
        flags: words(
            """
            --watch --hot --no-clear-screen --smol -b --bun --silent --if-present --no-install -i --prefer-offline
            --prefer-latest --no-deprecation --throw-deprecation --expose-gc --no-addons --preserve-symlinks
            --preserve-symlinks-main --zero-fill-buffers --inspect --inspect-brk --inspect-wait
            """),
        withValue: words(
            """
            -r --preload --require --import --port --env-file --define -d --loader -l --tsconfig-override --conditions --drop
            --main-fields --title --user-agent --max-http-header-size --dns-result-order --unhandled-rejections
            --fetch-preconnect --extension-order --jsx-factory --jsx-fragment --jsx-import-source --jsx-runtime
            --console-depth
            """),
        withEquals: ["--inspect", "--inspect-brk", "--inspect-wait", "--config", "-c", "--install"],
        code: ["-e", "--eval", "-p", "--print", "-h", "--help", "-v", "--version", "--revision"],
        commands: ["run"],
        otherCommands: words(
            """
            a add audit build bunx c ci create dev discord exec feedback getcompletes help i info init install link
            outdated patch patch-commit pm publish remove repl rm test unlink update upgrade why x
            """),
        endings: modules, joinsLetters: false, takesAddresses: true,
    )

    private static func words(_ text: String) -> Set<Word> {
        Set(text.utf8.split { $0 == UInt8(ascii: " ") || $0 == UInt8(ascii: "\n") }.map { Word($0) })
    }
}
