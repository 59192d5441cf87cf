//! Signing, attaching and proving against a registry of this process, with and without the referrers API.

use std::os::unix::fs::PermissionsExt as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::*;
use crate::attest::{ImageStatement, PrivateKey, PublicKey, SignatureBundle, Signer as _};
use crate::oci::artifact::empty_blob;
use crate::oci::attached::AttachedDocument;
use crate::oci::{ConfigFile, Image, RawDocument};
use crate::registry::fake::{Action, Fake, Fault, Kind as Asked, Reply};
use crate::registry::{Client, ClientSettings, fallback_tag};
use crate::runtime::events::Progress;
use crate::runtime::interrupt::Interrupt;
use crate::transport::registry::{RegistryDestination, destination, source};
use crate::transport::{Destination, Source};
use crate::types::digest::Digest;
use crate::types::error::Kind;
use crate::types::reference::Repository;

/// A registry that has `shop/app:1`.
struct Shop {
    fake: Fake,
    image: Digest,
}

impl Shop {
    fn new(has_api: bool) -> Self {
        let fake = Fake::start().expect("ports");
        if !has_api {
            fake.fault(Fault::always("GET", Asked::Referrers, Action::Answer(Reply::new(404))));
        }
        let config = ConfigFile { os: "linux".into(), architecture: "amd64".into(), ..ConfigFile::default() };
        let image = Image::new(&config, Vec::new(), std::collections::BTreeMap::new()).expect("an image");
        fake.put_blob("shop/app", image.raw_config());
        let raw: &RawDocument = image.raw();
        fake.put_manifest("shop/app", "1", raw.media_type.as_ref(), &raw.bytes);
        Self { image: raw.digest(), fake }
    }

    fn client() -> Client {
        Client::new(ClientSettings::default(), Progress::default(), Interrupt::default())
    }

    fn repository(&self) -> Repository {
        format!("{}/shop/app", self.fake.address()).parse().expect("a name")
    }

    fn source(&self) -> Arc<dyn Source> {
        Arc::new(source(Self::client(), self.repository().at_tag("1".parse().expect("a tag"))))
    }

    fn destination(&self) -> RegistryDestination {
        destination(Self::client(), self.repository())
    }

    fn legacy(&self) -> LegacyPlace {
        LegacyPlace::new(Self::client(), self.repository())
    }

    fn sign(&self, key: &PrivateKey, format: SignatureFormat) -> SignReport {
        let options = SignOptions {
            signer: key,
            format,
            legacy: Some(self.legacy()),
            recursive: true,
            created: "2026-01-01T00:00:00Z".to_owned(),
            store: None,
            interrupt: Interrupt::default(),
        };
        sign(&*self.source(), &self.destination(), &options).expect("signed")
    }

    fn prove(&self, key: &PublicKey) -> Result<ProvedSignature, crate::types::error::BoxedError> {
        prove(&*self.source(), Some(&self.legacy()), &self.image, key)
    }

    fn attach(&self, document: AttachedDocument) -> AttachReport {
        attach_document(&*self.source(), &self.destination(), document, &Interrupt::default())
            .expect("attached")
    }
}

fn key() -> PrivateKey {
    PrivateKey::generate().expect("random bytes")
}

#[test]
fn what_is_signed_is_proved_by_its_key_and_nothing_is_written_twice() {
    for has_api in [true, false] {
        let (shop, key, other) = (Shop::new(has_api), key(), key());
        let unsigned = shop.prove(key.public()).expect_err("no signature");
        assert_eq!(unsigned.kind(), Kind::Policy, "{unsigned}");
        let first = shop.sign(&key, SignatureFormat::Bundle);
        assert!(first.manifests[0].written && first.digest == shop.image, "{first:?}");
        let proved = shop.prove(key.public()).expect("proved");
        assert_eq!((Some(proved.digest), proved.form), (first.manifests[0].bundle, SignatureForm::Bundle));
        let wrong = shop.prove(other.public()).expect_err("another key");
        assert_eq!(wrong.kind(), Kind::Policy);
        assert!(wrong.to_string().contains("it is signed by another key"), "{wrong}");

        let _ = shop.fake.take_log();
        let again = shop.sign(&key, SignatureFormat::Bundle);
        assert!(!again.manifests[0].written && again.manifests[0].bundle == first.manifests[0].bundle);
        let log = shop.fake.take_log();
        assert!(log.iter().all(|logged| logged.method == "GET" || logged.method == "HEAD"), "{log:?}");

        // Several keys, and both forms.
        shop.sign(&other, SignatureFormat::Both);
        assert!(shop.sign(&key, SignatureFormat::Legacy).manifests[0].written);
        assert!(!shop.sign(&key, SignatureFormat::Both).manifests[0].written);
        assert!(!shop.sign(&other, SignatureFormat::Legacy).manifests[0].written);
        for key in [&key, &other] {
            shop.prove(key.public()).expect("proved");
        }
        assert_eq!(shop.fake.tag("shop/app", "1"), Some(shop.image), "no tag moved");
        assert_eq!(shop.fake.tag("shop/app", fallback_tag(&shop.image).as_str()).is_some(), !has_api);
    }
}

#[test]
fn a_signature_of_the_older_form_alone_is_enough() {
    let (shop, key) = (Shop::new(true), key());
    shop.sign(&key, SignatureFormat::Legacy);
    let proved = shop.prove(key.public()).expect("proved");
    assert_eq!(proved.form, SignatureForm::Legacy);
    let without = prove(&*shop.source(), None, &shop.image, key.public()).expect_err("no bundle");
    assert_eq!(without.kind(), Kind::Policy);
}

/// A bundle is what its key signed, wherever somebody puts it.
#[test]
fn a_signature_of_another_image_proves_nothing_here() {
    let (shop, key) = (Shop::new(true), key());
    let other = Digest::of(b"other");
    let lies = [
        (ImageStatement::signature(&other), "it is about sha256:"),
        (
            ImageStatement::new(&shop.image, "https://x", "{}".parse().expect("JSON")),
            "it claims `https://x`, and is no plain signature",
        ),
    ];
    for (statement, _) in &lies {
        let bytes = SignatureBundle::sign(statement, &key).expect("signed");
        shop.attach(AttachedDocument::new(crate::attest::BUNDLE, bytes));
    }
    shop.attach(AttachedDocument::new(crate::attest::BUNDLE, b"{}".to_vec()));
    let error = shop.prove(key.public()).expect_err("lies");
    assert_eq!(error.kind(), Kind::Policy);
    for (_, says) in &lies {
        assert!(error.to_string().contains(says), "{error}");
    }
    assert!(error.to_string().contains("`mediaType` is missing"), "{error}");
    // They do not hide a signature that is one.
    shop.sign(&key, SignatureFormat::Bundle);
    shop.prove(key.public()).expect("proved");
}

#[test]
fn requests_of_a_signature_are_counted() {
    let (shop, key) = (Shop::new(true), key());
    // The empty configuration is there after the first document.
    shop.attach(AttachedDocument::new("text/plain", b"a".to_vec()));
    let _ = shop.fake.take_log();
    shop.sign(&key, SignatureFormat::Bundle);
    let log: Vec<String> = shop.fake.take_log().iter().map(ToString::to_string).collect();
    // The image, each blob at once, the manifest, and the list twice: both sides have a client of their own here.
    assert_eq!(log.len(), 6, "{log:#?}");
    let _ = shop.fake.take_log();
    shop.sign(&key, SignatureFormat::Bundle);
    // The image, the list, the manifest of the signature and its bundle.
    assert_eq!(shop.fake.take_log().len(), 4);
}

#[test]
fn eight_writers_at_once_lose_nothing() {
    let shop = Shop::new(false);
    let started = Instant::now();
    let written: Vec<Digest> = std::thread::scope(|scope| {
        let shop = &shop;
        let writers: Vec<_> = (0..8)
            .map(|number| {
                scope.spawn(move || {
                    let document = AttachedDocument::new("text/plain", format!("{number}").into_bytes());
                    shop.attach(document).digest
                })
            })
            .collect();
        writers.into_iter().map(|writer| writer.join().expect("no panic")).collect()
    });
    let tree = tree(&*shop.source(), &shop.image, None).expect("listed");
    let mut listed: Vec<Digest> = tree.referrers.iter().map(|referrer| referrer.digest).collect();
    let mut written = written;
    listed.sort();
    written.sort();
    assert_eq!(listed, written);
    assert!(started.elapsed() < Duration::from_secs(60), "{:?}", started.elapsed());
}

#[test]
fn eight_signers_of_the_older_form_lose_nothing() {
    let shop = Shop::new(false);
    let keys: Vec<PrivateKey> = (0..8).map(|_| key()).collect();
    std::thread::scope(|scope| {
        for key in &keys {
            scope.spawn(|| shop.sign(key, SignatureFormat::Legacy));
        }
    });
    for key in &keys {
        shop.prove(key.public()).expect("all are there");
    }
}

#[test]
fn a_document_is_attached_once_and_listed_with_what_refers_to_it() {
    for has_api in [true, false] {
        let shop = Shop::new(has_api);
        let document =
            || AttachedDocument::new("application/vnd.openvex+json", b"{}".to_vec()).annotation("by", "ci");
        let first = shop.attach(document());
        assert!(!first.current);
        assert!(shop.attach(document()).current, "the same document");
        // A signature of the document.
        let one = source(Shop::client(), shop.repository().at_digest(first.digest));
        let bytes = SignatureBundle::sign(&ImageStatement::signature(&first.digest), &key()).expect("signed");
        let below = AttachedDocument::new(crate::attest::BUNDLE, bytes);
        let below =
            attach_document(&one, &shop.destination(), below, &Interrupt::default()).expect("attached");
        let whole = tree(&*shop.source(), &shop.image, None).expect("listed");
        assert_eq!(whole.referrers.len(), 1);
        let listed = &whole.referrers[0];
        assert_eq!((listed.digest, listed.annotations["by"].as_str()), (first.digest, "ci"));
        assert_eq!(listed.referrers[0].digest, below.digest);
        let none = tree(&*shop.source(), &shop.image, Some("application/spdx+json")).expect("listed");
        assert_eq!(none.referrers, []);
        assert!(shop.fake.blob("shop/app", &empty_blob("x").descriptor.digest).is_some());
    }
}

fn program(directory: &std::path::Path, text: &str) -> String {
    let path = directory.join("signer");
    // Another process holds the file open for writing, not this one.
    let mut command = std::process::Command::new("sh");
    command.args(["-c", "printf '#!/bin/sh\\n%s\\n' \"$2\" > \"$1\"", "sh"]).arg(&path).arg(text);
    assert!(command.status().expect("a shell").success());
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).expect("ours");
    path.display().to_string()
}

#[test]
fn a_program_signs_and_is_not_believed() {
    let directory = tempfile::tempdir().expect("writable");
    let (key, message) = (key(), b"message");
    let signature = key.sign(message).expect("signed").to_base64();
    let signer = |text: &str| {
        let command = program(directory.path(), text);
        ExternalSigner::new(&command, key.public().clone(), Interrupt::default()).expect("a program")
    };
    let good = format!("cat > {}/got; echo {signature}", directory.path().display());
    assert_eq!(signer(&good).sign(message).expect("signed").to_base64(), signature);
    assert_eq!(std::fs::read(directory.path().join("got")).expect("written"), message);
    let binary = format!("echo {signature} | base64 -d");
    assert_eq!(signer(&binary).sign(message).expect("signed").to_base64(), signature);
    let fails = |text: &str| {
        let signer = signer(text).within(Duration::from_secs(2));
        let error = signer.sign(message).expect_err(text);
        assert_eq!(error.kind(), Kind::Input, "{error}");
        error.to_string()
    };
    assert!(fails("echo hello").contains("printed no signature"));
    let other = key.sign(b"other").expect("signed").to_base64();
    assert!(fails(&format!("echo {other}")).contains("does not fit the key"));
    assert!(fails("echo locked >&2; exit 3").contains("ended with exit status: 3: locked"));
    assert!(fails("yes").contains("did not sign") || fails("yes").contains("printed no signature"));
    let begun = Instant::now();
    assert!(fails("sleep 100").contains("it was ended after 2 s"));
    assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
    let missing = ExternalSigner::new("/nonexistent/signer x", key.public().clone(), Interrupt::default());
    let error = missing.expect("a program").sign(message).expect_err("not there");
    assert!(error.to_string().contains("cannot be started"), "{error}");
    assert!(ExternalSigner::new(" ", key.public().clone(), Interrupt::default()).is_none());
}

/// Anyone who can write to a repository can list anything.
#[test]
fn a_listed_manifest_that_refers_to_another_image_proves_nothing() {
    let (shop, key) = (Shop::new(false), key());
    let bytes = SignatureBundle::sign(&ImageStatement::signature(&shop.image), &key).expect("signed");
    let other = crate::oci::Descriptor::of(crate::oci::MediaType::ImageManifest, b"other");
    let stray = AttachedDocument::new(crate::attest::BUNDLE, bytes).refer_to(&other).expect("a manifest");
    let target = shop.destination();
    for blob in &stray.blobs {
        target.blob(blob).expect("sent");
    }
    target.document(&stray.document).expect("sent");
    target.refer(&shop.image, std::slice::from_ref(&stray.entry)).expect("listed");
    let error = shop.prove(key.public()).expect_err("not of this image");
    assert!(error.to_string().contains("it is listed, and refers to another image"), "{error}");
}
