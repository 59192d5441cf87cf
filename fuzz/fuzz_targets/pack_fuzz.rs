//! All targets in one binary: `FUZZ_TARGET` names the one to run, `FUZZ_SEEDS` a directory to write its seeds to.
#![no_main]

use std::sync::OnceLock;

use libfuzzer_sys::fuzz_target;
use pack::fuzz::Target;

static TARGET: OnceLock<Target> = OnceLock::new();

fn begin() {
    let name = std::env::var("FUZZ_TARGET").expect("FUZZ_TARGET names a target");
    let target = pack::fuzz::target(&name).expect("FUZZ_TARGET is none of the targets");
    let _ = TARGET.set(target);
    if let Some(directory) = std::env::var_os("FUZZ_SEEDS") {
        let directory = std::path::PathBuf::from(directory);
        std::fs::create_dir_all(&directory).expect("a directory for seeds");
        for (number, seed) in (target.seeds)().iter().enumerate() {
            std::fs::write(directory.join(format!("seed-{number}")), seed).expect("a seed is written");
        }
    }
}

fuzz_target!(init: begin(), |data: &[u8]| (TARGET.get().expect("chosen").run)(data));
