//! Publishing what is finished: manifests, what is attached to them, tags; and asking whether all of it is there.

use super::finished::{Finished, ReferrerEntry, by_subject};
use crate::oci::Descriptor;
use crate::transport::{Delivery, Destination};
use crate::types::digest::Digest;
use crate::types::error::BoxedError;
use crate::types::reference::Tag;

/// The parts of an image that a destination has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Presence {
    /// All of it: the tags resolve to it, and everything that is attached is there.
    Current,
    /// The tags resolve to it, and these attachments are gone.
    Lacks(Vec<Digest>),
    /// The tags resolve to something else, or to nothing.
    Stale,
}

/// The parts that `target` has of the image with this digest, these tags, these attachments that the root lists and
/// these referrers.
///
/// # Errors
/// When the destination cannot be asked.
pub(super) fn presence(
    target: &dyn Destination,
    digest: &Digest,
    tags: &[Tag],
    listed: &[Descriptor],
    referrers: &[ReferrerEntry],
) -> Result<Presence, BoxedError> {
    if !target.is_current(digest, tags)? {
        return Ok(Presence::Stale);
    }
    let mut missing = Vec::new();
    // Elsewhere the question was about the whole image. A registry deletes what it is asked to, whatever lists it.
    if target.capabilities().is_remote() {
        for attachment in listed {
            if !target.holds(attachment)? {
                missing.push(attachment.digest);
            }
        }
    }
    missing.extend(missing_referrers(target, digest, referrers)?);
    Ok(match missing.is_empty() {
        true => Presence::Current,
        // It is written whole or not at all.
        false if target.capabilities().needs_all_blobs => Presence::Stale,
        false => Presence::Lacks(missing),
    })
}

/// The referrers that a destination does not list. They were attached together: where the first list is whole, others
/// that were whole when this machine last saw them are taken to be so still.
fn missing_referrers(
    target: &dyn Destination,
    root: &Digest,
    referrers: &[ReferrerEntry],
) -> Result<Vec<Digest>, BoxedError> {
    let mut missing = Vec::new();
    if !target.capabilities().referrers {
        return Ok(missing);
    }
    for (number, (subject, entries)) in by_subject(root, referrers).into_iter().enumerate() {
        let is_taken_for_whole = number > 0 && missing.is_empty() && target.has_listed(&subject, &entries);
        if !is_taken_for_whole {
            missing.extend(target.lacks(&subject, &entries)?);
        }
    }
    Ok(missing)
}

/// Stores the manifests, then their referrers, then the tags: a push that stops before the last step changes no tag.
/// `before_tags` is done just before that.
///
/// # Errors
/// When anything cannot be stored.
pub(super) fn publish(
    target: &dyn Destination,
    finished: &Finished,
    before_tags: impl FnOnce() -> Result<(), BoxedError>,
) -> Result<Delivery, BoxedError> {
    for document in finished.documents() {
        target.document(document)?;
    }
    let mut referring = finished.referring().peekable();
    if referring.peek().is_some() && target.capabilities().referrers {
        target.document(&finished.root)?;
        for (document, _) in referring {
            target.document(document)?;
        }
        for (subject, entries) in by_subject(&finished.root.digest(), &finished.referrers()) {
            target.refer(&subject, &entries)?;
        }
    }
    before_tags()?;
    target.finish(&finished.root, &finished.tags)
}

/// Puts back those attachments that a destination lacks, where the rest of the image is there.
///
/// # Errors
/// When anything cannot be stored.
pub(super) fn put_back(
    target: &dyn Destination,
    finished: &Finished,
    missing: &[Digest],
) -> Result<(), BoxedError> {
    let is_missing = |digest: &Digest| missing.contains(digest);
    for attachment in finished.attachments.iter().filter(|it| is_missing(&it.document.digest())) {
        target.document(&attachment.document)?;
    }
    let entries: Vec<ReferrerEntry> =
        finished.referrers().into_iter().filter(|referrer| is_missing(&referrer.digest)).collect();
    for (subject, entries) in by_subject(&finished.root.digest(), &entries) {
        target.refer(&subject, &entries)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::finished::Attachment;
    use super::*;
    use crate::oci::artifact::{OciArtifact, empty_blob};
    use crate::oci::{ConfigFile, Image, ManifestOrIndex, MediaType};
    use crate::registry::fake::{Action, Fake, Fault, Kind, Reply};
    use crate::registry::{Client, ClientSettings, fallback_tag};
    use crate::runtime::events::Progress;
    use crate::runtime::interrupt::Interrupt;
    use crate::transport::registry::{RegistryDestination, destination};
    use crate::transport::{Blob, ImageName, referrer};

    fn image() -> Image {
        let mut config = ConfigFile::default();
        (config.os, config.architecture) = ("linux".to_owned(), "amd64".to_owned());
        Image::new(&config, Vec::new(), std::collections::BTreeMap::new()).expect("an image")
    }

    /// An image with an SBOM and a signature.
    fn finished() -> Finished {
        let image = image();
        let attachments = ["application/sbom", "application/signature"].map(|kind| {
            let artifact = OciArtifact::new(kind).layers([empty_blob("config").descriptor]);
            let document = artifact.subject(image.raw().descriptor()).document("referrer").expect("written");
            let Ok(ManifestOrIndex::Manifest(manifest)) = document.parse() else { panic!("a manifest") };
            let (digest, size) = (document.digest(), document.bytes.len() as u64);
            let entry = referrer(&manifest, MediaType::ImageManifest, digest, size);
            let referrer = ReferrerEntry::new(image.digest(), entry, None);
            Attachment { document, blobs: vec![empty_blob("config")], referrer: Some(referrer) }
        });
        Finished {
            root: image.raw().clone(),
            attachments: attachments.to_vec(),
            images: vec![image],
            tags: vec!["1.0".parse().expect("a tag")],
            fixed: Vec::new(),
            notes: Vec::new(),
        }
    }

    fn to(fake: &Fake) -> RegistryDestination {
        let client = Client::new(ClientSettings::default(), Progress::default(), Interrupt::default());
        destination(client, format!("{}/shop/app", fake.address()).parse().expect("a name"))
    }

    fn push(fake: &Fake, finished: &Finished) {
        let target = to(fake);
        let image = &finished.images[0];
        let config = Blob::in_memory(image.manifest().config.clone(), image.raw_config().to_vec(), "config");
        for blob in finished.attachments.iter().flat_map(|it| &it.blobs).chain([&config]) {
            target.blob(blob).map_err(|error| error.to_string()).expect("pushed");
        }
        publish(&target, finished, || Ok(())).map_err(|error| error.to_string()).expect("published");
    }

    #[test]
    fn referrers_come_after_the_manifest_and_before_the_tag() {
        let (fake, finished) = (Fake::start().expect("ports"), finished());
        push(&fake, &finished);
        let log = fake.take_log();
        let puts: Vec<String> = log
            .iter()
            .filter(|logged| logged.method == "PUT" && logged.kind == Kind::Manifest)
            .map(|logged| logged.target.rsplit('/').next().expect("a name").to_owned())
            .collect();
        let by_digest = |document: &crate::oci::RawDocument| document.digest().to_string();
        let expected = [
            by_digest(&finished.root),
            by_digest(&finished.attachments[0].document),
            by_digest(&finished.attachments[1].document),
            "1.0".to_owned(),
        ];
        assert_eq!(puts, expected);
    }

    #[test]
    fn a_referrer_that_is_gone_is_put_back_and_nothing_else() {
        for has_api in [true, false] {
            let (fake, finished) = (Fake::start().expect("ports"), finished());
            if !has_api {
                fake.fault(Fault::always("GET", Kind::Referrers, Action::Answer(Reply::new(404))));
            }
            push(&fake, &finished);
            let (digest, attached) = (finished.root.digest(), finished.referrers());
            let ask = |fake: &Fake| presence(&to(fake), &digest, &finished.tags, &[], &attached);
            assert_eq!(ask(&fake).map_err(|error| error.to_string()), Ok(Presence::Current));
            let gone = attached[1].digest;
            let target = to(&fake);
            target.delete(&ImageName::Digest(gone)).expect("deleted");
            assert_eq!(ask(&fake).map_err(|error| error.to_string()), Ok(Presence::Lacks(vec![gone])));
            let _ = fake.take_log();
            put_back(&to(&fake), &finished, &[gone]).map_err(|error| error.to_string()).expect("put back");
            let sent: Vec<String> = fake
                .take_log()
                .iter()
                .filter(|logged| !matches!(logged.method.as_str(), "GET" | "HEAD"))
                .map(ToString::to_string)
                .collect();
            assert_eq!(sent, [format!("PUT /v2/shop/app/manifests/{gone}")]);
            assert_eq!(ask(&fake).map_err(|error| error.to_string()), Ok(Presence::Current));
            assert_eq!(fake.tag("shop/app", fallback_tag(&digest).as_str()).is_some(), !has_api);
        }
    }
}
