//! Content digests: the names of everything.
//!
//! A [`Digest`] is a SHA-256 content identifier in the sense of the OCI image specification
//! (`descriptor.md`, "Digests"). The type cannot hold anything else, so a digest can be used as a file
//! name or in a URL without another check (CVE-2024-3727 came from a digest that was only a string).
//!
//! [`Sha256`] computes them. [`ContentId`] and [`Key`] are BLAKE3 hashes used only as local cache keys;
//! they never appear in an image.

mod sha256;

use std::fmt;
use std::io::{self, Read, Write};
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::types::shown::Foreign;

pub use sha256::{Midstate, Sha256};

/// A SHA-256 content digest, written `sha256:` and 64 lower-case hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest([u8; 32]);

impl Digest {
    /// The digest of `bytes`.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        let mut hasher = Sha256::new();
        hasher.update(bytes);
        hasher.finish()
    }

    /// Wraps the 32 bytes of a finished SHA-256.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The 32 bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The 64 hexadecimal digits, without the algorithm.
    #[must_use]
    pub fn hex(&self) -> String {
        hex(&self.0)
    }

    /// The first twelve hexadecimal digits, for people.
    #[must_use]
    pub fn short(&self) -> String {
        hex(&self.0[..6])
    }
}

/// Lower-case hexadecimal digits of `bytes`.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    bytes
        .iter()
        .flat_map(|byte| [byte >> 4, byte & 15])
        .map(|nibble| char::from(DIGITS[usize::from(nibble)]))
        .collect()
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sha256:{}", self.hex())
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Why a string is not a digest.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DigestError {
    /// Not `algorithm:hex`.
    #[error("`{}` is not a digest: expected `sha256:` and 64 lower-case hexadecimal digits", Foreign::new(.0))]
    Malformed(String),
    /// A registered algorithm that nothing in use emits.
    #[error("digest algorithm `{}` is not supported: only sha256 is", Foreign::new(.0))]
    Algorithm(String),
}

impl FromStr for Digest {
    type Err = DigestError;

    fn from_str(text: &str) -> Result<Self, DigestError> {
        let malformed = || DigestError::Malformed(text.chars().take(100).collect());
        let (algorithm, digits) = text.split_once(':').ok_or_else(malformed)?;
        match algorithm {
            "sha256" => {}
            "sha384" | "sha512" | "blake3" => {
                return Err(DigestError::Algorithm(algorithm.to_owned()));
            }
            _ => return Err(malformed()),
        }
        let digits = digits.as_bytes();
        if digits.len() != 64 {
            return Err(malformed());
        }
        let mut bytes = [0; 32];
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
            let (high, low) = (nibble(pair[0]), nibble(pair[1]));
            *byte = high.zip(low).map(|(high, low)| high << 4 | low).ok_or_else(malformed)?;
        }
        Ok(Self(bytes))
    }
}

/// Upper case is refused: the specification's grammar for sha256 is `[a-f0-9]{64}`.
const fn nibble(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    }
}

impl Serialize for Digest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.collect_str(self)
        } else {
            self.0.serialize(serializer)
        }
    }
}

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
        } else {
            <[u8; 32]>::deserialize(deserializer).map(Self)
        }
    }
}

/// A BLAKE3 identity of a piece of content, for local memos only.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ContentId(pub [u8; 32]);

/// A BLAKE3 key of a memo or cache record: a hash over everything its value depends on.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Key(pub [u8; 32]);

impl fmt::Debug for ContentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ContentId({})", hex(&self.0[..6]))
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({})", hex(&self.0[..6]))
    }
}

/// Builds a [`Key`] from parts. Every part is length-prefixed, so that no two different lists of parts
/// meet in one key.
#[derive(Clone)]
pub struct KeyBuilder {
    /// Parts that are not hashed yet. Most keys are short, and are hashed at once: a BLAKE3 hasher is two kilobytes that
    /// would be moved with each part.
    pending: Vec<u8>,
    /// The hash of everything before them.
    hasher: Option<Box<blake3::Hasher>>,
}

impl KeyBuilder {
    /// How much is collected before it is hashed.
    const PENDING: usize = 8 << 10;

    /// Starts a key in its own domain, such as `pack body 1`.
    #[must_use]
    pub fn new(domain: &str) -> Self {
        Self { pending: Vec::with_capacity(256), hasher: None }.part(domain.as_bytes())
    }

    /// Adds one part.
    #[must_use]
    pub fn part(mut self, bytes: &[u8]) -> Self {
        self.add(bytes);
        self
    }

    /// Adds one part in place.
    pub fn add(&mut self, bytes: &[u8]) {
        self.pending.extend_from_slice(&(bytes.len() as u64).to_le_bytes());
        if self.pending.len() + bytes.len() < Self::PENDING {
            self.pending.extend_from_slice(bytes);
            return;
        }
        self.hasher.get_or_insert_default().update(&self.pending).update(bytes);
        self.pending.clear();
    }

    /// Adds a number.
    #[must_use]
    pub fn number(self, number: u64) -> Self {
        self.part(&number.to_le_bytes())
    }

    /// The key.
    #[must_use]
    pub fn finish(self) -> Key {
        let hash = match self.hasher {
            Some(mut hasher) => hasher.update(&self.pending).finalize(),
            None => blake3::hash(&self.pending),
        };
        Key(*hash.as_bytes())
    }
}

impl ContentId {
    /// The identity of bytes in memory.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        Self(*blake3::hash(bytes).as_bytes())
    }
}

/// Hashes everything that passes through to `inner`.
pub struct HashingWriter<W> {
    inner: W,
    hasher: Sha256,
    length: u64,
}

impl<W: Write> HashingWriter<W> {
    /// Starts an empty hash over `inner`.
    pub fn new(inner: W) -> Self {
        Self { inner, hasher: Sha256::new(), length: 0 }
    }

    /// The inner writer, the digest and the number of bytes that passed.
    pub fn finish(self) -> (W, Digest, u64) {
        (self.inner, self.hasher.finish(), self.length)
    }
}

impl<W: Write> Write for HashingWriter<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(bytes)?;
        self.hasher.update(&bytes[..written]);
        self.length += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

/// Reads exactly the bytes that a descriptor promised: a longer, shorter or different stream is an
/// error of kind [`io::ErrorKind::InvalidData`] at its end, never silently passed on.
pub struct VerifyingReader<R> {
    inner: R,
    hasher: Sha256,
    expected: Digest,
    size: u64,
    seen: u64,
    done: bool,
}

impl<R: Read> VerifyingReader<R> {
    /// Expects `size` bytes whose digest is `expected`.
    pub fn new(inner: R, expected: Digest, size: u64) -> Self {
        Self { inner, hasher: Sha256::new(), expected, size, seen: 0, done: false }
    }

    fn check_end(&mut self) -> io::Result<()> {
        if self.done {
            return Ok(());
        }
        self.done = true;
        if self.seen != self.size {
            return Err(bad(format!(
                "{}: {} bytes arrived, {} were announced",
                self.expected, self.seen, self.size
            )));
        }
        let found = std::mem::take(&mut self.hasher).finish();
        if found != self.expected {
            return Err(bad(format!("{}: the bytes hash to {found}", self.expected)));
        }
        Ok(())
    }
}

fn bad(message: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, message)
}

impl<R: Read> Read for VerifyingReader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        let read = self.inner.read(buffer)?;
        if read == 0 {
            self.check_end()?;
            return Ok(0);
        }
        self.seen += read as u64;
        if self.seen > self.size {
            self.done = true;
            return Err(bad(format!("{}: more than {} bytes arrived", self.expected, self.size)));
        }
        self.hasher.update(&buffer[..read]);
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EMPTY: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    #[test]
    fn a_key_is_one_hash_of_all_its_parts_however_many() {
        let bytes: Vec<u8> = (0..=255).cycle().take(90_000).collect();
        for lengths in [&[1_usize, 2, 3][..], &[40_000, 1, 40_000, 0], &[8 << 10], &[(8 << 10) - 40; 3]] {
            let mut key = KeyBuilder::new("domain");
            let mut whole = [&6_u64.to_le_bytes()[..], b"domain"].concat();
            for length in lengths {
                key.add(&bytes[..*length]);
                whole.extend_from_slice(&(*length as u64).to_le_bytes());
                whole.extend_from_slice(&bytes[..*length]);
            }
            assert_eq!(key.finish(), Key(*blake3::hash(&whole).as_bytes()), "{lengths:?}");
        }
    }

    #[test]
    fn prints_what_it_parses() {
        assert_eq!(Digest::of(b"").to_string(), EMPTY);
        assert_eq!(EMPTY.parse::<Digest>(), Ok(Digest::of(b"")));
    }

    #[test]
    fn refuses_everything_else() {
        let upper = EMPTY.to_uppercase();
        let long = format!("{EMPTY}0");
        let cases = ["", "sha256:", "sha256:..", "../etc/passwd", &upper, &long, &EMPTY[..70], "sha256:é"];
        for text in cases {
            assert!(text.parse::<Digest>().is_err(), "{text}");
        }
        assert_eq!(
            format!("sha512:{}", "0".repeat(128)).parse::<Digest>(),
            Err(DigestError::Algorithm("sha512".into()))
        );
    }

    #[test]
    fn verifying_reader_passes_only_the_announced_bytes() {
        let read = |bytes: &[u8], digest, size| {
            let mut out = Vec::new();
            VerifyingReader::new(bytes, digest, size).read_to_end(&mut out).map(|_| out)
        };
        let digest = Digest::of(b"abc");
        assert_eq!(read(b"abc", digest, 3).expect("same bytes"), b"abc");
        for (bytes, size) in [(&b"abd"[..], 3), (b"ab", 3), (b"abcd", 3), (b"abc", 4)] {
            let error = read(bytes, digest, size).expect_err("different bytes");
            assert_eq!(error.kind(), io::ErrorKind::InvalidData);
        }
    }

    #[test]
    fn key_parts_do_not_run_together() {
        let joined = KeyBuilder::new("d").part(b"ab").part(b"").finish();
        let split = KeyBuilder::new("d").part(b"a").part(b"b").finish();
        assert_ne!(joined, split);
    }
}
