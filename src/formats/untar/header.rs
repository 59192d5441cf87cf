//! The fields of a header block, as far as all readers take them alike.
//!
//! Go's reader, which all container tools use, GNU tar and Python's differ in what they make of numbers that
//! are not plain octal, of the prefix of a name, and of headers without a known magic. Here only that is read
//! in which they agree.

use tar::EntryType;

/// The unit of a tar.
pub(crate) const BLOCK: u64 = 512;

/// Bytes of a header.
pub(super) type Block = [u8; BLOCK as usize];

/// Why tools read a field differently, or not at all.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Dispute {
    pub(super) field: &'static str,
    pub(super) why: String,
}

impl Dispute {
    pub(super) fn new(field: &'static str, why: impl Into<String>) -> Self {
        Self { field, why: why.into() }
    }
}

/// Whose kind of header it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Dialect {
    /// Before all standards: no prefix, no names of owners, no devices.
    Old,
    /// POSIX, of whatever version.
    Ustar,
    /// GNU's own.
    Gnu,
}

const SIZE: (usize, usize) = (124, 12);
const CHECKSUM: (usize, usize) = (148, 8);
const DEVICES: [(&str, usize, usize); 2] = [("devmajor", 329, 8), ("devminor", 337, 8)];
const PREFIX: std::ops::Range<usize> = 345..500;
/// Where `star` writes times behind a shorter prefix.
const STAR_PREFIX: usize = 131;
const STAR_TIMES: [(&str, usize, usize); 2] = [("atime", 476, 12), ("ctime", 488, 12)];

/// A header whose checksum is right and whose numbers are numbers.
#[derive(Debug)]
pub(super) struct TarHeader<'a> {
    block: &'a Block,
    dialect: Dialect,
    pub(super) mode: u32,
    pub(super) uid: u64,
    pub(super) gid: u64,
    pub(super) size: u64,
    pub(super) mtime: i64,
    pub(super) device: (u64, u64),
}

impl<'a> TarHeader<'a> {
    /// Reads the numbers of a block whose checksum was found to be right.
    pub(super) fn parse(block: &'a Block) -> Result<Self, Dispute> {
        let dialect = match &block[257..265] {
            [b'u', b's', b't', b'a', b'r', 0, ..] => Dialect::Ustar,
            b"ustar  \0" => Dialect::Gnu,
            _ => Dialect::Old,
        };
        let natural = |name, (start, length): (usize, usize)| {
            let number = number(&block[start..start + length]).map_err(|why| Dispute::new(name, why))?;
            u64::try_from(number).map_err(|_| Dispute::new(name, "it is negative"))
        };
        let [major, minor] = DEVICES.map(|(name, start, length)| {
            // A blank is nothing, also for those who want a number elsewhere.
            let blank = block[start..start + length].iter().all(|byte| *byte == b' ');
            if blank { Ok(0) } else { natural(name, (start, length)) }
        });
        let header = Self {
            block,
            dialect,
            mode: (natural("mode", (100, 8))? & 0o7777) as u32,
            uid: id("uid", natural("uid", (108, 8))?)?,
            gid: id("gid", natural("gid", (116, 8))?)?,
            size: natural("size", SIZE)?,
            mtime: number(&block[136..148]).map_err(|why| Dispute::new("mtime", why))?,
            device: (major?, minor?),
        };
        header.check_prefix()?;
        Ok(header)
    }

    pub(super) fn kind(&self) -> u8 {
        self.block[156]
    }

    /// Refuses bytes that Python takes for a prefix in every header, GNU for times and holes, and older readers for
    /// nothing.
    fn check_prefix(&self) -> Result<(), Dispute> {
        let has_prefix = self.block[PREFIX.start] != 0;
        match self.dialect {
            Dialect::Ustar if self.block[508..] == *b"tar\0" => {
                if !self.block[PREFIX.start..PREFIX.start + STAR_PREFIX].contains(&0) {
                    return Err(Dispute::new("prefix", "it runs into the times of a `star` header"));
                }
                for (name, start, length) in STAR_TIMES {
                    number(&self.block[start..start + length]).map_err(|why| Dispute::new(name, why))?;
                }
                Ok(())
            }
            Dialect::Ustar => Ok(()),
            Dialect::Gnu | Dialect::Old if has_prefix && !matches!(self.kind(), b'L' | b'K' | b'S') => {
                Err(Dispute::new(
                    "prefix",
                    "some tools take it for a part of the name, in a header that has none",
                ))
            }
            Dialect::Gnu | Dialect::Old => Ok(()),
        }
    }

    /// Refuses device numbers that readers take for something else.
    pub(super) fn check_device(&self) -> Result<(), Dispute> {
        if self.dialect == Dialect::Old && self.device != (0, 0) {
            return Err(Dispute::new("devmajor", "the header is of a format without devices"));
        }
        Ok(())
    }

    /// Whether it can have GNU's map of holes.
    pub(super) fn is_gnu(&self) -> bool {
        self.dialect == Dialect::Gnu
    }

    /// The name, after its prefix.
    pub(super) fn name(&self) -> Vec<u8> {
        let name = text(&self.block[..100]);
        let prefix = if self.dialect == Dialect::Ustar { text(&self.block[PREFIX]) } else { b"" };
        if prefix.is_empty() { name.to_vec() } else { [prefix, b"/", name].concat() }
    }

    /// Whether the name that stands in the header itself ends in a slash.
    pub(super) fn ends_in_slash(&self) -> bool {
        text(&self.block[..100]).ends_with(b"/")
    }

    pub(super) fn link(&self) -> Vec<u8> {
        text(&self.block[157..257]).to_vec()
    }

    /// The names of owner and group, where the format has them.
    pub(super) fn owner_names(&self) -> [&'a [u8]; 2] {
        match self.dialect {
            Dialect::Old => [b"", b""],
            Dialect::Ustar | Dialect::Gnu => [text(&self.block[265..297]), text(&self.block[297..329])],
        }
    }
}

/// The type of an entry, where all readers take it for one that can be unpacked. A file by an old type may be a
/// directory.
pub(super) fn entry_type(kind: u8) -> Result<EntryType, Dispute> {
    Ok(match kind {
        0 | b'0' => EntryType::Regular,
        b'1' => EntryType::Link,
        b'2' => EntryType::Symlink,
        b'3' => EntryType::Char,
        b'4' => EntryType::Block,
        b'5' => EntryType::Directory,
        b'6' => EntryType::Fifo,
        b'S' => EntryType::GNUSparse,
        other => {
            let why = format!(
                "container tools do not unpack an entry of type `{}`",
                char::from(other).escape_default()
            );
            return Err(Dispute::new("type", why));
        }
    })
}

/// Owners are 32 bits wide.
pub(super) fn id(field: &'static str, number: u64) -> Result<u64, Dispute> {
    if number > u64::from(u32::MAX) {
        return Err(Dispute::new(field, "it is larger than any owner's number"));
    }
    Ok(number)
}

fn text(field: &[u8]) -> &[u8] {
    let end = field.iter().position(|byte| *byte == 0).unwrap_or(field.len());
    &field[..end]
}

/// A number in octal digits, or in binary as GNU writes what has too many digits.
pub(super) fn number(field: &[u8]) -> Result<i64, &'static str> {
    match field {
        [0x80, rest @ ..] => binary(rest, 0),
        [0xff, rest @ ..] => binary(rest, 0xff),
        _ => octal(field),
    }
}

/// Two's complement, the sign extended by `fill`.
fn binary(rest: &[u8], fill: u8) -> Result<i64, &'static str> {
    let (high, low) = rest.split_at(rest.len().saturating_sub(8));
    if high.iter().any(|byte| *byte != fill) {
        return Err("it is larger than any number");
    }
    let mut bytes = [fill; 8];
    bytes[8 - low.len()..].copy_from_slice(low);
    let number = i64::from_be_bytes(bytes);
    if (number < 0) == (fill != 0) { Ok(number) } else { Err("it is larger than any number") }
}

/// Blanks, digits, then nothing but blanks and NULs; or NULs alone, which are 0.
pub(super) fn octal(field: &[u8]) -> Result<i64, &'static str> {
    if field.iter().all(|byte| *byte == 0) {
        return Ok(0);
    }
    let start = field.iter().position(|byte| *byte != b' ').ok_or("it is blank")?;
    let digits = &field[start..];
    let end = digits.iter().position(|byte| !matches!(byte, b'0'..=b'7')).unwrap_or(digits.len());
    if end == 0 || digits[end..].iter().any(|byte| !matches!(byte, b' ' | 0)) {
        return Err("it is not an octal number");
    }
    // At most 12 digits.
    Ok(digits[..end].iter().fold(0, |sum, digit| sum * 8 + i64::from(digit - b'0')))
}

/// The checksum takes its own field for blanks. Some old writers summed signed bytes.
pub(super) fn check_sum(block: &Block) -> Result<(), &'static str> {
    let (start, length) = CHECKSUM;
    let stated = octal(&block[start..start + length]).map_err(|_| "the checksum is not an octal number")?;
    let bytes = || block[..start].iter().chain(&[b' '; 8]).chain(&block[start + length..]);
    let unsigned: i64 = bytes().map(|byte| i64::from(*byte)).sum();
    let signed: i64 = bytes().map(|byte| i64::from(byte.cast_signed())).sum();
    if stated == unsigned || stated == signed { Ok(()) } else { Err("the checksum is wrong") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_what_all_readers_take_them_for() {
        for (field, value) in [
            (&b"0000644\0"[..], 0o644),
            (b"  644 \0 ", 0o644),
            (b"77777777", 0o77_777_777),
            (b"777777777777", 0o777_777_777_777),
            (b"\0\0\0\0\0\0\0\0", 0),
            (b"7\0\0\0\0\0\0\0", 7),
            (b"\x80\0\0\0\0\0\0\0\0\0\x01\0", 256),
            (b"\x80\0\0\x01\0\0\0\0", 1 << 32),
            (b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xfe", -2),
            (b"\x80\0\0\0\x7f\xff\xff\xff\xff\xff\xff\xff", i64::MAX),
        ] {
            assert_eq!(number(field), Ok(value), "{field:?}");
        }
        for field in [
            &b"        "[..],
            b"\0     \0 ",
            b"\x00000644",
            b"0000648\0",
            b"644\0junk",
            b"644 junk",
            b"-0000001",
            b"+0000001",
            b"0o644\0\0\0",
            b"6_4\0\0\0\0\0",
            b"\t644\0\0\0\0",
            b" \x80\0\0\0\0\0\x01",
            b"\x81\0\0\0\0\0\0\x01",
            b"\xbf\0\0\0\0\0\0\x01",
            b"\x80\0\0\x01\0\0\0\0\0\0\0\0",
            b"\x80\0\0\0\x80\0\0\0\0\0\0\0",
            b"\xff\xff\xff\xff\x7f\xff\xff\xff\xff\xff\xff\xff",
        ] {
            assert!(number(field).is_err(), "{field:?}");
        }
    }
}
