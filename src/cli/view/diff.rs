//! `pack diff`: what two images do not have in common, as text.

use std::fmt::Write as _;

use crate::cli::format::{bytes, count, cut, printable};
use crate::inspect::diff::{
    ChangeKind, FieldDifference, ImageComparison, ImageDiff, LayerDiff, LayerRef, PathDifference, Relation,
};
use crate::types::shown::excerpt;

/// Columns of a line at most: a path or a label may be as long as a document. JSON has everything.
const LONGEST_LINE: usize = 2000;

/// The differences for people. With `all`, the entries of each layer, too.
#[must_use]
pub fn text(report: &ImageComparison, all: bool) -> String {
    let mut text = String::new();
    let mut line = |words: String| {
        text.push_str(&cut(&printable(&excerpt(&words, LONGEST_LINE)), LONGEST_LINE));
        text.push('\n');
    };
    line(format!("A  {}  {}", report.a.digest, report.a.name));
    line(format!("B  {}  {}", report.b.digest, report.b.name));
    if report.equal {
        line("The images are the same.".to_owned());
        return text;
    }
    if let Some(first) = &report.first {
        line(format!("First difference: {first}"));
    }
    section(&mut line, "Index", report.index.iter().map(field));
    for (name, platforms) in
        [("Same in both", &report.same), ("Only in A", &report.only_in_a), ("Only in B", &report.only_in_b)]
    {
        if !platforms.is_empty() {
            line(String::new());
            line(format!("{name}: {}", platforms.join(", ")));
        }
    }
    for image in &report.images {
        let others = report.same.len() + report.only_in_a.len() + report.only_in_b.len();
        show_image(&mut line, image, report.images.len() + others > 1, all);
    }
    text
}

fn show_image(line: &mut impl FnMut(String), image: &ImageDiff, named: bool, all: bool) {
    if let Some(platform) = image.platform.as_ref().filter(|_| named) {
        line(String::new());
        line(format!("{platform}: {}", image.first));
    }
    section(line, "Manifest", image.manifest.iter().map(field));
    section(line, "Configuration", image.config.iter().map(field));
    section(line, "Layers", image.layers.iter().map(layer));
    if all {
        for pair in image.layers.iter().filter(|pair| !pair.entries.is_empty()) {
            let number = pair.a.as_ref().map_or(0, |layer| layer.number);
            section(line, &format!("Entries of layer {number}"), pair.entries.iter().flat_map(change));
        }
    }
    section(line, "Files", image.files.iter().flat_map(change));
    if image.files.iter().any(|change| change.uncertain) {
        let unread = count(image.unread as u64, "shared layer");
        line(format!("  ? {unread} not read, which may have the path, too; `--full` reads all"));
    }
}

fn section(line: &mut impl FnMut(String), title: &str, lines: impl Iterator<Item = String>) {
    let mut lines = lines.peekable();
    if lines.peek().is_some() {
        line(String::new());
        line(title.to_owned());
    }
    for text in lines {
        line(format!("  {text}"));
    }
}

fn field(field: &FieldDifference) -> String {
    field.to_string()
}

fn layer(pair: &LayerDiff) -> String {
    let shown = |layer: &LayerRef| {
        format!("{:>2} {} {} {}", layer.number, layer.digest.short(), layer.compression, bytes(layer.size))
    };
    match (pair.relation, &pair.a, &pair.b) {
        (Relation::Shared, Some(a), _) => format!("  {}  shared", shown(a)),
        (Relation::Compression, Some(a), Some(b)) => {
            format!("~ {} → {}  same files, different compression", shown(a), shown(b).trim_start())
        }
        (_, Some(a), Some(b)) => {
            let entries = match pair.entries.len() {
                0 => "the same entries".to_owned(),
                1 => "1 entry differs".to_owned(),
                more => format!("{} differ", count(more as u64, "entry").replace("entrys", "entries")),
            };
            let first = pair.first.as_deref().unwrap_or_default();
            format!("~ {} → {}  {entries}; first {first}", shown(a), shown(b).trim_start())
        }
        (_, Some(a), None) => format!("- {}  only in A", shown(a)),
        (_, None, Some(b)) => format!("+ {}  only in B", shown(b)),
        (_, None, None) => String::new(),
    }
}

/// A change in a line, and its fields in more if there are several.
fn change(change: &PathDifference) -> Vec<String> {
    let sign = match change.change {
        ChangeKind::Added => '+',
        ChangeKind::Removed => '-',
        ChangeKind::Changed => '~',
    };
    let doubt = if change.uncertain { " ?" } else { "" };
    let path = if change.path.text.is_empty() { "/" } else { &change.path.text };
    let mut text = format!("{sign} {path}{doubt}");
    match &change.fields[..] {
        [] => {
            let size = change.size.map(bytes);
            let what: Vec<&str> = change.kind.as_deref().into_iter().chain(size.as_deref()).collect();
            if !what.is_empty() {
                let _ = write!(text, "  ({})", what.join(", "));
            }
            vec![text]
        }
        [one] => {
            let _ = write!(text, "  {one}");
            vec![text]
        }
        more => std::iter::once(text).chain(more.iter().map(|field| format!("    {field}"))).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inspect::diff::Side;
    use crate::types::digest::Digest;

    fn field_of(name: &str, a: &str, b: &str) -> FieldDifference {
        FieldDifference { name: name.into(), a: Some(a.into()), b: Some(b.into()) }
    }

    fn changed(path: &str, fields: Vec<FieldDifference>) -> PathDifference {
        PathDifference {
            path: path.as_bytes().into(),
            change: ChangeKind::Changed,
            uncertain: false,
            kind: Some("file".into()),
            size: Some(10),
            fields,
        }
    }

    #[test]
    fn a_page_says_it_all() {
        let layer = |number: usize, text: &str| LayerRef {
            number,
            digest: Digest::of(text.as_bytes()),
            diff_id: Digest::of(text.as_bytes()),
            size: 12_345,
            compression: "gzip",
        };
        let mtime = changed("usr/x", vec![field_of("mtime", "1", "2")]);
        let report = ImageComparison {
            a: Side { name: "oci:a".into(), digest: Digest::of(b"a") },
            b: Side { name: "oci:b".into(), digest: Digest::of(b"b") },
            equal: false,
            first: Some("layer 2: usr/x: mtime: 1 → 2".into()),
            index: Vec::new(),
            same: vec!["linux/arm64".into()],
            only_in_a: Vec::new(),
            only_in_b: vec!["linux/s390x".into()],
            images: vec![ImageDiff {
                platform: Some("linux/amd64".into()),
                a: Digest::of(b"a"),
                b: Digest::of(b"b"),
                first: "layer 2: usr/x: mtime: 1 → 2".into(),
                manifest: Vec::new(),
                config: vec![field_of("config.Env.A", "1", "2")],
                layers: vec![
                    LayerDiff {
                        a: Some(layer(1, "x")),
                        b: Some(layer(1, "x")),
                        relation: Relation::Shared,
                        entries: Vec::new(),
                        first: None,
                        first_entry: None,
                    },
                    LayerDiff {
                        a: Some(layer(2, "y")),
                        b: Some(layer(2, "z")),
                        relation: Relation::Changed,
                        entries: vec![mtime.clone()],
                        first: Some("usr/x: mtime: 1 → 2".into()),
                        first_entry: None,
                    },
                ],
                files: vec![
                    mtime,
                    changed("usr/y", vec![field_of("mode", "0644", "0600"), field_of("owner", "0:0", "1:1")]),
                    PathDifference {
                        change: ChangeKind::Added,
                        uncertain: true,
                        ..changed("usr/\u{1b}z", Vec::new())
                    },
                ],
                unread: 1,
            }],
        };
        insta::assert_snapshot!(text(&report, false), @r"
        A  sha256:ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb  oci:a
        B  sha256:3e23e8160039594a33894f6564e1b1348bbd7a0088d42c4acb73eeaed59c009d  oci:b
        First difference: layer 2: usr/x: mtime: 1 → 2

        Same in both: linux/arm64

        Only in B: linux/s390x

        linux/amd64: layer 2: usr/x: mtime: 1 → 2

        Configuration
          config.Env.A: 1 → 2

        Layers
             1 2d711642b726 gzip 12.3 kB  shared
          ~  2 a1fce4363854 gzip 12.3 kB → 2 594e519ae499 gzip 12.3 kB  1 entry differs; first usr/x: mtime: 1 → 2

        Files
          ~ usr/x  mtime: 1 → 2
          ~ usr/y
              mode: 0644 → 0600
              owner: 0:0 → 1:1
          + usr/\u{1b}z ?  (file, 10 B)
          ? 1 shared layer not read, which may have the path, too; `--full` reads all
        ");
    }
}
