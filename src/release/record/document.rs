//! A record as a document of a registry.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::fault::RecordFault;
use super::release::ReleaseRecord;
use crate::formats::json::Raw;
use crate::oci::{Descriptor, DocumentError, Index, ManifestOrIndex, MediaType, RawDocument, to_json};
use crate::types::digest::Digest;
use crate::types::reference::{Repository, Tag};
use crate::types::release::{EnvironmentName, ReleaseKey};

/// The type of the artifact.
pub const ARTIFACT_TYPE: &str = "application/vnd.pack.release.v1+json";

/// A larger manifest of an image is not repeated in its record.
const MAX_EMBEDDED: usize = 64 << 10;
/// A document with more bytes is no record.
pub const MAX_RECORD: u64 = 512 << 10;

const RECORD: &str = "pack.release.record";
/// The annotation with the environment.
pub const ENVIRONMENT_KEY: &str = "pack.release.environment";
/// The annotation with the number, without zeros before it.
pub const NUMBER_KEY: &str = "pack.release.number";
const KIND: &str = "pack.release.kind";
const REVISION: &str = "org.opencontainers.image.revision";
const CREATED: &str = "org.opencontainers.image.created";

/// A release with its record, as a registry has it.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredRelease {
    /// The content of the record.
    pub record: ReleaseRecord,
    /// Its place in the history.
    pub key: ReleaseKey,
    /// The link to the record.
    pub descriptor: Descriptor,
    /// The link to the image.
    pub image: Descriptor,
    /// The manifest or index of the image, where the record repeats it.
    pub manifest: Option<RawDocument>,
}

impl StoredRelease {
    /// A record, and the document that it is stored as. `manifest` is what it releases.
    ///
    /// # Errors
    /// When the document cannot be written.
    pub fn new(record: ReleaseRecord, manifest: &RawDocument) -> Result<(Self, RawDocument), DocumentError> {
        let document = write(&record, manifest.descriptor(), Some(manifest))?;
        let key = ReleaseKey { number: record.number, id: record.id().map_err(unwritten)? };
        let stored = Self {
            record,
            key,
            descriptor: document.descriptor(),
            image: manifest.descriptor(),
            manifest: embedded(manifest).then(|| manifest.clone()),
        };
        Ok((stored, document))
    }

    /// The record that the tag of `environment` and `key` in `repository` resolves to.
    ///
    /// A registry has more than one name, and does not know under which one it was asked. So the record tells the path of
    /// its repository, and the name of the registry is the one that was asked, whatever the record has.
    ///
    /// # Errors
    /// When anything in it disagrees with the repository, with the tag or with itself.
    pub fn read(
        document: &RawDocument,
        repository: &Repository,
        environment: &EnvironmentName,
        key: ReleaseKey,
    ) -> Result<Self, RecordFault> {
        let tampered = |why| RecordFault::Tampered { tag: environment.record_tag(key), why };
        let mut release = parse(document, environment, key).map_err(tampered)?;
        let image = &mut release.record.image;
        if image.path() != repository.path() {
            return Err(tampered(format!("its image is `{image}`, and it is in `{repository}`")));
        }
        *image = repository.clone();
        Ok(release)
    }

    /// The tag of the record.
    #[must_use]
    pub fn tag(&self) -> Tag {
        self.record.environment.record_tag(self.key)
    }
}

const fn embedded(manifest: &RawDocument) -> bool {
    manifest.bytes.len() <= MAX_EMBEDDED
}

const fn unwritten(source: serde_json::Error) -> DocumentError {
    DocumentError::Write { what: "record of a release", source }
}

/// The document of a record: the one way to write it.
fn write(
    record: &ReleaseRecord,
    image: Descriptor,
    manifest: Option<&RawDocument>,
) -> Result<RawDocument, DocumentError> {
    let mut entry = image.clone();
    if let Some(manifest) = manifest.filter(|manifest| embedded(manifest)) {
        let data = serde_json::to_string(&STANDARD.encode(&manifest.bytes)).map_err(unwritten)?;
        let data: Raw = data.parse().map_err(|source| DocumentError::Json {
            what: "record of a release",
            digest: None,
            source,
        })?;
        entry.rest.insert("data".to_owned(), data);
    }
    let mut annotations: BTreeMap<String, String> = [
        (RECORD, record.to_json().map_err(unwritten)?),
        (ENVIRONMENT_KEY, record.environment.to_string()),
        (NUMBER_KEY, record.number.get().to_string()),
        (KIND, record.kind.as_str().to_owned()),
        (CREATED, record.time.to_string()),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into();
    if let Some(revision) = &record.revision {
        annotations.insert(REVISION.to_owned(), revision.to_string());
    }
    let index = Index {
        schema_version: 2,
        media_type: Some(MediaType::ImageIndex),
        artifact_type: Some(ARTIFACT_TYPE.to_owned()),
        manifests: vec![entry],
        subject: Some(image),
        annotations,
        rest: BTreeMap::new(),
    };
    RawDocument::new(Some(&MediaType::ImageIndex), to_json("record of a release", &index)?)
}

fn parse(
    document: &RawDocument,
    environment: &EnvironmentName,
    key: ReleaseKey,
) -> Result<StoredRelease, String> {
    let ManifestOrIndex::Index(index) = document.parse().map_err(|error| error.to_string())? else {
        return Err("it is a manifest, and a record is an index".to_owned());
    };
    if index.artifact_type.as_deref() != Some(ARTIFACT_TYPE) {
        return Err(format!("its type is not `{ARTIFACT_TYPE}`"));
    }
    let Some(subject) = index.subject else { return Err("it has no subject".to_owned()) };
    let [entry] = index.manifests.as_slice() else {
        return Err(format!("it lists {} manifests, and a record lists one", index.manifests.len()));
    };
    let Some(text) = index.annotations.get(RECORD) else {
        return Err(format!("it has no annotation `{RECORD}`"));
    };
    let record =
        ReleaseRecord::of_json(text).map_err(|error| format!("its annotation `{RECORD}`: {error}"))?;
    let differs = |what: &str, says: &dyn ToString, place: &str, has: &dyn ToString| {
        Err(format!("its {what} is {}, and {place} has {}", says.to_string(), has.to_string()))
    };
    if record.environment != *environment {
        return differs("environment", &record.environment, "its tag", environment);
    }
    if record.number != key.number {
        return differs("number", &record.number, "its tag", &key.number);
    }
    let id = record.id().map_err(|error| error.to_string())?;
    if id != key.id {
        return differs("identity", &id, "its tag", &key.id);
    }
    if record.digest != subject.digest {
        return differs("digest", &record.digest, "its subject", &subject.digest);
    }
    if entry.digest != subject.digest {
        return differs("entry", &entry.digest, "its subject", &subject.digest);
    }
    // A link to an image has nothing else.
    if subject != Descriptor::new(subject.media_type.clone(), subject.digest, subject.size) {
        return Err("its subject has other fields than a record has".to_owned());
    }
    let manifest = embedded_manifest(entry, &subject)?;
    // The annotations, the links and all else: a record is written in one way.
    let again = write(&record, subject.clone(), manifest.as_ref()).map_err(|error| error.to_string())?;
    if again.bytes != document.bytes {
        return Err("it is not written as records are".to_owned());
    }
    Ok(StoredRelease { record, key, descriptor: document.descriptor(), image: subject, manifest })
}

/// The manifest that the entry of a record repeats.
fn embedded_manifest(entry: &Descriptor, subject: &Descriptor) -> Result<Option<RawDocument>, String> {
    let Some(data) = entry.rest.get("data") else { return Ok(None) };
    let text = data.value().as_str().ok_or("the manifest in it is no text")?;
    let bytes = STANDARD.decode(text.as_bytes()).map_err(|_| "the manifest in it is not base64")?;
    if Digest::of(&bytes) != subject.digest {
        return Err("the manifest in it has another digest than its subject".to_owned());
    }
    if bytes.len() as u64 != subject.size {
        return Err(format!(
            "its subject has {} bytes, and the manifest in it has {}",
            subject.size,
            bytes.len()
        ));
    }
    RawDocument::new(Some(&subject.media_type), bytes).map(Some).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::release::{PassedGate, PreviousRelease, ReleaseKind, ReleaseNonce, ReleaseNote};
    use super::*;
    use crate::types::release::{ReleaseId, ReleaseNumber, ReleaseTime};

    fn manifest(filling: &str) -> RawDocument {
        let config = Descriptor::of(MediaType::ImageConfig, filling.as_bytes());
        let document = crate::oci::artifact::OciArtifact::of_config(config).document("image");
        document.expect("a manifest")
    }

    fn note(text: &str) -> ReleaseNote {
        ReleaseNote::new("text", text).expect("a line")
    }

    fn record(manifest: &RawDocument) -> ReleaseRecord {
        ReleaseRecord {
            environment: "prod".parse().expect("a name"),
            number: ReleaseNumber::new(3).expect("a number"),
            kind: ReleaseKind::Promote,
            image: "localhost:5000/shop/app".parse().expect("a repository"),
            digest: manifest.digest(),
            revision: Some(note("3f2a")),
            source: note("test@4"),
            previous: Some(PreviousRelease {
                release: ReleaseNumber::new(2).expect("a number"),
                record: Digest::of(b"record"),
                image: Digest::of(b"image"),
            }),
            actor: Some(note("alice")),
            reason: Some(note("it was \"ready\"")),
            time: ReleaseTime::from_milliseconds(1_706_702_400_123),
            checks: vec![
                PassedGate { check: note("documents"), evidence: None },
                PassedGate { check: note("release:test"), evidence: Some(Digest::of(b"evidence")) },
            ],
            nonce: ReleaseNonce(0x0123_4567_89ab_cdef),
        }
    }

    fn repository() -> Repository {
        "localhost:5000/shop/app".parse().expect("a repository")
    }

    fn key(number: u32, id: ReleaseId) -> ReleaseKey {
        ReleaseKey { number: ReleaseNumber::new(number).expect("a number"), id }
    }

    fn read(document: &RawDocument) -> Result<StoredRelease, RecordFault> {
        let environment = "prod".parse().expect("a name");
        let id = record(&manifest("{}")).id().expect("written");
        StoredRelease::read(document, &repository(), &environment, key(3, id))
    }

    /// The bytes are a promise: other tools read them, and readers compare them.
    #[test]
    fn the_bytes_of_a_record_are_these() {
        let image = manifest("{}");
        let (stored, document) = StoredRelease::new(record(&image), &image).expect("written");
        assert_eq!(read(&document), Ok(stored));
        let text = String::from_utf8(document.bytes.clone()).expect("text");
        let json: serde_json::Value = serde_json::from_str(&text).expect("JSON");
        let record = json["annotations"]["pack.release.record"].as_str().expect("text");
        insta::assert_snapshot!(record, @r#"{"environment":"prod","number":3,"kind":"promote","image":"localhost:5000/shop/app","digest":"sha256:f20c43161d73848408ef247f0ec7111b19fe58ffebc0cbcaa0d2c8bda4967268","revision":"3f2a","source":"test@4","previous":{"release":2,"record":"sha256:70ce871f8a3d3fb449bc3c3ace6547cef02dfc74ffe48d912532a724bfdbe5b9","image":"sha256:6105d6cc76af400325e94d588ce511be5bfdbb73b437dc51eca43917d7a43e3d"},"actor":"alice","reason":"it was \"ready\"","time":"2024-01-31T12:00:00.123Z","checks":[{"check":"documents"},{"check":"release:test","evidence":"sha256:ee8250fb76e094b34b471f13a73dbbe51d1ae142e9df59d7c0d31ec20f0a0a8e"}],"nonce":"0123456789abcdef"}"#);
        let (digest, size, data) = (image.digest(), image.bytes.len(), STANDARD.encode(&image.bytes));
        let link = format!(
            r#""mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"{digest}","size":{size}"#
        );
        let quoted = serde_json::to_string(record).expect("a string");
        let expected = format!(
            r#"{{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","artifactType":"application/vnd.pack.release.v1+json","manifests":[{{{link},"data":"{data}"}}],"subject":{{{link}}},"annotations":{{"org.opencontainers.image.created":"2024-01-31T12:00:00.123Z","org.opencontainers.image.revision":"3f2a","pack.release.environment":"prod","pack.release.kind":"promote","pack.release.number":"3","pack.release.record":{quoted}}}}}"#
        );
        assert_eq!(text, expected);
    }

    #[test]
    fn a_large_manifest_is_not_repeated() {
        let mut image = manifest("{}");
        image.bytes.extend(vec![b' '; MAX_EMBEDDED]);
        let (stored, document) = StoredRelease::new(record(&image), &image).expect("written");
        assert_eq!(stored.manifest, None);
        let again = StoredRelease::read(&document, &repository(), &stored.record.environment, stored.key);
        assert_eq!(again, Ok(stored));
    }

    /// A record tells the repository that it is in. A registry may have been asked under another name.
    #[test]
    fn a_record_of_another_repository_is_none_of_this_one() {
        let image = manifest("{}");
        let (stored, document) = StoredRelease::new(record(&image), &image).expect("written");
        let read = |name: &str| {
            let asked: Repository = name.parse().expect("a repository");
            let read = StoredRelease::read(&document, &asked, &stored.record.environment, stored.key);
            read.map(|release| release.record.image.to_string())
        };
        for same in ["localhost:5000/shop/app", "127.0.0.1:5000/shop/app", "registry.example.com/shop/app"] {
            assert_eq!(read(same).as_deref(), Ok(same));
        }
        for other in ["localhost:5000/shop/app2", "localhost:5000/app", "evil.example.com/x/y"] {
            let fault = read(other).expect_err(other);
            assert_eq!(fault.word(), "tampered");
            let says = format!("its image is `localhost:5000/shop/app`, and it is in `{other}`");
            assert!(fault.to_string().contains(&says), "{fault}");
        }
    }

    /// The other fields of the link to the image are compared, too.
    #[test]
    fn a_link_that_lies_is_found() {
        let image = manifest("{}");
        let (stored, _) = StoredRelease::new(record(&image), &image).expect("written");
        let read = |link: Descriptor| {
            let document = write(&stored.record, link, Some(&image)).expect("written");
            super::StoredRelease::read(&document, &repository(), &stored.record.environment, stored.key)
        };
        assert_eq!(read(image.descriptor()).map(|read| read.image), Ok(image.descriptor()));
        let mut longer = image.descriptor();
        longer.size += 1;
        let mut elsewhere = image.descriptor();
        elsewhere.urls = vec!["https://evil.example.com/x".to_owned()];
        for (link, says) in
            [(longer, "and the manifest in it has"), (elsewhere, "other fields than a record has")]
        {
            let fault = read(link).expect_err(says).to_string();
            assert!(fault.contains(says), "{fault}");
        }
    }

    #[test]
    fn each_change_of_a_record_is_found() {
        let image = manifest("{}");
        let (_, document) = StoredRelease::new(record(&image), &image).expect("written");
        let text = String::from_utf8(document.bytes.clone()).expect("text");
        let digest = image.digest().to_string();
        let other = Digest::of(b"other").to_string();
        let cases = [
            (r#"\"environment\":\"prod\""#, r#"\"environment\":\"test\""#, "its environment is test"),
            (r#"\"number\":3"#, r#"\"number\":4"#, "its number is r0004, and its tag has r0003"),
            (r#"\"number\":3"#, r#"\"number\":0"#, "not the number of a release"),
            (r#"\"kind\":\"promote\""#, r#"\"kind\":\"demote\""#, "`deploy`, `promote` or `rollback`"),
            (r#"\"actor\":\"alice\""#, r#"\"actor\":\"\""#, "is empty"),
            (r#"\"actor\":\"alice\""#, r#"\"actor\":\"mallory\""#, "its identity is "),
            ("0123456789abcdef", "0123456789abcdeF", "expected 16 hexadecimal digits"),
            (r#"\"actor\":\"alice\""#, r#"\"aktor\":\"alice\""#, "a record has no such field"),
            (r#"\"time\":\"2024"#, r#"\"time\":\"x024"#, "expected a time"),
            (r#""pack.release.number":"3""#, r#""pack.release.number":"2""#, "not written as records are"),
            (
                r#""pack.release.kind":"promote""#,
                r#""pack.release.kind":"deploy""#,
                "not written as records are",
            ),
            (r#""schemaVersion":2,"#, r#""schemaVersion":2, "#, "not written as records are"),
            (ARTIFACT_TYPE, "application/x", "its type is not"),
            ("pack.release.record", "pack.release.recorf", "it has no annotation"),
        ];
        let changed = |from: &str, to: &str, count: usize| {
            assert!(text.contains(from), "{from}");
            let bytes = text.replacen(from, to, count).into_bytes();
            read(&RawDocument { bytes, ..document.clone() })
        };
        for (from, to, says) in cases {
            let fault = changed(from, to, 1).expect_err(from);
            assert_eq!(fault.word(), "tampered");
            let fault = fault.to_string();
            assert!(fault.contains(says) && fault.contains("`prod-r0003-"), "{from}: {fault}");
        }
        // The entry, the subject, the record's own.
        for count in 1..=2 {
            let fault = changed(&digest, &other, count).expect_err("another image").to_string();
            assert!(fault.contains("and its subject has") || fault.contains("another digest"), "{fault}");
        }
        assert!(read(&image).expect_err("an image").to_string().contains("a record is an index"));
    }

    fn line() -> impl Strategy<Value = ReleaseNote> {
        "[^\\p{Cc}\u{2028}\u{2029}]{1,40}"
            .prop_filter_map("a blank line", |text| ReleaseNote::new("text", &text).ok())
    }

    prop_compose! {
        fn any_record()(
            number in 1..=9_999_999_u32,
            kind in prop_oneof![Just(ReleaseKind::Deploy), Just(ReleaseKind::Promote), Just(ReleaseKind::Rollback)],
            notes in (proptest::option::of(line()), line(), proptest::option::of(line()), proptest::option::of(line())),
            previous in any::<bool>(),
            milliseconds in any::<u64>(),
            checks in proptest::collection::vec((line(), any::<bool>()), 0..3),
        ) -> (ReleaseRecord, RawDocument) {
            let image = manifest("{}");
            let (revision, source, actor, reason) = notes;
            let gate = |(check, proven): (ReleaseNote, bool)| {
                PassedGate { check, evidence: proven.then(|| Digest::of(b"evidence")) }
            };
            let record = ReleaseRecord {
                number: ReleaseNumber::new(number).expect("a number"),
                kind,
                revision,
                source,
                actor,
                reason,
                previous: previous.then(|| record(&image).previous).flatten(),
                time: ReleaseTime::from_milliseconds(milliseconds),
                checks: checks.into_iter().map(gate).collect(),
                ..record(&image)
            };
            (record, image)
        }
    }

    proptest! {
        /// A record that is read and written again has the same bytes.
        #[test]
        fn a_record_is_canonical((record, image) in any_record()) {
            let (stored, document) = StoredRelease::new(record.clone(), &image).expect("written");
            let back = StoredRelease::read(&document, &record.image, &record.environment, stored.key).expect("read");
            prop_assert_eq!(&back, &stored);
            let (_, again) = StoredRelease::new(back.record, &image).expect("written");
            prop_assert_eq!(again.bytes, document.bytes);
        }

        /// No other byte means the same.
        #[test]
        fn each_byte_of_a_record_counts((record, image) in any_record(), at in any::<usize>(), byte in any::<u8>()) {
            let (stored, document) = StoredRelease::new(record.clone(), &image).expect("written");
            let mut bytes = document.bytes.clone();
            let at = at % bytes.len();
            prop_assume!(bytes[at] != byte);
            bytes[at] = byte;
            let changed = RawDocument { bytes, ..document };
            // The tag certifies all but the place in the history, and the number in the tag that.
            if let Ok(read) = StoredRelease::read(&changed, &record.image, &record.environment, stored.key) {
                prop_assert_ne!(&read.record.previous, &record.previous);
                prop_assert_eq!(ReleaseRecord { previous: None, ..read.record }, ReleaseRecord { previous: None, ..record });
            }
        }
    }
}
