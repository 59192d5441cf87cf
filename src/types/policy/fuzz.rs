//! Hostile patterns and licences.

use std::collections::BTreeSet;

use super::facts::{DocumentClaim, JudgedDocument, JudgedImage, Knowledge, PackageFact};
use super::image::ImagePolicy;
use super::licence::LicencePolicy;
use super::pattern::{LicencePattern, NamePattern, PackagePattern};
use crate::types::digest::Digest;

/// A pattern, a package and a licence, a line each: whatever they are, the judgement ends, and a package that is denied
/// by its own name is refused.
pub fn policy(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let mut lines = text.split('\n');
    let mut line = || lines.next().unwrap_or_default();
    let (pattern, purl, licence) = (line(), line(), line());
    let _ = pattern.parse::<NamePattern>();
    let deny: Vec<PackagePattern> = [pattern, purl].iter().filter_map(|text| text.parse().ok()).collect();
    let licences: Vec<LicencePattern> = pattern.parse().into_iter().collect();
    let package =
        PackageFact { purl: Some(purl.to_owned()), name: String::new(), licences: vec![licence.to_owned()] };
    let document = JudgedDocument {
        digest: Digest::of(data),
        signers: BTreeSet::new(),
        image: None,
        claim: DocumentClaim::Sbom(vec![package]),
    };
    let image = JudgedImage {
        signers: Knowledge::Known(BTreeSet::new()),
        images: BTreeSet::new(),
        documents: Knowledge::Known(vec![document]),
    };
    let is_literal =
        |pattern: &PackagePattern| pattern.is_literal() && pattern.as_str() == purl && !purl.contains('?');
    let denied = deny.iter().any(is_literal);
    for allow in [Vec::new(), licences.clone()] {
        let licences = LicencePolicy { allow, deny: licences.clone() };
        let policy = ImagePolicy { deny: deny.clone(), licences, ..ImagePolicy::default() };
        let reasons = policy.judge(&image);
        assert!(!denied || !reasons.is_empty());
        reasons.iter().for_each(|reason| assert!(!reason.to_string().contains('\n')));
    }
}

/// Policies to begin with.
pub fn policy_seeds() -> Vec<Vec<u8>> {
    [
        "pkg:npm/*\npkg:npm/left-pad@1.0.0\nMIT OR Apache-2.0",
        "GPL-*\npkg:maven/a/b@1?type=jar\nGPL-3.0-only WITH Classpath-exception-2.0",
        "pkg:**a*a?a/b\npkg:deb/debian/libc6@2.36\n(MIT AND (BSD-3-Clause OR ISC))",
    ]
    .map(|text| text.as_bytes().to_vec())
    .to_vec()
}
