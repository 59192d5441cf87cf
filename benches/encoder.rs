//! Speed and ratio of the encoder on real files, beside other encoders: `cargo bench --bench encoder [-- PATH...]`.
//!
//! Every path (a file, or a directory that is walked) is a data set of its own; without paths, trees that a Debian
//! machine usually has. A set is cut into bodies roughly as layers are: large files in 1 MiB pieces, small ones in
//! groups of 128 KiB. In-process encoders get the bodies one by one; `gzip`, `pigz` and `zstd` get the set as one
//! stream, which helps their ratio. Times are CPU time of one thread, so that a busy machine matters less (Linux only). `ENCODER_LEVELS=3,6` leaves out all but
//! these levels of our own.
#![allow(clippy::print_stdout)]
#![allow(clippy::disallowed_methods, reason = "a benchmark is configured by its environment")]

use flate2::{Compress, Compression, FlushCompress};
use libdeflater::{CompressionLvl, Compressor};
use pack::testing::{DeflateLevel, DeflateScratch, encode};
use std::hint::black_box;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

/// Bytes of a set that are used.
const CAP: usize = 12 << 20;
const PIECE: usize = 1 << 20;
const GROUP: usize = 128 << 10;
const LARGE: usize = 256 << 10;
/// The best of so many rounds counts.
const ROUNDS: usize = 3;

/// Name, root and file name parts of the default sets.
const DEFAULT_SETS: [(&str, &str, &[&str]); 6] = [
    ("shared libraries", "/usr/lib/x86_64-linux-gnu", &[".so"]),
    ("JDK class image", "/usr/lib/jvm", &["modules"]),
    ("JavaScript", "/usr/lib/node_modules", &[".js", ".json", ".md"]),
    ("Python", "/usr/lib/python3", &[".py"]),
    ("HTML and text", "/usr/share/doc", &[".html", ".txt", "copyright"]),
    ("compressed files", "/usr/share", &[".jar", ".png", ".gz", ".zst"]),
];

struct Set {
    name: String,
    bodies: Vec<Vec<u8>>,
    len: usize,
}

/// The result of one encoder for one set.
struct Outcome {
    encoder: String,
    out: usize,
    time: Duration,
}

fn main() {
    let levels = levels();
    let sets = sets();
    let mut total: Vec<Outcome> = Vec::new();
    for set in &sets {
        let outcomes = run(set, levels.as_deref());
        print_table(&set.name, set.len, &outcomes);
        merge(&mut total, outcomes);
    }
    print_table("all sets", sets.iter().map(|set| set.len).sum(), &total);
}

fn levels() -> Option<Vec<u8>> {
    let levels = std::env::var("ENCODER_LEVELS").ok()?;
    Some(levels.split(',').filter_map(|level| level.parse().ok()).collect())
}

fn sets() -> Vec<Set> {
    let paths: Vec<String> = std::env::args().skip(1).filter(|arg| !arg.starts_with('-')).collect();
    if paths.is_empty() {
        let sets = DEFAULT_SETS.iter().map(|(name, root, parts)| load(name, Path::new(root), parts));
        return sets.filter(|set| set.len > 0).collect();
    }
    paths.iter().map(|path| load(path, Path::new(path), &[])).collect()
}

fn load(name: &str, root: &Path, parts: &[&str]) -> Set {
    let mut bodies = Vec::new();
    let mut group = Vec::new();
    let mut len = 0;
    for file in files(root, parts) {
        let Ok(mut bytes) = fs_err::read(&file) else {
            continue;
        };
        bytes.truncate(CAP - len);
        len += bytes.len();
        if bytes.len() >= LARGE {
            bodies.extend(bytes.chunks(PIECE).map(<[u8]>::to_vec));
        } else {
            group.extend(bytes);
            if group.len() >= GROUP {
                bodies.push(std::mem::take(&mut group));
            }
        }
    }
    bodies.push(group);
    Set { name: name.to_owned(), bodies, len }
}

fn files(root: &Path, parts: &[&str]) -> Vec<PathBuf> {
    let entries = walkdir::WalkDir::new(root).sort_by_file_name().into_iter().filter_map(Result::ok);
    let regular = entries.filter(|entry| entry.file_type().is_file());
    let wanted = regular.filter(|entry| {
        let name = entry.file_name().to_string_lossy();
        parts.is_empty() || parts.iter().any(|part| name.contains(part))
    });
    wanted.map(walkdir::DirEntry::into_path).collect()
}

fn run(set: &Set, levels: Option<&[u8]>) -> Vec<Outcome> {
    if let Some(levels) = levels {
        return levels.iter().map(|&level| ours(set, level)).collect();
    }
    let mut outcomes: Vec<Outcome> = (1..=9).map(|level| ours(set, level)).collect();
    outcomes.extend([1, 2, 3, 6].map(|level| libdeflate(set, level)));
    outcomes.extend([1, 3, 6].map(|level| zlib_rs(set, level)));
    let external: [&[&str]; 3] =
        [&["gzip", "-6"], &["pigz", "-6", "-p1"], &["zstd", "-3", "--single-thread"]];
    outcomes.extend(external.iter().filter_map(|command| piped(set, command)));
    outcomes
}

fn ours(set: &Set, level: u8) -> Outcome {
    let level = DeflateLevel::new(level).unwrap_or_default();
    let mut scratch = DeflateScratch::default();
    let mut out = Vec::new();
    let encoder =
        format!("pack {}{}", level.get(), if level == DeflateLevel::default() { " (default)" } else { "" });
    timed(set, encoder, |body| {
        out.clear();
        encode(level, body, &mut scratch, &mut out);
        black_box(&out).len()
    })
}

fn libdeflate(set: &Set, level: i32) -> Outcome {
    let mut compressor = Compressor::new(CompressionLvl::new(level).unwrap_or_default());
    let mut out = vec![0; 2 * PIECE];
    timed(set, format!("libdeflate {level}"), |body| compressor.deflate_compress(body, &mut out).unwrap_or(0))
}

fn zlib_rs(set: &Set, level: u32) -> Outcome {
    let mut out = vec![0; 2 * PIECE];
    timed(set, format!("zlib-rs {level}"), |body| {
        let mut state = Compress::new(Compression::new(level), false);
        let _ = state.compress(body, &mut out, FlushCompress::Sync);
        state.total_out() as usize
    })
}

fn timed(set: &Set, encoder: String, mut encode: impl FnMut(&[u8]) -> usize) -> Outcome {
    let mut best = Outcome { encoder, out: 0, time: Duration::MAX };
    for _ in 0..ROUNDS {
        let start = thread_time();
        best.out = set.bodies.iter().map(|body| encode(body)).sum();
        best.time = best.time.min(thread_time().saturating_sub(start));
    }
    best
}

/// CPU time of this thread: the first field of `schedstat`, in nanoseconds.
fn thread_time() -> Duration {
    let text = fs_err::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let nanos = text.split(' ').next().and_then(|field| field.parse().ok());
    Duration::from_nanos(nanos.unwrap_or(0))
}

/// CPU time of all children that ended: the sum of `cutime` and `cstime`, in hundredths of a second.
fn children_time() -> Duration {
    let text = fs_err::read_to_string("/proc/self/stat").unwrap_or_default();
    // The second field, a name in parentheses, may itself have spaces; the two wanted are the 16th and 17th.
    let fields = text.rsplit_once(')').map_or("", |(_, rest)| rest).split_whitespace();
    let ticks: u64 = fields.skip(13).take(2).filter_map(|field| field.parse::<u64>().ok()).sum();
    Duration::from_millis(10 * ticks)
}

fn piped(set: &Set, command: &[&str]) -> Option<Outcome> {
    let input = set.bodies.concat();
    let mut best = Outcome { encoder: command.join(" "), out: 0, time: Duration::MAX };
    for _ in 0..ROUNDS {
        let start = children_time();
        best.out = pipe(&input, command)?;
        best.time = best.time.min(children_time().saturating_sub(start));
    }
    Some(best)
}

/// Pipes `input` through a command and gives the length of its output, or nothing if it cannot be run.
fn pipe(input: &[u8], command: &[&str]) -> Option<usize> {
    let mut process = Command::new(command[0]);
    let mut child = process.args(&command[1..]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().ok()?;
    let mut stdin = child.stdin.take()?;
    let output = std::thread::scope(|scope| {
        scope.spawn(|| {
            // A write error shows as a short output.
            let _ = stdin.write_all(input);
            drop(stdin);
        });
        child.wait_with_output().ok()
    })?;
    Some(output.stdout.len())
}

fn merge(total: &mut Vec<Outcome>, outcomes: Vec<Outcome>) {
    for outcome in outcomes {
        match total.iter_mut().find(|sum| sum.encoder == outcome.encoder) {
            Some(sum) => {
                sum.out += outcome.out;
                sum.time += outcome.time;
            }
            None => total.push(outcome),
        }
    }
}

fn print_table(name: &str, len: usize, outcomes: &[Outcome]) {
    let gzip = outcomes.iter().find(|outcome| outcome.encoder == "gzip -6").map(|outcome| outcome.out as f64);
    println!("\n{name}, {:.1} MB\n", len as f64 / 1e6);
    println!("| encoder | MB/s | ratio | bytes against gzip -6 |\n|---|---:|---:|---:|");
    for Outcome { encoder, out, time } in outcomes {
        let speed = len as f64 / 1e6 / time.as_secs_f64();
        let ratio = *out as f64 / len as f64;
        let against =
            gzip.map_or(String::new(), |gzip| format!("{:+.1} %", (*out as f64 / gzip - 1.0) * 100.0));
        println!("| {encoder} | {speed:.0} | {ratio:.4} | {against} |");
    }
}
