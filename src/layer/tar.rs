//! The canonical tar of layer format 1: one spelling for every entry.
//!
//! POSIX ustar headers, with a PAX record only where ustar cannot say it (POSIX.1-2017, `pax`,
//! "ustar Interchange Format" and "pax Extended Header"). No GNU extensions, no global headers, no access
//! or change times. The bytes depend on the entry alone.

use std::borrow::Cow;
use std::cmp::Ordering;

use super::entry::{Entry, EntryKind, EntryPath};

/// tar works in blocks of 512 bytes.
pub(crate) const BLOCK: usize = 512;
/// Two zero blocks end an archive; there is no padding to a record of 10 KiB.
pub(crate) const END: [u8; 2 * BLOCK] = [0; 2 * BLOCK];

/// The largest size and time that eleven octal digits hold.
const MAX_OCTAL_11: u64 = 0o77_777_777_777;
/// The largest id that seven octal digits hold.
const MAX_OCTAL_7: u64 = 0o7_777_777;

const NAME: usize = 100;
const PREFIX: usize = 155;

/// Why an entry cannot be written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TarError {
    /// A PAX value must be UTF-8, and ustar has no room.
    #[error("`{0}` is not UTF-8 and too long for a tar header")]
    NotUtf8(String),
    /// Twelve octal digits are one too many, and PAX times are not needed before the year 2242.
    #[error("{0}: the modification time {1} is too large")]
    Time(EntryPath, u64),
}

/// Zero bytes after a payload of `size` bytes.
pub(crate) const fn padding(size: u64) -> usize {
    let rest = size as usize % BLOCK;
    if rest == 0 { 0 } else { BLOCK - rest }
}

/// Appends everything that comes before the payload of `entry`.
pub(crate) fn write_header(entry: &Entry, out: &mut Vec<u8>) -> Result<(), TarError> {
    let Spelling { name, split, link, records } = spell(entry)?;
    if !records.is_empty() {
        write_records(&records, &entry.path, out);
    }
    let metadata = &entry.metadata;
    let mut header = UstarHeader::new();
    match split {
        Some(slash) => {
            header.text(345, &name[..slash]);
            header.text(0, name[slash..].strip_prefix(b"/").unwrap_or(&name));
        }
        None => header.text(0, &name[..NAME]),
    }
    header.octal(100, 8, u64::from(metadata.mode & 0o7777));
    header.octal(108, 8, or_zero(metadata.uid, MAX_OCTAL_7));
    header.octal(116, 8, or_zero(metadata.gid, MAX_OCTAL_7));
    header.octal(124, 12, or_zero(entry.payload_size(), MAX_OCTAL_11));
    header.octal(136, 12, metadata.mtime);
    header.0[156] = type_flag(&entry.kind);
    header.text(157, &link[..link.len().min(NAME)]);
    if let EntryKind::CharacterDevice(major, minor) | EntryKind::BlockDevice(major, minor) = entry.kind {
        header.octal(329, 8, u64::from(major));
        header.octal(337, 8, u64::from(minor));
    }
    header.write(out);
    Ok(())
}

/// How many bytes [`write_header`] appends.
pub(crate) fn header_length(entry: &Entry) -> Result<u64, TarError> {
    Ok(length_with(&spell(entry)?.records))
}

/// The same of an entry with these PAX records.
pub(crate) fn length_with(records: &[PaxField]) -> u64 {
    if records.is_empty() {
        return BLOCK as u64;
    }
    let body: usize = records.iter().map(|(key, value)| record_length(key, value)).sum();
    (2 * BLOCK + body + padding(body as u64)) as u64
}

/// The PAX records of `entry`, in key order.
pub(crate) fn records(entry: &Entry) -> Result<Vec<PaxField>, TarError> {
    Ok(spell(entry)?.records)
}

/// The name as it stands in the archive and as entries are sorted by: directories end in `/`.
pub(crate) fn full_name(entry: &Entry) -> Vec<u8> {
    name_of(entry).into_owned()
}

/// Compares the full names of entries, without spelling them.
pub(crate) fn by_full_name(one: &Entry, other: &Entry) -> Ordering {
    by_parts(one.path.as_bytes(), slash(one), other.path.as_bytes(), slash(other))
}

/// Compares the full name of an entry with that which `path` has as a directory, or as anything else.
pub(crate) fn by_path(entry: &Entry, path: &EntryPath, is_directory: bool) -> Ordering {
    by_parts(entry.path.as_bytes(), slash(entry), path.as_bytes(), is_directory.then_some(b'/'))
}

fn slash(entry: &Entry) -> Option<u8> {
    entry.is_directory().then_some(b'/')
}

fn by_parts(one: &[u8], end: Option<u8>, other: &[u8], other_end: Option<u8>) -> Ordering {
    let common = one.len().min(other.len());
    one[..common].cmp(&other[..common]).then_with(|| {
        let rest = one[common..].iter().copied().chain(end);
        rest.cmp(other[common..].iter().copied().chain(other_end))
    })
}

fn name_of(entry: &Entry) -> Cow<'_, [u8]> {
    let path = entry.path.as_bytes();
    if entry.is_directory() { [path, b"/"].concat().into() } else { path.into() }
}

/// The target of a link.
pub(crate) fn link_name(entry: &Entry) -> &[u8] {
    match &entry.kind {
        EntryKind::Symlink(target) => target,
        EntryKind::Hardlink(path) => path.as_bytes(),
        _ => b"",
    }
}

/// How an entry is told: what ustar has fields for, and records for the rest.
struct Spelling<'a> {
    name: Cow<'a, [u8]>,
    /// Where the name is split into ustar's prefix and name, if it can be.
    split: Option<usize>,
    link: &'a [u8],
    /// In key order.
    records: Vec<PaxField>,
}

/// The key and value of a PAX record.
pub(crate) type PaxField = (Vec<u8>, Vec<u8>);

fn spell(entry: &Entry) -> Result<Spelling<'_>, TarError> {
    let metadata = &entry.metadata;
    if metadata.mtime > MAX_OCTAL_11 {
        return Err(TarError::Time(entry.path.clone(), metadata.mtime));
    }
    let name = name_of(entry);
    let link = link_name(entry);
    let split = split_at(&name);

    let mut records = Vec::new();
    for (key, value, fits) in [("path", &name[..], split.is_some()), ("linkpath", link, link.len() <= NAME)] {
        if !value.is_ascii() || !fits {
            add_text(&mut records, key, value, fits)?;
        }
    }
    for (key, value, limit) in [
        ("size", entry.payload_size(), MAX_OCTAL_11),
        ("uid", metadata.uid, MAX_OCTAL_7),
        ("gid", metadata.gid, MAX_OCTAL_7),
    ] {
        if value > limit {
            records.push((key.into(), value.to_string().into()));
        }
    }
    for (key, value) in &metadata.xattrs {
        records.push((format!("SCHILY.xattr.{key}").into(), value.clone()));
    }
    records.sort();
    Ok(Spelling { name, split, link, records })
}

/// PAX text is UTF-8; other bytes stay in the ustar field alone, where they fit.
fn add_text(records: &mut Vec<PaxField>, key: &str, value: &[u8], fits: bool) -> Result<(), TarError> {
    if std::str::from_utf8(value).is_ok() {
        records.push((key.into(), value.into()));
    } else if !fits {
        return Err(TarError::NotUtf8(String::from_utf8_lossy(value).into_owned()));
    }
    Ok(())
}

const fn type_flag(kind: &EntryKind) -> u8 {
    match kind {
        EntryKind::File(_) => b'0',
        EntryKind::Hardlink(_) => b'1',
        EntryKind::Symlink(_) => b'2',
        EntryKind::CharacterDevice(..) => b'3',
        EntryKind::BlockDevice(..) => b'4',
        EntryKind::Directory => b'5',
        EntryKind::Fifo => b'6',
    }
}

/// A field that PAX overrides holds zero.
const fn or_zero(value: u64, limit: u64) -> u64 {
    if value > limit { 0 } else { value }
}

/// Where a name is split into ustar's prefix and name: at the last slash that fits, or at 0 where it need not be.
fn split_at(name: &[u8]) -> Option<usize> {
    if name.len() <= NAME {
        return Some(0);
    }
    let last = name.len().checked_sub(2)?;
    let slash = (0..=last.min(PREFIX)).rev().find(|at| name[*at] == b'/' && *at > 0)?;
    (name.len() - slash - 1 <= NAME).then_some(slash)
}

struct UstarHeader([u8; BLOCK]);

impl UstarHeader {
    fn new() -> Self {
        let mut block = [0; BLOCK];
        block[257..265].copy_from_slice(b"ustar\x0000");
        Self(block)
    }

    fn text(&mut self, at: usize, text: &[u8]) {
        self.0[at..at + text.len()].copy_from_slice(text);
    }

    /// Zero-padded octal that ends in NUL.
    fn octal(&mut self, at: usize, width: usize, mut value: u64) {
        for digit in self.0[at..at + width - 1].iter_mut().rev() {
            *digit = b'0' + (value & 7) as u8;
            value >>= 3;
        }
    }

    fn write(mut self, out: &mut Vec<u8>) {
        self.0[148..156].fill(b' ');
        let sum: u64 = self.0.iter().map(|byte| u64::from(*byte)).sum();
        self.octal(148, 7, sum);
        self.0[154] = 0;
        out.extend_from_slice(&self.0);
    }
}

/// Appends an `x` header and its records.
fn write_records(records: &[PaxField], path: &EntryPath, out: &mut Vec<u8>) {
    let mut body = Vec::new();
    for (key, value) in records {
        write_record(key, value, &mut body);
    }
    let mut name = b"PaxHeaders.0/".to_vec();
    name.extend_from_slice(path.file_name());
    name.truncate(NAME);
    let mut header = UstarHeader::new();
    header.text(0, &name);
    header.octal(100, 8, 0o644);
    header.octal(108, 8, 0);
    header.octal(116, 8, 0);
    header.octal(124, 12, body.len() as u64);
    header.octal(136, 12, 0);
    header.0[156] = b'x';
    header.write(out);
    out.extend_from_slice(&body);
    out.resize(out.len() + padding(body.len() as u64), 0);
}

/// `LENGTH KEY=VALUE\n`, where LENGTH counts itself.
fn write_record(key: &[u8], value: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(record_length(key, value).to_string().as_bytes());
    out.push(b' ');
    out.extend_from_slice(key);
    out.push(b'=');
    out.extend_from_slice(value);
    out.push(b'\n');
}

fn record_length(key: &[u8], value: &[u8]) -> usize {
    let rest = key.len() + value.len() + 3;
    let mut length = rest + 1;
    while length != rest + digits(length) {
        length = rest + digits(length);
    }
    length
}

const fn digits(number: usize) -> usize {
    number.ilog10() as usize + 1
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use proptest::prelude::*;

    use super::*;
    use crate::layer::Metadata;

    fn entry(path: &[u8], kind: EntryKind) -> Entry {
        Entry { path: EntryPath::new(path).expect("path"), metadata: Metadata::file(false), kind }
    }

    fn archive(entries: &[Entry]) -> Vec<u8> {
        let mut out = Vec::new();
        for entry in entries {
            write_header(entry, &mut out).expect("header");
        }
        out.extend_from_slice(&END);
        out
    }

    fn read_back(bytes: &[u8]) -> (Vec<u8>, Option<Vec<u8>>, tar::Header) {
        let mut archive = tar::Archive::new(bytes);
        let mut entries = archive.entries().expect("entries");
        let mut entry = entries.next().expect("one entry").expect("valid");
        let path = entry.path_bytes().into_owned();
        let link = entry.link_name_bytes().map(std::borrow::Cow::into_owned);
        let mut payload = Vec::new();
        entry.read_to_end(&mut payload).expect("payload");
        let header = entry.header().clone();
        assert!(entries.next().is_none(), "one entry only");
        (path, link, header)
    }

    #[test]
    fn a_plain_header_is_exactly_this() {
        let bytes = archive(&[entry(b"etc/hosts", EntryKind::Symlink(b"../x".to_vec()))]);
        assert_eq!(bytes.len(), 3 * BLOCK);
        let mut expected = [0u8; BLOCK];
        for (at, text) in [
            (0, &b"etc/hosts"[..]),
            (100, b"0000644\x000000000\x000000000\x0000000000000\x0000000000001\x00"),
            (148, b"011016\x00 2../x"),
            (257, b"ustar\x0000"),
        ] {
            expected[at..at + text.len()].copy_from_slice(text);
        }
        let sum: u32 = bytes[..148].iter().chain(&bytes[156..BLOCK]).map(|byte| u32::from(*byte)).sum();
        let sum = format!("{:06o}\0 ", sum + 8 * 32);
        expected[148..156].copy_from_slice(sum.as_bytes());
        assert_eq!(bytes[..BLOCK], expected);
    }

    #[test]
    fn a_long_name_is_split_before_pax_is_used() {
        let directory = b"d".repeat(99);
        for (name, pax) in [
            ([&directory[..], b"/", &b"f".repeat(100)].concat(), false),
            ([&directory[..], b"/", &b"f".repeat(101)].concat(), true),
            ([&b"d/".repeat(77)[..], b"/", &b"f".repeat(100)].concat(), false),
            ([&b"d/".repeat(100)[..], b"/", &b"f".repeat(100)].concat(), true),
        ] {
            let entry = entry(&name, EntryKind::Fifo);
            let bytes = archive(std::slice::from_ref(&entry));
            assert_eq!(bytes[156] == b'x', pax, "{}", entry.path);
            assert_eq!(read_back(&bytes).0, entry.path.as_bytes());
        }
    }

    #[test]
    fn bytes_that_are_not_utf8_stay_raw_or_fail() {
        let short = archive(&[entry(b"caf\xe9", EntryKind::Fifo)]);
        assert_eq!(read_back(&short).0, b"caf\xe9");
        assert_eq!(short[156], b'6');
        let mut out = Vec::new();
        let long = entry(&[&[0xe9; 101][..], b"x"].concat(), EntryKind::Fifo);
        assert!(matches!(write_header(&long, &mut out), Err(TarError::NotUtf8(_))));
    }

    #[test]
    fn what_ustar_cannot_say_goes_into_pax_in_key_order() {
        let mut entry = entry("ü".as_bytes(), EntryKind::Symlink(b"x".repeat(101)));
        entry.metadata.uid = MAX_OCTAL_7 + 1;
        entry.metadata.xattrs.insert("user.b".into(), b"2".to_vec());
        entry.metadata.xattrs.insert("user.a".into(), b"1".to_vec());
        let bytes = archive(&[entry]);
        let text = String::from_utf8_lossy(&bytes[BLOCK..2 * BLOCK]).into_owned();
        let at = |key: &str| text.find(key).unwrap_or_else(|| panic!("{key} in {text}"));
        let keys =
            [" SCHILY.xattr.user.a=1", " SCHILY.xattr.user.b=2", " linkpath=x", " path=ü", " uid=2097152"];
        assert!(keys.windows(2).all(|pair| at(pair[0]) < at(pair[1])));
        let mut archive = tar::Archive::new(&bytes[..]);
        let mut entries = archive.entries().expect("entries");
        let mut read = entries.next().expect("entry").expect("valid");
        let extensions = read.pax_extensions().expect("readable").expect("present");
        assert_eq!(extensions.count(), 5);
    }

    #[test]
    fn record_lengths_count_themselves() {
        for length in 0..2000 {
            let mut out = Vec::new();
            write_record(b"path", &vec![b'x'; length], &mut out);
            let space = out.iter().position(|byte| *byte == b' ').expect("space");
            let said: usize = String::from_utf8_lossy(&out[..space]).parse().expect("number");
            assert_eq!(said, out.len());
        }
    }

    proptest! {
        #[test]
        fn the_oracle_reads_what_we_wrote(
            parts in prop::collection::vec("[a-zA-Zäß☃.]{1,60}", 1..12),
            link in "[a-zß/]{1,150}",
            mode in 0u32..0o7777,
            ids in prop::collection::vec(0u64..1 << 21, 2),
            mtime in 0u64..1 << 33,
        ) {
            let path = parts.join("/");
            prop_assume!(parts.iter().all(|part| part != "." && part != ".."));
            let mut entry = entry(path.as_bytes(), EntryKind::Symlink(link.clone().into_bytes()));
            entry.metadata = Metadata { mode, uid: ids[0], gid: ids[1], mtime, ..Metadata::symlink() };
            let mut written = Vec::new();
            write_header(&entry, &mut written).expect("header");
            prop_assert_eq!(header_length(&entry).expect("header"), written.len() as u64);
            let (found, target, header) = read_back(&archive(&[entry]));
            prop_assert_eq!(found, path.into_bytes());
            prop_assert_eq!(target, Some(link.into_bytes()));
            prop_assert_eq!(header.mode().expect("mode"), mode);
            prop_assert_eq!(header.uid().expect("uid"), ids[0]);
            prop_assert_eq!(header.gid().expect("gid"), ids[1]);
            prop_assert_eq!(header.mtime().expect("mtime"), mtime);
        }
    }
}
