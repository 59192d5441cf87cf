//! Writing images to a tar that OCI tools and `docker load` both read.
//!
//! Invariants:
//! - The bytes are a function of the images and their names: members in name order, time 1, owner 0, no
//!   trace of the order in which blobs arrived.
//! - The file appears by rename, whole or not at all.
//!
//! Blobs are only noted as they come. When the last is known, so is every offset, and all are written at
//! once, each to its place, on several threads. Every byte is copied once, there is no spool, and nothing
//! waits for a lock. Into a running engine the same bytes go one after the other, without a file.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use fs_err as fs;
use rayon::prelude::*;
use serde::Serialize;

use super::{ArchiveError, blob_path};
use crate::formats::untar::BLOCK;
use crate::oci::select::{self, SelectError};
use crate::oci::{Descriptor, Index, Manifest, ManifestOrIndex, MediaType, RawDocument, media_type, to_json};
use crate::runtime::atomic::takes_files;
use crate::runtime::events::{Phase, Progress};
use crate::runtime::workers;
use crate::store::{
    CONTAINERD_NAME, Durability, EntryName, OCI_LAYOUT, at, empty_index, enter, persist, temporary_in,
};
use crate::transport::docker::{Engine, EngineError, digest_of_id};
use crate::transport::{Blob, Capabilities, Delivery, Destination};
use crate::types::digest::{Digest, VerifyingReader};
use crate::types::error::BoxedError;
use crate::types::reference::{Reference, Repository, Tag};
use crate::types::shown::shown_path;

/// Zero means "unknown" to several readers.
const MTIME: u64 = 1;
/// Two blocks of zeros end a tar.
const END: u64 = 2 * BLOCK;

/// An archive being made.
#[derive(Debug)]
pub struct ArchiveOutput {
    place: String,
    sink: ArchiveSink,
    repository: Option<Repository>,
    name: Option<String>,
    progress: Progress,
    state: Mutex<WriterState>,
}

/// The user's word for an archive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ArchiveWord {
    /// `oci-archive`
    Oci,
    /// `docker-archive`
    Docker,
}

impl ArchiveWord {
    /// As it is written.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Oci => "oci-archive",
            Self::Docker => "docker-archive",
        }
    }
}

/// Where an archive goes.
#[derive(Debug)]
enum ArchiveSink {
    /// To a file.
    File(PathBuf),
    /// Into a running engine.
    Engine(Engine),
}

#[derive(Debug, Default)]
struct WriterState {
    blobs: BTreeMap<Digest, Blob>,
    documents: BTreeMap<Digest, RawDocument>,
    entries: Vec<Descriptor>,
}

/// An image in `manifest.json`, as `docker save` writes it.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct SavedEntry {
    config: String,
    repo_tags: Vec<String>,
    layers: Vec<String>,
}

/// A member of the tar.
enum MemberContent<'a> {
    Directory,
    Bytes(&'a [u8]),
    Blob(&'a Blob),
}

impl MemberContent<'_> {
    fn size(&self) -> u64 {
        match self {
            Self::Directory => 0,
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::Blob(blob) => blob.descriptor.size,
        }
    }

    /// Bytes with header and padding.
    fn space(&self) -> u64 {
        BLOCK + self.size().next_multiple_of(BLOCK)
    }
}

impl ArchiveOutput {
    /// An archive to be written to `path`, which the user calls `word`: the file is the same for both. Tags become
    /// names within `repository`; `name` is what the image is called where no tag is given.
    ///
    /// # Errors
    /// When there is something at `path` that is no file, or no file can be put there.
    pub fn new(
        word: ArchiveWord,
        path: &Path,
        repository: Option<&Repository>,
        name: Option<&str>,
        progress: &Progress,
    ) -> Result<Self, ArchiveError> {
        let place = format!("{}:{}", word.as_str(), shown_path(path));
        let path = match fs::symlink_metadata(path) {
            // A rename would replace the link and leave what it leads to.
            Ok(metadata) if metadata.is_symlink() => fs::canonicalize(path)?,
            _ => path.to_owned(),
        };
        if std::fs::metadata(&path).is_ok_and(|metadata| !metadata.is_file()) {
            return Err(ArchiveError::NotAFile(path));
        }
        let above = path.ancestors().skip(1).find(|above| above.as_os_str().is_empty() || above.exists());
        let above = above.filter(|above| !above.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let failed = |error| ArchiveError::Write(at(&error, &path));
        takes_files(above).map_err(failed)?;
        // Root may write everywhere, and yet some file systems take no file. This one has no name, and goes at once.
        tempfile::tempfile_in(above).map_err(failed)?;
        Ok(Self {
            place,
            sink: ArchiveSink::File(path),
            repository: repository.cloned(),
            name: name.map(str::to_owned),
            progress: progress.clone(),
            state: Mutex::default(),
        })
    }

    /// An archive that `engine` loads. Tags become names within `repository`.
    #[must_use]
    pub fn into_engine(engine: Engine, repository: &Repository, progress: &Progress) -> Self {
        Self {
            place: format!("docker ({})", shown_path(engine.socket())),
            sink: ArchiveSink::Engine(engine),
            repository: Some(repository.clone()),
            name: None,
            progress: progress.clone(),
            state: Mutex::default(),
        }
    }

    /// A thread that panicked has at worst not noted its blob, which is then found missing.
    fn state(&self) -> MutexGuard<'_, WriterState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// As `docker save` has it: the tag for OCI tools, the whole reference for containerd.
    fn entry_names(&self, tags: &[Tag]) -> Vec<EntryName> {
        // A named image is called so, whatever tags it has elsewhere.
        if let Some(name) = &self.name {
            let reference: Option<Reference> = name.parse().ok();
            let whole = reference.filter(|reference| reference.tag().is_some() && name.contains(':'));
            let tagged = || Some(self.repository.as_ref()?.at_tag(name.parse().ok()?).to_string());
            let containerd = whole.map(|reference| reference.to_string()).or_else(tagged);
            return vec![EntryName { reference: name.clone(), containerd }];
        }
        let name = |tag: &Tag| EntryName {
            reference: tag.to_string(),
            containerd: self.repository.as_ref().map(|it| it.at_tag(tag.clone()).to_string()),
        };
        tags.iter().map(name).collect()
    }

    fn incomplete(&self, digest: Digest) -> ArchiveError {
        ArchiveError::Incomplete { place: self.place.clone(), digest }
    }

    fn document_error(&self, digest: &Digest, source: crate::oci::DocumentError) -> ArchiveError {
        ArchiveError::Document { place: self.place.clone(), name: blob_path(digest), source }
    }

    /// The image that `docker load` gets for an entry: the manifest itself, or the first of an index, for
    /// a Docker archive knows no platforms. The user is `told` of what is left out.
    fn docker_image(
        &self,
        state: &WriterState,
        entry: &Descriptor,
        told: bool,
    ) -> Result<Option<Manifest>, ArchiveError> {
        let parse = |descriptor: &Descriptor| -> Result<ManifestOrIndex, ArchiveError> {
            let digest = &descriptor.digest;
            let document = state.documents.get(digest).ok_or_else(|| self.incomplete(*digest))?;
            document.parse().map_err(|source| self.document_error(digest, source))
        };
        let manifest = match parse(entry)? {
            ManifestOrIndex::Manifest(manifest) => *manifest,
            ManifestOrIndex::Index(index) => {
                let nested = &mut |descriptor: &Descriptor| -> Result<Index, IndexWalkError> {
                    match parse(descriptor)? {
                        ManifestOrIndex::Index(index) => Ok(*index),
                        ManifestOrIndex::Manifest(_) => Ok(empty_index()),
                    }
                };
                // An index that is nested too deep was refused before it came here, or holds no image.
                let offers = match select::offers(&index, nested) {
                    Ok(offers) => offers,
                    Err(IndexWalkError::Archive(error)) => return Err(error),
                    Err(IndexWalkError::Select) => return Ok(None),
                };
                let Some(first) = offers.first() else { return Ok(None) };
                if offers.len() > 1 && told {
                    let platform = first.platform.as_ref().map_or_else(String::new, |it| format!(", {it}"));
                    self.progress
                        .note(format!("{}: `docker load` sees the first image only{platform}", self.place));
                }
                match parse(&first.descriptor)? {
                    ManifestOrIndex::Manifest(manifest) => *manifest,
                    ManifestOrIndex::Index(_) => return Ok(None),
                }
            }
        };
        let is_image = media_type::to_oci(&manifest.config.media_type) == MediaType::ImageConfig;
        Ok(is_image.then_some(manifest))
    }

    /// Everything that `entry` reaches must have been noted.
    fn check_complete(&self, state: &WriterState, entry: &Descriptor) -> Result<(), ArchiveError> {
        let digest = entry.digest;
        let document = state.documents.get(&digest).ok_or_else(|| self.incomplete(digest))?;
        match document.parse().map_err(|source| self.document_error(&digest, source))? {
            ManifestOrIndex::Manifest(manifest) => {
                let linked = std::iter::once(&manifest.config).chain(&manifest.layers);
                match linked.into_iter().find(|blob| !state.blobs.contains_key(&blob.digest)) {
                    Some(missing) => Err(self.incomplete(missing.digest)),
                    None => Ok(()),
                }
            }
            // Documents arrive after what they refer to, so there is no cycle to run into.
            ManifestOrIndex::Index(index) => {
                index.manifests.iter().try_for_each(|entry| self.check_complete(state, entry))
            }
        }
    }

    fn write(&self, state: &WriterState) -> Result<(), ArchiveError> {
        let mut index = empty_index();
        index.manifests.clone_from(&state.entries);
        let mut saved: Vec<SavedEntry> = Vec::new();
        for entry in &state.entries {
            self.check_complete(state, entry)?;
            let tag = entry.annotations.get(CONTAINERD_NAME).cloned();
            // A signature may look like an image, and `docker load` would take it for one.
            if select::is_attestation(entry) {
                continue;
            }
            // The same image under several names is one entry with several tags.
            let Some(manifest) = self.docker_image(state, entry, true)? else { continue };
            let config = blob_path(&manifest.config.digest);
            match saved.iter_mut().find(|saved| saved.config == config) {
                Some(saved) => saved.repo_tags.extend(tag),
                None => saved.push(SavedEntry {
                    config,
                    repo_tags: tag.into_iter().collect(),
                    layers: manifest.layers.iter().map(|layer| blob_path(&layer.digest)).collect(),
                }),
            }
        }
        let json = |name: &str| {
            let (place, name) = (self.place.clone(), name.to_owned());
            move |source| ArchiveError::Document { place, name, source }
        };
        let index = to_json("index", &index).map_err(json("index.json"))?;
        let manifest = to_json("Docker archive manifest", &saved).map_err(json("manifest.json"))?;

        let mut members: BTreeMap<String, MemberContent<'_>> = BTreeMap::from([
            ("blobs/".to_owned(), MemberContent::Directory),
            ("blobs/sha256/".to_owned(), MemberContent::Directory),
            ("index.json".to_owned(), MemberContent::Bytes(&index)),
            ("manifest.json".to_owned(), MemberContent::Bytes(&manifest)),
            ("oci-layout".to_owned(), MemberContent::Bytes(OCI_LAYOUT)),
        ]);
        members
            .extend(state.blobs.iter().map(|(digest, blob)| (blob_path(digest), MemberContent::Blob(blob))));
        let documents = state.documents.iter();
        members.extend(documents.map(|(digest, it)| (blob_path(digest), MemberContent::Bytes(&it.bytes))));

        match &self.sink {
            ArchiveSink::File(path) => self.write_file(path, &members),
            ArchiveSink::Engine(engine) => self.load(engine, &members),
        }
    }

    fn write_file(
        &self,
        path: &Path,
        members: &BTreeMap<String, MemberContent<'_>>,
    ) -> Result<(), ArchiveError> {
        use std::os::unix::fs::FileExt as _;
        let mut end = 0;
        let mut placed = Vec::with_capacity(members.len());
        for (name, content) in members {
            placed.push((end, name, content));
            end += content.space();
        }
        let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let file = temporary_in(dir, ".pack-").map_err(ArchiveError::Write)?;
        let failed = |error: io::Error| ArchiveError::Write(at(&error, path));
        // The end and all padding are zeros, which is what the file is made of at first.
        file.as_file().set_len(end + END).map_err(failed)?;
        let to: &File = file.as_file();
        let put = |(offset, name, content): &(u64, &String, &MemberContent<'_>)| {
            let mut offset = *offset;
            self.put(name, content, &mut |bytes| {
                to.write_all_at(bytes, offset).map_err(failed)?;
                offset += bytes.len() as u64;
                Ok(())
            })
        };
        workers::run(0, || placed.par_iter().try_for_each(put))??;
        persist(file, path, Durability::Fsync).map_err(ArchiveError::Write)
    }

    fn load(
        &self,
        engine: &Engine,
        members: &BTreeMap<String, MemberContent<'_>>,
    ) -> Result<(), ArchiveError> {
        const ZEROS: [u8; END as usize] = [0; END as usize];
        let size = members.values().map(MemberContent::space).sum::<u64>() + END;
        let mut loading = engine.load(size)?;
        for (name, content) in members {
            self.put(name, content, &mut |bytes| Ok(loading.send(bytes)?))?;
            let padding = content.size().next_multiple_of(BLOCK) - content.size();
            loading.send(&ZEROS[..padding as usize])?;
        }
        loading.send(&ZEROS)?;
        Ok(loading.finish()?)
    }

    /// Header and content, one piece after the other.
    fn put(
        &self,
        name: &str,
        content: &MemberContent<'_>,
        write: &mut dyn FnMut(&[u8]) -> Result<(), ArchiveError>,
    ) -> Result<(), ArchiveError> {
        write(&header(name, content)?)?;
        let blob = match content {
            MemberContent::Directory => return Ok(()),
            MemberContent::Bytes(bytes) => return write(bytes),
            MemberContent::Blob(blob) => blob,
        };
        let Descriptor { digest, size, .. } = blob.descriptor;
        let wrong = |source| ArchiveError::Blob { place: self.place.clone(), source };
        let task = self.progress.task(Phase::Write, &blob.title, Some(size));
        let mut reader = VerifyingReader::new(blob.content.open().map_err(wrong)?, digest, size);
        let mut buffer = vec![0; 256 << 10];
        loop {
            match reader.read(&mut buffer) {
                Ok(0) => break,
                Ok(read) => {
                    write(&buffer[..read])?;
                    task.advance(read as u64);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(wrong(error)),
            }
        }
        task.finish("written");
        Ok(())
    }

    /// The first of `root`'s names that is not this image in `engine`, with what it is there. An engine names an
    /// image by its configuration, or, where it keeps manifests, by the manifest or index.
    fn stranger(
        &self,
        engine: &Engine,
        state: &WriterState,
        root: &Descriptor,
        tags: &[Tag],
    ) -> Result<Option<EngineError>, ArchiveError> {
        let Some(manifest) = self.docker_image(state, root, false)? else { return Ok(None) };
        let expected = manifest.config.digest;
        let mut known: Vec<Digest> = vec![expected, root.digest];
        known.extend(state.documents.keys());
        let mut names: Vec<String> =
            self.entry_names(tags).into_iter().filter_map(|it| it.containerd).collect();
        if names.is_empty() {
            names.push(expected.to_string());
        }
        for name in names {
            let found = engine.image_id(&name)?;
            let digest = found.as_deref().and_then(digest_of_id);
            if !digest.is_some_and(|digest| known.contains(&digest)) {
                let socket = engine.socket().to_owned();
                let found = found.unwrap_or_else(|| "missing".to_owned());
                return Ok(Some(EngineError::OtherImage { socket, name, found, expected }));
            }
        }
        Ok(None)
    }
}

/// Either error of a walk over an index.
enum IndexWalkError {
    Select,
    Archive(ArchiveError),
}

impl From<SelectError> for IndexWalkError {
    fn from(_: SelectError) -> Self {
        Self::Select
    }
}

impl From<ArchiveError> for IndexWalkError {
    fn from(error: ArchiveError) -> Self {
        Self::Archive(error)
    }
}

/// A ustar header; a size of 8 GiB or more is in base 256, which every reader knows.
fn header(name: &str, content: &MemberContent<'_>) -> io::Result<[u8; BLOCK as usize]> {
    let mut header = tar::Header::new_ustar();
    header.set_path(name)?;
    let directory = matches!(content, MemberContent::Directory);
    header.set_entry_type(if directory { tar::EntryType::Directory } else { tar::EntryType::Regular });
    header.set_mode(if directory { 0o755 } else { 0o644 });
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(MTIME);
    header.set_size(content.size());
    header.set_cksum();
    Ok(*header.as_bytes())
}

impl Destination for ArchiveOutput {
    /// Notes the blob. Its content is read, once, when the archive is finished.
    fn blob(&self, blob: &Blob) -> Result<Delivery, BoxedError> {
        self.state().blobs.entry(blob.descriptor.digest).or_insert_with(|| blob.clone());
        Ok(Delivery::Uploaded)
    }

    fn document(&self, document: &RawDocument) -> Result<Delivery, BoxedError> {
        self.state().documents.insert(document.digest(), document.clone());
        Ok(Delivery::Uploaded)
    }

    fn refer(&self, _: &Digest, referrers: &[Descriptor]) -> Result<(), BoxedError> {
        let mut state = self.state();
        for referrer in referrers {
            enter(&mut state.entries, &[], &crate::transport::nameless(referrer));
        }
        Ok(())
    }

    /// Writes the archive with all that has come so far. Called again, it writes it again, with the
    /// images and names of before. An engine that has the image under all its names is not sent it again.
    fn finish(&self, root: &RawDocument, tags: &[Tag]) -> Result<Delivery, BoxedError> {
        let mut state = self.state();
        let descriptor = root.descriptor();
        state.documents.insert(descriptor.digest, root.clone());
        enter(&mut state.entries, &self.entry_names(tags), &descriptor);
        let ArchiveSink::Engine(engine) = &self.sink else {
            self.write(&state)?;
            return Ok(Delivery::Uploaded);
        };
        if self.stranger(engine, &state, &descriptor, tags)?.is_none() {
            return Ok(Delivery::Present);
        }
        self.write(&state)?;
        match self.stranger(engine, &state, &descriptor, tags)? {
            Some(error) => Err(ArchiveError::from(error).into()),
            None => Ok(Delivery::Uploaded),
        }
    }

    /// Whether the file lists exactly this image under exactly these names, and is whole.
    fn is_current(&self, digest: &Digest, tags: &[Tag]) -> Result<bool, BoxedError> {
        let mut wanted = Vec::new();
        // Only annotations and digest are compared; the type and size come from the file.
        let names = self.entry_names(tags);
        enter(&mut wanted, &names, &Descriptor::new(MediaType::ImageManifest, *digest, 0));
        match &self.sink {
            ArchiveSink::File(path) => Ok(super::read::holds(path, &wanted)),
            // An engine names images by configurations, which are not known here; see `finish`.
            ArchiveSink::Engine(_) => Ok(false),
        }
    }

    /// An engine takes images and nothing that refers to them.
    fn capabilities(&self) -> Capabilities {
        Capabilities { referrers: matches!(self.sink, ArchiveSink::File(_)), ..Capabilities::of_archive() }
    }

    fn name(&self) -> String {
        self.place.clone()
    }
}
