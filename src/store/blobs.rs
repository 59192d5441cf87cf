//! A directory of blobs, each under the name of its digest: `blobs/sha256/<hex>`.
//!
//! Invariants:
//! - A blob appears under its name by rename, whole or not at all. Several processes may write the same
//!   one: the last rename wins and the bytes are the same.
//! - A name proves nothing about the bytes behind it, which may be torn, damaged or poisoned. Every reader of a blob
//!   checks it: [`Blobs::reader`] does, [`Blobs::open`] and [`Blobs::content`] leave it to the caller.
//! - The local store's blobs heal: one that turns out damaged on reading is moved aside, and is a miss the
//!   next time. They also spill: what does not fit goes to a throw-away directory, for this run only.
//! - A writer that is dropped, or that fails, leaves nothing behind. A killed process can leave a file whose name
//!   starts with `.tmp-`; it disturbs no other process, and the next prune removes it.

use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use fs_err as fs;
use fs_err::os::unix::fs::OpenOptionsExt as _;
use tempfile::NamedTempFile;

use super::scratch::Scratch;
use crate::oci::Descriptor;
use crate::oci::blob::{BlobContent, BlobStream};
use crate::runtime::atomic;
pub use crate::runtime::atomic::Durability;
use crate::types::digest::{Digest, HashingWriter, VerifyingReader};
use crate::types::shown::shown_path;

/// Unfinished files start with this.
pub(super) const TEMPORARY: &str = ".tmp-";
/// Blobs that were found damaged start with this.
pub(super) const QUARANTINED: &str = ".bad-";

/// A content-addressed directory. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Blobs(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    dir: PathBuf,
    durability: Durability,
    heals: bool,
    /// Whether reading leaves no trace in the times of files.
    unnoticed: bool,
    spill: Option<Spill>,
}

/// Where blobs go that the directory does not take.
pub(super) struct Spill {
    /// The directory for them.
    pub(super) scratch: Scratch,
    /// Whether the directory is known to take nothing.
    pub(super) always: bool,
    /// Told why, each time something is spilled.
    pub(super) told: Box<dyn Fn(&io::Error) + Send + Sync>,
}

impl std::fmt::Debug for Spill {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Spill").field("scratch", &self.scratch).finish_non_exhaustive()
    }
}

/// One blob as the directory lists it, unread.
#[derive(Clone, Debug)]
pub struct Listed {
    /// The digest that its name claims.
    pub digest: Digest,
    /// Its size in bytes.
    pub size: u64,
    /// When it was last written, touched or, where the file system keeps count, read.
    pub used: SystemTime,
}

/// Blobs of up to this many bytes are hashed whenever somebody asks whether they are there: half a millisecond.
const CHEAP: u64 = 1 << 20;

impl Blobs {
    /// The blobs in `dir`, which is `blobs/sha256` of some layout and need not exist yet.
    #[must_use]
    pub fn new(dir: PathBuf, durability: Durability) -> Self {
        Self(Arc::new(Inner { dir, durability, heals: false, unnoticed: false, spill: None }))
    }

    /// The local store's blobs.
    pub(super) fn of_store(dir: PathBuf, spill: Option<Spill>) -> Self {
        Self(Arc::new(Inner { dir, durability: Durability::Relaxed, heals: true, unnoticed: false, spill }))
    }

    /// The same blobs, for reading them in a prune or a check, which does not count as use.
    pub(super) fn unnoticed(&self) -> Self {
        let Inner { dir, durability, heals, .. } = &*self.0;
        let (dir, durability, heals) = (dir.clone(), *durability, *heals);
        Self(Arc::new(Inner { dir, durability, heals, unnoticed: true, spill: None }))
    }

    /// The directory that is written to.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.0.dir
    }

    /// Where the blob is, or would be.
    #[must_use]
    pub fn path(&self, digest: &Digest) -> PathBuf {
        self.0.dir.join(digest.hex())
    }

    /// The path and size of a regular file that claims to be the blob. A link is followed: build tools
    /// make layouts of links, and the digest decides about the bytes anyway.
    fn find(&self, digest: &Digest) -> Option<(PathBuf, u64)> {
        let name = digest.hex();
        let spilled = self.0.spill.as_ref().and_then(|spill| spill.scratch.made());
        [Some(self.0.dir.as_path()), spilled].into_iter().flatten().find_map(|dir| {
            let path = dir.join(&name);
            let metadata = std::fs::metadata(&path).ok().filter(std::fs::Metadata::is_file)?;
            Some((path, metadata.len()))
        })
    }

    /// The size of the blob, if there is one; its bytes are not looked at.
    #[must_use]
    pub fn contains(&self, digest: &Digest) -> Option<u64> {
        self.find(digest).map(|(_, size)| size)
    }

    /// Whether there is the blob that `descriptor` announces: by its bytes where they are few, such as a
    /// configuration's; by its size where hashing them would cost more than it is worth on every build.
    #[must_use]
    pub fn has(&self, descriptor: &Descriptor) -> bool {
        self.contains(&descriptor.digest) == Some(descriptor.size)
            && (descriptor.size > CHEAP || self.read(descriptor, CHEAP).is_ok())
    }

    /// Opens the blob, unchecked.
    ///
    /// # Errors
    /// When there is none, or it is no regular file, or it cannot be opened.
    pub fn open(&self, digest: &Digest) -> io::Result<fs::File> {
        // Looked up first, because opening a FIFO or a device would block or act.
        match self.find(digest) {
            Some((path, _)) if self.0.unnoticed => open_unnoticed(&path),
            Some((path, _)) => fs::File::open(path),
            None => Err(io::Error::new(
                io::ErrorKind::NotFound,
                format!("{digest} is not in `{}`", shown_path(&self.0.dir)),
            )),
        }
    }

    /// Opens the blob for reading that fails, at the latest at the end, unless the bytes are those of
    /// `descriptor`.
    ///
    /// # Errors
    /// As for [`Blobs::open`], and of kind [`io::ErrorKind::InvalidData`] when the size is another.
    pub fn reader(&self, descriptor: &Descriptor) -> io::Result<BlobReader> {
        let file = self.open(&descriptor.digest)?;
        let size = file.metadata()?.len();
        if size != descriptor.size {
            // Which of the two is wrong is not known: the name alone says nothing about a size.
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                format!("{}: {size} bytes are stored, {} were announced", descriptor.digest, descriptor.size),
            ));
        }
        let inner = VerifyingReader::new(file, descriptor.digest, descriptor.size);
        let heals = self.0.heals.then(|| self.clone());
        Ok(BlobReader { inner, digest: descriptor.digest, heals })
    }

    /// The whole blob, checked; for documents.
    ///
    /// # Errors
    /// As for [`Blobs::reader`], and when it has more than `limit` bytes.
    pub fn read(&self, descriptor: &Descriptor, limit: u64) -> io::Result<Vec<u8>> {
        if descriptor.size > limit {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                format!("{}: {} bytes, more than {limit}", descriptor.digest, descriptor.size),
            ));
        }
        let mut bytes = Vec::new();
        self.reader(descriptor)?.read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    /// The blob as content that can be opened again and again, unchecked.
    #[must_use]
    pub fn content(&self, descriptor: &Descriptor) -> Arc<dyn BlobContent> {
        let (blobs, digest) = (self.clone(), descriptor.digest);
        Arc::new(move || blobs.open(&digest).map(|file| Box::new(file) as BlobStream))
    }

    /// Begins a blob whose digest the caller computes. It does not buffer: write in large pieces.
    ///
    /// # Errors
    /// When a temporary file cannot be created.
    pub fn writer(&self) -> io::Result<BlobWriter> {
        let begin = |file, dir: &Path| BlobWriter {
            file,
            dir: dir.to_owned(),
            length: 0,
            spilled: dir != self.0.dir,
            blobs: self.clone(),
        };
        let spill = self.0.spill.as_ref();
        if let Some(spill) = spill.filter(|spill| spill.always) {
            let dir = spill.scratch.dir()?;
            return Ok(begin(temporary_in(dir, TEMPORARY)?, dir));
        }
        match (temporary_in(&self.0.dir, TEMPORARY), spill) {
            (Ok(file), _) => Ok(begin(file, &self.0.dir)),
            (Err(error), None) => Err(error),
            (Err(error), Some(spill)) => {
                (spill.told)(&error);
                let dir = spill.scratch.dir()?;
                Ok(begin(temporary_in(dir, TEMPORARY)?, dir))
            }
        }
    }

    /// Begins a blob that is hashed on its way: `finish()` gives the writer to commit, the digest and the
    /// size.
    ///
    /// # Errors
    /// As for [`Blobs::writer`].
    pub fn hashing_writer(&self) -> io::Result<HashingWriter<BlobWriter>> {
        self.writer().map(HashingWriter::new)
    }

    /// Stores bytes from memory; what is there already is compared and, if damaged, replaced.
    ///
    /// # Errors
    /// When they cannot be written.
    pub fn put(&self, bytes: &[u8]) -> io::Result<Digest> {
        let digest = Digest::of(bytes);
        if self.contains(&digest) == Some(bytes.len() as u64)
            && let Ok(mut file) = self.open(&digest)
        {
            let mut found = Vec::with_capacity(bytes.len());
            if file.read_to_end(&mut found).is_ok() && found == bytes {
                return Ok(digest);
            }
        }
        let mut writer = self.writer()?;
        writer.write_all(bytes)?;
        writer.commit(digest, bytes.len() as u64)?;
        Ok(digest)
    }

    /// Stores a stream that must be what `descriptor` says, calling `advance` with each piece's length.
    ///
    /// # Errors
    /// When it cannot be read or written, or, with kind [`io::ErrorKind::InvalidData`], when the bytes are
    /// others.
    pub fn copy_in(
        &self,
        descriptor: &Descriptor,
        stream: impl Read,
        mut advance: impl FnMut(u64),
    ) -> io::Result<()> {
        let mut reader = VerifyingReader::new(stream, descriptor.digest, descriptor.size);
        let mut writer = self.writer()?;
        let mut buffer = vec![0; COPY_BUFFER];
        loop {
            let read = match reader.read(&mut buffer) {
                Ok(0) => break,
                Ok(read) => read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            writer.write_all(&buffer[..read])?;
            advance(read as u64);
        }
        writer.commit(descriptor.digest, descriptor.size)
    }

    /// Moves a blob that was found damaged out of the way, so that it is fetched or built again.
    ///
    /// # Errors
    /// When it cannot be moved; not when it is gone.
    pub fn quarantine(&self, digest: &Digest) -> io::Result<()> {
        let path = self.find(digest).map_or_else(|| self.path(digest), |(path, _)| path);
        let aside = path.with_file_name(format!("{QUARANTINED}{}", digest.hex()));
        move_aside(&path, &aside)
    }

    /// Marks a blob as used now, so that a prune takes others first; best effort.
    pub fn touch(&self, digest: &Digest) {
        let _ = touch(&self.path(digest));
    }

    /// Everything in the directory that has a digest for a name, in digest order.
    ///
    /// # Errors
    /// When the directory cannot be read; not when there is none.
    pub fn list(&self) -> io::Result<Vec<Listed>> {
        let mut listed = Vec::new();
        for (name, metadata) in entries_in(&self.0.dir)? {
            if let Ok(digest) = format!("sha256:{name}").parse() {
                listed.push(Listed { digest, size: metadata.len(), used: last_used(&metadata) });
            }
        }
        listed.sort_unstable_by_key(|blob| blob.digest);
        Ok(listed)
    }
}

const COPY_BUFFER: usize = 256 << 10;

/// Reads a blob and checks it; see [`Blobs::reader`].
pub struct BlobReader {
    inner: VerifyingReader<fs::File>,
    digest: Digest,
    heals: Option<Blobs>,
}

impl Read for BlobReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let result = self.inner.read(buffer);
        if let Err(error) = &result
            && error.kind() == io::ErrorKind::InvalidData
            && let Some(blobs) = self.heals.take()
        {
            // Best effort: one that cannot be moved is found out again.
            let _ = blobs.quarantine(&self.digest);
        }
        result
    }
}

/// A blob being written. Dropping it removes what was written.
#[derive(Debug)]
pub struct BlobWriter {
    file: NamedTempFile,
    dir: PathBuf,
    length: u64,
    spilled: bool,
    blobs: Blobs,
}

impl BlobWriter {
    /// Another handle of the file that is written, to read along by position, as long as
    /// [`BlobWriter::moves`] is the same.
    ///
    /// # Errors
    /// When the system has no handle left.
    pub fn handle(&self) -> io::Result<std::fs::File> {
        self.file.as_file().try_clone()
    }

    /// How often what was written has moved to another file.
    #[must_use]
    pub const fn moves(&self) -> u32 {
        self.spilled as u32
    }

    /// Gives the blob its name. The caller vouches for the digest; the size is checked.
    ///
    /// # Errors
    /// When the size is another than was written, or the file cannot be renamed.
    pub fn commit(self, digest: Digest, size: u64) -> io::Result<()> {
        if self.length != size {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                format!("{digest}: {} bytes were written, {size} were announced", self.length),
            ));
        }
        let target = self.dir.join(digest.hex());
        // A rename replaces a file or a link, but not a directory: that is damage.
        if std::fs::symlink_metadata(&target).is_ok_and(|metadata| metadata.is_dir()) {
            move_aside(&target, &target.with_file_name(format!("{QUARANTINED}{}", digest.hex())))?;
        }
        persist(self.file, &target, self.blobs.0.durability)
    }

    /// Goes on elsewhere with what was written so far, if there is an elsewhere.
    fn spill(&mut self, trouble: io::Error) -> io::Result<()> {
        let Some(spill) = self.blobs.0.spill.as_ref().filter(|_| !self.spilled) else { return Err(trouble) };
        (spill.told)(&trouble);
        let dir = spill.scratch.dir()?;
        let mut file = temporary_in(dir, TEMPORARY)?;
        // A failed write may have left part of a piece behind what counts.
        self.file.rewind()?;
        let copied = io::copy(&mut (&mut self.file).take(self.length), &mut file)?;
        if copied != self.length {
            return Err(trouble);
        }
        self.dir = dir.to_owned();
        self.file = file;
        self.spilled = true;
        Ok(())
    }
}

impl Write for BlobWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = match self.file.as_file_mut().write(bytes) {
            Err(error) if error.kind() != io::ErrorKind::Interrupted => {
                self.spill(at(&error, self.file.path()))?;
                self.file.as_file_mut().write(bytes).map_err(|error| at(&error, self.file.path()))?
            }
            result => result?,
        };
        self.length += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Adds a path to an error that lacks one.
pub(crate) fn at(error: &io::Error, path: &Path) -> io::Error {
    io::Error::new(error.kind(), format!("{error}: `{}`", shown_path(path)))
}

/// A temporary file in `dir`, which is created if it is missing. Its mode is what the umask leaves of 0644.
pub(crate) fn temporary_in(dir: &Path, prefix: &str) -> io::Result<NamedTempFile> {
    let create = || atomic::draft_in(dir, prefix, 0o644);
    match create() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            fs::create_dir_all(dir)?;
            create()
        }
        result => result,
    }
}

/// Gives a finished temporary file its name; an error says which.
pub(crate) fn persist(file: NamedTempFile, target: &Path, durability: Durability) -> io::Result<()> {
    atomic::persist(file, target, durability).map_err(|error| at(&error, target))
}

/// Replaces a small file, whose directory is created if it is missing.
pub(crate) fn replace(target: &Path, bytes: &[u8], durability: Durability) -> io::Result<()> {
    let mut file = temporary_in(atomic::directory_of(target), TEMPORARY)?;
    file.write_all(bytes).map_err(|error| at(&error, target))?;
    persist(file, target, durability)
}

/// The later of writing and reading. Most mounts keep a reading time to the day (`relatime`), which is
/// what pruning by age needs.
pub(super) fn last_used(metadata: &std::fs::Metadata) -> SystemTime {
    let times = [metadata.modified(), metadata.accessed()];
    times.into_iter().flatten().max().unwrap_or(SystemTime::UNIX_EPOCH)
}

/// Opens a file so that reading it does not count as use. Only its owner may ask for that.
fn open_unnoticed(path: &Path) -> io::Result<fs::File> {
    let flags = i32::try_from(rustix::fs::OFlags::NOATIME.bits()).map_err(io::Error::other)?;
    match fs::OpenOptions::new().read(true).custom_flags(flags).open(path) {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => fs::File::open(path),
        result => result,
    }
}

/// Sets a file's times to the file system's now.
pub(super) fn touch(path: &Path) -> io::Result<()> {
    let now = rustix::fs::Timespec { tv_sec: 0, tv_nsec: rustix::fs::UTIME_NOW };
    let times = rustix::fs::Timestamps { last_access: now, last_modification: now };
    Ok(rustix::fs::utimensat(rustix::fs::CWD, path, &times, rustix::fs::AtFlags::empty())?)
}

/// Renames what is damaged, whatever was set aside under that name before; nothing is not an error.
pub(super) fn move_aside(path: &Path, aside: &Path) -> io::Result<()> {
    // A rename puts neither a file over a directory nor a directory over anything but an empty one.
    if std::fs::symlink_metadata(path).is_ok() {
        remove(aside)?;
    }
    match fs::rename(path, aside) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        result => result,
    }
}

/// Removes whatever a path names, with all that is in it; links are not followed.
pub(super) fn remove(path: &Path) -> io::Result<()> {
    let removed = match std::fs::symlink_metadata(path) {
        Ok(metadata) if metadata.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
        Err(error) => Err(at(&error, path)),
    };
    match removed {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        result => result,
    }
}

/// Names and metadata of everything in a directory, of a file as of a directory that is where a file should
/// be; names that are not UTF-8 are not ours.
pub(super) fn entries_in(dir: &Path) -> io::Result<Vec<(String, std::fs::Metadata)>> {
    let entries = match fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut found = Vec::new();
    for entry in entries {
        let entry = entry?;
        // Another process may have removed it meanwhile.
        let Ok(metadata) = entry.metadata() else { continue };
        if let Ok(name) = entry.file_name().into_string() {
            found.push((name, metadata));
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use std::os::unix::fs::PermissionsExt as _;

    use super::*;
    use crate::oci::MediaType;

    fn blobs() -> (tempfile::TempDir, Blobs) {
        let dir = tempfile::tempdir().expect("temporary directory");
        let blobs = Blobs::new(dir.path().join("blobs/sha256"), Durability::Relaxed);
        (dir, blobs)
    }

    fn descriptor(bytes: &[u8]) -> Descriptor {
        Descriptor::of(MediaType::ImageLayer, bytes)
    }

    fn names(blobs: &Blobs) -> Vec<String> {
        entries_in(blobs.dir()).expect("readable").into_iter().map(|(name, _)| name).collect()
    }

    #[test]
    fn a_small_blob_with_other_bytes_is_not_there() {
        let dir = tempfile::tempdir().expect("temporary directory");
        let blobs = Blobs::new(dir.path().to_owned(), Durability::Relaxed);
        let digest = blobs.put(b"configuration").expect("stored");
        let descriptor = Descriptor::new(crate::oci::MediaType::ImageConfig, digest, 13);
        assert!(blobs.has(&descriptor));
        std::fs::write(blobs.path(&digest), b"configurati0n").expect("damaged");
        assert!(!blobs.has(&descriptor));
    }

    #[test]
    fn stores_and_reads() {
        let (_dir, blobs) = blobs();
        assert_eq!(blobs.contains(&Digest::of(b"x")), None);
        assert!(blobs.list().expect("no directory is no blobs").is_empty());
        let digest = blobs.put(b"hello").expect("stored");
        assert_eq!(blobs.contains(&digest), Some(5));
        assert_eq!(blobs.read(&descriptor(b"hello"), 5).expect("read"), b"hello");
        assert!(blobs.read(&descriptor(b"hello"), 4).is_err());
        let mut stream = blobs.content(&descriptor(b"hello")).open().expect("opened");
        let mut text = String::new();
        stream.read_to_string(&mut text).expect("read");
        assert_eq!(text, "hello");
        assert_eq!(names(&blobs), [digest.hex()]);
        let mode = std::fs::metadata(blobs.path(&digest)).expect("there").permissions().mode();
        assert_eq!(mode & 0o400, 0o400);
        assert_ne!(mode & 0o777, 0o600, "others may read it as the umask allows");
    }

    #[test]
    fn a_dropped_or_refused_writer_leaves_nothing() {
        let (_dir, blobs) = blobs();
        let mut writer = blobs.hashing_writer().expect("writer");
        writer.write_all(b"half").expect("written");
        drop(writer);
        let mut writer = blobs.writer().expect("writer");
        writer.write_all(b"half").expect("written");
        writer.commit(Digest::of(b"half"), 5).expect_err("another size");
        let wrong = blobs.copy_in(&descriptor(b"this"), &b"that"[..], |_| {});
        assert_eq!(wrong.expect_err("other bytes").kind(), io::ErrorKind::InvalidData);
        assert!(names(&blobs).is_empty());
    }

    #[test]
    fn the_hashing_writer_knows_the_digest() {
        let (_dir, blobs) = blobs();
        let mut writer = blobs.hashing_writer().expect("writer");
        writer.write_all(b"whole").expect("written");
        let (writer, digest, size) = writer.finish();
        writer.commit(digest, size).expect("committed");
        assert_eq!(blobs.contains(&Digest::of(b"whole")), Some(5));
    }

    #[test]
    fn every_damage_is_found_on_reading_and_healed_by_writing() {
        use std::os::unix::fs::symlink;
        let original = b"0123456789".repeat(100);
        type Damage = fn(&Path, &[u8]);
        let damages: [(&str, Damage); 6] = [
            ("flip", |path, bytes| {
                let mut bytes = bytes.to_vec();
                bytes[500] ^= 1;
                std::fs::write(path, bytes).expect("damaged");
            }),
            ("truncate", |path, bytes| std::fs::write(path, &bytes[..999]).expect("damaged")),
            ("extend", |path, bytes| std::fs::write(path, [bytes, b"x"].concat()).expect("damaged")),
            ("zero", |path, bytes| std::fs::write(path, vec![0; bytes.len()]).expect("damaged")),
            ("link", |path, _| {
                std::fs::remove_file(path).expect("removed");
                symlink("/nowhere", path).expect("linked");
            }),
            ("directory", |path, _| {
                std::fs::remove_file(path).expect("removed");
                std::fs::create_dir(path).expect("created");
            }),
        ];
        for (name, damage) in damages {
            let (_dir, blobs) = blobs();
            let digest = blobs.put(&original).expect("stored");
            damage(&blobs.path(&digest), &original);
            blobs.read(&descriptor(&original), 10_000).expect_err(name);
            blobs.put(&original).expect(name);
            assert_eq!(blobs.read(&descriptor(&original), 10_000).expect(name), original);
        }
    }

    #[test]
    fn quarantine_moves_aside() {
        let (_dir, blobs) = blobs();
        let digest = blobs.put(b"bad").expect("stored");
        blobs.quarantine(&digest).expect("moved");
        blobs.quarantine(&digest).expect("gone is fine");
        assert_eq!(blobs.contains(&digest), None);
        assert_eq!(names(&blobs), [format!(".bad-{}", digest.hex())]);
        assert!(blobs.list().expect("list").is_empty());
    }

    #[test]
    fn damage_of_one_kind_after_another_is_moved_aside() {
        let (_dir, blobs) = blobs();
        let digest = blobs.put(b"good").expect("stored");
        let path = blobs.path(&digest);
        for kind in ["file", "directory", "file", "directory", "directory", "file"] {
            remove(&path).expect("removed");
            match kind {
                "file" => std::fs::write(&path, "evil").expect("damaged"),
                _ => std::fs::create_dir_all(path.join("full")).expect("damaged"),
            }
            blobs.quarantine(&digest).expect(kind);
            assert!(std::fs::symlink_metadata(&path).is_err(), "{kind}");
            std::fs::create_dir_all(path.join("full")).expect("damaged");
            blobs.put(b"good").expect(kind);
            assert_eq!(blobs.read(&descriptor(b"good"), 4).expect(kind), b"good");
        }
    }

    #[test]
    fn writers_of_one_blob_do_not_disturb_each_other() {
        let (_dir, blobs) = blobs();
        let bytes = vec![7; 300_000];
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for _ in 0..10 {
                        blobs.copy_in(&descriptor(&bytes), &bytes[..], |_| {}).expect("written");
                        assert_eq!(blobs.read(&descriptor(&bytes), 1 << 20).expect("read"), bytes);
                    }
                });
            }
        });
        assert_eq!(names(&blobs).len(), 1);
    }

    fn spilling(dir: &Path, told: &Arc<std::sync::atomic::AtomicUsize>) -> Blobs {
        let told = Arc::clone(told);
        Blobs::of_store(
            dir.join("store"),
            Some(Spill {
                scratch: Scratch::new(dir.join("scratch")),
                always: false,
                told: Box::new(move |_| {
                    told.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                }),
            }),
        )
    }

    #[test]
    fn a_write_that_fails_half_way_goes_on_elsewhere() {
        let dir = tempfile::tempdir().expect("temporary directory");
        let told = Arc::default();
        let blobs = spilling(dir.path(), &told);
        let mut writer = blobs.hashing_writer().expect("writer");
        writer.write_all(b"first half, ").expect("written");
        let (mut writer, _, _) = writer.finish();
        // A file that is open for reading only refuses the next write, as a full disk does.
        let path = writer.file.into_temp_path();
        let file = std::fs::File::open(&path).expect("opened");
        writer.file = NamedTempFile::from_parts(file, path);
        writer.write_all(b"second half").expect("written elsewhere");
        let whole = b"first half, second half";
        writer.commit(Digest::of(whole), whole.len() as u64).expect("committed");
        assert_eq!(blobs.read(&descriptor(whole), 100).expect("found"), whole);
        assert!(names(&blobs).is_empty());
        assert_eq!(told.load(std::sync::atomic::Ordering::Relaxed), 1);
        drop(blobs);
        assert_eq!(std::fs::read_dir(dir.path().join("scratch")).expect("readable").count(), 0);
    }

    #[test]
    fn a_directory_that_takes_nothing_spills() {
        let dir = tempfile::tempdir().expect("temporary directory");
        std::fs::write(dir.path().join("store"), "a file").expect("written");
        let told = Arc::default();
        let blobs = spilling(dir.path(), &told);
        let digest = blobs.put(b"blob").expect("stored");
        assert_eq!(blobs.contains(&digest), Some(4));
        assert!(!dir.path().join("store").is_dir());
        let plain = Blobs::new(dir.path().join("store"), Durability::Relaxed);
        plain.put(b"blob").expect_err("nowhere to go");
    }

    #[test]
    fn the_stores_blobs_heal() {
        let dir = tempfile::tempdir().expect("temporary directory");
        for heals in [true, false] {
            let blobs = match heals {
                true => Blobs::of_store(dir.path().to_owned(), None),
                false => Blobs::new(dir.path().to_owned(), Durability::Fsync),
            };
            let digest = blobs.put(b"good").expect("stored");
            std::fs::write(blobs.path(&digest), "evil").expect("damaged");
            blobs.read(&descriptor(b"good"), 100).expect_err("other bytes");
            assert_eq!(blobs.contains(&digest).is_none(), heals);
        }
    }

    proptest! {
        #[test]
        fn what_is_put_is_read(bytes: Vec<u8>) {
            let (_dir, blobs) = blobs();
            let digest = blobs.put(&bytes).expect("stored");
            prop_assert_eq!(digest, Digest::of(&bytes));
            prop_assert_eq!(blobs.read(&descriptor(&bytes), 1 << 20).expect("read"), bytes);
        }
    }
}
