//! The record of a build: what it made, and every span of time that it told of. Plain data.

use std::time::Duration;

use serde::Serialize;

use super::super::format;
use crate::engine::{DestinationReport, LayerReport, Report};
use crate::plan::FileMemo;
use crate::transport::Delivery;
use crate::types::digest::Digest;

/// The activity of a span of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Activity {
    /// Looking at the inputs from outside.
    Look,
    /// Waiting for what the targets' tags mean.
    Ask,
    /// Making the plan.
    Plan,
    /// Looking up what is known of a layer.
    LookUp,
    /// One family of checks.
    Check,
    /// Reading a base layer to see what is in it.
    Read,
    /// Downloading.
    Pull,
    /// Building a layer.
    Layer,
    /// One body of a layer, on one thread.
    Body,
    /// Bringing a blob to a registry.
    Push,
    /// Writing a blob to an output on disk.
    Write,
    /// One request to a registry, until its answer begins.
    Request,
    /// Manifests and tags.
    Conclude,
    /// Deriving digests again.
    Verify,
}

/// Something that took time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TimeSpan {
    /// The number of the image that it was about, from 0 on; `None` where it was about none or all.
    pub image: Option<usize>,
    /// The activity.
    pub activity: Activity,
    /// The subject.
    pub name: String,
    /// The thread that began it.
    pub thread: String,
    /// When it began, microseconds since the program started.
    pub start: u64,
    /// When it ended, likewise; not before it began.
    pub end: u64,
    /// Bytes that it was about.
    pub bytes: u64,
    /// Whether its size was known when it began: a blob that is sent while it is made has none.
    pub sized: bool,
    /// How it ended, in a word; may be empty.
    pub outcome: String,
}

impl TimeSpan {
    pub(super) const fn took(&self) -> u64 {
        self.end.saturating_sub(self.start)
    }
}

/// The program and its machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct HostMachine {
    /// The version of the program.
    pub version: String,
    /// The layer format.
    pub format: u64,
    /// Operating system and architecture.
    pub system: String,
    /// Cores that the system offers.
    pub cores: usize,
    /// Threads that were to be used.
    pub jobs: usize,
    /// Whether the processor has instructions for SHA-256; `None` where that cannot be told.
    pub sha256_instructions: Option<bool>,
}

impl HostMachine {
    /// This program on this machine, with so many threads.
    #[must_use]
    pub fn this(jobs: usize) -> Self {
        Self {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            format: crate::layer::FORMAT,
            system: format!("{}/{}", std::env::consts::OS, std::env::consts::ARCH),
            cores: std::thread::available_parallelism().map_or(1, std::num::NonZeroUsize::get),
            jobs,
            sha256_instructions: sha256_instructions(),
        }
    }
}

#[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
fn sha256_instructions() -> Option<bool> {
    Some(std::arch::is_x86_feature_detected!("sha"))
}

#[cfg(target_arch = "aarch64")]
fn sha256_instructions() -> Option<bool> {
    Some(std::arch::is_aarch64_feature_detected!("sha2"))
}

#[cfg(not(any(target_arch = "x86", target_arch = "x86_64", target_arch = "aarch64")))]
const fn sha256_instructions() -> Option<bool> {
    None
}

/// One layer of ours, in figures.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LayerFigures {
    /// The platform.
    pub platform: String,
    /// Its name.
    pub name: String,
    /// Entries that are not directories.
    pub files: usize,
    /// Files that were known without being read; `None` where they were not looked at one by one.
    pub known_files: Option<usize>,
    /// Bytes of payload.
    pub payload: u64,
    /// Bytes of the blob.
    pub blob: u64,
    /// Its digest, where it is known.
    pub digest: Option<Digest>,
    /// Bodies in it and those of them that were encoded; `None` if it was not built.
    pub bodies: Option<(usize, usize)>,
    /// Where it went and how it came there.
    pub deliveries: Vec<(String, String)>,
}

impl LayerFigures {
    fn of(layer: &LayerReport, platform: &str, destinations: &[DestinationReport]) -> Self {
        let digest = layer.facts.map(|facts| facts.digest);
        let work = layer.work.or(layer.remade);
        let known = |memo: FileMemo| memo.remembered + memo.archive_remembered;
        let delivery = |destination: &DestinationReport| {
            let blob = digest.and_then(|digest| destination.blobs.get(&digest));
            let followed = digest.is_some_and(|digest| destination.followed.contains(&digest));
            match blob {
                None => "nothing to do",
                Some(Delivery::Present) => "present",
                Some(Delivery::Mounted) => "mounted",
                Some(Delivery::Uploaded) if followed => "uploaded while it was made",
                Some(Delivery::Uploaded) if destination.is_remote => "uploaded",
                Some(Delivery::Uploaded) => "written",
            }
        };
        let deliveries = destinations.iter().map(|to| (to.name.clone(), delivery(to).to_owned()));
        Self {
            platform: platform.to_owned(),
            name: layer.name.clone(),
            files: layer.files,
            known_files: layer.file_memo.map(known),
            payload: layer.size,
            blob: layer.facts.map_or(0, |facts| facts.size),
            digest,
            bodies: work.map(|work| (work.bodies, work.encoded)),
            deliveries: deliveries.collect(),
        }
    }
}

/// A finished build: what it made, and every span of time that it told of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BuildRecord {
    /// The machine.
    pub machine: HostMachine,
    /// The result: `NAME@DIGEST`, or how many images there are.
    pub result: String,
    /// How long it took from the start of the program, microseconds.
    pub elapsed: u64,
    /// Bytes sent to registries or written to outputs.
    pub delivered: u64,
    /// Our layers.
    pub layers: Vec<LayerFigures>,
    /// By beginning.
    pub spans: Vec<TimeSpan>,
}

impl BuildRecord {
    /// The record of a build that ended with `report` and this result.
    #[must_use]
    pub fn new(
        machine: HostMachine,
        result: String,
        elapsed: Duration,
        report: &Report,
        spans: Vec<TimeSpan>,
    ) -> Self {
        Self { result, ..Self::of_run(machine, elapsed, &[(None, report)], spans) }
    }

    /// The record of a run whose images ended with these reports, each under the name of its member.
    #[must_use]
    pub fn of_run(
        machine: HostMachine,
        elapsed: Duration,
        reports: &[(Option<&str>, &Report)],
        mut spans: Vec<TimeSpan>,
    ) -> Self {
        spans.sort_by(|a, b| {
            (a.start, a.activity, &a.name, a.end).cmp(&(b.start, b.activity, &b.name, b.end))
        });
        let mut layers = Vec::new();
        for (member, report) in reports {
            for image in &report.images {
                let platform = image.platform.to_string();
                layers.extend(image.layers.iter().map(|layer| {
                    let figures = LayerFigures::of(layer, &platform, &report.destinations);
                    let name = member.map(|member| format!("{member}: {}", figures.name));
                    LayerFigures { name: name.unwrap_or(figures.name), ..figures }
                }));
            }
        }
        let destinations = reports.iter().flat_map(|(_, report)| &report.destinations);
        Self {
            machine,
            result: format::count(reports.len() as u64, "image"),
            elapsed: micros(elapsed),
            delivered: destinations.map(|destination| destination.uploaded).sum(),
            layers,
            spans,
        }
    }
}

pub(super) fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}
