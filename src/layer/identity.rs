//! Identities for memos: of contents, of bodies and of whole layers. Part of an image is only [`content_time`].

use super::body::{self, BodyKind};
use super::content::{self, ContentError};
use super::encode::Compression;
use super::entry::{Content, ContentSource, Entry, EntryKind};
use crate::formats::zip::{Method, Repacked, ZipArchive};
use crate::runtime::interrupt::Interrupt;
use crate::types::digest::{ContentId, Key, KeyBuilder};

/// The output format that these layers have; see the changelog's `Digests` sections.
pub const FORMAT: u64 = 1;

/// The key of an encoded body: format, kind, encoder, and the exact bytes.
pub(crate) fn body_key(encoder: &str, kind: BodyKind, content: &ContentId) -> Key {
    KeyBuilder::new("pack body")
        .number(FORMAT)
        .part(kind.name().as_bytes())
        .part(encoder.as_bytes())
        .part(&content.0)
        .finish()
}

/// The identity of a large payload of `size` bytes, from those of its pieces: the pieces are hashed as bodies anyway.
pub(crate) fn of_pieces(pieces: &[ContentId], size: u64) -> ContentId {
    let mut key = KeyBuilder::new("pack pieces");
    let mut crc = crc32fast::Hasher::new();
    let mut rest = size;
    for piece in pieces {
        key.add(&piece.0);
        let length = body::PIECE.min(rest);
        crc.combine(&crc32fast::Hasher::new_with_initial_len(piece.crc32(), length));
        rest -= length;
    }
    ContentId::new(&key.finish().0, crc.finalize())
}

/// Reads a file's content, until the user interrupts, and identifies it.
///
/// # Errors
/// When it cannot be read or changed since it was planned, and [`ContentError::Interrupted`].
pub fn identify(content: &Content, interrupt: &Interrupt) -> Result<ContentId, ContentError> {
    identify_and_see(content, interrupt, |_, _| ())
}

/// The same, and `see` is given the bytes of a file that is read as a whole.
///
/// # Errors
/// As for [`identify`].
pub fn identify_and_see(
    content: &Content,
    interrupt: &Interrupt,
    see: impl FnOnce(&[u8], &ContentId),
) -> Result<ContentId, ContentError> {
    let mut buffer = Vec::new();
    if content.size < body::LARGE {
        content::read(content, 0, content.size, &mut buffer)?;
        let id = ContentId::of(&buffer);
        see(&buffer, &id);
        return Ok(id);
    }
    let mut pieces = Vec::new();
    let mut offset = 0;
    while offset < content.size {
        interrupt.check()?;
        let length = body::PIECE.min(content.size - offset);
        buffer.clear();
        content::read(content, offset, length, &mut buffer)?;
        pieces.push(ContentId::of(&buffer));
        offset += length;
    }
    Ok(of_pieces(&pieces, content.size))
}

/// Identifies a file by all of its bytes, as [`identify`] does it.
#[must_use]
pub fn identify_bytes(bytes: &[u8]) -> ContentId {
    if (bytes.len() as u64) < body::LARGE {
        return ContentId::of(bytes);
    }
    let pieces: Vec<ContentId> = bytes.chunks(body::PIECE as usize).map(ContentId::of).collect();
    of_pieces(&pieces, bytes.len() as u64)
}

/// Where the times of contents begin: 2022-11-09T13:20:00Z.
const FIRST_TIME: u64 = 1_668_000_000;
/// How many seconds they are spread over, a little more than two years.
const TIMES: u64 = 1 << 26;

/// A modification time that is a function of a file's content: a second in a fixed part of the past. It is made of the
/// CRC-32, which a zip archive states, so that an archive and its unpacked files have the same times, and none is
/// inflated for them.
#[must_use]
pub fn content_time(content: &ContentId) -> u64 {
    FIRST_TIME + u64::from(content.crc32()) % TIMES
}

/// Identifies an entry of a zip archive by its compressed bytes: they and the method decide the content,
/// and need not be inflated. The CRC-32 is the stated one: where it is wrong, reading the entry fails.
///
/// # Errors
/// When the archive cannot be read or changed since it was opened.
pub fn identify_zipped(archive: &ZipArchive, index: usize) -> Result<ContentId, ContentError> {
    let mut hasher = blake3::Hasher::new();
    archive
        .read_compressed(index, |bytes| {
            hasher.update(bytes);
        })
        .map_err(|error| content::zip_error(archive, index, std::io::Error::other(error)))?;
    let entry = &archive.entries()[index];
    let key = KeyBuilder::new("pack zip entry")
        .number(entry.size)
        .part(&[u8::from(entry.method == Method::Deflate)])
        .part(hasher.finalize().as_bytes());
    Ok(ContentId::new(&key.finish().0, entry.crc32))
}

/// Identifies an archive that is made of another one's entries. `ids` are the identities of those, by their index, as
/// [`identify_zipped`] tells them; `None` where one is missing. In place of its CRC-32 it has that of the bytes that are not
/// copied, which state the CRC-32 of each entry.
#[must_use]
pub fn identify_repacked(archive: &Repacked, ids: &[ContentId]) -> Option<ContentId> {
    let mut key = KeyBuilder::new("pack repacked").part(archive.written());
    for index in archive.copied() {
        key.add(&ids.get(index)?.0);
    }
    Some(ContentId::new(&key.finish().0, crc32fast::hash(archive.written())))
}

/// The key of an entry: everything that reaches the layer's bytes. `content` is the identity of a file's
/// payload where it is known; `None` if it is needed and unknown.
#[must_use]
pub fn entry_key(entry: &Entry, content: Option<&ContentId>) -> Option<Key> {
    let metadata = &entry.metadata;
    let mut key = KeyBuilder::new("pack entry")
        .part(entry.path.as_bytes())
        .number(u64::from(metadata.mode))
        .number(metadata.uid)
        .number(metadata.gid)
        .number(metadata.mtime);
    for (name, value) in &metadata.xattrs {
        key = key.part(name.as_bytes()).part(value);
    }
    let key = match &entry.kind {
        EntryKind::Directory => key.part(b"directory"),
        EntryKind::Symlink(target) => key.part(b"symlink").part(target),
        EntryKind::Hardlink(path) => key.part(b"hardlink").part(path.as_bytes()),
        EntryKind::CharacterDevice(major, minor) => {
            key.part(b"character").number(u64::from(*major)).number(u64::from(*minor))
        }
        EntryKind::BlockDevice(major, minor) => {
            key.part(b"block").number(u64::from(*major)).number(u64::from(*minor))
        }
        EntryKind::Fifo => key.part(b"fifo"),
        EntryKind::File(file) => {
            let id = match &file.source {
                ContentSource::Bytes(bytes) => ContentId::of(bytes),
                _ => *content?,
            };
            key.part(b"file").number(file.size).part(&id.0)
        }
    };
    Some(key.finish())
}

/// The key of a layer and of what comes with it: format, encoder, entries in order.
#[must_use]
pub fn layer_key(compression: Compression, entries: &[Key]) -> Key {
    let mut key = KeyBuilder::new("pack layer").number(FORMAT).part(compression.id().as_bytes());
    for entry in entries {
        key.add(&entry.0);
    }
    key.finish()
}
