//! The flags of `node`: which of them take the next word as their value, and where the file is that it runs.

/// Flags whose value is the next word, of all versions of Node.js.
const WITH_VALUE: [&str; 74] = [
    "-C",
    "-r",
    "--allow-fs-read",
    "--allow-fs-write",
    "--build-snapshot-config",
    "--conditions",
    "--cpu-prof-dir",
    "--cpu-prof-interval",
    "--cpu-prof-name",
    "--debug-port",
    "--diagnostic-dir",
    "--disable-proto",
    "--disable-warning",
    "--dns-result-order",
    "--env-file",
    "--env-file-if-exists",
    "--es-module-specifier-resolution",
    "--experimental-config-file",
    "--experimental-default-type",
    "--experimental-loader",
    "--experimental-policy",
    "--experimental-sea-config",
    "--experimental-specifier-resolution",
    "--heap-prof-dir",
    "--heap-prof-interval",
    "--heap-prof-name",
    "--heapsnapshot-near-heap-limit",
    "--heapsnapshot-signal",
    "--icu-data-dir",
    "--import",
    "--input-type",
    "--inspect-port",
    "--inspect-publish-uid",
    "--loader",
    "--localstorage-file",
    "--max-http-header-size",
    "--network-family-autoselection-attempt-timeout",
    "--openssl-config",
    "--policy-integrity",
    "--redirect-warnings",
    "--report-dir",
    "--report-directory",
    "--report-filename",
    "--report-signal",
    "--require",
    "--secure-heap",
    "--secure-heap-min",
    "--security-revert",
    "--security-reverts",
    "--snapshot-blob",
    "--test-concurrency",
    "--test-coverage-branches",
    "--test-coverage-exclude",
    "--test-coverage-functions",
    "--test-coverage-include",
    "--test-coverage-lines",
    "--test-isolation",
    "--test-name-pattern",
    "--test-reporter",
    "--test-reporter-destination",
    "--test-shard",
    "--test-skip-pattern",
    "--test-timeout",
    "--title",
    "--tls-cipher-list",
    "--tls-keylog",
    "--trace-event-categories",
    "--trace-event-file-pattern",
    "--trace-require-module",
    "--unhandled-rejections",
    "--use-largepages",
    "--v8-pool-size",
    "--watch-kill-signal",
    "--watch-path",
];

/// Flags that take a value behind `=` only, or none.
const ALONE: [&str; 32] = [
    "-i",
    "--abort-on-uncaught-exception",
    "--cpu-prof",
    "--enable-fips",
    "--enable-source-maps",
    "--entry-url",
    "--experimental-vm-modules",
    "--expose-gc",
    "--force-fips",
    "--frozen-intrinsics",
    "--heap-prof",
    "--insecure-http-parser",
    "--inspect",
    "--inspect-brk",
    "--inspect-wait",
    "--interactive",
    "--jitless",
    "--max-old-space-size",
    "--max-semi-space-size",
    "--openssl-legacy-provider",
    "--openssl-shared-config",
    "--pending-deprecation",
    "--preserve-symlinks",
    "--preserve-symlinks-main",
    "--prof",
    "--stack-trace-limit",
    "--throw-deprecation",
    "--trace-deprecation",
    "--trace-uncaught",
    "--trace-warnings",
    "--use-openssl-ca",
    "--watch",
];

/// Flags with which `node` runs no file.
const WITHOUT_FILE: [&str; 14] = [
    "-",
    "-c",
    "-e",
    "-p",
    "-pe",
    "-h",
    "-v",
    "--check",
    "--eval",
    "--print",
    "--prof-process",
    "--run",
    "--test",
    "--version",
];

/// Flags with which modules may be found elsewhere, or other code runs first that has that done.
const CHANGING: [&str; 17] = [
    "-C",
    "-r",
    "--conditions",
    "--entry-url",
    "--env-file",
    "--env-file-if-exists",
    "--es-module-specifier-resolution",
    "--experimental-config-file",
    "--experimental-default-config-file",
    "--experimental-loader",
    "--experimental-policy",
    "--experimental-specifier-resolution",
    "--import",
    "--loader",
    "--require",
    "--preserve-symlinks",
    "--preserve-symlinks-main",
];

/// Where the words behind `node` have the file that it runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NodeFile {
    /// At this word.
    Certain(usize),
    /// A flag that is not known stands before this word, which may be its value.
    Uncertain(usize),
    /// It runs none.
    Nothing,
}

fn name_of(flag: &str) -> &str {
    flag.split('=').next().unwrap_or(flag)
}

/// The place of the file in the words behind `node`.
pub(super) fn file_of<T: AsRef<str>>(words: &[T]) -> NodeFile {
    let mut at = 0;
    let mut is_certain = true;
    while let Some(word) = words.get(at).map(AsRef::as_ref) {
        if word == "--" {
            return if at + 1 < words.len() { NodeFile::Certain(at + 1) } else { NodeFile::Nothing };
        }
        if !word.starts_with('-') {
            return if is_certain { NodeFile::Certain(at) } else { NodeFile::Uncertain(at) };
        }
        if WITHOUT_FILE.contains(&name_of(word)) {
            return NodeFile::Nothing;
        }
        at += if WITH_VALUE.contains(&word) { 2 } else { 1 };
        is_certain = word.contains('=')
            || word.starts_with("--no-")
            || WITH_VALUE.contains(&word)
            || ALONE.contains(&word);
    }
    NodeFile::Nothing
}

/// Whether one of these flags changes how modules are found.
pub(super) fn flags_change_modules<'a>(mut words: impl Iterator<Item = &'a str>) -> bool {
    words.any(|word| CHANGING.contains(&name_of(word)) || (word.starts_with("-r") && !word.starts_with("--")))
}

/// Whether the flags in `NODE_OPTIONS` change how modules are found.
#[must_use]
pub fn node_options_change_modules(options: &str) -> bool {
    let words = options.split(|character: char| character.is_whitespace() || character == '"');
    flags_change_modules(words.filter(|word| !word.is_empty()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Node.js itself says which of its flags have values.
    #[test]
    fn flags_with_values_are_those_of_node() {
        const LIST: &str = "const { getCLIOptionsInfo, types } = require('internal/test/binding').internalBinding('options');
            for (const [name, { type }] of getCLIOptionsInfo().options)
              console.log(name, type === types.kNoOp || type === types.kV8Option || type === types.kBoolean ? 'alone' : 'value')";
        let node = std::process::Command::new("node").args(["--expose-internals", "-e", LIST]).output();
        let Ok(output) = node else { return };
        for line in String::from_utf8(output.stdout).expect("text").lines() {
            let Some((name, kind)) = line.split_once(' ') else { continue };
            match kind {
                "value" => assert!(WITH_VALUE.contains(&name) || WITHOUT_FILE.contains(&name), "{name}"),
                // A flag of one version that has lost its value.
                _ if name == "--experimental-specifier-resolution" => {}
                _ => assert!(!WITH_VALUE.contains(&name), "{name}"),
            }
        }
    }

    #[test]
    fn the_file_is_behind_the_flags() {
        for (words, expected) in [
            ("server.js", NodeFile::Certain(0)),
            ("--title shop server.js", NodeFile::Certain(2)),
            ("--title=shop server.js", NodeFile::Certain(1)),
            ("-r ./x --import y server.js -e", NodeFile::Certain(4)),
            ("--enable-source-maps --no-warnings server.js", NodeFile::Certain(2)),
            ("--new x server.js", NodeFile::Uncertain(1)),
            ("--new=x server.js", NodeFile::Certain(1)),
            ("--new --title x server.js", NodeFile::Certain(3)),
            ("-- -x.js", NodeFile::Certain(1)),
            ("--title", NodeFile::Nothing),
            ("-e 1", NodeFile::Nothing),
            ("--eval=1 server.js", NodeFile::Nothing),
        ] {
            let words: Vec<&str> = words.split(' ').collect();
            assert_eq!(file_of(&words), expected, "{words:?}");
        }
    }
}
