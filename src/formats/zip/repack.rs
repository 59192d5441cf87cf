//! A zip archive that is made of another one's entries: they keep their compressed bytes, which are read where they lie.
//!
//! Its bytes are a function of the names, their order, and the compressed bytes, sizes and checksums of the entries: all
//! times are the same, and nothing else of the other archive is taken over. Any part of it can be read at once, so that
//! large ones are neither held in memory nor read in order.

use std::ops::Range;
use std::sync::Arc;

use super::archive::ZipArchive;
use super::directory::LOCAL_HEADER;
use super::entry::Method;
use super::error::ZipError;

/// 1980-02-01: programs that take the time zone into account read no date before 1980 then.
const DATE: [u8; 2] = [0x41, 0];
/// Names are UTF-8.
const UTF8: u16 = 0x800;
/// From this number on, a count needs the records of zip64.
const ZIP64_COUNT: usize = 0xffff;
/// The most that the fields of 32 bits hold.
const MOST_BYTES: u64 = u32::MAX as u64;

/// An entry of the new archive.
#[derive(Clone, Debug)]
pub struct RepackedEntry {
    /// Its name; of a directory with a slash at the end.
    pub name: Vec<u8>,
    /// Its content.
    pub content: RepackedContent,
}

/// Where the content of an entry is from.
#[derive(Clone, Debug)]
pub enum RepackedContent {
    /// It is the entry of the other archive with this index.
    Of(usize),
    /// These bytes.
    Bytes(Vec<u8>),
}

/// The new archive would have 4 GiB or more, which needs longer fields in each record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NeedsZip64;

/// An archive that is made of another one's entries.
#[derive(Debug)]
pub struct Repacked {
    archive: Arc<ZipArchive>,
    /// Headers, directory and own contents, in the order of the archive.
    written: Vec<u8>,
    pieces: Vec<RepackedPart>,
    size: u64,
}

/// A part of the archive's bytes.
#[derive(Debug)]
struct RepackedPart {
    /// Where it begins in the archive.
    start: u64,
    bytes: PartBytes,
}

#[derive(Debug)]
enum PartBytes {
    Written(Range<usize>),
    /// The compressed bytes of this entry of the other archive.
    Compressed(usize),
}

/// The facts about an entry that both of its headers state.
struct EntryFields {
    method: Method,
    crc32: u32,
    compressed_size: u32,
    size: u32,
}

impl EntryFields {
    fn fields(&self, name: &[u8]) -> Result<Vec<u8>, NeedsZip64> {
        let flags = if name.is_ascii() { 0 } else { UTF8 };
        let method: u16 = match self.method {
            Method::Stored => 0,
            Method::Deflate => 8,
        };
        let mut fields = vec![20, 0];
        fields.extend(flags.to_le_bytes());
        fields.extend(method.to_le_bytes());
        fields.extend([0, 0]);
        fields.extend(DATE);
        fields.extend(self.crc32.to_le_bytes());
        fields.extend(self.compressed_size.to_le_bytes());
        fields.extend(self.size.to_le_bytes());
        fields.extend(u16::try_from(name.len()).map_err(|_| NeedsZip64)?.to_le_bytes());
        fields.extend([0, 0]);
        Ok(fields)
    }
}

/// The size of 32 bits.
fn narrow(size: u64) -> Result<u32, NeedsZip64> {
    if size < MOST_BYTES { u32::try_from(size).map_err(|_| NeedsZip64) } else { Err(NeedsZip64) }
}

impl Repacked {
    /// The archive with these entries, in this order. Their names are not checked, and an entry that `archive` has not is
    /// left out.
    ///
    /// # Errors
    /// When it would have 4 GiB or more.
    pub fn new(archive: &Arc<ZipArchive>, members: &[RepackedEntry]) -> Result<Self, NeedsZip64> {
        let mut new = Self { archive: Arc::clone(archive), written: Vec::new(), pieces: Vec::new(), size: 0 };
        let mut directory = Vec::new();
        let mut count = 0;
        for member in members {
            let facts = match &member.content {
                RepackedContent::Of(index) => {
                    let Some(entry) = archive.entries().get(*index) else { continue };
                    EntryFields {
                        method: entry.method,
                        crc32: entry.crc32,
                        compressed_size: narrow(entry.compressed_size)?,
                        size: narrow(entry.size)?,
                    }
                }
                RepackedContent::Bytes(bytes) => {
                    let size = narrow(bytes.len() as u64)?;
                    let crc32 = crc32fast::hash(bytes);
                    EntryFields { method: Method::Stored, crc32, compressed_size: size, size }
                }
            };
            let fields = facts.fields(&member.name)?;
            let offset = narrow(new.size)?;
            new.write(&[&LOCAL_HEADER[..], &fields, &member.name].concat());
            match &member.content {
                RepackedContent::Of(index) => new.copy(*index, u64::from(facts.compressed_size)),
                RepackedContent::Bytes(bytes) => new.write(bytes),
            }
            directory.extend(b"PK\x01\x02\x14\0");
            directory.extend(&fields);
            directory.extend([0; 10]);
            directory.extend(offset.to_le_bytes());
            directory.extend(&member.name);
            count += 1;
        }
        let start = narrow(new.size)?;
        new.write(&directory);
        new.write(&end(count, narrow(directory.len() as u64)?, start));
        narrow(new.size)?;
        Ok(new)
    }

    /// Its size in bytes.
    #[must_use]
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// The archive that its entries are from.
    #[must_use]
    pub const fn archive(&self) -> &Arc<ZipArchive> {
        &self.archive
    }

    /// All of its bytes that are not the other archive's. With the compressed bytes of [`Repacked::copied`] they decide
    /// its content.
    #[must_use]
    pub fn written(&self) -> &[u8] {
        &self.written
    }

    /// The entries of the other archive that it has, in its order.
    pub fn copied(&self) -> impl Iterator<Item = usize> + '_ {
        self.pieces.iter().filter_map(|piece| match piece.bytes {
            PartBytes::Compressed(index) => Some(index),
            PartBytes::Written(_) => None,
        })
    }

    fn write(&mut self, bytes: &[u8]) {
        let from = self.written.len();
        self.written.extend_from_slice(bytes);
        let to = self.written.len();
        match self.pieces.last_mut() {
            Some(RepackedPart { bytes: PartBytes::Written(range), .. }) => range.end = to,
            _ if bytes.is_empty() => {}
            _ => self.pieces.push(RepackedPart { start: self.size, bytes: PartBytes::Written(from..to) }),
        }
        self.size += bytes.len() as u64;
    }

    fn copy(&mut self, index: usize, length: u64) {
        if length > 0 {
            self.pieces.push(RepackedPart { start: self.size, bytes: PartBytes::Compressed(index) });
            self.size += length;
        }
    }

    /// Appends `length` of its bytes to `out`, from `offset` on.
    ///
    /// # Errors
    /// When the other archive cannot be read, is damaged or was changed, and where there are not so many bytes.
    pub fn read(&self, offset: u64, length: u64, out: &mut Vec<u8>) -> Result<(), ZipError> {
        let end = offset.saturating_add(length).min(self.size);
        let mut position = offset;
        let mut number = self.pieces.partition_point(|piece| piece.start <= offset).saturating_sub(1);
        while position < end {
            let Some(piece) = self.pieces.get(number) else { break };
            let piece_end = self.pieces.get(number + 1).map_or(self.size, |next| next.start);
            let (from, to) = (position - piece.start, piece_end.min(end) - piece.start);
            match &piece.bytes {
                PartBytes::Written(range) => {
                    let at = |place: u64| range.start + usize::try_from(place).unwrap_or(usize::MAX);
                    out.extend_from_slice(self.written.get(at(from)..at(to)).unwrap_or_default());
                }
                PartBytes::Compressed(index) => self.archive.append_compressed(*index, from..to, out)?,
            }
            position = piece.start + to;
            number += 1;
        }
        self.archive.check_unchanged()
    }
}

/// The end of an archive with so many entries, whose directory has this size and begins there.
fn end(count: usize, size: u32, start: u32) -> Vec<u8> {
    let mut end = Vec::new();
    let few = u16::try_from(count).ok().filter(|count| usize::from(*count) < ZIP64_COUNT);
    if few.is_none() {
        let count = (count as u64).to_le_bytes();
        end.extend(b"PK\x06\x06");
        end.extend(44_u64.to_le_bytes());
        end.extend([45, 0, 45, 0]);
        end.extend([0; 8]);
        end.extend(count);
        end.extend(count);
        end.extend(u64::from(size).to_le_bytes());
        end.extend(u64::from(start).to_le_bytes());
        end.extend(b"PK\x06\x07");
        end.extend([0; 4]);
        end.extend((u64::from(start) + u64::from(size)).to_le_bytes());
        end.extend([1, 0, 0, 0]);
    }
    let count = few.unwrap_or(u16::MAX).to_le_bytes();
    end.extend(b"PK\x05\x06");
    end.extend([0; 4]);
    end.extend(count);
    end.extend(count);
    end.extend(size.to_le_bytes());
    end.extend(start.to_le_bytes());
    end.extend([0, 0]);
    end
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use proptest::prelude::*;

    use super::super::fixture::{Item, write};
    use super::*;

    fn archive(items: &[Item]) -> Arc<ZipArchive> {
        Arc::new(ZipArchive::from_bytes(Path::new("a.jar"), write(items)).expect("an archive"))
    }

    fn bytes(new: &Repacked) -> Vec<u8> {
        let mut out = Vec::new();
        new.read(0, new.size(), &mut out).expect("read");
        assert_eq!(out.len() as u64, new.size());
        out
    }

    fn of(name: &str, index: usize) -> RepackedEntry {
        RepackedEntry { name: name.as_bytes().to_vec(), content: RepackedContent::Of(index) }
    }

    proptest! {
        /// Our reader finds each entry again, and any part is that part of the whole.
        #[test]
        fn entries_keep_their_contents(
            contents in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..300), 0..12),
            how in proptest::collection::vec(0..3_u8, 12),
            own: Vec<u8>,
            parts in proptest::collection::vec((any::<proptest::sample::Index>(), any::<proptest::sample::Index>()), 8),
        ) {
            let items: Vec<Item> = contents.iter().zip(&how).enumerate().map(|(number, (content, how))| {
                let name = format!("old/ü{number}");
                match how {
                    0 => Item::stored(name, content),
                    1 => Item::deflated(name, content),
                    _ => Item::deflated(name, content).streamed(),
                }
            }).chain([Item::stored("last", b"x")]).collect();
            let from = archive(&items);
            let mut members = vec![RepackedEntry { name: b"own".to_vec(), content: RepackedContent::Bytes(own.clone()) }];
            members.extend((0..contents.len()).rev().map(|index| of(&format!("new/ü{index}"), index)));
            let new = Repacked::new(&from, &members).expect("small");
            let whole = bytes(&new);
            for (one, other) in parts {
                let (one, other) = (one.index(whole.len() + 1), other.index(whole.len() + 1));
                let (start, end) = (one.min(other), one.max(other));
                let mut part = Vec::new();
                new.read(start as u64, (end - start) as u64, &mut part).expect("read");
                prop_assert_eq!(&part[..], &whole[start..end]);
            }
            let again = ZipArchive::from_bytes(Path::new("b.jar"), whole).expect("an archive");
            prop_assert_eq!(again.entries().len(), members.len());
            prop_assert_eq!(again.read(0, 1 << 20).expect("read"), own);
            for (place, index) in (0..contents.len()).rev().enumerate() {
                let name = format!("new/ü{index}");
                prop_assert_eq!(&again.entries()[place + 1].name[..], name.as_bytes());
                prop_assert_eq!(&again.read(place + 1, 1 << 20).expect("read"), &contents[index]);
            }
        }
    }

    #[test]
    fn times_and_places_of_the_other_archive_do_not_count() {
        let one = archive(&[Item::stored("x", b"1"), Item::deflated("y", b"22")]);
        let other =
            archive(&[Item::deflated("b", b"22").streamed().unix(0o100_755), Item::stored("a", b"1")]);
        let of_one = bytes(&Repacked::new(&one, &[of("a", 0), of("b", 1)]).expect("small"));
        let of_other = bytes(&Repacked::new(&other, &[of("a", 1), of("b", 0)]).expect("small"));
        assert_eq!(of_one, of_other);
    }

    #[test]
    fn an_archive_may_have_very_many_entries() {
        let from = archive(&[Item::stored("x", b"content")]);
        for count in [ZIP64_COUNT - 1, ZIP64_COUNT, 70_000] {
            let members: Vec<RepackedEntry> = (0..count).map(|number| of(&number.to_string(), 0)).collect();
            let new = bytes(&Repacked::new(&from, &members).expect("small"));
            let again = ZipArchive::from_bytes(Path::new("b.jar"), new).expect("an archive");
            assert_eq!(again.entries().len(), count);
            assert_eq!(again.read(count - 1, 100).expect("read"), b"content");
        }
    }
}
