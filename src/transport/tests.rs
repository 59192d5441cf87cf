//! The abilities that each destination claims, and whether it has them.

use std::sync::Arc;

use super::archive::{ArchiveOutput, ArchiveWord};
use super::layout::OciLayout;
use super::*;
use crate::oci::{ConfigFile, Image};
use crate::registry::fake::Fake;
use crate::registry::{Client, ClientSettings};
use crate::runtime::events::Progress;
use crate::runtime::interrupt::Interrupt;
use crate::store::Store;

/// An image without layers; different marks make different images.
fn image(mark: &str) -> (Image, Blob) {
    let mut config = ConfigFile::default();
    (config.os, config.architecture) = ("linux".to_owned(), mark.to_owned());
    let image = Image::new(&config, Vec::new(), std::collections::BTreeMap::new()).expect("belongs together");
    let blob = Blob::in_memory(image.manifest().config.clone(), image.raw_config().to_vec(), "config");
    (image, blob)
}

fn tag(text: &str) -> Tag {
    text.parse().expect("valid")
}

/// One destination of each sort, with what it keeps its images in.
struct Places {
    directory: tempfile::TempDir,
    fake: Fake,
    store: Store,
    client: Client,
    repository: Repository,
}

impl Places {
    fn new() -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let fake = Fake::start().expect("ports");
        let repository = format!("{}/shop/app", fake.address()).parse().expect("valid");
        let store = Store::open(&directory.path().join("store"), &Progress::default());
        let client = Client::new(ClientSettings::default(), Progress::default(), Interrupt::default());
        Self { directory, fake, store, client, repository }
    }

    fn all(&self) -> Vec<Arc<dyn Destination>> {
        let (progress, path) = (Progress::default(), |name: &str| self.directory.path().join(name));
        let archive = |word, name| {
            Arc::new(
                ArchiveOutput::new(word, &path(name), Some(&self.repository), None, &progress).expect("new"),
            )
        };
        vec![
            Arc::new(registry::destination(self.client.clone(), self.repository.clone())),
            Arc::new(OciLayout::of_store(&self.store, &self.repository, &progress).expect("can be written")),
            Arc::new(OciLayout::create(&path("layout"), None, &progress).expect("new")),
            archive(ArchiveWord::Oci, "oci.tar"),
            archive(ArchiveWord::Docker, "docker.tar"),
        ]
    }
}

fn write(destination: &dyn Destination, mark: &str, tags: &[&str]) -> Digest {
    let (image, config) = image(mark);
    let tags: Vec<Tag> = tags.iter().copied().map(tag).collect();
    destination.blob(&config).expect("stored");
    destination.finish(image.raw(), &tags).expect("finished");
    image.digest()
}

#[test]
fn each_says_what_it_can_do() {
    let places = Places::new();
    let registry = places.repository.registry().clone();
    let said: Vec<Capabilities> = places.all().iter().map(|it| it.capabilities()).collect();
    let kept = |locality, parallel_blobs| Capabilities {
        locality,
        parallel_blobs,
        follows: false,
        needs_all_blobs: false,
        referrers: true,
        deletes: true,
        mounts_from: None,
    };
    let archive = Capabilities { needs_all_blobs: true, deletes: false, ..kept(Locality::Machine, 1) };
    let slots = places.client.parallel_blobs();
    let remote =
        Capabilities { follows: true, mounts_from: Some(registry), ..kept(Locality::Network, slots) };
    let layout = kept(Locality::Machine, 2);
    assert_eq!(said, [remote, kept(Locality::Store, 2), layout, archive.clone(), archive]);
    let sides: Vec<(bool, bool)> = said.iter().map(|it| (it.is_local(), it.is_remote())).collect();
    assert_eq!(sides, [(false, true), (true, false), (false, false), (false, false), (false, false)]);
}

#[test]
fn what_says_that_it_deletes_does_so_and_nothing_else() {
    let places = Places::new();
    for destination in places.all() {
        let name = destination.name();
        let first = write(&*destination, "amd64", &["1", "stable"]);
        if !destination.capabilities().deletes {
            let error = destination.delete(&ImageName::Tag(tag("1"))).expect_err("it cannot");
            assert!(error.to_string().contains(&name) && error.hint().is_some(), "{error}");
            continue;
        }
        let second = write(&*destination, "arm64", &["2"]);
        let is = |digest: &Digest, name: &str| destination.is_current(digest, &[tag(name)]).expect("asked");
        let delete = |it: ImageName| destination.delete(&it).expect("deleted");
        assert!(is(&first, "1") && is(&first, "stable") && is(&second, "2"), "{name}");
        assert!(delete(ImageName::Tag(tag("1"))), "{name}");
        assert!(!delete(ImageName::Tag(tag("1"))), "{name}: it is gone");
        assert!(!is(&first, "1") && is(&first, "stable") && is(&second, "2"), "{name}: the tag alone");
        assert!(delete(ImageName::Digest(first)), "{name}");
        assert!(!delete(ImageName::Digest(first)), "{name}: it is gone");
        assert!(!is(&first, "stable") && is(&second, "2"), "{name}: the image with its tags alone");
        write(&*destination, "amd64", &["1"]);
        assert!(is(&first, "1"), "{name}: nothing of it is taken to be there still");
    }
    assert!(places.fake.tag("shop/app", "2").is_some());
}

#[test]
fn an_image_keeps_its_names_in_other_repositories_of_the_store() {
    let places = Places::new();
    let other: Repository = "localhost/other".parse().expect("valid");
    let of = |repository| OciLayout::of_store(&places.store, repository, &Progress::default()).expect("open");
    let (ours, theirs) = (of(&places.repository), of(&other));
    let digest = write(&ours, "amd64", &["1"]);
    assert_eq!(write(&theirs, "amd64", &["1"]), digest);
    assert!(ours.delete(&ImageName::Digest(digest)).expect("deleted"));
    let current = [&ours, &theirs].map(|it| it.is_current(&digest, &[tag("1")]).expect("asked"));
    assert_eq!(current, [false, true]);
}

#[test]
fn a_layout_that_was_never_written_has_nothing_to_delete() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("layout");
    let layout = OciLayout::create(&path, None, &Progress::default()).expect("new");
    assert!(!layout.delete(&ImageName::Tag(tag("1"))).expect("nothing there"));
    assert!(!path.exists(), "looking makes nothing");
}
