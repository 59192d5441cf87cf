use std::path::Path;

use super::page::page;
use super::record::{Activity, LayerFigures, TimeSpan};
use super::*;
use crate::types::digest::Digest;

fn span(
    activity: Activity,
    name: &str,
    thread: &str,
    times: (u64, u64),
    bytes: u64,
    outcome: &str,
) -> TimeSpan {
    let (start, end) = times;
    let (name, thread, outcome) = (name.to_owned(), thread.to_owned(), outcome.to_owned());
    TimeSpan {
        image: None,
        activity,
        name,
        thread,
        start,
        end,
        bytes,
        sized: activity != Activity::Push,
        outcome,
    }
}

/// A build of two layers, one of them with a hostile name.
fn record() -> BuildRecord {
    let hostile = "<script>alert('x')</script>\"&\u{202e}\u{7}";
    let layer = |name: &str, bodies| LayerFigures {
        platform: "linux/amd64".into(),
        name: name.into(),
        files: 1234,
        known_files: Some(1233),
        payload: 6_000_000,
        blob: 2_100_000,
        digest: (name == "lib").then(|| Digest::of(b"lib")),
        bodies,
        deliveries: vec![
            ("localhost:5000/shop".into(), "uploaded".into()),
            (hostile.into(), "written".into()),
        ],
    };
    BuildRecord {
        machine: HostMachine {
            version: "0.1.0".into(),
            format: 1,
            system: "linux/x86_64".into(),
            cores: 2,
            jobs: 2,
            sha256_instructions: Some(true),
        },
        result: format!("localhost/{hostile}@sha256:00"),
        elapsed: 1_000_000,
        delivered: 2_100_000,
        layers: vec![layer("lib", None), layer(hostile, Some((12, 1)))],
        spans: vec![
            span(Activity::Look, "inputs", "main", (1_000, 20_000), 0, ""),
            span(Activity::Plan, "plan", "main", (20_000, 90_000), 0, ""),
            span(Activity::LookUp, hostile, "main", (30_000, 80_000), 40_000, "to build"),
            span(Activity::Layer, hostile, "main", (100_000, 500_000), 6_000_000, "built"),
            span(Activity::Push, hostile, hostile, (110_000, 900_000), 2_100_000, "uploaded"),
            span(
                Activity::Request,
                "POST localhost:5000/v2/<b>/blobs/uploads/",
                "tokio",
                (110_000, 150_000),
                0,
                "202",
            ),
            span(Activity::Body, hostile, "worker 0", (120_000, 300_000), 3_000_000, "known"),
            span(Activity::Body, hostile, "worker 0", (300_100, 400_000), 500_000, "known"),
            span(Activity::Body, hostile, "worker <1>", (120_000, 480_000), 2_500_000, "encoded"),
            span(Activity::Conclude, "localhost:5000/shop", "main", (900_000, 990_000), 0, ""),
        ],
    }
}

#[test]
fn a_record_always_gives_this_page() {
    insta::assert_snapshot!("page", page(&record()).expect("a page"));
}

#[test]
fn no_name_becomes_markup() {
    let page = page(&record()).expect("a page");
    assert!(!page.contains("<script") && !page.contains("<b>") && !page.contains("<1>"), "{page}");
    assert!(!page.contains('\u{202e}') && !page.contains('\u{7}'));
    assert!(page.contains("&#60;script&#62;alert(&#39;x&#39;)&#60;/script&#62;&#34;&#38;\\u{202e}\\u{7}"));
    // Every attribute is written with double quotes, and every tag is one of these.
    let mut rest = &page[page.find("<body>").expect("a body")..];
    while let Some(at) = rest.find('<') {
        let end = at + rest[at..].find('>').expect("a tag ends");
        let tag = &rest[at + 1..end];
        assert_eq!(tag.matches('"').count() % 2, 0, "{tag}");
        let name = tag.trim_start_matches('/').split([' ', '/']).next().expect("a name");
        let known = [
            "body", "html", "h1", "h2", "p", "code", "dl", "dt", "dd", "div", "span", "svg", "rect", "line",
            "text", "title", "table", "thead", "tbody", "tr", "th", "td",
        ];
        assert!(known.contains(&name), "{tag}");
        rest = &rest[end..];
    }
}

#[test]
fn nothing_is_loaded_from_anywhere() {
    let page = page(&record()).expect("a page");
    for word in ["http:", "https:", "src=", "href=", "url(", "@import"] {
        assert!(!page.contains(word), "{word}");
    }
}

#[test]
fn an_empty_record_is_a_page() {
    let record = BuildRecord { elapsed: 0, layers: Vec::new(), spans: Vec::new(), ..record() };
    assert!(page(&record).expect("a page").contains("0 of 0"));
}

#[test]
fn the_name_of_the_file_decides() {
    let json = file(&record(), Path::new("t.JSON")).expect("a trace");
    let value: serde_json::Value = serde_json::from_slice(&json).expect("json");
    assert_eq!(value["otherData"]["sha256Instructions"], true);
    assert!(file(&record(), Path::new("t")).expect("a page").starts_with(b"<!DOCTYPE html>"));
}

#[test]
fn a_record_always_gives_this_trace() {
    let mut record = record();
    record.spans.push(span(Activity::Layer, "lib", "main", (500_000, 600_000), 5, "built"));
    record.spans.push(span(Activity::Write, "lib", "main", (550_000, 610_000), 5, "written"));
    record.spans.push(span(Activity::Push, "lib", "main", (600_000, 700_000), 5, "uploaded"));
    let trace = serde_json::to_value(trace::TraceFile::of(&record)).expect("json");
    let lines: Vec<String> =
        trace["traceEvents"].as_array().expect("events").iter().map(ToString::to_string).collect();
    insta::assert_snapshot!("trace", lines.join("\n"));
    assert!(lines.iter().all(|line| !line.contains(['\u{202e}', '\u{7}'])));
}
