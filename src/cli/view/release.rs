//! Releases in words: the one that was written, and those of an environment.

use std::fmt::Write as _;

use crate::cli::format::{Column, Screen, Table, bytes, count};
use crate::release::append::{PointerState, ReleaseReport};
use crate::release::history::{PastRelease, ReleaseChange, ReleaseHistory};
use crate::release::record::ReleaseKind;
use crate::types::release::{EnvironmentName, ReleaseChoice, ReleaseNumber};

/// A commit as people write it.
fn short(revision: &str) -> String {
    let is_hash = revision.len() >= 20 && revision.bytes().all(|byte| byte.is_ascii_hexdigit());
    revision.chars().take(if is_hash { 12 } else { 40 }).collect()
}

/// The release that an environment has now.
#[must_use]
pub fn released(report: &ReleaseReport) -> String {
    let ReleaseReport { environment, number, image, digest, .. } = report;
    let what = format!("{image} {}", digest.short());
    let mut text = if report.current {
        format!(
            "{environment} has {what} already: release {}, nothing to do: it is the current one",
            number.get()
        )
    } else if report.dry_run {
        format!("{environment} would get {what} as release {}", number.get())
    } else {
        format!("{environment} {} {what}: release {}", has(report.pointer), number.get())
    };
    if !report.current {
        let _ = write!(text, ", {}", origin(report.kind, report.source.as_str()));
        if let Some(revision) = &report.revision {
            let _ = write!(text, ", commit {}", short(revision.as_str()));
        }
        if let Some(previous) = &report.previous {
            let _ = write!(text, "; before: release {}, {}", previous.release.get(), previous.image.short());
        }
    }
    if report.current && report.pointer == PointerState::Set {
        let _ = write!(text, "; the tag `{environment}` was behind and has it now");
    }
    if report.pointer == PointerState::Passed {
        let _ = write!(
            text,
            "; a newer release was written at the same time, and the tag `{environment}` has that"
        );
    }
    if let Some(blobs) = &report.blobs {
        let _ = write!(
            text,
            "; {} sent ({}), {} mounted, {} present",
            count(blobs.uploaded as u64, "blob"),
            bytes(blobs.uploaded_bytes),
            blobs.mounted,
            blobs.present
        );
    }
    if let Some(referrers) = report.referrers.as_ref().filter(|referrers| !referrers.is_empty()) {
        let _ = write!(text, ", {}", count(referrers.len() as u64, "referrer"));
    }
    text.push('\n');
    text
}

/// Whether the environment has it still.
const fn has(pointer: PointerState) -> &'static str {
    if matches!(pointer, PointerState::Passed) { "had" } else { "has" }
}

/// Where a release comes from.
fn origin(kind: ReleaseKind, source: &str) -> String {
    match kind {
        ReleaseKind::Deploy => format!("from {source}"),
        ReleaseKind::Promote => format!("promoted from {source}"),
        ReleaseKind::Rollback => format!("back to {source}"),
    }
}

/// A table of the releases of an environment, newest first, and all that is wrong with them.
#[must_use]
pub fn releases(history: &ReleaseHistory, screen: Option<Screen>) -> String {
    let columns = [
        Column::right("RELEASE"),
        Column::left("TIME"),
        Column::left("WHO"),
        Column::left("COMMIT"),
        Column::left("DIGEST"),
        Column::left("HOW"),
        Column::left("CHANGE"),
        Column::flexible("REASON"),
    ];
    let mut table = Table::new(columns);
    for release in &history.releases {
        let record = &release.record;
        let seconds = record.time.to_string();
        let optional = |note: &Option<crate::release::record::ReleaseNote>| {
            note.as_ref().map(|note| note.as_str().to_owned()).unwrap_or_default()
        };
        table.row([
            name(history, release),
            // The milliseconds are for JSON.
            format!("{}Z", seconds.split('.').next().unwrap_or(&seconds)),
            optional(&record.actor),
            record.revision.as_ref().map(|revision| short(revision.as_str())).unwrap_or_default(),
            record.digest.short(),
            origin(record.kind, record.source.as_str()),
            change(release),
            optional(&record.reason),
        ]);
    }
    let mut text = table.render(screen);
    if let Some(newest) = history.releases.first() {
        match history.pointer {
            Some(pointer) if pointer != newest.record.digest => {
                let _ = writeln!(
                    text,
                    "the tag `{}` has {}, and the newest release has {}: promote it again, or look who moved the tag",
                    history.environment,
                    pointer.short(),
                    newest.record.digest.short()
                );
            }
            _ => {}
        }
    }
    for release in &history.releases {
        for path in release.change.iter().filter_map(|change| change.files.as_ref()).flatten() {
            let _ = writeln!(text, "{}: {path}", name(history, release));
        }
    }
    if history.older > 0 {
        let _ =
            writeln!(text, "{} before these: `--limit` lists more", count(history.older as u64, "release"));
    } else if let Some(last) = history.first.before() {
        let what = match last {
            ReleaseNumber::FIRST => "release 1 has".to_owned(),
            last => format!("releases 1 to {} have", last.get()),
        };
        let _ = writeln!(text, "{what} no record any more");
    }
    for fault in &history.faults {
        let _ = writeln!(text, "{}: {}", fault.fault, fault.message);
    }
    text
}

/// The number of a release. Where another one has it, too, the identity as well: their writers met.
fn name(history: &ReleaseHistory, release: &PastRelease) -> String {
    let is_same = |other: &&PastRelease| other.record.number == release.record.number;
    let key = EnvironmentName::of_record_tag(&release.tag).map(|(_, key)| ReleaseChoice::from(key));
    match key.filter(|_| history.releases.iter().filter(is_same).count() > 1) {
        Some(key) => key.to_string(),
        None => release.record.number.get().to_string(),
    }
}

/// The change of a release.
fn change(release: &PastRelease) -> String {
    match &release.change {
        None => String::new(),
        Some(ReleaseChange { added_layers: 0, removed_layers: 0, .. }) => "no layer".to_owned(),
        Some(change) => {
            let mut text = format!("+{}", count(change.added_layers as u64, "layer"));
            if change.removed_layers > 0 {
                let _ = write!(text, " -{}", change.removed_layers);
            }
            let _ = write!(text, ", {}", bytes(change.added_bytes));
            text
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::release::record::{PreviousRelease, ReleaseNonce, ReleaseNote, ReleaseRecord};
    use crate::types::digest::Digest;
    use crate::types::release::{ReleaseId, ReleaseKey, ReleaseTime};

    fn record(number: u32) -> ReleaseRecord {
        let note = |text: &str| ReleaseNote::new("text", text).expect("a line");
        let number = ReleaseNumber::new(number).expect("a number");
        ReleaseRecord {
            environment: "prod".parse().expect("a name"),
            number,
            kind: ReleaseKind::Promote,
            image: "localhost:5000/shop/app".parse().expect("a repository"),
            digest: Digest::of(b"image"),
            revision: Some(note("3f2a9c51d0b7e6f4a8c2d1e0f9b8a7c6d5e4f3a2")),
            source: note("test@4"),
            previous: number.before().map(|release| PreviousRelease {
                release,
                record: Digest::of(b"record"),
                image: Digest::of(b"old"),
            }),
            actor: Some(note("alice")),
            reason: Some(note("it was ready")),
            time: ReleaseTime::from_milliseconds(1_706_702_400_123),
            checks: Vec::new(),
            nonce: ReleaseNonce(1),
        }
    }

    fn past(number: u32, change: Option<ReleaseChange>) -> PastRelease {
        let record = record(number);
        let id = ReleaseId::of(&Digest::of(&number.to_be_bytes()));
        let tag = record.environment.record_tag(ReleaseKey { number: record.number, id });
        PastRelease { tag, digest: Digest::of(b"record"), record, image_gone: false, change }
    }

    #[test]
    fn a_table_has_who_when_and_what() {
        let environment: EnvironmentName = "prod".parse().expect("a name");
        let change = |added_layers, removed_layers| {
            let files = (added_layers > 0).then(|| vec!["~ srv/page.html".to_owned()]);
            Some(ReleaseChange { added_layers, added_bytes: 12_345, removed_layers, kept_layers: 3, files })
        };
        let history = ReleaseHistory {
            environment,
            image: "localhost:5000/shop/app".parse().expect("a repository"),
            pointer: Some(Digest::of(b"moved")),
            total: 9,
            older: 6,
            first: ReleaseNumber::FIRST,
            releases: vec![past(9, change(0, 0)), past(8, change(2, 1)), past(7, None)],
            faults: Vec::new(),
        };
        insta::assert_snapshot!(releases(&history, None), @r"
        RELEASE  TIME                  WHO    COMMIT        DIGEST        HOW                   CHANGE                 REASON
              9  2024-01-31T12:00:00Z  alice  3f2a9c51d0b7  6105d6cc76af  promoted from test@4  no layer               it was ready
              8  2024-01-31T12:00:00Z  alice  3f2a9c51d0b7  6105d6cc76af  promoted from test@4  +2 layers -1, 12.3 kB  it was ready
              7  2024-01-31T12:00:00Z  alice  3f2a9c51d0b7  6105d6cc76af  promoted from test@4                         it was ready
        the tag `prod` has 5edd1832df25, and the newest release has 6105d6cc76af: promote it again, or look who moved the tag
        8: ~ srv/page.html
        6 releases before these: `--limit` lists more
        ");
    }
}
