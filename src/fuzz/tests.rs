//! All entry points without a fuzzer: seeds, what was found once, and changes of the seeds that are always the same.

#![allow(clippy::unwrap_used)]

use std::path::Path;

use super::change::changes;
use super::*;

/// Changes that are tried for each target.
const CHANGES: usize = 600;

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
                for (number, data) in changes(&seeds).take(CHANGES).enumerate() {
                    run(target, &data, &format!("change {number}"));
                }
            }
        )*

        #[test]
        fn no_target_is_forgotten() {
            assert_eq!(TARGETS.map(|target| target.name), [$($name),*]);
        }
    };
}

changed_seeds! {
    bodies: "bodies",
    build_lock: "build-lock",
    build_toml: "build-toml",
    cache_entry: "cache-entry",
    challenge: "challenge",
    config: "config",
    credentials: "credentials",
    deflate: "deflate",
    error_body: "error-body",
    ignore: "ignore",
    index: "index",
    location: "location",
    manifest: "manifest",
    memo: "memo",
    platform: "platform",
    reference: "reference",
    retry_after: "retry-after",
    tar: "tar",
    verify: "verify",
    zip: "zip",
}
