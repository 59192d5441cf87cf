//! Extension headers, which describe the entry after them: PAX records, GNU's long names.
//!
//! Only what all readers take alike is read. They differ in what an empty value means, which of two headers
//! wins, and how a number may be written.

use std::collections::BTreeMap;

use super::header::{Dispute, id};

/// Descriptions of the entry after them, from extension headers.
#[derive(Debug, Default)]
pub(super) struct Extensions {
    /// The path and the link target of records.
    path: Option<Vec<u8>>,
    link: Option<Vec<u8>>,
    /// The same of GNU's headers.
    long_name: Option<Vec<u8>>,
    long_link: Option<Vec<u8>>,
    pub(super) size: Option<u64>,
    pub(super) uid: Option<u64>,
    pub(super) gid: Option<u64>,
    /// Records about holes, in their order, without `GNU.sparse.`.
    pub(super) sparse: Vec<(Vec<u8>, Vec<u8>)>,
    /// All other records; the last of a name counts.
    pub(super) others: BTreeMap<Vec<u8>, Vec<u8>>,
    /// The contents of the headers as they are written, each after its type.
    pub(super) raw: Vec<u8>,
    has_records: bool,
}

const SPARSE: &[u8] = b"GNU.sparse.";
const XATTR: &[u8] = b"SCHILY.xattr.";
/// The encodings of names that POSIX knows: UTF-8, and any.
const CHARSETS: [&[u8]; 2] = [b"ISO-IR 10646 2000 UTF-8", b"BINARY"];
/// Records that some readers apply to all entries after a global header and others do not.
const MEANINGFUL: [&[u8]; 9] =
    [b"path", b"linkpath", b"size", b"uid", b"gid", b"uname", b"gname", b"mtime", b"hdrcharset"];
const MEANINGFUL_STARTS: [&[u8]; 5] = [b"GNU.", b"SCHILY.", b"LIBARCHIVE.", b"RHT.", b"charset"];

impl Extensions {
    /// Whether no header said anything.
    pub(super) const fn is_empty(&self) -> bool {
        self.raw.is_empty()
    }

    /// Takes the records of an `x` header.
    pub(super) fn add_records(&mut self, content: &[u8]) -> Result<(), Dispute> {
        if std::mem::replace(&mut self.has_records, true) {
            return Err(Dispute::new("type", "two headers of type `x` stand before one entry"));
        }
        let mut records = Records(content);
        while let Some((key, value)) = records.next()? {
            self.add_record(key, value)?;
        }
        Ok(())
    }

    fn add_record(&mut self, key: &[u8], value: &[u8]) -> Result<(), Dispute> {
        match key {
            b"path" => self.path = Some(text("path", value)?),
            b"linkpath" => self.link = Some(text("linkpath", value)?),
            b"size" => self.size = Some(natural("size", value)?),
            b"uid" => self.uid = Some(id("uid", natural("uid", value)?)?),
            b"gid" => self.gid = Some(id("gid", natural("gid", value)?)?),
            _ if key.starts_with(SPARSE) => {
                self.sparse.push((key[SPARSE.len()..].to_vec(), value.to_vec()));
            }
            _ => {
                match key {
                    b"mtime" => check_time("mtime", value)?,
                    b"atime" => check_time("atime", value)?,
                    b"ctime" => check_time("ctime", value)?,
                    b"hdrcharset" if !CHARSETS.contains(&value) => {
                        return Err(Dispute::new("hdrcharset", "no standard defines it"));
                    }
                    b"uname" | b"gname" if value.contains(&0) => {
                        return Err(Dispute::new("uname", "the record contains a NUL byte"));
                    }
                    _ => {}
                }
                if let Some(name) = key.strip_prefix(XATTR) {
                    check_attribute(name)?;
                }
                self.others.insert(key.to_vec(), value.to_vec());
            }
        }
        Ok(())
    }

    /// Takes the content of an `L` header, which ends with a NUL or where `padding` begins with one.
    pub(super) fn add_long_name(&mut self, content: &[u8], padding: &[u8]) -> Result<(), Dispute> {
        let name = long("name", content, padding)?;
        match self.long_name.replace(name) {
            None => Ok(()),
            Some(_) => Err(Dispute::new("name", "two headers of type `L` stand before one entry")),
        }
    }

    /// The same of a `K` header.
    pub(super) fn add_long_link(&mut self, content: &[u8], padding: &[u8]) -> Result<(), Dispute> {
        let link = long("linkname", content, padding)?;
        match self.long_link.replace(link) {
            None => Ok(()),
            Some(_) => Err(Dispute::new("linkname", "two headers of type `K` stand before one entry")),
        }
    }

    /// The path in place of the header's. Which of two counts depends on the reader.
    pub(super) fn take_path(&mut self) -> Result<Option<Vec<u8>>, Dispute> {
        let is_rival = self.path.is_some() || self.sparse.iter().any(|(key, _)| key == b"name");
        one_of("path", self.path.take(), self.long_name.take(), is_rival)
    }

    /// The link target in place of the header's.
    pub(super) fn take_link(&mut self) -> Result<Option<Vec<u8>>, Dispute> {
        let is_rival = self.link.is_some();
        one_of("linkpath", self.link.take(), self.long_link.take(), is_rival)
    }
}

fn one_of(
    field: &'static str,
    record: Option<Vec<u8>>,
    long: Option<Vec<u8>>,
    is_rival: bool,
) -> Result<Option<Vec<u8>>, Dispute> {
    match long {
        Some(_) if is_rival => Err(Dispute::new(field, "a record and a header of GNU's both give it")),
        long => Ok(long.or(record)),
    }
}

/// Checks a `g` header: Go's readers pass over it, others apply it to all entries that follow.
pub(super) fn check_global(content: &[u8]) -> Result<(), Dispute> {
    let mut records = Records(content);
    while let Some((key, _)) = records.next()? {
        let starts = |start: &&[u8]| key.starts_with(start);
        if MEANINGFUL.contains(&key) || MEANINGFUL_STARTS.iter().any(starts) {
            let why = format!("a global header sets `{}` for all entries", String::from_utf8_lossy(key));
            return Err(Dispute::new("type", why));
        }
    }
    Ok(())
}

/// A key and its value.
type PaxRecord<'a> = (&'a [u8], &'a [u8]);

/// `length key=value\n` records.
struct Records<'a>(&'a [u8]);

impl<'a> Records<'a> {
    fn next(&mut self) -> Result<Option<PaxRecord<'a>>, Dispute> {
        if self.0.is_empty() {
            return Ok(None);
        }
        let malformed = || Dispute::new("records", "its extension records are malformed");
        let digits = self.0.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let length = std::str::from_utf8(&self.0[..digits]).ok().and_then(|text| text.parse().ok());
        let length: usize = length.ok_or_else(malformed)?;
        let (record, rest) = self.0.split_at_checked(length).ok_or_else(malformed)?;
        let record = record.get(digits..).and_then(|it| it.strip_prefix(b" ")?.strip_suffix(b"\n"));
        let record = record.ok_or_else(malformed)?;
        let equals = record.iter().position(|byte| *byte == b'=').ok_or_else(malformed)?;
        let (key, value) = (&record[..equals], &record[equals + 1..]);
        // Blanks are passed over by GNU.
        if key.is_empty() || key.contains(&0) || key.starts_with(b" ") || key.starts_with(b"\t") {
            return Err(malformed());
        }
        self.0 = rest;
        Ok(Some((key, value)))
    }
}

pub(super) fn text(field: &'static str, value: &[u8]) -> Result<Vec<u8>, Dispute> {
    if value.is_empty() {
        return Err(Dispute::new(field, "the record is empty"));
    }
    if value.contains(&0) {
        return Err(Dispute::new(field, "the record contains a NUL byte"));
    }
    Ok(value.to_vec())
}

/// A long name: its content ends with a NUL, or where the padding begins with one.
fn long(field: &'static str, content: &[u8], padding: &[u8]) -> Result<Vec<u8>, Dispute> {
    let end = content.iter().position(|byte| *byte == 0);
    if end.is_none() && padding.first().is_some_and(|byte| *byte != 0) {
        return Err(Dispute::new(field, "a long name does not end where it should"));
    }
    let name = &content[..end.unwrap_or(content.len())];
    if name.is_empty() {
        return Err(Dispute::new(field, "a long name is empty"));
    }
    Ok(name.to_vec())
}

/// A number in decimal digits, no larger than a file.
pub(super) fn natural(field: &'static str, value: &[u8]) -> Result<u64, Dispute> {
    let digits = !value.is_empty() && value.iter().all(u8::is_ascii_digit);
    let number = digits.then(|| std::str::from_utf8(value).ok()?.parse::<i64>().ok()).flatten();
    let number = number.and_then(|number| u64::try_from(number).ok());
    number.ok_or_else(|| Dispute::new(field, "the record is not a number"))
}

/// Seconds since the epoch, with a sign and a fraction where there is one.
fn check_time(field: &'static str, value: &[u8]) -> Result<(), Dispute> {
    let value = value.strip_prefix(b"-").unwrap_or(value);
    let (seconds, fraction) = match value.iter().position(|byte| *byte == b'.') {
        Some(point) => (&value[..point], &value[point + 1..]),
        None => (value, &b""[..]),
    };
    natural(field, seconds).map_err(|_| Dispute::new(field, "the record is not a time"))?;
    if !fraction.iter().all(u8::is_ascii_digit) {
        return Err(Dispute::new(field, "the record is not a time"));
    }
    Ok(())
}

/// GNU tar writes `%3D` for `=` in the name of an attribute, and no other tool reads it so.
fn check_attribute(name: &[u8]) -> Result<(), Dispute> {
    let escaped = |code: &[u8]| name.windows(code.len()).any(|part| part == code);
    if name.is_empty() || escaped(b"%3D") || escaped(b"%25") {
        let why = "the name of an extended attribute is empty or escaped";
        return Err(Dispute::new("xattr", why));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn record(key: &str, value: &str) -> String {
        let rest = key.len() + value.len() + 3;
        let length = (rest..).find(|length| *length == rest + length.to_string().len()).expect("a length");
        format!("{length} {key}={value}\n")
    }

    fn read(records: &str) -> Result<Extensions, Dispute> {
        let mut extensions = Extensions::default();
        extensions.add_records(records.as_bytes()).map(|()| extensions)
    }

    #[test]
    fn records_are_read_as_all_readers_read_them() {
        let fine =
            [("path", "ä"), ("size", "007"), ("mtime", "-1.5"), ("SCHILY.xattr.user.x", ""), ("uname", "")];
        let text: String = fine.iter().map(|(key, value)| record(key, value)).collect();
        let mut read_back = read(&text).expect("readable");
        assert_eq!(read_back.size, Some(7));
        assert_eq!(read_back.take_path().expect("one"), Some("ä".as_bytes().to_vec()));
        assert_eq!(read_back.others.len(), 3);
        for (key, value, field) in [
            ("path", "", "path"),
            ("path", "a\0b", "path"),
            ("linkpath", "", "linkpath"),
            ("size", "", "size"),
            ("size", "-1", "size"),
            ("size", "+1", "size"),
            ("size", " 1", "size"),
            ("size", "1_0", "size"),
            ("size", "9223372036854775808", "size"),
            ("uid", "4294967296", "uid"),
            ("gid", "x", "gid"),
            ("mtime", "1e3", "mtime"),
            ("mtime", ".5", "mtime"),
            ("mtime", "", "mtime"),
            ("atime", "1.5.5", "atime"),
            ("gname", "a\0b", "uname"),
            ("SCHILY.xattr.", "x", "xattr"),
            ("hdrcharset", "latin1", "hdrcharset"),
            ("SCHILY.xattr.user.a%3Db", "x", "xattr"),
            (" path", "x", "records"),
            ("", "x", "records"),
            ("a\0", "x", "records"),
        ] {
            assert_eq!(read(&record(key, value)).expect_err(key).field, field, "{key}={value}");
        }
        for broken in
            ["5 a=\n", "6 ab\n", "06 a=b\n", "7 a=b\n\0", "99 a=b\n", "6 a=bx", "+6 a=b\n", "\0\0\0"]
        {
            // A leading zero alone counts as a digit.
            assert_eq!(read(broken).is_err(), broken != "5 a=\n", "{broken:?}");
        }
    }

    #[test]
    fn headers_that_contradict_each_other_are_refused() {
        assert!(read("6 a=b\n").and_then(|mut it| it.add_records(b"6 a=b\n").map(|()| it)).is_err());
        let mut both = read(&record("path", "a")).expect("readable");
        both.add_long_name(b"b\0", b"").expect("readable");
        assert_eq!(both.take_path().expect_err("two").field, "path");
        both.add_long_link(b"b", b"\0").expect("readable");
        assert_eq!(both.take_link().expect("one"), Some(b"b".to_vec()));
        assert!(both.add_long_name(b"c", b"x").is_err(), "it runs into the padding");
        assert!(both.add_long_name(b"\0c", b"").is_err(), "it is empty");
        assert!(check_global(record("comment", "0123").as_bytes()).is_ok());
        for key in ["path", "mtime", "SCHILY.xattr.user.x", "GNU.sparse.major"] {
            assert!(check_global(record(key, "1").as_bytes()).is_err(), "{key}");
        }
    }

    proptest! {
        #[test]
        fn foreign_records_never_panic(bytes: Vec<u8>, text in "[0-9]{1,3} ?[a-z]{0,4}=?[a-z]{0,4}\n?") {
            let _ = Extensions::default().add_records(&bytes);
            let _ = Extensions::default().add_records(text.as_bytes());
        }
    }
}
