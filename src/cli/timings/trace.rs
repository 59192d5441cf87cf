//! The record as Chrome trace events: Perfetto (ui.perfetto.dev) and `chrome://tracing` open it.
//!
//! The format is Google's "Trace Event Format", as a JSON object. The run is a process, and so is each
//! image of several and each host that was asked something; lanes are threads. Slices of a thread never overlap, and events come by their time. An arrow leads
//! from a layer to each of its uploads.

use std::collections::BTreeMap;

use serde::Serialize;

use super::super::format::printable;
use super::critical;
use super::lanes::{self, TimingLane};
use super::record::{Activity, BuildRecord, HostMachine, TimeSpan};
use crate::types::digest::Digest;

/// A file of trace events.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct TraceFile<'a> {
    display_time_unit: &'static str,
    other_data: About<'a>,
    trace_events: Vec<TraceEvent>,
}

/// The subject of the trace; viewers show it beside the trace.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct About<'a> {
    result: String,
    /// Microseconds.
    elapsed: u64,
    /// Bytes.
    delivered: u64,
    #[serde(flatten)]
    machine: &'a HostMachine,
}

/// One event. Times are microseconds since the program started.
#[derive(Debug, Serialize)]
#[serde(tag = "ph")]
enum TraceEvent {
    /// A name, or the place among others.
    #[serde(rename = "M")]
    Metadata { name: &'static str, pid: usize, tid: usize, args: LaneLabel },
    /// A slice of time.
    #[serde(rename = "X")]
    Complete { name: String, cat: Activity, ts: u64, dur: u64, pid: usize, tid: usize, args: Args },
    /// An arrow begins in the slice that is there.
    #[serde(rename = "s")]
    FlowStart { name: &'static str, cat: &'static str, id: usize, ts: u64, pid: usize, tid: usize },
    /// It ends in the slice that is there.
    #[serde(rename = "f")]
    FlowEnd {
        name: &'static str,
        cat: &'static str,
        id: usize,
        ts: u64,
        pid: usize,
        tid: usize,
        /// `e`: in the slice around it, and not the next one.
        bp: &'static str,
    },
}

impl TraceEvent {
    const fn time(&self) -> u64 {
        match self {
            Self::Metadata { .. } => 0,
            Self::Complete { ts, .. } | Self::FlowStart { ts, .. } | Self::FlowEnd { ts, .. } => *ts,
        }
    }
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "snake_case")]
enum LaneLabel {
    Name(String),
    SortIndex(usize),
}

/// The details of a slice, which a viewer shows on a click.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Args {
    what: &'static str,
    #[serde(skip_serializing_if = "String::is_empty")]
    outcome: String,
    #[serde(skip_serializing_if = "is_zero")]
    bytes: u64,
    /// That of the layer's blob.
    #[serde(skip_serializing_if = "Option::is_none")]
    digest: Option<Digest>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    critical: bool,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
const fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// Where a slice is: process and thread, by number.
type Track = (usize, usize);

impl<'a> TraceFile<'a> {
    /// The trace of a record.
    pub(super) fn of(record: &'a BuildRecord) -> Self {
        let about = About {
            result: printable(&record.result).into_owned(),
            elapsed: record.elapsed,
            delivered: record.delivered,
            machine: &record.machine,
        };
        let (mut events, tracks) = tracks(record);
        let mut timed: Vec<TraceEvent> = slices(record, &tracks).chain(arrows(record, &tracks)).collect();
        // The order of equal times stays: a slice comes before the arrow in it.
        timed.sort_by_key(TraceEvent::time);
        events.append(&mut timed);
        Self { display_time_unit: "ms", other_data: about, trace_events: events }
    }
}

/// A process in the trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Process<'a> {
    /// The whole run.
    Run,
    /// One image of several, by its number.
    Image(usize),
    /// A host that was asked something.
    Host(&'a str),
}

impl<'a> Process<'a> {
    /// The process of a span.
    fn of(span: &'a TimeSpan, has_images: bool) -> Self {
        let image = span.image.filter(|_| has_images).map_or(Self::Run, Self::Image);
        if span.activity != Activity::Request {
            return image;
        }
        // `METHOD HOST/PATH`
        let host = span.name.split_once(' ').and_then(|(_, address)| address.split_once('/'));
        host.map_or(image, |(host, _)| Self::Host(host))
    }

    fn name(self, record: &BuildRecord) -> String {
        match self {
            Self::Run => format!("pack build {}", record.result),
            Self::Image(number) => format!("image {}", number + 1),
            Self::Host(host) => host.to_owned(),
        }
    }
}

/// The names of all processes and threads, and the track of each span.
fn tracks(record: &BuildRecord) -> (Vec<TraceEvent>, Vec<Track>) {
    let has_images = record.spans.iter().any(|span| span.image > Some(0));
    let mut processes: BTreeMap<Process<'_>, BTreeMap<TimingLane, Vec<usize>>> = BTreeMap::new();
    for (index, span) in record.spans.iter().enumerate() {
        let lanes = processes.entry(Process::of(span, has_images)).or_default();
        lanes.entry(TimingLane::of(span)).or_default().push(index);
    }
    let mut names = Vec::new();
    let mut tracks = vec![(0, 0); record.spans.len()];
    for (pid, (process, lanes)) in (1..).zip(processes) {
        let mut name = |tid, name, args| names.push(TraceEvent::Metadata { name, pid, tid, args });
        name(0, "process_name", LaneLabel::Name(printable(&process.name(record)).into_owned()));
        name(0, "process_sort_index", LaneLabel::SortIndex(pid));
        let mut tid = 0;
        for (lane, spans) in lanes {
            let times = |index: &usize| (record.spans[*index].start, record.spans[*index].end);
            for row in lanes::rows(spans, times) {
                tid += 1;
                name(tid, "thread_name", LaneLabel::Name(printable(&lane.label).into_owned()));
                name(tid, "thread_sort_index", LaneLabel::SortIndex(tid));
                for index in row {
                    tracks[index] = (pid, tid);
                }
            }
        }
    }
    (names, tracks)
}

fn slices(record: &BuildRecord, tracks: &[Track]) -> impl Iterator<Item = TraceEvent> {
    let path = critical::path(&record.spans);
    let is_of_layer =
        |span: &TimeSpan| matches!(span.activity, Activity::Layer | Activity::Push | Activity::Write);
    record.spans.iter().zip(tracks).enumerate().map(move |(index, (span, &(pid, tid)))| {
        let mut layers = record.layers.iter().filter(|layer| is_of_layer(span) && layer.name == span.name);
        let args = Args {
            what: what(span.activity),
            outcome: printable(&span.outcome).into_owned(),
            bytes: span.bytes,
            // Layers of several platforms can have one name: then it is not known which it was.
            digest: layers.next().filter(|_| layers.next().is_none()).and_then(|layer| layer.digest),
            critical: path.iter().any(|leg| leg.span == index),
        };
        let name = printable(&lanes::label(span)).into_owned();
        TraceEvent::Complete {
            name,
            cat: span.activity,
            ts: span.start,
            dur: span.end - span.start,
            pid,
            tid,
            args,
        }
    })
}

/// From each layer to what brings it to a destination. An upload can begin while its layer is built, never before.
fn arrows(record: &BuildRecord, tracks: &[Track]) -> impl Iterator<Item = TraceEvent> {
    let spans = move || record.spans.iter().zip(tracks);
    let layers = spans().filter(|(span, _)| span.activity == Activity::Layer);
    let pairs = layers.flat_map(move |(layer, &from)| {
        let is_after = |span: &TimeSpan| span.name == layer.name && span.end >= layer.start;
        let takes = move |span: &TimeSpan| {
            matches!(span.activity, Activity::Push | Activity::Write) && is_after(span)
        };
        spans().filter(move |(span, _)| takes(span)).map(move |(span, &to)| (layer, from, span, to))
    });
    let (name, cat) = ("blob of the layer", "blob");
    pairs.enumerate().flat_map(move |(id, (layer, from, taker, to))| {
        let (start, end) = (layer.start, taker.start.max(layer.start));
        [
            TraceEvent::FlowStart { name, cat, id, ts: start, pid: from.0, tid: from.1 },
            TraceEvent::FlowEnd { name, cat, id, ts: end, pid: to.0, tid: to.1, bp: "e" },
        ]
    })
}

const fn what(activity: Activity) -> &'static str {
    match activity {
        Activity::Look => "looking at the inputs",
        Activity::Ask => "waiting for what the targets' tags mean",
        Activity::Plan => "making the plan",
        Activity::LookUp => "looking up what is known of a layer",
        Activity::Check => "checks of one family",
        Activity::Read => "reading a base layer",
        Activity::Pull => "downloading",
        Activity::Layer => "building a layer",
        Activity::Body => "reading and encoding a body of a layer",
        Activity::Push => "bringing a blob to a registry",
        Activity::Write => "writing a blob to an output",
        Activity::Request => "a request, until its answer begins",
        Activity::Conclude => "manifests and tags",
        Activity::Verify => "deriving digests again",
    }
}
