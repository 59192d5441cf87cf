//! `pack referrers`: what refers to an image, as a tree.

use crate::attach::{Referrer, ReferrerTree};
use crate::cli::format::bytes;
use crate::types::shown::Foreign;

/// The annotation that says what a bundle or a statement claims.
const PREDICATES: [&str; 2] = ["dev.sigstore.bundle.predicateType", "in-toto.io/predicate-type"];

/// A line for the image, and one for each referrer below what it refers to.
#[must_use]
pub fn text(tree: &ReferrerTree) -> String {
    let mut text = tree.subject.to_string();
    add(&mut text, &tree.referrers, "");
    if tree.truncated {
        text.push_str("\nand more");
    }
    text
}

/// A line for each referrer, each after a line end.
#[must_use]
pub fn attached(referrers: &[Referrer]) -> String {
    let mut text = String::new();
    add(&mut text, referrers, "");
    text
}

fn add(text: &mut String, referrers: &[Referrer], indent: &str) {
    for (number, referrer) in referrers.iter().enumerate() {
        let is_last = number + 1 == referrers.len();
        let (branch, below) = if is_last { ("└─ ", "   ") } else { ("├─ ", "│  ") };
        let kind = referrer.artifact_type.as_deref().unwrap_or("of no type");
        text.push_str(&format!(
            "\n{indent}{branch}{}  {}  {}",
            referrer.digest,
            Foreign::short(kind, 200),
            bytes(referrer.size)
        ));
        if let Some(claim) = PREDICATES.iter().find_map(|name| referrer.annotations.get(*name)) {
            text.push_str(&format!("  {}", Foreign::short(claim, 200)));
        }
        add(text, &referrer.referrers, &format!("{indent}{below}"));
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::types::digest::Digest;

    #[test]
    fn a_tree_shows_what_refers_to_what_and_no_control_character() {
        let referrer = |name: &str, referrers| Referrer {
            digest: Digest::of(name.as_bytes()),
            artifact_type: Some(format!("application/{name}")),
            size: 700,
            annotations: BTreeMap::from([(PREDICATES[0].to_owned(), "https://x\u{1b}[2J".to_owned())]),
            referrers,
        };
        let tree = ReferrerTree {
            subject: Digest::of(b"image"),
            listed: true,
            referrers: vec![referrer("a", vec![referrer("b", Vec::new())]), referrer("c\n", Vec::new())],
            truncated: true,
        };
        let text = text(&tree);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 5, "{text}");
        assert!(lines[1].starts_with("├─ sha256:") && lines[2].starts_with("│  └─ sha256:"), "{text}");
        assert!(lines[3].starts_with("└─ sha256:") && lines[4] == "and more", "{text}");
        assert!(!text.contains('\u{1b}') && lines[1].contains("application/a"), "{text}");
    }
}
