//! SHA-256 as layers are hashed, on each of the ways that this processor has: `cargo bench --bench sha256`.
//!
//! AWS-LC picks its code by what the processor has, and `OPENSSL_ia32cap` hides some of that from it, so this program runs
//! itself once for each way. Beside it the `sha2` crate, which picks for itself, and what keeping a state every MiB costs.
//! MB/s of one thread, the best of some rounds.
#![allow(clippy::print_stdout)]
#![allow(clippy::disallowed_methods, reason = "a benchmark is configured by its environment")]

use std::hint::black_box;
use std::process::Command;
use std::time::{Duration, Instant};

use pack::testing::Sha256;
use sha2::Digest as _;

const BYTES: usize = 64 << 20;
const ROUNDS: usize = 7;
/// The instructions that are hidden, and a name for the rest.
const WAYS: [(&str, &str); 3] = [
    ("", "all that the processor has"),
    (":~0x20000000", "no SHA instructions"),
    ("~0x1000020000000000:~0x20000020", "no SHA instructions, SSSE3 or AVX"),
];

fn main() {
    if std::env::var_os("SHA256_ONCE").is_some() {
        once();
        return;
    }
    println!("| AWS-LC may use | MB/s | with a state kept every MiB | `sha2` crate |\n|---|--:|--:|--:|");
    let program = std::env::current_exe().expect("this program has a path");
    for (hidden, name) in WAYS {
        let run = Command::new(&program).env("SHA256_ONCE", "1").env("OPENSSL_ia32cap", hidden).output();
        print!("| {name} {}", String::from_utf8_lossy(&run.expect("this program runs").stdout));
    }
}

fn once() {
    let bytes: Vec<u8> = (0..BYTES as u32).map(|at| (at.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    let plain = best(|| {
        let mut hasher = Sha256::new();
        hasher.update(&bytes);
        black_box(hasher.finish());
    });
    let kept = best(|| {
        let mut hasher = Sha256::new();
        for piece in bytes.chunks(1 << 20) {
            hasher.update(piece);
            black_box(hasher.midstate());
        }
        black_box(hasher.finish());
    });
    let peer = best(|| {
        black_box(sha2::Sha256::digest(&bytes));
    });
    let rate = |time: Duration| BYTES as f64 / 1e6 / time.as_secs_f64();
    println!("| {:.0} | {:.0} | {:.0} |", rate(plain), rate(kept), rate(peer));
}

fn best(work: impl Fn()) -> Duration {
    let round = || {
        let begun = Instant::now();
        work();
        begun.elapsed()
    };
    (0..ROUNDS).map(|_| round()).min().unwrap_or_default()
}
