//! The record as a page that needs nothing else: no network, no script, light and dark.
//!
//! Whatever comes from outside (names of files, layers, hosts) is escaped where it is put in. The page forbids
//! the browser to load anything, so that even a mistake here would reach nobody.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use super::super::format::{bytes, number};
use super::critical::{self, Leg};
use super::{Activity, LayerFigures, Machine, Record, Span};

/// What does not change, with a policy that lets the browser load nothing.
const HEAD: &str = include_str!("head.html");
const STYLE: &str = include_str!("page.css");
/// Height of a row of a lane, pixels.
const ROW: usize = 22;
/// Bodies that are closer than this share of the whole are drawn as one.
const CLOSE: f64 = 0.0008;
/// So many requests are listed, the longest.
const REQUESTS: usize = 25;
/// Lines across the time line.
const TICKS: u32 = 8;

/// The page.
#[must_use]
pub fn page(record: &Record) -> String {
    let path = critical::path(&record.spans);
    let mut out = String::new();
    // Writing to a `String` cannot fail.
    let _ = write!(
        out,
        "{HEAD}<style>\n{STYLE}</style>\n</head>\n<body>\n\
         <h1>Where the time went</h1>\n<p><code>{}</code></p>\n",
        escaped(&record.result)
    );
    totals(&mut out, record);
    timeline(&mut out, record, &path);
    critical_path(&mut out, record, &path);
    layers(&mut out, &record.layers);
    stages(&mut out, record);
    requests(&mut out, &record.spans);
    machine(&mut out, &record.machine);
    out.push_str("</body>\n</html>\n");
    out
}

/// Text that is only text, in an element as well as in an attribute. What could change how the text around it
/// is shown, as control and direction characters do, is written out.
pub(super) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {
                out.extend(character.escape_unicode());
            }
            _ if character.is_control() => out.extend(character.escape_default()),
            _ => out.push(character),
        }
    }
    out
}

/// A time in microseconds, with what precision it deserves.
fn time(micros: u64) -> String {
    match micros {
        0 => "0".to_owned(),
        1..10_000 => format!("{}.{:02} ms", micros / 1000, micros % 1000 / 10),
        10_000..950_000 => format!("{} ms", (micros + 500) / 1000),
        _ => super::super::format::duration(Duration::from_micros(micros)),
    }
}

fn totals(out: &mut String, record: &Record) {
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
    out.push_str("<dl>\n");
    for (name, value) in facts {
        let _ = writeln!(out, "<div><dt>{name}</dt><dd>{value}</dd></div>");
    }
    out.push_str("</dl>\n");
}

/// Bars that do not overlap, one below the other in rows.
struct Lane<'a> {
    label: String,
    rows: Vec<Vec<Bar<'a>>>,
}

/// A bar of the time line.
struct Bar<'a> {
    span: &'a Span,
    start: u64,
    end: u64,
    is_critical: bool,
    /// How many spans it stands for, and their bytes.
    count: usize,
    bytes: u64,
}

/// Which lane a span is in: an order, and a label.
fn lane_of(span: &Span) -> (u8, String) {
    let (order, label) = match span.activity {
        Activity::Look | Activity::Ask | Activity::Plan | Activity::Conclude | Activity::Verify => {
            (0, "build")
        }
        Activity::LookUp | Activity::Read => (1, "looking up"),
        Activity::Pull => (2, "download"),
        Activity::Layer => (3, "layers"),
        Activity::Body => return (4, span.thread.clone()),
        Activity::Push => (5, "push"),
        Activity::Write => (6, "write"),
        Activity::Request => (7, "requests"),
    };
    (order, label.to_owned())
}

fn lanes<'a>(record: &'a Record, path: &[Leg]) -> Vec<Lane<'a>> {
    let mut lanes: BTreeMap<(u8, String), Vec<Bar<'a>>> = BTreeMap::new();
    let close = (record.elapsed as f64 * CLOSE) as u64;
    for (index, span) in record.spans.iter().enumerate() {
        let bars = lanes.entry(lane_of(span)).or_default();
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
    let place = |((_, label), bars): ((u8, String), Vec<Bar<'a>>)| Lane { label, rows: rows(bars) };
    lanes.into_iter().map(place).collect()
}

/// Each bar into the first row that is free when it begins.
fn rows(bars: Vec<Bar<'_>>) -> Vec<Vec<Bar<'_>>> {
    let mut rows: Vec<Vec<Bar<'_>>> = Vec::new();
    for bar in bars {
        let free = |row: &&mut Vec<Bar<'_>>| row.last().is_none_or(|last| last.end <= bar.start);
        match rows.iter_mut().find(free) {
            Some(row) => row.push(bar),
            None => rows.push(vec![bar]),
        }
    }
    rows
}

fn timeline(out: &mut String, record: &Record, path: &[Leg]) {
    let whole = record.elapsed.max(1) as f64;
    let percent = |micros: u64| (micros as f64 / whole * 100.0).min(100.0);
    out.push_str("<h2>Time line</h2>\n<div class=\"lanes\" id=\"timeline\">\n");
    axis(out, record.elapsed);
    for lane in lanes(record, path) {
        let height = lane.rows.len() * ROW;
        let _ = writeln!(
            out,
            "<div class=\"lane\"><span title=\"{0}\">{0}</span><svg width=\"100%\" height=\"{height}\" role=\"img\" aria-label=\"{0}\">",
            escaped(&lane.label)
        );
        for tick in 1..TICKS {
            let x = f64::from(tick) * 100.0 / f64::from(TICKS);
            let _ = writeln!(out, "<line class=\"tick\" x1=\"{x}%\" x2=\"{x}%\" y1=\"0\" y2=\"{height}\"/>");
        }
        for (row, bars) in lane.rows.iter().enumerate() {
            for bar in bars {
                let (x, end) = (percent(bar.start), percent(bar.end));
                self::bar(out, bar, x, (end - x).max(0.08), row * ROW + 2);
            }
        }
        out.push_str("</svg></div>\n");
    }
    out.push_str("</div>\n");
    key(out);
}

fn axis(out: &mut String, elapsed: u64) {
    out.push_str(
        "<div class=\"lane axis\"><span></span><svg width=\"100%\" height=\"20\" aria-hidden=\"true\">",
    );
    for tick in 0..TICKS {
        let x = f64::from(tick) * 100.0 / f64::from(TICKS);
        let at = time(elapsed * u64::from(tick) / u64::from(TICKS));
        let _ = write!(out, "<text x=\"{x}%\" dx=\"3\" y=\"14\">{at}</text>");
    }
    out.push_str("</svg></div>\n");
}

fn bar(out: &mut String, bar: &Bar<'_>, x: f64, width: f64, y: usize) {
    let span = bar.span;
    let critical = if bar.is_critical { " critical" } else { "" };
    let mut title = format!("{}, from {} for {}", what(span), time(bar.start), time(bar.end - bar.start));
    if bar.count > 1 {
        let _ = write!(title, ", {} of them", bar.count);
    }
    if bar.bytes > 0 {
        let _ = write!(title, ", {}", bytes(bar.bytes));
    }
    if bar.is_critical {
        title.push_str(", on the critical path");
    }
    let _ = write!(
        out,
        "<svg class=\"bar\" x=\"{x:.3}%\" y=\"{y}\" width=\"{width:.3}%\" height=\"{}\"><title>{}</title>\
         <rect class=\"{}{critical}\" width=\"100%\" height=\"100%\" rx=\"2\"/>",
        ROW - 4,
        escaped(&title),
        class(span)
    );
    // What is narrower has no room for a word.
    if width > 3.0 && span.activity != Activity::Body {
        let _ = write!(out, "<text x=\"5\" y=\"13\">{}</text>", escaped(&label(span)));
    }
    out.push_str("</svg>\n");
}

fn class(span: &Span) -> &'static str {
    match span.activity {
        Activity::Look | Activity::Ask | Activity::Plan | Activity::Conclude | Activity::Verify => "plan",
        Activity::LookUp | Activity::Read | Activity::Layer => "layer",
        Activity::Body if span.outcome == "encoded" => "encoded",
        Activity::Body => "known",
        Activity::Pull | Activity::Push | Activity::Write => "move",
        Activity::Request => "request",
    }
}

fn key(out: &mut String) {
    let keys = [
        ("plan", "", "inputs, plan, manifests and tags"),
        ("layer", "", "layers looked up or built"),
        ("known", "", "bodies found or copied"),
        ("encoded", "", "bodies encoded"),
        ("move", "", "blobs on their way"),
        ("request", "", "requests"),
        ("plan", " critical", "outlined: on the critical path"),
    ];
    out.push_str("<div class=\"key\">");
    for (class, more, text) in keys {
        let _ = write!(
            out,
            "<span><svg width=\"12\" height=\"12\" aria-hidden=\"true\"><rect class=\"{class}{more}\" width=\"12\" height=\"12\" rx=\"2\"/></svg>{text}</span>"
        );
    }
    out.push_str("</div>\n");
}

const fn doing(activity: Activity) -> &'static str {
    match activity {
        Activity::Look => "look at",
        Activity::Ask => "ask",
        Activity::Plan => "make",
        Activity::LookUp => "look up",
        Activity::Read => "read",
        Activity::Pull => "pull",
        Activity::Layer => "build",
        Activity::Body => "body of",
        Activity::Push => "push",
        Activity::Write => "write",
        Activity::Request => "request",
        Activity::Conclude => "manifests and tags to",
        Activity::Verify => "verify",
    }
}

fn label(span: &Span) -> String {
    match span.activity {
        Activity::Request => span.name.clone(),
        activity => format!("{} {}", doing(activity), span.name),
    }
}

fn what(span: &Span) -> String {
    if span.outcome.is_empty() { label(span) } else { format!("{}: {}", label(span), span.outcome) }
}

/// A table; cells are escaped here, and those of the columns in `numbers` are set as numbers.
fn table(out: &mut String, head: &[&str], numbers: &[usize], rows: &[Vec<String>]) {
    let class = |column: usize| if numbers.contains(&column) { " class=\"n\"" } else { "" };
    out.push_str("<div class=\"scroll\"><table>\n<thead><tr>");
    for (column, name) in head.iter().enumerate() {
        let _ = write!(out, "<th scope=\"col\"{}>{name}</th>", class(column));
    }
    out.push_str("</tr></thead>\n<tbody>\n");
    for row in rows {
        out.push_str("<tr>");
        for (column, cell) in row.iter().enumerate() {
            let _ = write!(out, "<td{}>{}</td>", class(column), escaped(cell));
        }
        out.push_str("</tr>\n");
    }
    out.push_str("</tbody></table></div>\n");
}

fn critical_path(out: &mut String, record: &Record, path: &[Leg]) {
    out.push_str(
        "<h2>Critical path</h2>\n<p>Walked back from the end: what ended last, then what ended last before that could go on. \
         Of a blob that was sent while it was made, only what came after its layer counts.</p>\n",
    );
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
    table(out, &["step", "from", "took", "share"], &[1, 2, 3], &rows);
}

fn layers(out: &mut String, layers: &[LayerFigures]) {
    out.push_str("<h2>Layers</h2>\n");
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
    table(out, &head, &[2, 3, 4, 5, 6, 7], &rows);
}

fn stages(out: &mut String, record: &Record) {
    out.push_str(
        "<h2>Stages</h2>\n<p>Time is the sum over all threads, so it may be more than the build took.</p>\n",
    );
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
    table(out, &["stage", "outcome", "number", "time", "bytes", "rate"], &[2, 3, 4, 5], &rows);
}

const fn stage(activity: Activity) -> &'static str {
    match activity {
        Activity::Look => "looking at the inputs",
        Activity::Ask => "waiting for the targets' tags",
        Activity::Plan => "planning",
        Activity::LookUp => "looking up layers, hashing files",
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

fn requests(out: &mut String, spans: &[Span]) {
    let mut all: Vec<&Span> = spans.iter().filter(|span| span.activity == Activity::Request).collect();
    if all.is_empty() {
        return;
    }
    out.push_str("<h2>Requests</h2>\n");
    if all.len() > REQUESTS {
        let _ = writeln!(out, "<p>The {REQUESTS} longest of {}.</p>", number(all.len() as u64));
    }
    all.sort_by_key(|span| (std::cmp::Reverse(span.took()), span.start));
    all.truncate(REQUESTS);
    let answer = |span: &Span| if span.outcome.is_empty() { "none".to_owned() } else { span.outcome.clone() };
    let row = |span: &&Span| vec![span.name.clone(), answer(span), time(span.start), time(span.took())];
    let rows: Vec<Vec<String>> = all.iter().map(row).collect();
    table(out, &["request", "answer", "from", "took"], &[1, 2, 3], &rows);
}

fn machine(out: &mut String, machine: &Machine) {
    out.push_str("<h2>Program and machine</h2>\n");
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
    table(out, &["what", "value"], &[], &rows);
}
