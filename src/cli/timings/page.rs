//! The record as a page that needs nothing else: no network, no script, light and dark.
//!
//! Everything from outside (names of files, layers, hosts) is a [`Text`], and the template escapes it where it is put in
//! (`templates/timings.html`, compiled into the program). The page forbids the browser to load anything, so that even a
//! mistake here would send nothing anywhere.

use std::collections::BTreeMap;
use std::fmt;
use std::fmt::Write as _;
use std::time::Duration;

use askama::Template;

use super::super::format::{self, bytes, number, printable};
use super::critical::{self, Leg};
use super::lanes::{self, TimingLane, label};
use super::record::{Activity, BuildRecord, HostMachine, LayerFigures, TimeSpan};

/// Height of a row of a lane, pixels.
const ROW: usize = 22;
/// Bodies that are closer than this share of the whole are drawn as one.
const CLOSE: f64 = 0.0008;
/// So many requests are listed, the longest.
const REQUESTS: usize = 25;
/// Lines across the time line.
const TICKS: u32 = 8;
/// The classes of bars, and what they mean.
const KEY: [(&str, &str); 7] = [
    ("plan", "inputs, plan, manifests and tags"),
    ("layer", "layers looked up or built"),
    ("known", "bodies found or copied"),
    ("encoded", "bodies encoded"),
    ("move", "blobs on their way"),
    ("request", "requests"),
    ("plan critical", "outlined: on the critical path"),
];

/// The page.
///
/// # Errors
/// None but one of the formatter, and a `String` has room.
pub(super) fn page(record: &BuildRecord) -> Result<String, fmt::Error> {
    let path = critical::path(&record.spans);
    let sections = [
        Some(critical_path(record, &path)),
        Some(layers(&record.layers)),
        Some(stages(record)),
        requests(&record.spans),
        Some(machine(&record.machine)),
    ];
    let page = TimingsPage {
        result: Text::of(&record.result),
        totals: totals(record),
        ticks: ticks(record.elapsed),
        lanes: timeline(record, &path),
        key: KEY,
        sections: sections.into_iter().flatten().collect(),
    };
    // The line end that a template loses.
    page.render().map(|page| page + "\n").map_err(|_| fmt::Error)
}

/// The values of the template.
#[derive(Template)]
#[template(path = "timings.html")]
struct TimingsPage {
    result: Text,
    totals: Vec<Fact>,
    ticks: Vec<Tick>,
    lanes: Vec<LaneView>,
    key: [(&'static str, &'static str); 7],
    sections: Vec<Section>,
}

/// Text as it is shown: what could change how the text around it is shown, as control and direction characters do, is
/// written out. Markup is the template's to escape.
struct Text(String);

impl Text {
    fn of(text: &str) -> Self {
        Self(printable(text).into_owned())
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A figure of the whole.
struct Fact {
    name: &'static str,
    value: String,
}

/// A line across the time line, in percent, and its time.
struct Tick {
    x: f64,
    at: String,
}

/// A lane with its bars; those of one row do not overlap.
struct LaneView {
    label: Text,
    height: usize,
    bars: Vec<BarView>,
}

/// A bar: places along the time line in percent, others in pixels.
struct BarView {
    x: String,
    width: String,
    y: usize,
    height: usize,
    class: &'static str,
    is_critical: bool,
    title: Text,
    /// None where there is no room for it.
    label: Option<Text>,
}

/// A table with a heading.
struct Section {
    title: &'static str,
    text: String,
    columns: Vec<Heading>,
    rows: Vec<Vec<Text>>,
}

/// The heading of a column.
struct Heading {
    name: &'static str,
    is_number: bool,
}

impl Section {
    /// The columns from `numbers` on are numbers.
    fn new(
        title: &'static str,
        names: &[&'static str],
        numbers: std::ops::Range<usize>,
        rows: Vec<Vec<String>>,
    ) -> Self {
        let heading =
            |(index, name): (usize, &&'static str)| Heading { name, is_number: numbers.contains(&index) };
        let cells = |row: Vec<String>| row.iter().map(|cell| Text::of(cell)).collect();
        Self {
            title,
            text: String::new(),
            columns: names.iter().enumerate().map(heading).collect(),
            rows: rows.into_iter().map(cells).collect(),
        }
    }

    fn with_text(self, text: impl Into<String>) -> Self {
        Self { text: text.into(), ..self }
    }
}

/// A time in microseconds, with what precision it deserves.
fn time(micros: u64) -> String {
    match micros {
        0 => "0".to_owned(),
        1..10_000 => format!("{}.{:02} ms", micros / 1000, micros % 1000 / 10),
        10_000..950_000 => format!("{} ms", (micros + 500) / 1000),
        _ => format::duration(Duration::from_micros(micros)),
    }
}

fn totals(record: &BuildRecord) -> Vec<Fact> {
    let built = record.layers.iter().filter(|layer| layer.bodies.is_some()).count();
    let (all, encoded) = record
        .layers
        .iter()
        .filter_map(|layer| layer.bodies)
        .fold((0, 0), |sum, (bodies, encoded)| (sum.0 + bodies, sum.1 + encoded));
    let requests = record.spans.iter().filter(|span| span.activity == Activity::Request).count();
    let facts = [
        ("took", time(record.elapsed)),
        ("layers built", format!("{built} of {}", record.layers.len())),
        ("bodies encoded", format!("{encoded} of {all}")),
        ("sent or written", bytes(record.delivered)),
        ("requests", number(requests as u64)),
    ];
    facts.map(|(name, value)| Fact { name, value }).into()
}

fn ticks(elapsed: u64) -> Vec<Tick> {
    let tick = |tick: u32| Tick {
        x: f64::from(tick) * 100.0 / f64::from(TICKS),
        at: time(elapsed * u64::from(tick) / u64::from(TICKS)),
    };
    (0..TICKS).map(tick).collect()
}

/// A bar of the time line.
struct Bar<'a> {
    span: &'a TimeSpan,
    start: u64,
    end: u64,
    is_critical: bool,
    /// How many spans it stands for, and their bytes.
    count: usize,
    bytes: u64,
}

fn bars<'a>(record: &'a BuildRecord, path: &[Leg]) -> BTreeMap<TimingLane, Vec<Bar<'a>>> {
    let mut lanes: BTreeMap<TimingLane, Vec<Bar<'a>>> = BTreeMap::new();
    let close = (record.elapsed as f64 * CLOSE) as u64;
    for (index, span) in record.spans.iter().enumerate() {
        let bars = lanes.entry(TimingLane::of(span)).or_default();
        if let Some(last) = bars.last_mut()
            && span.activity == Activity::Body
            && (&last.span.name, &last.span.outcome) == (&span.name, &span.outcome)
            && span.start <= last.end + close
        {
            last.end = last.end.max(span.end);
            last.count += 1;
            last.bytes += span.bytes;
            continue;
        }
        let is_critical = path.iter().any(|leg| leg.span == index);
        bars.push(Bar { span, start: span.start, end: span.end, is_critical, count: 1, bytes: span.bytes });
    }
    lanes
}

fn timeline(record: &BuildRecord, path: &[Leg]) -> Vec<LaneView> {
    let whole = record.elapsed.max(1) as f64;
    let view = |(lane, bars): (TimingLane, Vec<Bar<'_>>)| {
        let rows = lanes::rows(bars, |bar| (bar.start, bar.end));
        let height = rows.len() * ROW;
        let placed = rows.iter().enumerate().flat_map(|(row, bars)| bars.iter().map(move |bar| (row, bar)));
        let bars = placed.map(|(row, bar)| bar_view(bar, row, whole)).collect();
        LaneView { label: Text::of(&lane.label), height, bars }
    };
    bars(record, path).into_iter().map(view).collect()
}

fn bar_view(bar: &Bar<'_>, row: usize, whole: f64) -> BarView {
    let percent = |micros: u64| (micros as f64 / whole * 100.0).min(100.0);
    let (x, end) = (percent(bar.start), percent(bar.end));
    let width = (end - x).max(0.08);
    let mut title = format!("{}, from {} for {}", what(bar.span), time(bar.start), time(bar.end - bar.start));
    // Writing to a `String` cannot fail.
    if bar.count > 1 {
        let _ = write!(title, ", {} of them", bar.count);
    }
    if bar.bytes > 0 {
        let _ = write!(title, ", {}", bytes(bar.bytes));
    }
    if bar.is_critical {
        title.push_str(", on the critical path");
    }
    // A narrower box has no room for a word.
    let has_room = width > 3.0 && bar.span.activity != Activity::Body;
    BarView {
        x: format!("{x:.3}"),
        width: format!("{width:.3}"),
        y: row * ROW + 2,
        height: ROW - 4,
        class: class(bar.span),
        is_critical: bar.is_critical,
        title: Text::of(&title),
        label: has_room.then(|| Text::of(&label(bar.span))),
    }
}

fn class(span: &TimeSpan) -> &'static str {
    match span.activity {
        Activity::Look | Activity::Ask | Activity::Plan | Activity::Conclude | Activity::Verify => "plan",
        Activity::LookUp | Activity::Check | Activity::Read | Activity::Layer => "layer",
        Activity::Body if span.outcome == "encoded" => "encoded",
        Activity::Body => "known",
        Activity::Pull | Activity::Push | Activity::Write => "move",
        Activity::Request => "request",
    }
}

fn what(span: &TimeSpan) -> String {
    if span.outcome.is_empty() { label(span) } else { format!("{}: {}", label(span), span.outcome) }
}

fn critical_path(record: &BuildRecord, path: &[Leg]) -> Section {
    let share = |micros: u64| format!("{:.0} %", micros as f64 / record.elapsed.max(1) as f64 * 100.0);
    let mut rows: Vec<Vec<String>> = path
        .iter()
        .map(|leg| {
            let took = leg.end - leg.start;
            vec![what(&record.spans[leg.span]), time(leg.start), time(took), share(took)]
        })
        .collect();
    let sum: u64 = path.iter().map(|leg| leg.end - leg.start).sum();
    let rest = record.elapsed.saturating_sub(sum);
    rows.push(vec!["between these, before and after".to_owned(), String::new(), time(rest), share(rest)]);
    Section::new("Critical path", &["step", "from", "took", "share"], 1..4, rows).with_text(
        "Walked back from the end: what ended last, then what ended last before that could go on. \
         Of a blob that was sent while it was made, only what came after its layer counts.",
    )
}

fn layers(layers: &[LayerFigures]) -> Section {
    let row = |layer: &LayerFigures| {
        let (known, encoded) = match layer.bodies {
            None => ("not built".to_owned(), String::new()),
            Some((all, encoded)) => (
                format!("{} of {}", number((all - encoded) as u64), number(all as u64)),
                number(encoded as u64),
            ),
        };
        let deliveries: Vec<String> =
            layer.deliveries.iter().map(|(to, how)| format!("{to}: {how}")).collect();
        vec![
            layer.name.clone(),
            layer.platform.clone(),
            number(layer.files as u64),
            layer.known_files.map(|known| number(known as u64)).unwrap_or_default(),
            bytes(layer.payload),
            known,
            encoded,
            bytes(layer.blob),
            deliveries.join("; "),
        ]
    };
    let rows: Vec<Vec<String>> = layers.iter().map(row).collect();
    let head = [
        "layer",
        "platform",
        "entries",
        "files known unread",
        "payload",
        "bodies known",
        "encoded",
        "blob",
        "delivery",
    ];
    Section::new("Layers", &head, 2..8, rows)
}

fn stages(record: &BuildRecord) -> Section {
    let mut stages: BTreeMap<(Activity, &str), (u64, u64, u64)> = BTreeMap::new();
    for span in &record.spans {
        let outcome = if span.activity == Activity::Request { "" } else { span.outcome.as_str() };
        let (count, took, size) = stages.entry((span.activity, outcome)).or_default();
        *count += 1;
        *took += span.took();
        *size += span.bytes;
    }
    let row = |((activity, outcome), (count, took, size)): (&(Activity, &str), &(u64, u64, u64))| {
        let some = |text: String| if *size > 0 { text } else { String::new() };
        let rate = u128::from(*size) * 1_000_000 / u128::from((*took).max(1));
        vec![
            stage(*activity).to_owned(),
            (*outcome).to_owned(),
            number(*count),
            time(*took),
            some(bytes(*size)),
            some(format!("{}/s", bytes(u64::try_from(rate).unwrap_or(u64::MAX)))),
        ]
    };
    let rows: Vec<Vec<String>> = stages.iter().map(row).collect();
    Section::new("Stages", &["stage", "outcome", "number", "time", "bytes", "rate"], 2..6, rows)
        .with_text("Time is the sum over all threads, so it may be more than the build took.")
}

const fn stage(activity: Activity) -> &'static str {
    match activity {
        Activity::Look => "looking at the inputs",
        Activity::Ask => "waiting for the targets' tags",
        Activity::Plan => "planning",
        Activity::LookUp => "looking up layers, hashing files",
        Activity::Check => "checks",
        Activity::Read => "reading base layers",
        Activity::Pull => "downloading",
        Activity::Layer => "building layers",
        Activity::Body => "bodies of layers",
        Activity::Push => "pushing blobs",
        Activity::Write => "writing blobs",
        Activity::Request => "requests",
        Activity::Conclude => "manifests and tags",
        Activity::Verify => "verifying",
    }
}

fn requests(spans: &[TimeSpan]) -> Option<Section> {
    let mut all: Vec<&TimeSpan> = spans.iter().filter(|span| span.activity == Activity::Request).collect();
    if all.is_empty() {
        return None;
    }
    let is_cut = all.len() > REQUESTS;
    let text = if is_cut {
        format!("The {REQUESTS} longest of {}.", number(all.len() as u64))
    } else {
        String::new()
    };
    all.sort_by_key(|span| (std::cmp::Reverse(span.took()), span.start));
    all.truncate(REQUESTS);
    let answer =
        |span: &TimeSpan| if span.outcome.is_empty() { "none".to_owned() } else { span.outcome.clone() };
    let row = |span: &&TimeSpan| vec![span.name.clone(), answer(span), time(span.start), time(span.took())];
    let rows: Vec<Vec<String>> = all.iter().map(row).collect();
    Some(Section::new("Requests", &["request", "answer", "from", "took"], 1..4, rows).with_text(text))
}

fn machine(machine: &HostMachine) -> Section {
    let instructions = match machine.sha256_instructions {
        Some(true) => "yes",
        Some(false) => "no",
        None => "unknown",
    };
    let rows = [
        ("pack", machine.version.clone()),
        ("layer format", machine.format.to_string()),
        ("system", machine.system.clone()),
        ("cores", machine.cores.to_string()),
        ("threads", machine.jobs.to_string()),
        ("SHA-256 instructions", instructions.to_owned()),
    ];
    let rows: Vec<Vec<String>> = rows.map(|(name, value)| vec![name.to_owned(), value]).to_vec();
    Section::new("Program and machine", &["what", "value"], 0..0, rows)
}
