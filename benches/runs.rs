//! How much memory and time a run of many images takes, beside a run of one: prints a table, and fails where twenty images
//! hold more than one and 4 MiB for each.
//!
//! `cargo bench --bench runs`. Each run is a process of its own, whose largest resident size the system tells.
#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "it is a benchmark, which prints and takes times"
)]

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use pack::testing::{
    AttestRequest, CachePolicy, Client, ClientSettings, Document, Facts, Interrupt, Job, OciLayout,
    OnFailure, Overrides, OwnFiles, Progress, Request, Session, Settings, Store, Target, Workers,
};

/// How many images run together.
const IMAGES: usize = 20;
/// The memory that each of them may add, in KiB.
const FOR_EACH: u64 = 4 << 10;
/// Small files of each image's own.
const FILES: usize = 400;
/// Bytes of a layer that all have.
const SHARED: usize = 20 << 20;

fn text(seed: usize, length: usize) -> Vec<u8> {
    let mut state = seed as u64 + 1;
    let next = |_| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        b"etaoin shrdlu\n"[(state >> 60) as usize % 14]
    };
    (0..length).map(next).collect()
}

fn project(directory: &Path, number: usize) {
    let own = directory.join(number.to_string());
    std::fs::create_dir_all(own.join("own")).unwrap();
    std::fs::create_dir_all(own.join("shared")).unwrap();
    std::fs::write(own.join("shared/all"), text(0, SHARED)).unwrap();
    for file in 0..FILES {
        std::fs::write(own.join(format!("own/{file}")), text(1 + number * FILES + file, 8_000)).unwrap();
    }
}

fn request(directory: &Path, number: usize) -> Request {
    let build_file = "[image]\nbase = \"scratch\"\ntags = [\"1\"]\n\
         [[layer]]\nname = \"shared\"\nfiles = [{ from = \"shared/\", to = \"/srv/shared\" }]\n\
         [[layer]]\nname = \"own\"\nfiles = [{ from = \"own/\", to = \"/srv/own\" }]\n";
    let project = directory.join(number.to_string());
    let document = Document::parse("build.toml", &project, build_file).unwrap();
    let none = Overrides::default();
    Request {
        attest: AttestRequest::default(),
        allow_retag: false,
        policies: Arc::default(),
        now: 0,
        reads_base: false,
        plans_refused: false,
        most_findings: 20,
        settings: Settings::resolve(document, &none, &none).unwrap(),
        has_build_file: true,
        facts: Facts::default(),
        lock: None,
        project,
        name: format!("localhost/shop/{number}").parse().unwrap(),
        cache: CachePolicy::default(),
        own: OwnFiles::default(),
    }
}

/// Builds so many images into layouts, and prints the largest resident size in KiB, milliseconds and bodies encoded.
fn child(directory: &Path, count: usize) {
    let progress = Progress::default();
    let interrupt = Interrupt::default();
    let client = Client::new(ClientSettings::default(), progress.clone(), interrupt.clone());
    let store = Store::open(&directory.join(format!("store-{count}")), &progress);
    let processors = std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_nanos();
    let now = i64::try_from(now).unwrap();
    let session = Session::new(store, client, Workers::new(processors), progress.clone(), interrupt, now);
    let requests: Vec<Request> = (0..count).map(|number| request(directory, number)).collect();
    let target = |number: usize| -> Vec<Target> {
        let place = directory.join(format!("layout-{count}-{number}"));
        vec![Arc::new(OciLayout::create(&place, None, &progress).unwrap())]
    };
    let targets: Vec<Vec<Target>> = (0..count).map(target).collect();
    let jobs: Vec<Job<'_>> =
        requests.iter().zip(&targets).map(|(request, targets)| Job { request, targets }).collect();
    let begun = Instant::now();
    let totals = session.run(&jobs, OnFailure::GoOn).totals();
    let elapsed = begun.elapsed().as_millis();
    assert_eq!(totals.failed, 0);
    let encoded = totals.bodies_encoded;
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    let peak = peak.trim().trim_end_matches(" kB");
    println!("{peak} {elapsed} {encoded}");
}

fn measure(directory: &Path, count: usize) -> (u64, u64, u64) {
    let itself = std::env::current_exe().unwrap();
    let output = Command::new(itself).arg("--child").arg(directory).arg(count.to_string()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    let numbers: Vec<u64> = text.split_whitespace().map(|number| number.parse().unwrap()).collect();
    (numbers[0], numbers[1], numbers[2])
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    if let [_, flag, directory, count] = &arguments[..]
        && flag == "--child"
    {
        child(&PathBuf::from(directory), count.parse().unwrap());
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    (0..IMAGES).for_each(|number| project(directory.path(), number));
    println!("| images | peak KiB | ms | bodies encoded |\n|---|---|---|---|");
    let one = measure(directory.path(), 1);
    let all = measure(directory.path(), IMAGES);
    for (count, (peak, elapsed, encoded)) in [(1, one), (IMAGES, all)] {
        println!("| {count} | {peak} | {elapsed} | {encoded} |");
    }
    let bound = one.0 + FOR_EACH * IMAGES as u64;
    assert!(all.0 <= bound, "{} KiB is more than {bound} KiB", all.0);
    println!(
        "each further image adds {} KiB; 4096 are allowed",
        all.0.saturating_sub(one.0) / (IMAGES as u64 - 1)
    );
}
