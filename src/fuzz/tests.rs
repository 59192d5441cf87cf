//! All entry points without a fuzzer: seeds, what was found once, and changes of the seeds that are always the same.

#![allow(clippy::unwrap_used)]

use std::path::Path;

use super::*;

/// Changes that are tried for each target.
const CHANGES: usize = 600;

/// Numbers of a linear congruential generator: the same everywhere and for ever.
struct Lcg(u64);

impl Lcg {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % bound.max(1)
    }
}

/// Pieces that parsers have opinions on.
const PIECES: [&[u8]; 24] = [
    b"\"",
    b"\\",
    b"/",
    b"..",
    b"//",
    b":",
    b"@",
    b"=",
    b",",
    b"\n",
    b"\0",
    b"\xff",
    b"-",
    b"+",
    b"{}",
    b"[]",
    b"null",
    b"1e400",
    b"18446744073709551616",
    b"\x7f\xff\xff\xff",
    b"\xff\xff\xff\xff\xff\xff\xff\xff",
    b"\xc3\xa4",
    b"**",
    b"99999999999",
];

fn change(lcg: &mut Lcg, seeds: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = seeds[lcg.below(seeds.len())].clone();
    for _ in 0..=lcg.below(4) {
        let at = lcg.below(bytes.len() + 1);
        let end = (at + lcg.below(32)).min(bytes.len());
        match lcg.below(7) {
            0 if at < bytes.len() => bytes[at] ^= 1 << lcg.below(8),
            1 if at < bytes.len() => bytes[at] = lcg.below(256) as u8,
            2 => bytes.truncate(at),
            3 => drop(bytes.drain(at..end)),
            4 => {
                let copy = bytes[at..end].to_vec();
                let to = lcg.below(bytes.len() + 1);
                bytes.splice(to..to, copy);
            }
            5 => {
                let other = &seeds[lcg.below(seeds.len())];
                let from = lcg.below(other.len() + 1);
                bytes.splice(at.., other[from..].iter().copied());
            }
            _ => {
                let piece = PIECES[lcg.below(PIECES.len())];
                let over = if lcg.below(2) == 0 { at } else { (at + piece.len()).min(bytes.len()) };
                bytes.splice(at..over, piece.iter().copied());
            }
        }
    }
    bytes
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
                let mut lcg = Lcg(1);
                for number in 0..CHANGES {
                    run(target, &change(&mut lcg, &seeds), &format!("change {number}"));
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
