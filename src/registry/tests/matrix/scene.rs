//! The play of a cell, and the questions after it.

use std::sync::{Mutex, OnceLock};

use super::super::*;
use crate::oci::{ManifestOrIndex, RawDocument};
use crate::registry::fake::{Kind, Logged, Quirks};
use crate::runtime::events::{Event, Observer};
use crate::store::Store;
use crate::transport::Source;
use crate::transport::registry::source;
use crate::types::error::BoxedError;

/// The action of a user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Play {
    /// Pushes an image over an older one: one layer is there, one is new.
    Push,
    /// Pulls a base into a store.
    Pull,
    /// Builds on a base of the same registry: its documents are pulled, its layers mounted.
    Both,
    /// Pushes in pieces.
    Chunked,
    /// Pushes two platforms and their index, under two tags.
    Index,
    /// Deletes the old image.
    Delete,
    /// Pushes the same image twice at once.
    Twice,
    /// Pushes two images to one tag at once.
    Race,
    /// Pushes an image under a tag that may be made and not moved.
    Fixed,
}

/// The protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Protocol {
    /// HTTP/1.1 without TLS.
    Http1,
    /// HTTP/2 over TLS.
    Http2,
}

/// The file with the certificate to trust.
const CERTIFICATE: &str = "certificate.pem";
const APP: &str = "shop/app";
const BASE: &str = "shop/base";
/// The tag that may be made and not moved.
pub(super) const NEW_TAG: &str = "2.0";
/// As a registry would see them: the password, the Basic login, and any token.
const SECRETS: [&str; 3] = ["hunter2", "YWxpY2U6aHVudGVyMg==", "secret-token"];
/// No play needs more, whatever happens to it.
const REQUESTS: usize = 90;
/// Twice what may be spent without progress on one unit of work, which is all that a fault for ever can cost.
const TIME: Duration = Duration::from_secs(30 * 60);
/// Something waits that should not: no cell takes so long but on a machine that is very busy.
const HANGS: Duration = Duration::from_secs(15);

/// An image and all its blobs.
#[derive(Clone)]
pub(super) struct Whole {
    pub(super) image: Image,
    pub(super) blobs: Vec<Blob>,
}

impl Whole {
    fn new(layers: Vec<Blob>, architecture: &str) -> Self {
        let mut config = ConfigFile::default();
        (config.os, config.architecture) = ("linux".to_owned(), architecture.to_owned());
        config.rootfs.diff_ids = layers.iter().map(|layer| layer.descriptor.digest).collect();
        let descriptors = layers.iter().map(|layer| layer.descriptor.clone()).collect();
        let image = Image::new(&config, descriptors, std::collections::BTreeMap::new()).expect("fits");
        let config = Blob::in_memory(image.manifest().config.clone(), image.raw_config().to_vec(), "config");
        Self { image, blobs: layers.into_iter().chain([config]).collect() }
    }

    fn is_in(&self, fake: &Fake, repository: &str) -> bool {
        let exact = |blob: &Blob| {
            let bytes = fake.blob(repository, &blob.descriptor.digest);
            bytes.is_some_and(|bytes| {
                Descriptor::of(blob.descriptor.media_type.clone(), &bytes) == blob.descriptor
            })
        };
        fake.manifest(repository, &self.image.digest()).as_ref() == Some(&self.image.raw().bytes)
            && self.blobs.iter().all(exact)
    }
}

/// All images, made once.
struct Images {
    old: Whole,
    new: Whole,
    other: Whole,
    arm: Whole,
    base: Whole,
    built: Whole,
    index: RawDocument,
}

fn noise(length: u32, seed: u32) -> Blob {
    let bytes: Vec<u8> = (0..length).map(|n| ((n ^ seed).wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    layer(&bytes)
}

fn bytes_of(blob: &Blob) -> Vec<u8> {
    let mut bytes = Vec::new();
    io::Read::read_to_end(&mut blob.content.open().expect("opens"), &mut bytes).expect("reads");
    bytes
}

fn images() -> &'static Images {
    static IMAGES: OnceLock<Images> = OnceLock::new();
    IMAGES.get_or_init(|| {
        let (known, added) = (noise(5_000, 1), noise(40_000, 2));
        let base = vec![noise(30_000, 3), noise(10_000, 4)];
        let new = Whole::new(vec![known.clone(), added.clone()], "amd64");
        let arm = Whole::new(vec![known.clone(), noise(20_000, 5)], "arm64");
        let children = [&new, &arm].map(|whole| whole.image.raw().descriptor());
        let index = serde_json::json!({
            "schemaVersion": 2,
            "mediaType": MediaType::ImageIndex.as_ref(),
            "manifests": children,
        });
        Images {
            old: Whole::new(vec![known.clone()], "amd64"),
            other: Whole::new(vec![known, noise(20_000, 6)], "amd64"),
            built: Whole::new(base.iter().cloned().chain([added]).collect(), "amd64"),
            base: Whole::new(base, "amd64"),
            new,
            arm,
            index: RawDocument::new(Some(&MediaType::ImageIndex), index.to_string().into_bytes())
                .expect("is an index"),
        }
    })
}

/// Remembers what it is told.
#[derive(Clone, Default)]
struct Told(std::sync::Arc<Mutex<String>>);

impl Observer for Told {
    fn event(&self, event: Event) {
        lock(&self.0).push_str(&format!("{event:?}\n"));
    }
}

/// Where traces go.
#[derive(Clone, Default)]
pub(super) struct Traces(std::sync::Arc<Mutex<Vec<u8>>>);

impl Traces {
    fn text(&self) -> String {
        String::from_utf8_lossy(&lock(&self.0)).into_owned()
    }

    /// The last lines.
    pub(super) fn tail(&self) -> String {
        let text = self.text();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(20)..].join("\n    ")
    }
}

impl io::Write for Traces {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        lock(&self.0).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A registry with an old image under a tag and a base beside it, and a store.
pub(super) struct Scene {
    pub(super) fake: Fake,
    clock: Clock,
    app: Repository,
    base: Repository,
    store: Store,
    directory: tempfile::TempDir,
    /// Where the registry is to be reached.
    address: String,
    pub(super) play: Play,
    pub(super) protocol: Protocol,
    traces: Traces,
}

impl Scene {
    pub(super) fn new(play: Play, protocol: Protocol, traces: Traces) -> Self {
        let clock = Clock::standing();
        let mut fake = Fake::with_clock(clock.clone()).expect("ports");
        let directory = tempfile::tempdir().expect("a directory");
        let address = match protocol {
            Protocol::Http1 => fake.address(),
            Protocol::Http2 => {
                let (address, certificate) = fake.listen_http2().expect("a port");
                std::fs::write(directory.path().join(CERTIFICATE), certificate).expect("can be written");
                address.to_string()
            }
        };
        let images = images();
        for (repository, tag, whole) in [(APP, TAG, &images.old), (BASE, "1", &images.base)] {
            for blob in &whole.blobs {
                fake.put_blob(repository, &bytes_of(blob));
            }
            let raw = whole.image.raw();
            fake.put_manifest(repository, tag, raw.media_type.as_ref(), &raw.bytes);
        }
        let repository = |path: &str| format!("{address}/{path}").parse().expect("valid");
        let store = Store::open(&directory.path().join("store"), &Progress::default());
        let (app, base) = (repository(APP), repository(BASE));
        let scene = Self { app, base, fake, clock, store, directory, address, play, protocol, traces };
        scene.restore();
        scene
    }

    /// Makes the registry an ordinary one.
    pub(super) fn restore(&self) {
        self.fake.heal();
        self.fake.set_quirks(Quirks::default());
        self.fake.set_auth(Auth {
            bearer: true,
            login: Some(("alice".into(), "hunter2".into())),
            ..Auth::default()
        });
    }

    fn settings(&self) -> ClientSettings {
        let mut settings = ClientSettings { clock: self.clock.clone(), ..ClientSettings::default() };
        let own = RegistrySettings {
            login: Some(("alice".to_owned(), Secret::new("hunter2"))),
            chunk_size: (self.play == Play::Chunked).then_some(15_000),
            plain_http: Some(self.protocol == Protocol::Http1),
            ca_file: (self.protocol == Protocol::Http2).then(|| self.directory.path().join(CERTIFICATE)),
            ..RegistrySettings::default()
        };
        settings.registries.insert(self.app.registry().clone(), own);
        settings
    }

    /// The digest of the layer that is new, and of the base's first.
    pub(super) fn layers(&self) -> (Digest, Digest) {
        (images().new.blobs[1].descriptor.digest, images().base.blobs[0].descriptor.digest)
    }

    /// How long the layer that is new is.
    pub(super) fn size(&self) -> u64 {
        images().new.blobs[1].descriptor.size
    }

    /// Does what is to be done, once.
    fn once(&self, progress: &Progress) -> Result<(), BoxedError> {
        let client = || Client::new(self.settings(), progress.clone(), Interrupt::default());
        let images = images();
        match self.play {
            Play::Push | Play::Chunked => self.push(&client(), &images.new),
            Play::Pull => self.pull(&client()),
            Play::Both => self.build(&client()),
            Play::Index => self.index(&client()),
            Play::Delete => {
                let (client, old) = (client(), self.app.at_digest(images.old.image.digest()));
                // So that the first deletion brings what the registry wants to see.
                client.check_login(&(&self.app).into())?;
                Ok(client.delete(&old).map(drop)?)
            }
            Play::Twice => self.together([&images.new, &images.new], client),
            Play::Race => self.together([&images.new, &images.other], client),
            Play::Fixed => self.push(&client(), &images.new),
        }
    }

    fn push(&self, client: &Client, whole: &Whole) -> Result<(), BoxedError> {
        let destination = destination(client.clone(), self.app.clone());
        let tags = match self.play {
            Play::Fixed => vec![NEW_TAG.parse().expect("a tag")],
            _ => Bench::tags(),
        };
        if self.play == Play::Fixed {
            destination.fix(&tags);
        }
        if destination.is_current(&whole.image.digest(), &tags)? {
            return Ok(());
        }
        for blob in &whole.blobs {
            destination.blob(blob)?;
        }
        destination.finish(whole.image.raw(), &tags).map(drop)
    }

    /// The digest of the image that was there before.
    pub(super) fn old(&self) -> Digest {
        images().old.image.digest()
    }

    fn together(&self, wholes: [&Whole; 2], client: impl Fn() -> Client + Sync) -> Result<(), BoxedError> {
        std::thread::scope(|scope| {
            let (client, dispatch) = (&client, tracing::dispatcher::get_default(Clone::clone));
            let threads = wholes.map(|whole| {
                let dispatch = dispatch.clone();
                scope.spawn(move || {
                    tracing::dispatcher::with_default(&dispatch, || self.push(&client(), whole))
                })
            });
            threads.into_iter().try_for_each(|thread| thread.join().expect("no panic"))
        })
    }

    /// The base's documents, with the configuration, as far as the store does not have them.
    fn documents(&self, client: &Client) -> Result<RawDocument, BoxedError> {
        let from = source(client.clone(), self.base.at_tag("1".parse().expect("valid")));
        let root = from.root()?;
        self.store.blobs().put(&root.bytes).expect("the store takes it");
        let Ok(ManifestOrIndex::Manifest(manifest)) = root.parse() else { panic!("it is a manifest") };
        self.fetch(client, &manifest.config)?;
        Ok(root)
    }

    fn fetch(&self, client: &Client, descriptor: &Descriptor) -> Result<(), BoxedError> {
        let from = source(client.clone(), self.base.at_tag("1".parse().expect("valid")));
        if !self.store.blobs().has(descriptor) {
            let stream = from.blob(descriptor)?;
            // It is small, so it was checked before it was handed out.
            self.store.blobs().copy_in(descriptor, stream, |_| ()).expect("the store takes it");
        }
        Ok(())
    }

    fn pull(&self, client: &Client) -> Result<(), BoxedError> {
        self.documents(client)?;
        for blob in &images().base.blobs {
            self.fetch(client, &blob.descriptor)?;
        }
        Ok(())
    }

    fn build(&self, client: &Client) -> Result<(), BoxedError> {
        let destination = destination(client.clone(), self.app.clone());
        destination.begin(&Bench::tags())?;
        self.documents(client)?;
        let built = &images().built;
        for blob in &built.blobs {
            let is_base = images().base.blobs.iter().any(|base| base.descriptor == blob.descriptor);
            let content = self.store.blobs().content(&blob.descriptor);
            if !is_base {
                self.store.blobs().put(&bytes_of(blob)).expect("the store takes it");
                destination.blob(&Blob { content, ..blob.clone() })?;
                continue;
            }
            let (client, from, descriptor) = (client.clone(), self.base.clone(), blob.descriptor.clone());
            let lazy = move || client.blob(&from, &descriptor).map_err(io::Error::other);
            let content = std::sync::Arc::new(lazy);
            destination.blob(&Blob { content, origin: Some(self.base.clone()), ..blob.clone() })?;
        }
        destination.finish(built.image.raw(), &Bench::tags()).map(drop)
    }

    fn index(&self, client: &Client) -> Result<(), BoxedError> {
        let destination = destination(client.clone(), self.app.clone());
        let tags: Vec<Tag> = [TAG, "latest"].map(|tag| tag.parse().expect("valid")).to_vec();
        destination.begin(&tags)?;
        for whole in [&images().new, &images().arm] {
            for blob in &whole.blobs {
                destination.blob(blob)?;
            }
            destination.document(whole.image.raw())?;
        }
        destination.finish(&images().index, &tags).map(drop)
    }

    /// Whether everything is where it should be, byte for byte.
    fn is_complete(&self) -> bool {
        let (fake, images) = (&self.fake, images());
        let tagged =
            |whole: &Whole| fake.tag(APP, TAG) == Some(whole.image.digest()) && whole.is_in(fake, APP);
        let made =
            |whole: &Whole| fake.tag(APP, NEW_TAG) == Some(whole.image.digest()) && whole.is_in(fake, APP);
        match self.play {
            Play::Push | Play::Chunked | Play::Twice => tagged(&images.new),
            Play::Race => tagged(&images.new) || tagged(&images.other),
            Play::Fixed => made(&images.new),
            Play::Both => tagged(&images.built),
            Play::Delete => {
                let old = images.old.image.digest();
                fake.tag(APP, TAG).is_none() && fake.manifest(APP, &old).is_none()
            }
            Play::Index => {
                let digest = images.index.digest();
                [TAG, "latest"].into_iter().all(|tag| fake.tag(APP, tag) == Some(digest))
                    && fake.manifest(APP, &digest).as_ref() == Some(&images.index.bytes)
                    && [&images.new, &images.arm].into_iter().all(|whole| whole.is_in(fake, APP))
            }
            Play::Pull => {
                let blobs = self.store.blobs();
                images.base.blobs.iter().all(|blob| {
                    let bytes = blobs.read(&blob.descriptor, 1 << 20);
                    bytes.is_ok_and(|bytes| Digest::of(&bytes) == blob.descriptor.digest)
                })
            }
        }
    }

    fn is_untouched(&self) -> bool {
        // Of several tags, those before the one that failed have moved, to an image that is wholly there.
        let index = images().index.digest();
        if self.play == Play::Index && self.fake.tag(APP, TAG) == Some(index) {
            let children = [&images().new, &images().arm];
            return children.into_iter().all(|whole| whole.is_in(&self.fake, APP));
        }
        self.fake.tag(APP, TAG) == Some(images().old.image.digest()) && images().old.is_in(&self.fake, APP)
    }

    /// Plays once and asks what can be asked after anything; what was said, or what is wrong.
    pub(super) fn run(&self, may_repeat: bool) -> Result<Result<(), String>, String> {
        let (told, writer) = (Told::default(), self.traces.clone());
        let subscriber = tracing_subscriber::fmt()
            .with_max_level(tracing::Level::TRACE)
            .with_ansi(false)
            .with_writer(move || writer.clone())
            .finish();
        let (start, before) = (Instant::now(), self.clock.elapsed());
        let result =
            tracing::subscriber::with_default(subscriber, || self.once(&Progress::new(told.clone())));
        let result = result.map_err(|error| shown(&error));
        let (took, waited) = (start.elapsed(), self.clock.elapsed() - before);
        let log = self.fake.take_log();
        let check = |good: bool, what: &str| {
            let requests = || log.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n    ");
            if good { Ok(()) } else { Err(format!("{what}; result {result:?}, after\n    {}", requests())) }
        };
        // 1 and 2
        check(result.is_err() || self.is_complete(), "1: success, and it is not there")?;
        check(
            result.is_ok() || self.play == Play::Race || !self.is_complete() || self.play == Play::Pull,
            "1: failure, and it is there",
        )?;
        if let Err(error) = &result {
            check(self.play == Play::Race || self.is_untouched(), "2: the old image is gone")?;
            check(error.contains(&self.address), "2: does not name the registry")?;
        }
        // 4
        let most = self.fake.commits().into_values().max().unwrap_or(0);
        check(may_repeat || most <= 1, "4: a blob was uploaded twice")?;
        // 5
        let texts = [format!("{result:?}"), lock(&told.0).clone(), self.traces.text()];
        for (text, place) in texts.iter().zip(["the error", "progress", "traces"]) {
            check(!SECRETS.iter().any(|secret| text.contains(secret)), &format!("5: a secret in {place}"))?;
        }
        check(!texts[2].is_empty(), "5: nothing was traced")?;
        let leaks = |request: &Logged| {
            let shows = SECRETS.iter().any(|secret| request.head.contains(secret));
            request.foreign && request.kind != Kind::Token && (shows || request.authorization.is_some())
        };
        check(!log.iter().any(leaks), "5: another host saw a secret")?;
        // 6
        check(log.len() <= REQUESTS, &format!("6: {} requests", log.len()))?;
        check(waited <= TIME, &format!("6: it would have taken {waited:?}"))?;
        check(took <= HANGS, &format!("6: took {took:?}"))?;
        // 7
        let damage = self.store.verify().map_err(|error| error.to_string())?;
        check(damage.is_empty(), &format!("7: the store is damaged: {damage:?}"))?;
        check(self.directory.path().is_dir(), "7: the store is gone")?;
        Ok(result)
    }
}
