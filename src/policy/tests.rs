//! Evidence against a registry of this process: raw documents, bundles, signatures of documents, and lies.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;
use crate::attach::{LegacyPlace, SignOptions, SignatureFormat, attach_document, sign};
use crate::attest::{
    BUNDLE, BUNDLE_PREDICATE, CHECKS_PREDICATE, ChecksRecord, IN_TOTO, ImageStatement, PrivateKey,
    SignatureBundle,
};
use crate::oci::attached::AttachedDocument;
use crate::oci::{ConfigFile, Descriptor, Image, RawDocument};
use crate::registry::fake::Fake;
use crate::registry::{Client, ClientSettings};
use crate::runtime::events::Progress;
use crate::runtime::interrupt::Interrupt;
use crate::transport::Source;
use crate::transport::registry::{destination, source};
use crate::types::digest::Digest;
use crate::types::policy::{EvidenceKind, ImagePolicy, KeyName, Knowledge, PolicyReason};
use crate::types::reference::Repository;

const SPDX: &str = "application/spdx+json";

struct Shop {
    fake: Fake,
    image: RawDocument,
    key: PrivateKey,
    strays: AtomicUsize,
}

impl Shop {
    fn new() -> Self {
        let fake = Fake::start().expect("ports");
        let config = ConfigFile { os: "linux".into(), architecture: "amd64".into(), ..ConfigFile::default() };
        let image = Image::new(&config, Vec::new(), BTreeMap::new()).expect("an image");
        fake.put_blob("shop/app", image.raw_config());
        let raw = image.raw().clone();
        fake.put_manifest("shop/app", "1", raw.media_type.as_ref(), &raw.bytes);
        Self {
            fake,
            image: raw,
            key: PrivateKey::generate().expect("random bytes"),
            strays: AtomicUsize::default(),
        }
    }

    fn client() -> Client {
        Client::new(ClientSettings::default(), Progress::default(), Interrupt::default())
    }

    fn repository(&self) -> Repository {
        format!("{}/shop/app", self.fake.address()).parse().expect("a name")
    }

    fn source_of(&self, digest: &Digest) -> Arc<dyn Source> {
        Arc::new(source(Self::client(), self.repository().at_digest(*digest)))
    }

    fn attach(&self, kind: &str, bytes: impl Into<Vec<u8>>) -> Digest {
        let to = destination(Self::client(), self.repository());
        let document = AttachedDocument::new(kind, bytes.into());
        attach_document(&*self.source_of(&self.image.digest()), &to, document, &Interrupt::default())
            .expect("attached")
            .digest
    }

    /// Attaches without a request, each time another document.
    fn stray(
        &self,
        to: &Descriptor,
        kind: &str,
        bytes: impl Into<Vec<u8>>,
        annotations: &[(&str, &str)],
    ) -> Descriptor {
        let number = self.strays.fetch_add(1, Ordering::Relaxed).to_string();
        let bytes = bytes.into();
        self.fake.put_blob("shop/app", &bytes);
        let mut document = AttachedDocument::new(kind, bytes).annotation("number", &*number);
        for (name, value) in annotations {
            document = document.annotation(name, *value);
        }
        let made = document.refer_to(to).expect("a manifest").document;
        self.fake.put_manifest("shop/app", &format!("s{number}"), made.media_type.as_ref(), &made.bytes);
        made.descriptor()
    }

    fn sign(&self, digest: &Digest) {
        let options = SignOptions {
            signer: &self.key,
            format: SignatureFormat::Bundle,
            legacy: None,
            recursive: false,
            created: "2026-01-01T00:00:00Z".to_owned(),
            store: None,
            interrupt: Interrupt::default(),
        };
        let to = destination(Self::client(), self.repository());
        sign(&*self.source_of(digest), &to, &options).expect("signed");
    }

    fn words(&self, rules: &ImagePolicy) -> Vec<&'static str> {
        let keys = BTreeMap::from([(KeyName("own.pub".to_owned()), self.key.public().clone())]);
        let needs = EvidenceNeeds::of([rules].into_iter(), &keys);
        let legacy = LegacyPlace::new(Self::client(), self.repository());
        let found = evidence(&*self.source_of(&self.image.digest()), Some(&legacy), &self.image, &needs);
        let found = found.expect("an answer");
        rules.judge(&found).iter().map(PolicyReason::word).collect()
    }
}

fn requires(evidence: EvidenceKind) -> ImagePolicy {
    ImagePolicy { require: [evidence].into(), ..ImagePolicy::default() }
}

fn signed(rules: ImagePolicy) -> ImagePolicy {
    ImagePolicy { signed_by: vec![KeyName("own.pub".to_owned())], ..rules }
}

fn sbom(package: &str) -> String {
    format!(
        r#"{{"spdxVersion":"SPDX-2.3","packages":[{{"name":"x","externalRefs":[{{"referenceType":"purl","referenceLocator":"{package}"}}]}}]}}"#
    )
}

fn checks(image: &Digest, failed: &[&str]) -> ImageStatement {
    let failed = failed.iter().map(|rule| (*rule).to_owned()).collect();
    let record = ChecksRecord::new(Vec::new(), Vec::new(), failed).to_raw().expect("JSON");
    ImageStatement::new(image, CHECKS_PREDICATE, record)
}

#[test]
fn an_attached_document_is_evidence_and_its_packages_are_judged() {
    let shop = Shop::new();
    let rules =
        ImagePolicy { deny: vec!["pkg:npm/bad".parse().expect("a pattern")], ..ImagePolicy::default() };
    assert_eq!(shop.words(&requires(EvidenceKind::Sbom)), ["missing"]);
    shop.attach(SPDX, sbom("pkg:npm/good@1"));
    assert!(shop.words(&requires(EvidenceKind::Sbom)).is_empty() && shop.words(&rules).is_empty());
    shop.attach(SPDX, sbom("pkg:npm/bad@1"));
    assert_eq!(shop.words(&rules), ["package"]);
    // No question is asked for rules that need none.
    let _ = shop.fake.take_log();
    assert!(shop.words(&ImagePolicy::default()).is_empty());
    assert!(shop.fake.take_log().is_empty());
}

#[test]
fn with_keys_a_document_counts_if_it_is_signed() {
    let shop = Shop::new();
    let rules = signed(requires(EvidenceKind::Sbom));
    let document = shop.attach(SPDX, sbom("pkg:npm/good@1"));
    assert_eq!(shop.words(&rules), ["signature", "unsigned"]);
    shop.sign(&shop.image.digest());
    assert_eq!(shop.words(&rules), ["unsigned"]);
    shop.sign(&document);
    assert!(shop.words(&rules).is_empty());
}

#[test]
fn a_bundle_is_evidence_and_says_itself_who_signed_it() {
    let shop = Shop::new();
    shop.sign(&shop.image.digest());
    let rules = signed(requires(EvidenceKind::Checks));
    let image = shop.image.digest();
    let other = PrivateKey::generate().expect("random bytes");
    shop.attach(BUNDLE, SignatureBundle::sign(&checks(&image, &[]), &other).expect("signed"));
    assert_eq!(shop.words(&rules), ["unsigned"]);
    assert!(shop.words(&requires(EvidenceKind::Checks)).is_empty(), "without keys it is a document");
    shop.attach(BUNDLE, SignatureBundle::sign(&checks(&image, &[]), &shop.key).expect("signed"));
    assert!(shop.words(&rules).is_empty());
    shop.attach(BUNDLE, SignatureBundle::sign(&checks(&image, &["secret"]), &shop.key).expect("signed"));
    assert_eq!(shop.words(&rules), ["checks"]);
}

#[test]
fn a_statement_about_another_image_proves_nothing() {
    let shop = Shop::new();
    shop.attach(IN_TOTO, checks(&Digest::of(b"other"), &[]).to_bytes());
    assert_eq!(shop.words(&requires(EvidenceKind::Checks)), ["unreadable"]);
    let other = format!("pkg:oci/app@sha256%3A{}", Digest::of(b"other").hex());
    shop.attach(SPDX, sbom(&other));
    assert_eq!(shop.words(&requires(EvidenceKind::Sbom)), ["unreadable"]);
    shop.attach(IN_TOTO, checks(&shop.image.digest(), &[]).to_bytes());
    assert!(shop.words(&requires(EvidenceKind::Checks)).is_empty());
}

#[test]
fn more_documents_than_are_read_are_no_pass() {
    let shop = Shop::new();
    for number in 0..9 {
        shop.attach(SPDX, format!("{number}{}", " ".repeat(8 << 20)));
    }
    assert_eq!(shop.words(&requires(EvidenceKind::Sbom)), ["too-much"]);
}

#[test]
fn packages_of_all_documents_have_one_bound() {
    let shop = Shop::new();
    let rules =
        ImagePolicy { deny: vec!["pkg:npm/bad".parse().expect("a pattern")], ..ImagePolicy::default() };
    let packages = vec![r#"{"name":"a"}"#; 240_000].join(",");
    for number in 0..3 {
        let text = format!(r#"{{"spdxVersion":"SPDX-2.3","packages":[{packages}],"n":{number}}}"#);
        shop.stray(&shop.image.descriptor(), SPDX, text, &[]);
        let expected: &[&str] = if number < 2 { &[] } else { &["too-much"] };
        assert_eq!(shop.words(&rules), expected, "{number}");
    }
}

#[test]
fn values_are_counted_before_a_statement_is_read() {
    let shop = Shop::new();
    let many = vec!["0"; 500_000].join(",");
    let statement = format!(
        r#"{{"_type":"https://in-toto.io/Statement/v1","subject":[],"predicateType":"x","predicate":[{many}]}}"#
    );
    shop.stray(&shop.image.descriptor(), IN_TOTO, statement, &[]);
    assert_eq!(shop.words(&requires(EvidenceKind::Provenance)), ["unreadable"]);
    // It cannot be told what it is: one that can be read counts.
    shop.attach(IN_TOTO, checks(&shop.image.digest(), &[]).to_bytes());
    assert!(shop.words(&requires(EvidenceKind::Checks)).is_empty());
}

/// Anyone who may push can attach bundles to documents that they attached.
#[test]
fn requests_for_all_that_is_attached_have_one_bound() {
    let shop = Shop::new();
    for number in 0..20 {
        let document = sbom(&format!("pkg:npm/good@{number}"));
        let document = shop.stray(&shop.image.descriptor(), SPDX, document, &[]);
        for _ in 0..70 {
            shop.stray(&document, BUNDLE, "{}", &[]);
        }
    }
    let _ = shop.fake.take_log();
    assert_eq!(shop.words(&signed(requires(EvidenceKind::Sbom))), ["signature", "too-much"]);
    let asked = shop.fake.take_log().len();
    assert!((1_000..1_300).contains(&asked), "{asked} requests");
}

#[test]
fn more_bundles_than_are_read_are_no_answer_and_no_pass() {
    let shop = Shop::new();
    let rules = signed(requires(EvidenceKind::Signature));
    // A bundle that is listed with another claim is no signature, and costs nothing.
    for _ in 0..300 {
        let claim = (BUNDLE_PREDICATE, "https://cyclonedx.org/bom");
        shop.stray(&shop.image.descriptor(), BUNDLE, "{}", &[claim]);
    }
    let _ = shop.fake.take_log();
    assert_eq!(shop.words(&rules), ["signature"]);
    assert!(shop.fake.take_log().len() < 10);
    shop.sign(&shop.image.digest());
    assert!(shop.words(&rules).is_empty());
    let other = Shop::new();
    for _ in 0..201 {
        other.stray(&other.image.descriptor(), BUNDLE, "{}", &[]);
    }
    assert_eq!(other.words(&rules), ["too-much"]);
}

#[test]
fn the_oldest_platform_decides_how_old_a_base_is() {
    let age = |dates: &[Option<&'static str>]| age_of(dates.iter().copied());
    assert_eq!(age(&[Some("1970-01-03T00:00:00Z"), Some("1970-01-02T00:00:00Z")]), Knowledge::Known(86_400));
    assert!(matches!(age(&[Some("1970-01-03T00:00:00Z"), None]), Knowledge::Unknown(_)));
    assert!(matches!(age(&[]), Knowledge::Unknown(_)));
}
