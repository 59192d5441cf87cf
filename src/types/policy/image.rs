//! The rules about images that are pushed or released.

use std::collections::BTreeSet;

use super::super::digest::Digest;
use super::facts::{
    DocumentClaim, EvidenceKind, JudgedDocument, JudgedImage, KeyName, Knowledge, PackageFact,
};
use super::licence::{LicencePolicy, LicenceRules};
use super::pattern::{MatchSteps, PackagePattern};
use super::reason::{PolicyFact, PolicyReason, told};
use super::signers::unsigned;
use super::table::PackageTable;

/// So many reasons about packages are told one by one.
const MOST_REASONS: usize = 1_000;

/// The things that an image must have, and those that it must not have.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ImagePolicy {
    /// The evidence that it must have.
    pub require: BTreeSet<EvidenceKind>,
    /// Any of these keys signed it, and all evidence that is required.
    pub signed_by: Vec<KeyName>,
    /// Packages that it must not have.
    pub deny: Vec<PackagePattern>,
    /// The licences of its packages.
    pub licences: LicencePolicy,
}

impl ImagePolicy {
    /// Whether it says anything.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Whether it says anything about packages.
    #[must_use]
    pub fn is_about_packages(&self) -> bool {
        !self.deny.is_empty() || !self.licences.allow.is_empty() || !self.licences.deny.is_empty()
    }

    /// Whether it needs to know who signed the image.
    #[must_use]
    pub fn is_about_signers(&self) -> bool {
        !self.signed_by.is_empty() || self.require.contains(&EvidenceKind::Signature)
    }

    /// The documents that it needs.
    #[must_use]
    pub fn documents(&self) -> BTreeSet<EvidenceKind> {
        let mut needed = self.require.clone();
        needed.remove(&EvidenceKind::Signature);
        if self.is_about_packages() {
            needed.insert(EvidenceKind::Sbom);
        }
        needed
    }

    /// The reasons against an image.
    #[must_use]
    pub fn judge(&self, image: &JudgedImage) -> Vec<PolicyReason> {
        let mut reasons = Vec::new();
        let signer = PolicyFact::Signer;
        // The reason about keys says more.
        if self.require.contains(&EvidenceKind::Signature) && self.signed_by.is_empty() {
            match &image.signers {
                Knowledge::Known(signers) if !signers.is_empty() => {}
                Knowledge::Known(_) => reasons.push(PolicyReason::Missing(EvidenceKind::Signature)),
                Knowledge::TooMuch(why) => reasons.push(PolicyReason::TooMuch(why.clone())),
                Knowledge::Unknown(why) => reasons.push(PolicyReason::Unknown(signer, why.clone())),
            }
        }
        reasons.extend(unsigned(&self.signed_by, &image.signers, signer, PolicyReason::Signature));
        let needed = self.documents();
        match &image.documents {
            _ if needed.is_empty() => {}
            Knowledge::Known(documents) => {
                reasons
                    .extend(needed.iter().filter_map(|evidence| self.missing(*evidence, image, documents)));
                if self.is_about_packages() {
                    self.judge_packages(documents, &mut reasons);
                }
            }
            Knowledge::TooMuch(why) => {
                let reason = PolicyReason::TooMuch(why.clone());
                if !reasons.contains(&reason) {
                    reasons.push(reason);
                }
            }
            Knowledge::Unknown(why) => {
                reasons.push(PolicyReason::Unknown(PolicyFact::Documents, why.clone()));
            }
        }
        reasons
    }

    /// The document that proves what is required, by its digest.
    #[must_use]
    pub fn proof(&self, evidence: EvidenceKind, image: &JudgedImage) -> Option<Digest> {
        let Knowledge::Known(documents) = &image.documents else { return None };
        self.trusted(evidence, documents).next().map(|document| document.digest)
    }

    /// The documents of a kind that count.
    fn trusted<'a>(
        &'a self,
        evidence: EvidenceKind,
        documents: &'a [JudgedDocument],
    ) -> impl Iterator<Item = &'a JudgedDocument> {
        let is_signed = |document: &JudgedDocument| {
            self.signed_by.is_empty() || self.signed_by.iter().any(|key| document.signers.contains(key))
        };
        documents.iter().filter(move |document| document.claim.evidence() == evidence && is_signed(document))
    }

    /// The reason why a piece of evidence does not prove what it should. A document that does not count neither proves nor
    /// contradicts anything, wherever it is attached.
    fn missing(
        &self,
        evidence: EvidenceKind,
        image: &JudgedImage,
        documents: &[JudgedDocument],
    ) -> Option<PolicyReason> {
        if !image.is_covered(documents.iter().filter(|document| document.claim.evidence() == evidence)) {
            return Some(PolicyReason::Missing(evidence));
        }
        if !image.is_covered(self.trusted(evidence, documents)) {
            return Some(PolicyReason::Unsigned(evidence, self.signed_by.clone()));
        }
        let why_not = |document: &JudgedDocument| document.claim.why_not().map(str::to_owned);
        if !image.is_covered(self.trusted(evidence, documents).filter(|document| why_not(document).is_none()))
        {
            let why = self.trusted(evidence, documents).find_map(why_not).unwrap_or_default();
            return Some(PolicyReason::Unreadable(evidence, why));
        }
        // None of several records may say that the image is wrong.
        let has_failed = |document: &JudgedDocument| document.claim == DocumentClaim::Checks(false);
        self.trusted(evidence, documents).any(has_failed).then_some(PolicyReason::FailedChecks)
    }

    /// The packages of all documents that count: what any of them lists is in the image.
    fn judge_packages<'a>(&'a self, documents: &'a [JudgedDocument], reasons: &mut Vec<PolicyReason>) {
        let steps = MatchSteps::default();
        let rules = PackageTable::new(&self.deny);
        let mut licences = LicenceRules::new(&self.licences);
        let mut seen: BTreeSet<(&str, &[String])> = BTreeSet::new();
        let (before, mut more) = (reasons.len(), 0);
        for document in self.trusted(EvidenceKind::Sbom, documents) {
            match &document.claim {
                DocumentClaim::Sbom(packages) => {
                    for package in packages {
                        // The answers that follow would mean nothing.
                        if steps.are_used() {
                            break;
                        }
                        let shown = package.purl.as_ref().unwrap_or(&package.name);
                        if seen.insert((shown, &package.licences)) {
                            let mut tell = |reason| match reasons.len() - before < MOST_REASONS {
                                true => reasons.push(reason),
                                false => more += 1,
                            };
                            judge_package(package, &rules, &mut licences, &steps, &mut tell);
                        }
                    }
                }
                DocumentClaim::Unreadable(evidence, why) => {
                    let reason = PolicyReason::Unreadable(*evidence, why.clone());
                    if !reasons.contains(&reason) {
                        reasons.push(reason);
                    }
                }
                _ => {}
            }
        }
        reasons.extend((more > 0).then_some(PolicyReason::More(more)));
        if steps.are_used() {
            let why = "the patterns and the packages are so many that comparing them would take too long";
            reasons.push(PolicyReason::Unknown(PolicyFact::Packages, why.to_owned()));
        }
    }
}

fn judge_package<'a>(
    package: &'a PackageFact,
    rules: &PackageTable<'_>,
    licences: &mut LicenceRules<'a>,
    steps: &MatchSteps,
    tell: &mut dyn FnMut(PolicyReason),
) {
    let shown = package.purl.as_ref().unwrap_or(&package.name);
    if let Some(pattern) = package.purl.as_ref().and_then(|purl| rules.find(purl, steps)) {
        tell(PolicyReason::Package { package: told(shown), pattern: pattern.to_owned() });
    }
    licences.judge(shown, &package.licences, steps, tell);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(names: &[&str]) -> Vec<KeyName> {
        names.iter().map(|name| KeyName((*name).to_owned())).collect()
    }

    fn package(purl: &str, licences: &[&str]) -> PackageFact {
        PackageFact {
            purl: Some(purl.to_owned()),
            name: purl.to_owned(),
            licences: licences.iter().map(|licence| (*licence).to_owned()).collect(),
        }
    }

    fn document(claim: DocumentClaim, signers: &[&str]) -> JudgedDocument {
        JudgedDocument {
            digest: Digest::of(b"a document"),
            signers: keys(signers).into_iter().collect(),
            image: None,
            claim,
        }
    }

    fn image(documents: Vec<JudgedDocument>) -> JudgedImage {
        JudgedImage {
            signers: Knowledge::Known(BTreeSet::new()),
            images: BTreeSet::new(),
            documents: Knowledge::Known(documents),
        }
    }

    fn words(policy: &ImagePolicy, image: &JudgedImage) -> Vec<&'static str> {
        policy.judge(image).iter().map(PolicyReason::word).collect()
    }

    #[test]
    fn an_image_must_have_what_is_required() {
        let policy = ImagePolicy { require: EvidenceKind::ALL.into(), ..ImagePolicy::default() };
        let all = EvidenceKind::ALL.map(PolicyReason::Missing);
        assert_eq!(policy.judge(&image(Vec::new())), all);
        let whole = image(vec![
            document(DocumentClaim::Sbom(Vec::new()), &[]),
            document(DocumentClaim::Provenance, &[]),
            document(DocumentClaim::Checks(true), &[]),
        ]);
        assert_eq!(policy.judge(&whole), [PolicyReason::Missing(EvidenceKind::Signature)]);
        let signed =
            JudgedImage { signers: Knowledge::Known(keys(&["a.pub"]).into_iter().collect()), ..whole };
        assert_eq!(policy.judge(&signed), []);
        assert_eq!(policy.proof(EvidenceKind::Sbom, &signed), Some(Digest::of(b"a document")));
    }

    #[test]
    fn evidence_counts_if_a_key_of_the_policy_signed_it() {
        let policy = ImagePolicy {
            require: [EvidenceKind::Sbom].into(),
            signed_by: keys(&["a.pub"]),
            ..ImagePolicy::default()
        };
        let of = |signers: &[&str]| image(vec![document(DocumentClaim::Sbom(Vec::new()), signers)]);
        assert_eq!(words(&policy, &of(&[])), ["signature", "unsigned"]);
        assert_eq!(words(&policy, &of(&["other.pub"])), ["signature", "unsigned"]);
        let signed = JudgedImage {
            signers: Knowledge::Known(keys(&["a.pub"]).into_iter().collect()),
            ..of(&["a.pub"])
        };
        assert_eq!(policy.judge(&signed), []);
    }

    #[test]
    fn a_record_of_failed_checks_refuses() {
        let policy = ImagePolicy { require: [EvidenceKind::Checks].into(), ..ImagePolicy::default() };
        let of = |results: &[bool]| {
            image(results.iter().map(|clean| document(DocumentClaim::Checks(*clean), &[])).collect())
        };
        assert_eq!(policy.judge(&of(&[true])), []);
        assert_eq!(words(&policy, &of(&[true, false])), ["checks"]);
        assert_eq!(words(&policy, &of(&[])), ["missing"]);
    }

    #[test]
    fn a_document_that_cannot_be_read_proves_nothing() {
        let policy = ImagePolicy { require: [EvidenceKind::Sbom].into(), ..ImagePolicy::default() };
        let broken =
            || document(DocumentClaim::Unreadable(EvidenceKind::Sbom, "it is cut off".to_owned()), &[]);
        assert_eq!(words(&policy, &image(vec![broken()])), ["unreadable"]);
        let both = image(vec![broken(), document(DocumentClaim::Sbom(Vec::new()), &[])]);
        assert_eq!(words(&policy, &both), Vec::<&str>::new());
        // The packages that it lists cannot be known.
        let denies = ImagePolicy { deny: vec!["pkg:npm/a".parse().expect("a pattern")], ..policy };
        assert_eq!(words(&denies, &both), ["unreadable"]);
        let unknown = JudgedImage { documents: Knowledge::Unknown("no answer".to_owned()), ..both };
        assert_eq!(words(&denies, &unknown), ["unknown"]);
    }

    /// An index of two images.
    fn index(documents: Vec<JudgedDocument>) -> JudgedImage {
        JudgedImage { images: [b"one", b"two"].map(|image| Digest::of(image)).into(), ..image(documents) }
    }

    fn at(image: &[u8], document: JudgedDocument) -> JudgedDocument {
        JudgedDocument { image: Some(Digest::of(image)), ..document }
    }

    #[test]
    fn an_index_or_each_of_its_images_has_evidence_that_counts() {
        let policy = ImagePolicy {
            require: [EvidenceKind::Sbom].into(),
            signed_by: keys(&["a.pub"]),
            deny: vec!["pkg:npm/bad".parse().expect("a pattern")],
            ..ImagePolicy::default()
        };
        let unsigned_policy = ImagePolicy { signed_by: Vec::new(), ..policy.clone() };
        let sbom =
            |purl: &str, signers: &[&str]| document(DocumentClaim::Sbom(vec![package(purl, &[])]), signers);
        let signed = |purl: &str| sbom(purl, &["a.pub"]);
        let good = "pkg:npm/good@1";
        let words = |policy: &ImagePolicy, documents: Vec<JudgedDocument>| {
            let signers = Knowledge::Known(keys(&["a.pub"]).into_iter().collect());
            words(policy, &JudgedImage { signers, ..index(documents) })
        };
        let none: [&str; 0] = [];
        assert_eq!(words(&policy, vec![signed(good)]), none);
        assert_eq!(words(&policy, vec![at(b"one", signed(good)), at(b"two", signed(good))]), none);
        assert_eq!(words(&policy, vec![at(b"one", signed(good))]), ["missing"]);
        assert_eq!(words(&policy, vec![at(b"one", signed(good)), at(b"two", sbom(good, &[]))]), ["unsigned"]);
        // A document of the index hides none of its images, and one without a signature takes nothing away.
        let hidden = || vec![sbom(good, &[]), at(b"one", signed("pkg:npm/bad@1")), at(b"two", signed(good))];
        assert_eq!(words(&policy, hidden()), ["package"]);
        assert_eq!(words(&unsigned_policy, hidden()), ["package"]);
        let extra = vec![sbom("pkg:npm/bad@1", &[]), at(b"one", signed(good)), at(b"two", signed(good))];
        assert_eq!(words(&policy, extra), none);
        // A signed statement about another image is none about this one.
        let other = DocumentClaim::OfAnother(EvidenceKind::Sbom, "it is about another".to_owned());
        assert_eq!(words(&policy, vec![document(other.clone(), &["a.pub"])]), ["unreadable"]);
        assert_eq!(words(&policy, vec![document(other, &["a.pub"]), signed(good)]), none);
    }

    #[test]
    fn packages_are_denied_by_patterns_and_licences() {
        let policy = ImagePolicy {
            deny: ["pkg:npm/event-stream@3.3.6", "pkg:npm/left-pad", "pkg:maven/log4j/**"]
                .iter()
                .map(|text| text.parse().expect("a pattern"))
                .collect(),
            licences: LicencePolicy { allow: Vec::new(), deny: vec!["AGPL-*".parse().expect("a pattern")] },
            ..ImagePolicy::default()
        };
        let of = |packages: Vec<PackageFact>| image(vec![document(DocumentClaim::Sbom(packages), &[])]);
        for denied in ["pkg:npm/event-stream@3.3.6?a=b", "pkg:npm/left-pad@1", "pkg:maven/log4j/log4j@1"] {
            assert_eq!(words(&policy, &of(vec![package(denied, &["MIT"])])), ["package"], "{denied}");
        }
        assert!(words(&policy, &of(vec![package("pkg:npm/event-stream@4.0.0", &["MIT"])])).is_empty());
        assert_eq!(words(&policy, &of(vec![package("pkg:npm/a@1", &["AGPL-3.0-only"])])), ["licence"]);
        // Without an SBOM nothing is known of packages.
        assert_eq!(words(&policy, &image(Vec::new())), ["missing"]);
    }

    /// A hundred thousand names, and a hundred thousand packages.
    #[test]
    fn many_names_are_compared_at_once() {
        let deny = (0..100_000).map(|n| format!("pkg:npm/bad-{n}").parse().expect("a pattern")).collect();
        let policy = ImagePolicy { deny, ..ImagePolicy::default() };
        let packages = (0..100_000).map(|n| package(&format!("pkg:npm/good-{n}@1"), &[]));
        let packages = packages.chain([package("pkg:npm/bad-99999@1", &[])]).collect();
        let image = image(vec![document(DocumentClaim::Sbom(packages), &[])]);
        assert_eq!(words(&policy, &image), ["package"]);
    }

    /// The same with versions that are patterns, and with licences.
    #[test]
    fn many_patterns_are_compared_at_once() {
        let deny = (0..100_000).map(|n| format!("pkg:npm/bad-{n}@1.*").parse().expect("a pattern")).collect();
        let allow = (0..100_000).map(|n| format!("LicenseRef-{n}-*").parse().expect("a pattern")).collect();
        let licences = LicencePolicy { allow, deny: Vec::new() };
        let policy = ImagePolicy { deny, licences, ..ImagePolicy::default() };
        let licence = ["LicenseRef-7-a"];
        let packages = (0..10_000).map(|n| package(&format!("pkg:npm/good-{n}@1.0"), &licence));
        let bad = [package("pkg:npm/bad-99999@1.2", &licence), package("pkg:npm/bad-7@2.0", &["MIT"])];
        let image = image(vec![document(DocumentClaim::Sbom(packages.chain(bad).collect()), &[])]);
        assert_eq!(words(&policy, &image), ["package", "licence"]);
    }

    #[test]
    fn reasons_are_told_up_to_a_bound_and_the_rest_are_counted() {
        let licences = LicencePolicy { allow: vec!["MIT".parse().expect("a pattern")], deny: Vec::new() };
        let policy = ImagePolicy { licences, ..ImagePolicy::default() };
        let packages = (0..5_000).map(|n| package(&format!("pkg:npm/p-{n}@1"), &["ISC", "0BSD"]));
        let one = package("pkg:npm/one@1", &["ISC"; 20_000]);
        let image = image(vec![document(DocumentClaim::Sbom(packages.chain([one]).collect()), &[])]);
        let reasons = policy.judge(&image);
        assert_eq!(reasons.len(), MOST_REASONS + 1);
        assert_eq!(reasons.last(), Some(&PolicyReason::More(10_000 + 20_000 - MOST_REASONS)));
    }

    #[test]
    fn evidence_that_was_not_read_is_a_reason_once() {
        let much = || "too much".to_owned();
        let image = JudgedImage {
            signers: Knowledge::TooMuch(much()),
            documents: Knowledge::TooMuch(much()),
            ..image(Vec::new())
        };
        let require = [EvidenceKind::Signature, EvidenceKind::Sbom].into();
        let policy = ImagePolicy { require, signed_by: keys(&["a.pub"]), ..ImagePolicy::default() };
        assert_eq!(policy.judge(&image), [PolicyReason::TooMuch(much())]);
    }

    #[test]
    fn a_comparison_that_takes_too_long_is_no_pass() {
        let pattern = format!("pkg:npm/{}", "*a?".repeat(160));
        let deny = (0..2_000).map(|n| format!("{pattern}{n}").parse().expect("a pattern")).collect();
        let policy = ImagePolicy { deny, ..ImagePolicy::default() };
        let packages =
            (0..1_000).map(|n| package(&format!("pkg:npm/{}{n}@1", "a".repeat(300)), &[])).collect();
        let image = image(vec![document(DocumentClaim::Sbom(packages), &[])]);
        assert_eq!(words(&policy, &image).last(), Some(&"unknown"));
    }
}
