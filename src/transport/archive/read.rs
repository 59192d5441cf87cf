//! Reading images from a tar, without unpacking it.

use std::collections::BTreeMap;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use fs_err as fs;
use fs_err::os::unix::fs::FileExt as _;

use super::{ArchiveError, blob_path};
use crate::formats::json::{FromJson, JsonError, JsonValue, Object};
use crate::formats::untar::{ARCHIVE, BLOCK, SeekInput, TarWalk, UntarError};
use crate::oci::{
    ConfigFile, Descriptor, Image, Index, MAX_DOCUMENT, MAX_VALUES, Manifest, MediaType, RawDocument,
    parse_file, parse_strict, to_json,
};
use crate::store::{PickError, at, pick};
use crate::transport::{BlobStream, Source};
use crate::types::digest::{Digest, Sha256, VerifyingReader};
use crate::types::error::BoxedError;
use crate::types::reference::Reference;
use crate::types::shown::shown_path;

/// Links that lead from one to the next.
const MAX_LINKS: usize = 8;

/// The members of a tar by name, and where their bytes are.
#[derive(Clone, Debug)]
pub(super) struct Members {
    file: Arc<fs::File>,
    by_name: BTreeMap<String, TarMember>,
}

#[derive(Clone, Debug)]
enum TarMember {
    File(Range),
    Link(String),
}

/// Where bytes are in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Range {
    offset: u64,
    pub(super) size: u64,
}

impl Members {
    /// Reads the headers of the tar `path`.
    pub(super) fn open(path: &Path) -> Result<Self, ArchiveError> {
        let (file, metadata) = crate::runtime::input::open(path).map_err(|error| match error.get_ref() {
            Some(why) if why.is::<crate::runtime::input::InputRefusal>() => {
                ArchiveError::NotAFile(path.to_owned())
            }
            _ if error.kind() == io::ErrorKind::NotFound => ArchiveError::Io(io::Error::new(
                error.kind(),
                format!("there is no file `{}`", shown_path(path)),
            )),
            _ => ArchiveError::Io(at(&error, path)),
        })?;
        let mut file = fs::File::from_parts(file, path);
        let mut magic = [0; 6];
        let read = file.read_at(&mut magic, 0)?;
        if let Some(compression) = compression(&magic[..read]) {
            return Err(ArchiveError::Compressed { path: path.to_owned(), compression });
        }
        let broken = |source| ArchiveError::Tar { path: path.to_owned(), source };
        if (1..BLOCK).contains(&metadata.len()) {
            return Err(broken(UntarError::Header { at: 0, why: "the file is shorter than one".to_owned() }));
        }
        let mut walk = TarWalk::new(SeekInput(io::BufReader::with_capacity(4096, &mut file)), ARCHIVE);
        let mut by_name = BTreeMap::new();
        while let Some(entry) = walk.next().map_err(broken)? {
            // Names that are not UTF-8 are nothing that any image format refers to.
            let Ok(name) = String::from_utf8(entry.path) else { continue };
            let Some(name) = normal("", &name) else { continue };
            let member = match entry.kind {
                tar::EntryType::Regular | tar::EntryType::Continuous => {
                    if entry.offset.checked_add(entry.size).is_none_or(|end| end > metadata.len()) {
                        return Err(ArchiveError::Truncated { path: path.to_owned(), name });
                    }
                    TarMember::File(Range { offset: entry.offset, size: entry.size })
                }
                // A symbolic link is relative to its directory, a hard link to the root.
                tar::EntryType::Symlink => {
                    let dir = name.rsplit_once('/').map_or("", |(dir, _)| dir);
                    let target = String::from_utf8(entry.link).ok();
                    let Some(target) = target.and_then(|target| normal(dir, &target)) else { continue };
                    TarMember::Link(target)
                }
                tar::EntryType::Link => {
                    let target = String::from_utf8(entry.link).ok();
                    let Some(target) = target.and_then(|target| normal("", &target)) else { continue };
                    TarMember::Link(target)
                }
                _ => continue,
            };
            // The last of one name is the one that unpacking would leave.
            by_name.insert(name, member);
        }
        drop(walk);
        Ok(Self { file: Arc::new(file), by_name })
    }

    /// Where the bytes of `name` are, through links.
    pub(super) fn find(&self, name: &str) -> Option<Range> {
        let mut name = name.to_owned();
        for _ in 0..=MAX_LINKS {
            match self.by_name.get(&name)? {
                TarMember::File(range) => return Some(*range),
                TarMember::Link(target) => name.clone_from(target),
            }
        }
        None
    }

    /// A member that is a document.
    pub(super) fn document(&self, path: &Path, name: &str) -> Result<Option<Vec<u8>>, ArchiveError> {
        let Some(range) = self.find(name) else { return Ok(None) };
        if range.size > MAX_DOCUMENT {
            return Err(ArchiveError::TooLarge { path: path.to_owned(), name: name.to_owned() });
        }
        let mut bytes = Vec::new();
        self.reader(range).read_to_end(&mut bytes)?;
        Ok(Some(bytes))
    }

    fn reader(&self, range: Range) -> Positional {
        Positional { file: Arc::clone(&self.file), offset: range.offset, left: range.size }
    }
}

/// `path` below `dir`, without `.` and `..`; nothing if it leaves the root.
fn normal(dir: &str, path: &str) -> Option<String> {
    let mut parts = Vec::new();
    let start = if path.starts_with('/') { "" } else { dir };
    for part in start.split('/').chain(path.split('/')) {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop()?;
            }
            part => parts.push(part),
        }
    }
    (!parts.is_empty()).then(|| parts.join("/"))
}

/// The compression of a file that is no plain tar.
fn compression(magic: &[u8]) -> Option<&'static str> {
    let known: [(&[u8], _); 4] =
        [(b"\x1f\x8b", "gzip"), (b"\x28\xb5\x2f\xfd", "zstd"), (b"\xfd7zXZ\0", "xz"), (b"BZh", "bzip2")];
    known.into_iter().find(|(start, _)| magic.starts_with(start)).map(|(_, name)| name)
}

/// A reader of its own position in a shared file.
struct Positional {
    file: Arc<fs::File>,
    offset: u64,
    left: u64,
}

impl Read for Positional {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let wanted = usize::try_from(self.left).unwrap_or(usize::MAX).min(buffer.len());
        let read = self.file.read_at(&mut buffer[..wanted], self.offset)?;
        if read == 0 && wanted > 0 {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the archive became shorter"));
        }
        self.offset += read as u64;
        self.left -= read as u64;
        Ok(read)
    }
}

/// One image in a tar: `oci-archive:FILE[:NAME]` or `docker-archive:FILE[:NAME]`.
#[derive(Clone, Debug)]
pub struct Archive {
    place: String,
    path: PathBuf,
    members: Members,
    root: RawDocument,
    /// Documents that are in no member: a manifest that was made up for a Docker archive.
    documents: BTreeMap<Digest, RawDocument>,
    /// Blobs that are not under `blobs/sha256/`.
    elsewhere: BTreeMap<Digest, Range>,
    /// The entries that the archive lists; none for a Docker archive.
    entries: Vec<Descriptor>,
    /// The one name that the archive gives the image.
    own_name: Option<String>,
}

/// An image in `manifest.json`.
struct SavedImages {
    config: String,
    repo_tags: Option<Vec<String>>,
    layers: Option<Vec<String>>,
}

/// The names of its fields, for Docker and for Podman.
const SAVED: &[&str] = &["Config", "RepoTags", "Layers", "Parent", "LayerSources"];

impl FromJson for SavedImages {
    fn decode(value: JsonValue<'_>) -> Result<Self, JsonError> {
        let mut object = Object::open(value, SAVED)?;
        let saved = Self {
            config: object.require("Config")?,
            repo_tags: object.take("RepoTags")?,
            layers: object.take("Layers")?,
        };
        object.finish()?;
        Ok(saved)
    }
    fn several() -> String {
        "objects".to_owned()
    }
}

impl Archive {
    /// The image `name`, or the only one, in a tar of an OCI image layout.
    ///
    /// # Errors
    /// When the file cannot be read or is no such tar, or the image is not in it.
    pub fn open_oci(path: &Path, name: Option<&str>) -> Result<Self, ArchiveError> {
        Self::open_members(place("oci-archive", path, name), Members::open(path)?, path, name)
    }

    fn open_members(
        place: String,
        members: Members,
        path: &Path,
        name: Option<&str>,
    ) -> Result<Self, ArchiveError> {
        let Some(bytes) = members.document(path, "index.json")? else {
            let docker = members.find("manifest.json").is_some();
            return Err(ArchiveError::NoIndex { path: path.to_owned(), docker });
        };
        let broken =
            |source| ArchiveError::Document { place: place.clone(), name: "index.json".into(), source };
        let index: Index = parse_file("index", &bytes, MAX_VALUES).map_err(broken)?;
        let entry = pick(&index.manifests, name)
            .map_err(|source| ArchiveError::Pick { place: place.clone(), source })?;
        let mut archive = Self {
            root: RawDocument { media_type: entry.media_type.clone(), bytes: Vec::new() },
            path: path.to_owned(),
            documents: BTreeMap::new(),
            elsewhere: BTreeMap::new(),
            entries: index.manifests.clone(),
            own_name: crate::transport::only_name(&index.manifests, entry),
            members,
            place,
        };
        archive.root = archive.read_document(entry)?;
        Ok(archive)
    }

    /// The image `name`, or the only one, in what `docker save` wrote.
    ///
    /// Such a file has no manifest that names its layers by digest, so one is made: a pure function of the
    /// configuration and the layers as they are stored. By a digest an image is found only where the file is an OCI
    /// archive as well, as ours are.
    ///
    /// # Errors
    /// As for [`Archive::open_oci`].
    pub fn open_docker(path: &Path, name: Option<&str>) -> Result<Self, ArchiveError> {
        let place = place("docker-archive", path, name);
        let members = Members::open(path)?;
        if name.is_some_and(|name| name.parse::<Digest>().is_ok()) && members.find("index.json").is_some() {
            return Self::open_members(place, members, path, name);
        }
        let Some(bytes) = members.document(path, "manifest.json")? else {
            let oci = members.find("index.json").is_some();
            return Err(ArchiveError::NoManifest { path: path.to_owned(), oci });
        };
        let document = |name: &str| {
            let (place, name) = (place.clone(), name.to_owned());
            move |source| ArchiveError::Document { place, name, source }
        };
        let images: Vec<SavedImages> =
            parse_file("Docker archive manifest", &bytes, MAX_VALUES).map_err(document("manifest.json"))?;
        let saved =
            choose(&images, name).map_err(|source| ArchiveError::Pick { place: place.clone(), source })?;
        let missing = |name: &str| ArchiveError::Missing { place: place.clone(), name: name.to_owned() };
        let find =
            |name: &str| normal("", name).and_then(|name| members.find(&name)).ok_or_else(|| missing(name));

        let config_range = find(&saved.config)?;
        let raw_config = members.document(path, &saved.config)?.ok_or_else(|| missing(&saved.config))?;
        let config: ConfigFile =
            parse_strict("image configuration", &raw_config).map_err(document(&saved.config))?;
        let layers = saved.layers.as_deref().unwrap_or_default();
        let diff_ids = &config.rootfs.diff_ids;
        if layers.len() != diff_ids.len() {
            let (layers, diff_ids) = (layers.len(), diff_ids.len());
            return Err(ArchiveError::LayerCount { place, layers, diff_ids });
        }
        let config_descriptor = Descriptor::of(MediaType::ImageConfig, &raw_config);
        let mut elsewhere = BTreeMap::from([(config_descriptor.digest, config_range)]);
        let mut descriptors = Vec::with_capacity(layers.len());
        for (layer, diff_id) in layers.iter().zip(diff_ids) {
            let range = find(layer)?;
            let mut magic = Vec::new();
            members.reader(range).take(6).read_to_end(&mut magic)?;
            let media_type = match compression(&magic) {
                None => MediaType::ImageLayer,
                Some("gzip") => MediaType::ImageLayerGzip,
                Some("zstd") => MediaType::ImageLayerZstd,
                Some(compression) => {
                    return Err(ArchiveError::LayerCompression { place, name: layer.clone(), compression });
                }
            };
            // Nothing is hashed that need not be: a plain layer has the name that the configuration gives it, a
            // compressed one usually that of its file. The reader of the layer finds out if either is wrong.
            let digest = match (&media_type, layer.strip_prefix("blobs/sha256/")) {
                (MediaType::ImageLayer, _) => *diff_id,
                (_, Some(hex)) if let Ok(digest) = format!("sha256:{hex}").parse() => digest,
                _ => hash(members.reader(range))?,
            };
            elsewhere.insert(digest, range);
            descriptors.push(Descriptor::new(media_type, digest, range.size));
        }
        let manifest = Manifest {
            schema_version: 2,
            media_type: Some(MediaType::ImageManifest),
            artifact_type: None,
            config: config_descriptor,
            layers: descriptors,
            subject: None,
            annotations: BTreeMap::new(),
            rest: BTreeMap::new(),
        };
        let bytes = to_json("manifest", &manifest).map_err(document("manifest.json"))?;
        let root = RawDocument { media_type: MediaType::ImageManifest, bytes };
        Image::from_raw(root.clone(), raw_config)
            .map_err(|source| ArchiveError::Image { place: place.clone(), source })?;
        let documents = BTreeMap::from([(root.digest(), root.clone())]);
        let own_name = match saved.repo_tags.as_deref() {
            Some([name]) => Some(name.clone()),
            _ => None,
        };
        let (path, entries) = (path.to_owned(), Vec::new());
        Ok(Self { place, path, members, root, documents, elsewhere, entries, own_name })
    }

    fn find(&self, descriptor: &Descriptor) -> Result<Range, ArchiveError> {
        let name = blob_path(&descriptor.digest);
        let range = self.elsewhere.get(&descriptor.digest).copied().or_else(|| self.members.find(&name));
        let range =
            range.ok_or_else(|| ArchiveError::Missing { place: self.place.clone(), name: name.clone() })?;
        if range.size != descriptor.size {
            return Err(ArchiveError::OtherSize {
                place: self.place.clone(),
                digest: descriptor.digest,
                found: range.size,
                expected: descriptor.size,
            });
        }
        Ok(range)
    }

    fn reader(&self, descriptor: &Descriptor) -> Result<VerifyingReader<Positional>, ArchiveError> {
        let range = self.find(descriptor)?;
        Ok(VerifyingReader::new(self.members.reader(range), descriptor.digest, descriptor.size))
    }

    fn read_document(&self, descriptor: &Descriptor) -> Result<RawDocument, ArchiveError> {
        if let Some(document) = self.documents.get(&descriptor.digest) {
            return Ok(document.clone());
        }
        let name = blob_path(&descriptor.digest);
        if descriptor.size > MAX_DOCUMENT {
            return Err(ArchiveError::TooLarge { path: self.path.clone(), name });
        }
        let mut bytes = Vec::new();
        let mut reader = self.reader(descriptor)?;
        reader
            .read_to_end(&mut bytes)
            .map_err(|source| ArchiveError::Blob { place: self.place.clone(), source })?;
        RawDocument::new(Some(&descriptor.media_type), bytes).map_err(|source| ArchiveError::Document {
            place: self.place.clone(),
            name,
            source,
        })
    }
}

/// Whether an existing archive lists exactly `entries`, by digest and annotations, and holds all that they
/// reach.
pub(super) fn holds(path: &Path, entries: &[Descriptor]) -> bool {
    let check = || -> Option<bool> {
        let members = Members::open(path).ok()?;
        let index: Index =
            parse_file("index", &members.document(path, "index.json").ok()??, MAX_VALUES).ok()?;
        let archive = Archive {
            place: String::new(),
            path: path.to_owned(),
            members,
            root: RawDocument { media_type: MediaType::ImageIndex, bytes: Vec::new() },
            documents: BTreeMap::new(),
            elsewhere: BTreeMap::new(),
            entries: Vec::new(),
            own_name: None,
        };
        let document = |descriptor: &Descriptor| archive.read_document(descriptor).ok();
        let has = |descriptor: &Descriptor| archive.find(descriptor).is_ok();
        let complete = |entry| crate::store::is_complete(entry, &document, &has);
        let same = |(have, want): (&Descriptor, &Descriptor)| {
            have.digest == want.digest && have.annotations == want.annotations
        };
        Some(
            index.manifests.len() == entries.len()
                && index.manifests.iter().zip(entries).all(same)
                && archive.members.find("manifest.json").is_some()
                && index.manifests.iter().all(complete),
        )
    };
    check().unwrap_or(false)
}

fn place(word: &str, path: &Path, name: Option<&str>) -> String {
    match name {
        Some(name) => format!("{word}:{}:{name}", shown_path(path)),
        None => format!("{word}:{}", shown_path(path)),
    }
}

fn hash(mut reader: impl Read) -> io::Result<Digest> {
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 256 << 10];
    loop {
        match reader.read(&mut buffer)? {
            0 => return Ok(hasher.finish()),
            read => hasher.update(&buffer[..read]),
        }
    }
}

/// The image that has the tag `name` as it is written or in full.
fn choose<'a>(images: &'a [SavedImages], name: Option<&str>) -> Result<&'a SavedImages, PickError> {
    let tags = |image: &'a SavedImages| image.repo_tags.as_deref().unwrap_or_default().iter();
    let existing = || images.iter().flat_map(tags).cloned().collect::<Vec<_>>();
    match (images, name) {
        ([], _) => Err(PickError::Empty),
        ([only], None) => Ok(only),
        (_, None) => Err(PickError::Several(existing())),
        (_, Some(name)) => {
            let full = |text: &str| -> Option<String> {
                let reference: Reference = text.parse().ok()?;
                Some(format!("{}:{}", reference.repository(), reference.manifest_name()))
            };
            let wanted = full(name);
            let is_it = |tag: &String| tag == name || (wanted.is_some() && full(tag) == wanted);
            let unknown = || PickError::Unknown { wanted: name.to_owned(), existing: existing() };
            images.iter().find(|image| tags(image).any(is_it)).ok_or_else(unknown)
        }
    }
}

impl Source for Archive {
    fn root(&self) -> Result<RawDocument, BoxedError> {
        Ok(self.root.clone())
    }

    fn document(&self, descriptor: &Descriptor) -> Result<RawDocument, BoxedError> {
        Ok(self.read_document(descriptor)?)
    }

    fn blob(&self, descriptor: &Descriptor) -> Result<BlobStream, BoxedError> {
        Ok(Box::new(self.reader(descriptor)?))
    }

    fn referrers(&self, subject: &Digest) -> Result<Option<Vec<Descriptor>>, BoxedError> {
        if self.entries.is_empty() {
            return Ok(None);
        }
        let document = |descriptor: &Descriptor| self.read_document(descriptor).ok();
        Ok(Some(super::super::referrers_among(&self.entries, subject, &document)))
    }

    fn own_name(&self) -> Option<String> {
        self.own_name.clone()
    }

    fn name(&self) -> String {
        self.place.clone()
    }
}
