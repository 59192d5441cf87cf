//! `pack verify --rebuild`: the digests of all builds, and the first difference.

use std::fmt::Write as _;
use std::time::Duration;

use serde::Serialize;

use crate::cli::format::{cut, duration, printable};
use crate::inspect::diff::LocatedDifference;
use crate::types::digest::Digest;
use crate::types::shown::excerpt;

/// Columns of a line at most.
const LONGEST_LINE: usize = 2000;

/// The result of all builds.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RebuildView {
    /// Whether all have one digest.
    pub same: bool,
    /// The digest of the first build.
    pub digest: Digest,
    /// The builds.
    pub builds: Vec<RebuildRow>,
    /// The image that they were compared with.
    pub image: RebuildRow,
}

/// A build, or the image.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RebuildRow {
    /// The name of the build, or the place of the image.
    pub name: String,
    /// Its digest.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub digest: Option<Digest>,
    /// Whether that is the digest of the first build.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub same: Option<bool>,
    /// How long the build took.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seconds: Option<f64>,
    /// Why there was no build, or no image.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub left_out: Option<String>,
    /// The first difference from the first build, of the first build that differs and of the image.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub difference: Option<LocatedDifference>,
}

impl RebuildView {
    /// For people.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = format!("{}\n", self.digest);
        for row in self.builds.iter().chain([&self.image]) {
            let line = row.line();
            // Writing to a `String` cannot fail.
            let _ = writeln!(text, "{}", shortened(line.trim_end()));
            if let Some(difference) = &row.difference {
                let line = format!("          A is plain, B is {}: {difference}", row.name);
                let _ = writeln!(text, "{}", shortened(&line));
            }
        }
        text.truncate(text.trim_end().len());
        text
    }
}

fn shortened(line: &str) -> String {
    cut(&printable(&excerpt(line, LONGEST_LINE)), LONGEST_LINE).into_owned()
}

impl RebuildRow {
    fn line(&self) -> String {
        let Self { name, digest, same, seconds, left_out, .. } = self;
        let time = seconds.map(|seconds| duration(Duration::from_secs_f64(seconds))).unwrap_or_default();
        match (left_out, digest, same) {
            (Some(reason), ..) => format!("left out  {name:<14} {reason}"),
            (None, Some(digest), Some(false)) => format!("differs   {name:<14} {time:>8}  {digest}"),
            _ => format!("same      {name:<14} {time:>8}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_build_has_a_line_and_a_difference_its_own() {
        let difference = LocatedDifference {
            text: "layer 1: srv/a: size: 1 → 2".into(),
            platform: None,
            layer: Some(1),
            entry: None,
            field: None,
            byte: Some(crate::inspect::diff::ByteDifference { offset: 1, a: None, b: Some(10) }),
        };
        let row = |name: &str| RebuildRow { name: name.into(), ..RebuildRow::default() };
        let view = RebuildView {
            same: false,
            digest: Digest::of(b"a"),
            builds: vec![
                RebuildRow { same: Some(true), seconds: Some(1.5), ..row("warm") },
                RebuildRow { left_out: Some("only root can do it".into()), ..row("user") },
            ],
            image: RebuildRow {
                digest: Some(Digest::of(b"b")),
                same: Some(false),
                difference: Some(difference),
                ..row("docker://localhost:5000/a:1")
            },
        };
        let text = view.text();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[1], "same      warm              1.5 s", "{text}");
        assert_eq!(lines[2], "left out  user           only root can do it");
        assert!(lines[3].starts_with("differs   docker://localhost:5000/a:1"), "{text}");
        assert_eq!(
            lines[4],
            "          A is plain, B is docker://localhost:5000/a:1: layer 1: srv/a: size: 1 → 2; first differing byte \
             1: the end → 0x0a"
        );
    }
}
