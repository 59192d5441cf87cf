//! The client against the fake registry: one thing after another here, and everything with everything in
//! [`matrix`].

mod changes;
mod doors;
mod flight;
mod follow;
mod hostile;
mod logins;
mod matrix;
mod pulls;
mod pushes;
mod real;
mod tags;
mod time;

use std::io;
use std::time::{Duration, Instant};

use super::fake::{Auth, Fake};
use super::wire::lock::lock;
use super::*;
use crate::oci::blob::{Blob, BlobStream, Delivery};
use crate::oci::{ConfigFile, Descriptor, Image, MediaType};
use crate::runtime::events::Progress;
use crate::runtime::interrupt::Interrupt;
use crate::transport::Destination;
use crate::transport::registry::destination;
use crate::types::digest::Digest;
use crate::types::error::Explain;
use crate::types::reference::{Repository, Scope, Tag};

/// Pauses short enough for tests, limits long enough for a busy machine.
fn quick() -> ClientSettings {
    ClientSettings {
        retry: RetryPolicy {
            attempts: 4,
            first: Duration::from_millis(1),
            cap: Duration::from_millis(4),
            retry_after_cap: Duration::from_secs(2),
            budget: Duration::from_secs(20),
        },
        timeouts: Timeouts {
            connect: Duration::from_secs(1),
            header: Duration::from_millis(600),
            commit: Duration::from_millis(600),
            idle: Duration::from_millis(600),
            ..Timeouts::default()
        },
        ..ClientSettings::default()
    }
}

fn client(settings: ClientSettings) -> Client {
    Client::new(settings, Progress::default(), Interrupt::default())
}

fn layer(text: &[u8]) -> Blob {
    Blob::in_memory(Descriptor::of(MediaType::ImageLayerGzip, text), text.to_vec(), "layer")
}

fn image(layers: &[Blob]) -> Image {
    let mut config = ConfigFile::default();
    (config.os, config.architecture) = ("linux".to_owned(), "amd64".to_owned());
    config.rootfs.diff_ids = layers.iter().map(|layer| layer.descriptor.digest).collect();
    let layers = layers.iter().map(|layer| layer.descriptor.clone()).collect();
    Image::new(&config, layers, std::collections::BTreeMap::new()).expect("belongs together")
}

/// A registry with an old image under a tag, and a new one to push.
struct Bench {
    fake: Fake,
    repository: Repository,
    old: Digest,
    image: Image,
    blobs: Vec<Blob>,
}

const TAG: &str = "1.0";

impl Bench {
    fn new() -> Self {
        let fake = Fake::start().expect("ports");
        let repository: Repository = format!("{}/shop/app", fake.address()).parse().expect("valid");
        let base = layer(&[7; 100_000]);
        let bytes = [7; 100_000];
        fake.put_blob("shop/app", &bytes);
        let previous = image(std::slice::from_ref(&base));
        fake.put_blob("shop/app", previous.raw_config());
        let old =
            fake.put_manifest("shop/app", TAG, previous.raw().media_type.as_ref(), &previous.raw().bytes);
        let added =
            layer(&(0..300_000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect::<Vec<_>>());
        let layers = vec![base, added];
        let image = image(&layers);
        let config = Blob::in_memory(image.manifest().config.clone(), image.raw_config().to_vec(), "config");
        let blobs = layers.into_iter().chain([config]).collect();
        Self { fake, repository, old, image, blobs }
    }

    fn tags() -> Vec<Tag> {
        vec![TAG.parse().expect("valid")]
    }

    /// Pushes as a build does.
    fn push(&self, client: &Client) -> Result<(), crate::types::error::BoxedError> {
        let destination = destination(client.clone(), self.repository.clone());
        if destination.is_current(&self.image.digest(), &Self::tags())? {
            return Ok(());
        }
        for blob in &self.blobs {
            destination.blob(blob)?;
        }
        destination.finish(self.image.raw(), &Self::tags()).map(drop)
    }

    /// The digest of the layer that is new.
    fn added(&self) -> Digest {
        self.blobs[1].descriptor.digest
    }

    fn holds_the_image(&self) -> bool {
        let path = self.repository.path();
        let exact = |blob: &Blob| {
            self.fake.blob(path, &blob.descriptor.digest).is_some_and(|bytes| {
                Digest::of(&bytes) == blob.descriptor.digest && bytes.len() as u64 == blob.descriptor.size
            })
        };
        self.fake.tag(path, TAG) == Some(self.image.digest())
            && self.fake.manifest(path, &self.image.digest()).as_ref() == Some(&self.image.raw().bytes)
            && self.blobs.iter().all(exact)
    }
}

/// The text of an error as the user sees it.
fn shown(error: &crate::types::error::BoxedError) -> String {
    format!("{error} hint: {}", error.hint().unwrap_or_default())
}
