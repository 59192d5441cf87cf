//! `pack copy`, `pack tag` and `pack rebase`: what was done, in a line.

use crate::cli::format::{bytes, count};
use crate::release::copy::CopyReport;

fn name(report: &CopyReport) -> String {
    let tags: Vec<String> = report.tags.iter().map(ToString::to_string).collect();
    if tags.is_empty() {
        return format!("{} {}", report.destination, report.digest.short());
    }
    format!("{} {} as {}", report.destination, report.digest.short(), tags.join(", "))
}

/// The blobs that a copy brought, and those that were there.
#[must_use]
pub fn copied(report: &CopyReport) -> String {
    let mut parts = Vec::new();
    if report.current {
        parts.push("the image was there".to_owned());
    }
    let blobs = &report.blobs;
    if blobs.uploaded > 0 {
        parts.push(format!(
            "{} sent ({})",
            count(blobs.uploaded as u64, "blob"),
            bytes(blobs.uploaded_bytes)
        ));
    }
    let manifests = report.documents.present;
    for (number, noun, what) in [
        (blobs.mounted, "blob", "mounted"),
        (blobs.present, "blob", "present"),
        (manifests, "manifest", "present"),
    ] {
        if number > 0 {
            parts.push(format!("{} {what}", count(number as u64, noun)));
        }
    }
    if let Some(referrers) = &report.referrers {
        let signatures = match report.signatures {
            0 => String::new(),
            number => format!(" ({})", count(number as u64, "signature")),
        };
        parts.push(format!("{}{signatures}", count(referrers.len() as u64, "referrer")));
    }
    if !report.older_signatures.is_empty() {
        let tags = count(report.older_signatures.len() as u64, "tag");
        parts.push(format!("{tags} of older signatures"));
    }
    if parts.is_empty() {
        parts.push("nothing had to be sent".to_owned());
    }
    format!("{}: {}\n", name(report), parts.join(", "))
}

/// The blobs that a rebase brought, and those that were there.
#[must_use]
pub fn rebased(report: &crate::release::rebase::RebaseReport) -> String {
    let tags: Vec<String> = report.tags.iter().map(ToString::to_string).collect();
    let mut parts: Vec<String> = report
        .images
        .iter()
        .map(|image| {
            let platform = image.platform.as_ref().map(|it| format!("{it}: ")).unwrap_or_default();
            let (own, base) = (image.own_layers as u64, image.base_layers as u64);
            format!("{platform}{} on {} of the base", count(own, "own layer"), count(base, "layer"))
        })
        .collect();
    if report.current {
        parts.push("the image was there".to_owned());
    }
    let blobs = &report.blobs;
    if blobs.uploaded > 0 {
        parts.push(format!(
            "{} sent ({})",
            count(blobs.uploaded as u64, "blob"),
            bytes(blobs.uploaded_bytes)
        ));
    }
    if blobs.mounted > 0 {
        parts.push(format!("{} mounted", count(blobs.mounted as u64, "blob")));
    }
    format!("{} {} as {}: {}\n", report.destination, report.digest.short(), tags.join(", "), parts.join(", "))
}

/// Which tags an image has now.
#[must_use]
pub fn tagged(report: &CopyReport) -> String {
    let was = if report.current { ": nothing to do" } else { "" };
    format!("{}{was}\n", name(report))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::release::copy::DocumentCount;
    use crate::transport::deliver::DeliveryCount;
    use crate::types::digest::Digest;

    #[test]
    fn a_line_says_it_all() {
        let mut report = CopyReport {
            source: "oci:a".into(),
            destination: "localhost:5000/shop/app".into(),
            digest: Digest::of(b"image"),
            media_type: None,
            tags: vec!["1.0".parse().expect("a tag")],
            current: false,
            new_index: false,
            documents: DocumentCount { copied: 2, present: 1 },
            blobs: DeliveryCount { present: 3, mounted: 1, uploaded: 2, uploaded_bytes: 12_345 },
            referrers: Some(vec![Digest::of(b"signature")]),
            signatures: 1,
            older_signatures: vec!["sha256-1.sig".parse().expect("a tag")],
        };
        assert_eq!(
            copied(&report),
            "localhost:5000/shop/app 6105d6cc76af as 1.0: 2 blobs sent (12.3 kB), 1 blob mounted, \
             3 blobs present, 1 manifest present, 1 referrer (1 signature), 1 tag of older signatures\n"
        );
        report.blobs = DeliveryCount::default();
        report.documents.present = 0;
        report.referrers = None;
        report.older_signatures.clear();
        assert!(copied(&report).ends_with("as 1.0: nothing had to be sent\n"));
        report.current = true;
        assert!(copied(&report).ends_with(": the image was there\n"));
        assert!(tagged(&report).ends_with("as 1.0: nothing to do\n"));
    }
}
