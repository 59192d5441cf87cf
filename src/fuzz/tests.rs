//! All entry points without a fuzzer: seeds, what was found once, what is giant, and changes of the seeds that are
//! always the same. `PACK_TEST_CHANGES` says how many of them, or `PACK_TEST_CHANGE_SECONDS` for how long.

#![allow(clippy::unwrap_used)]

use std::path::Path;
use std::time::{Duration, Instant};

use super::change::changes;
use super::*;

/// Changes that are tried for each target, unless the environment says how many.
const CHANGES: usize = 600;

#[allow(clippy::disallowed_methods, reason = "how long to try is no content")]
fn number(variable: &str) -> Option<usize> {
    std::env::var(variable).ok().map(|text| text.parse().unwrap())
}

/// Runs changes of the seeds and gives their number.
fn run_changes(target: Target, seeds: &[Vec<u8>]) -> usize {
    let end = number("PACK_TEST_CHANGE_SECONDS")
        .map(|seconds| Instant::now() + Duration::from_secs(u64::try_from(seconds).unwrap()));
    let most = number("PACK_TEST_CHANGES").unwrap_or(if end.is_some() { usize::MAX } else { CHANGES });
    let mut ran = 0;
    for data in changes(seeds).take(most) {
        if end.is_some_and(|end| Instant::now() >= end) {
            break;
        }
        run(target, &data, &format!("change {ran}"));
        ran += 1;
    }
    ran
}

/// Runs `data` and says what it was if that panics.
fn run(target: Target, data: &[u8], what: &str) {
    if std::panic::catch_unwind(|| (target.run)(data)).is_err() {
        panic!("{} fails on {what}: {:?}", target.name, String::from_utf8_lossy(data));
    }
}

#[test]
fn names_are_unique_and_found() {
    for pair in TARGETS.windows(2) {
        assert!(pair[0].name < pair[1].name, "in order");
    }
    assert!(TARGETS.iter().all(|one| target(one.name).is_some()) && target("other").is_none());
}

#[test]
fn what_was_found_once_stays_mended() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/regressions");
    let mut count = 0;
    for folder in std::fs::read_dir(&root).unwrap() {
        let folder = folder.unwrap();
        let target = target(folder.file_name().to_str().unwrap()).expect("a folder is named after a target");
        for file in std::fs::read_dir(folder.path()).unwrap() {
            let file = file.unwrap();
            run(target, &std::fs::read(file.path()).unwrap(), file.file_name().to_str().unwrap());
            count += 1;
        }
    }
    assert!(count > 0);
}

/// Says which by number: what is giant is not to be printed.
fn run_giants(giants: &[Vec<u8>], is_for: impl Fn(&str) -> bool) {
    for target in TARGETS.into_iter().filter(|target| is_for(target.name)) {
        for (number, data) in giants.iter().enumerate() {
            let result = std::panic::catch_unwind(|| (target.run)(data));
            assert!(result.is_ok(), "{} fails on number {number} of what is giant", target.name);
        }
    }
}

const OF_ARCHIVES: [&str; 4] = ["tar", "tarball", "verify", "zip"];

#[test]
fn deep_and_long_texts_exhaust_nothing() {
    run_giants(&giant::texts(), |name| !OF_ARCHIVES.contains(&name) && name != "deflate");
}

#[test]
fn archives_of_very_many_or_very_long_parts_exhaust_nothing() {
    run_giants(&giant::archives(), |name| OF_ARCHIVES.contains(&name));
}

/// A test for each target, so that they run side by side.
macro_rules! changed_seeds {
    ($($test:ident: $name:literal,)*) => {
        $(
            #[test]
            fn $test() {
                let target = target($name).expect("a target");
                let seeds = (target.seeds)();
                run(target, b"", "nothing");
                for seed in &seeds {
                    run(target, seed, "a seed");
                }
                let ran = run_changes(target, &seeds);
                assert!(ran > 0);
                println!("{}: {ran} changes", target.name);
            }
        )*

        #[test]
        fn no_target_is_forgotten() {
            assert_eq!(TARGETS.map(|target| target.name), [$($name),*]);
        }
    };
}

changed_seeds! {
    app_boot: "app-boot",
    app_jar: "app-jar",
    app_node: "app-node",
    app_python: "app-python",
    app_quarkus: "app-quarkus",
    app_script: "app-script",
    attest_bundle: "attest-bundle",
    attest_key: "attest-key",
    attest_statement: "attest-statement",
    bodies: "bodies",
    build_lock: "build-lock",
    build_toml: "build-toml",
    cache_entry: "cache-entry",
    challenge: "challenge",
    config: "config",
    content: "content",
    credentials: "credentials",
    deflate: "deflate",
    descriptors: "descriptors",
    elf: "elf",
    error_body: "error-body",
    ignore: "ignore",
    index: "index",
    json: "json",
    location: "location",
    manifest: "manifest",
    memo: "memo",
    platform: "platform",
    policy: "policy",
    reference: "reference",
    release: "release",
    retry_after: "retry-after",
    sbom_file: "sbom-file",
    sbom_layer: "sbom-layer",
    sbom_stated: "sbom-stated",
    tar: "tar",
    tarball: "tarball",
    verify: "verify",
    zip: "zip",
    ztoc: "ztoc",
}
