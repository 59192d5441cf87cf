//! Why a build did what it did: what served it from earlier builds at each stage, and what did not, and why.
//!
//! Says only what the report or the plan says; where those know nothing, so does this.

use std::fmt::Write as _;

use serde::Serialize;

use super::super::format::{bytes, count, printable};
use crate::engine::{DestinationReport, ImageReport, InputChange, LayerReport, Outcome, Report};
use crate::layer::LayerWork;
use crate::plan::{
    Difference, FileMemo, KnownFrom, LayerMemo, PathChange, PathStatus, Plan, PlannedLayer, ReadReason,
    TimesChange,
};
use crate::transport::Delivery;

/// Of a destination whose tags resolve to the image already.
const CURRENT: &str = "its tags mean this image already, so nothing more was asked or sent";

/// The explanation of a build for machines: the parts of the report that it is made from.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Explanation<'a> {
    outcome: &'a Outcome,
    images: &'a [ImageReport],
    destinations: &'a [DestinationReport],
}

impl<'a> Explanation<'a> {
    /// The explanation of the build that `report` is about.
    #[must_use]
    pub fn of(report: &'a Report) -> Self {
        Self { outcome: &report.outcome, images: &report.images, destinations: &report.destinations }
    }
}

/// The actions of a build and their reasons, for people.
#[must_use]
pub fn built(report: &Report) -> String {
    let mut text = String::new();
    whole(&mut text, &report.outcome);
    for image in &report.images {
        if report.images.len() > 1 {
            let _ = writeln!(text, "\nplatform {}", image.platform);
        }
        base(&mut text, image, &report.destinations);
        for layer in &image.layers {
            built_layer(&mut text, layer, report);
        }
    }
    text
}

/// The findings of a build that is only planned, for people.
#[must_use]
pub fn planned(plan: &Plan, outcome: &Outcome) -> String {
    let mut text = String::new();
    whole(&mut text, outcome);
    for image in &plan.images {
        if plan.images.len() > 1 {
            let _ = writeln!(text, "\nplatform {}", image.platform);
        }
        for layer in &image.layers {
            let what = if layer.known.is_some() { "known" } else { "to build" };
            let _ = writeln!(text, "\nlayer {}: {what}", printable(&layer.name));
            files(&mut text, &layer.file_memo);
            line(&mut text, "layer", memo(layer.memo));
            changes(&mut text, layer.difference.as_ref());
            shared(&mut text, layer.known_from);
            ahead(&mut text, layer);
        }
    }
    text
}

fn ahead(text: &mut String, layer: &PlannedLayer) {
    if layer.known.is_none() {
        line(text, "to read", &format!("the content of its files, at most {}", bytes(layer.size)));
    }
}

fn line(text: &mut String, title: &str, what: &str) {
    // Writing to a `String` cannot fail.
    let _ = writeln!(text, "  {title:<8} {what}");
}

fn whole(text: &mut String, outcome: &Outcome) {
    let why = match outcome {
        Outcome::Known => "known: all inputs are those of an earlier build".to_owned(),
        Outcome::NotThere { target } => format!("known, but {} does not have it", printable(target)),
        Outcome::NotPinned => "not known: nothing pins the base yet".to_owned(),
        Outcome::Dated => "not asked for: the policy asks how old the base is".to_owned(),
        Outcome::New => "not known: nothing is remembered of this project".to_owned(),
        Outcome::Changed { .. } => "not known: the inputs are not those of the last build".to_owned(),
        Outcome::Untrusted => {
            "not known: the inputs are those of the last build, when a file was too young to trust its times"
                .to_owned()
        }
        Outcome::Unshared => {
            "not known: the inputs are those of the last build, which could not write to the cache in the registry"
                .to_owned()
        }
        Outcome::Told => {
            "not known: the last build of these inputs could not know what the base has, and the cache in the registry tells \
             it now"
                .to_owned()
        }
        Outcome::Lost => "not known: the inputs are those of the last build, whose record is lost".to_owned(),
    };
    let _ = writeln!(text, "build: {why}");
    if let Outcome::Changed { inputs } = outcome {
        for input in inputs {
            line(text, "changed", &input_change(input));
        }
    }
}

fn input_change(change: &InputChange) -> String {
    match change {
        InputChange::Program { from, to } => format!("pack itself, {from} to {to}"),
        InputChange::Base { from, to } => {
            let short = |digest: &Option<crate::types::digest::Digest>| {
                digest.map_or_else(|| "nothing".to_owned(), |digest| digest.short())
            };
            format!("the base, {} to {}", short(from), short(to))
        }
        InputChange::Lock => "the lock's facts about the base, which is the same".to_owned(),
        InputChange::Cache => "the use of the cache in a registry".to_owned(),
        InputChange::Setting { name } => format!("the setting `{name}`"),
        InputChange::Text => "the text of the settings, but none of them".to_owned(),
        InputChange::Fact { name } => (*name).clone(),
        InputChange::Path { path } => format!("{}: content, times, modes or names", printable(path)),
    }
}

fn base(text: &mut String, image: &ImageReport, destinations: &[DestinationReport]) {
    if image.base.is_empty() {
        return;
    }
    let _ = writeln!(text, "\nbase: {}", count(image.base.len() as u64, "layer"));
    for destination in destinations.iter().filter(|destination| !destination.is_local) {
        if destination.current {
            line(text, "there", &format!("{}: {}", printable(&destination.name), CURRENT));
            continue;
        }
        for (number, layer) in image.base.iter().enumerate() {
            let what = delivery(destination, &layer.digest, layer.size);
            line(text, "there", &format!("{}: layer {} {what}", printable(&destination.name), number + 1));
        }
    }
}

fn built_layer(text: &mut String, layer: &LayerReport, report: &Report) {
    let what = match (&layer.work, &layer.remade) {
        (None, None) => "reused",
        (None, Some(_)) => "known, and put together again",
        (Some(_), _) => "built",
    };
    let _ = writeln!(text, "\nlayer {}: {what}", printable(&layer.name));
    if let Some(memo) = &layer.file_memo {
        files(text, memo);
    }
    line(text, "layer", memo(layer.memo));
    changes(text, layer.difference.as_ref());
    shared(text, layer.known_from);
    if let Some(work) = &layer.work {
        line(text, "read", &read(work, layer.size));
        line(text, "bodies", &bodies(work, &report.compression));
    }
    if let Some(work) = &layer.remade {
        line(text, "blob", "the store had lost it, and a destination needed it");
        line(text, "bodies", &bodies(work, &report.compression));
    }
    let Some(facts) = layer.facts else { return };
    for destination in &report.destinations {
        let what = delivery(destination, &facts.digest, facts.size);
        line(text, "there", &format!("{}: {what}", printable(&destination.name)));
    }
}

/// Of a layer that another machine built.
fn shared(text: &mut String, known_from: Option<KnownFrom>) {
    if known_from == Some(KnownFrom::Registry) {
        line(text, "cache", "known: another machine made exactly this, says the cache in the registry");
    }
}

const fn memo(memo: LayerMemo) -> &'static str {
    match memo {
        LayerMemo::Known => "known: an earlier build made exactly this",
        LayerMemo::NotAsked => "not looked up: the whole build was known",
        LayerMemo::NothingKnown => {
            "not known: nothing of any earlier build is, so files were not hashed before it was built"
        }
        LayerMemo::New => "not known: this project had no layer of this name",
        LayerMemo::Changed => "not known: it differs from the one that was built last",
        LayerMemo::Lost => "not known: it is the one that was built last, whose record is lost",
        LayerMemo::SameAsAnother => "the same as another layer of this build",
    }
}

const fn unknown(why: ReadReason) -> &'static str {
    match why {
        ReadReason::New => "was not seen before",
        ReadReason::Restamped => "has other times, size or inode than remembered",
        ReadReason::Untrusted => "was too young in the last build for its times to be trusted",
    }
}

/// The files that were known without reading, and the reasons why the others were not.
fn files(text: &mut String, memo: &FileMemo) {
    let mut part = |number: usize, what: &str| {
        if number > 0 {
            line(text, "files", &format!("{number} {what}"));
        }
    };
    part(memo.remembered, "not read: size, times and inode are as remembered");
    part(memo.archive_remembered, "not read: the size, times and inode of their archive are as remembered");
    part(memo.free, "with nothing to read: empty, or made by pack");
    part(memo.new, "not seen before");
    part(memo.touched, "touched: other times, size or inode, and the same content");
    part(memo.changed, "with another content");
    part(memo.restamped, "with other times, size or inode");
    part(memo.untrusted, "too young in the last build for their times to be trusted");
    if let Some(why) = memo.archive {
        part(memo.archive_read, &format!("read in their archive, which {}", unknown(why)));
    }
    if memo.read_bytes > 0 {
        line(text, "files", &format!("read {} to see what changed", bytes(memo.read_bytes)));
    }
    if memo.young > 0 {
        line(text, "files", &format!("{} too young for their times to be trusted next time", memo.young));
    }
}

fn changes(text: &mut String, difference: Option<&Difference>) {
    let Some(difference) = difference else { return };
    if let Some((from, to)) = &difference.encoder {
        line(text, "changed", &format!("compression, {from} to {to}: every byte of it is another"));
    }
    if let Some(TimesChange { from, to, paths }) = difference.times {
        line(text, "changed", &format!("the time that {paths} paths have in the image, {from} to {to}"));
    }
    for change in &difference.first {
        path_change(text, change);
    }
    let more = difference.paths - difference.first.len();
    if more > 0 {
        let Difference { added, removed, content, metadata, .. } = difference;
        line(
            text,
            "changed",
            &format!(
                "{more} more; in all {added} added, {removed} removed, {content} in content, {metadata} in metadata alone"
            ),
        );
    }
}

fn path_change(text: &mut String, change: &PathChange) {
    let path = printable(&change.path);
    match &change.how {
        PathStatus::Added => line(text, "added", &path),
        PathStatus::Removed => line(text, "removed", &path),
        PathStatus::Changed { changes } => {
            let changes: Vec<String> = changes.iter().map(ToString::to_string).collect();
            line(text, "changed", &format!("{path}: {}", changes.join(", ")));
        }
    }
}

fn read(work: &LayerWork, size: u64) -> String {
    match work.kept_bytes {
        0 => format!("the content of all its files, {}", bytes(size)),
        kept => format!("the content of the files after the first {} of the tar", bytes(kept)),
    }
}

fn bodies(work: &LayerWork, compression: &str) -> String {
    let LayerWork { bodies, encoded, bytes: all, encoded_bytes, lost, kept, kept_bytes } = *work;
    if compression == "none" && kept == 0 {
        return format!("{} written as they are: the layer is not compressed", count(bodies as u64, "body"));
    }
    let mut text = format!(
        "{} of {bodies} known, {encoded} encoded: {} of {}",
        bodies - encoded,
        bytes(encoded_bytes),
        bytes(all)
    );
    if lost > 0 {
        let _ = write!(text, "; {lost} of them because the blob that had them is gone or damaged");
    }
    if kept > 0 {
        let what = bytes(kept_bytes);
        let _ =
            write!(text, "; the first {kept} as an earlier layer has them: {what} neither read nor hashed");
    }
    text
}

fn delivery(destination: &DestinationReport, digest: &crate::types::digest::Digest, size: u64) -> String {
    if destination.current {
        return CURRENT.to_owned();
    }
    let followed = destination.followed.contains(digest);
    match (destination.blobs.get(digest), destination.is_remote) {
        (Some(Delivery::Uploaded), true) if followed => {
            format!("uploaded while it was made, {}", bytes(size))
        }
        (Some(Delivery::Uploaded), true) => format!("uploaded, {}", bytes(size)),
        (Some(Delivery::Uploaded), false) => format!("written, {}", bytes(size)),
        (Some(Delivery::Present), _) => "had it".to_owned(),
        (Some(Delivery::Mounted), _) => "took it from another of its repositories".to_owned(),
        (None, _) => "not needed there".to_owned(),
    }
}

#[cfg(test)]
mod tests;
