//! Compressed siblings: forms of a file that a web server sends in its place, such as `app.js.gz` beside `app.js`.
//!
//! Their bytes are a function of the file's content and the encoder, as those of layers are: no name, time or thread
//! count is in them.

use super::content::{self, ContentError};
use super::encode::{Compression, ZstdLevel};
use super::entry::Content;
use crate::formats::deflate::{DeflateLevel, DeflateScratch};

/// The form of a compressed sibling.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SiblingForm {
    /// gzip (RFC 1952): one member.
    Gzip,
    /// zstd (RFC 8878): one frame.
    Zstd,
}

/// The hardest level of the encoder: pages are compressed once and sent many times.
const GZIP_LEVEL: u8 = 9;

/// A level whose memory stays below 50 MB and that browsers can decode within the 8 MiB of RFC 8878, section 3.1.1.1.2.
const ZSTD_LEVEL: u8 = 12;

/// A smaller file fits in one packet as it is.
const MIN_SIZE: u64 = 256;

/// A larger file is no page, and would be in memory as a whole.
const MAX_SIZE: u64 = 16 << 20;

/// How much is encoded at a time, as of a layer.
const PIECE: usize = 1 << 20;

/// Endings of names whose content is compressed already.
const COMPRESSED: [&str; 28] = [
    "7z", "apk", "avif", "br", "bz2", "flac", "gif", "gz", "jar", "jpeg", "jpg", "jxl", "m4a", "mkv", "mov",
    "mp3", "mp4", "ogg", "opus", "png", "tgz", "webm", "webp", "woff", "woff2", "xz", "zip", "zst",
];

/// Whether a file of this name and size may get siblings.
#[must_use]
pub fn may_have_siblings(name: &[u8], size: u64) -> bool {
    let ending = name.iter().rposition(|byte| *byte == b'.').map(|dot| &name[dot + 1..]);
    let is_compressed =
        |ending: &[u8]| COMPRESSED.iter().any(|known| ending.eq_ignore_ascii_case(known.as_bytes()));
    (MIN_SIZE..=MAX_SIZE).contains(&size) && !ending.is_some_and(is_compressed)
}

impl SiblingForm {
    /// The end of a sibling's name, after the name of its file.
    #[must_use]
    pub const fn suffix(self) -> &'static str {
        match self {
            Self::Gzip => ".gz",
            Self::Zstd => ".zst",
        }
    }

    /// The encoder and its level.
    fn compression(self) -> Compression {
        match self {
            Self::Gzip => Compression::Gzip(DeflateLevel::new(GZIP_LEVEL).unwrap_or_default()),
            Self::Zstd => Compression::Zstd(ZstdLevel::new(ZSTD_LEVEL).unwrap_or_default()),
        }
    }

    /// The encoder with its exact version and level: two with the same id give the same bytes.
    #[must_use]
    pub fn encoder_id(self) -> String {
        self.compression().encoder_id()
    }

    /// The sibling of a file with this content; `None` where it would not save a sixteenth.
    ///
    /// # Errors
    /// When the content cannot be read, or changed since it was planned.
    pub fn encode(self, content: &Content) -> Result<Option<Vec<u8>>, ContentError> {
        let mut plain = Vec::new();
        content::read(content, 0, content.size, &mut plain)?;
        let compression = self.compression();
        let mut out = compression.prologue().to_vec();
        let mut scratch = DeflateScratch::default();
        let piece = if self == Self::Gzip { PIECE } else { plain.len().max(1) };
        for piece in plain.chunks(piece) {
            compression.encode(piece, &mut scratch, &mut out).map_err(ContentError::Encoder)?;
        }
        out.extend(compression.epilogue(crc32fast::hash(&plain), content.size));
        let saves = (out.len() as u64) < content.size - content.size / 16;
        Ok(saves.then_some(out))
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;
    use crate::layer::ContentSource;

    fn content(bytes: &[u8]) -> Content {
        Content { size: bytes.len() as u64, source: ContentSource::Bytes(bytes.into()) }
    }

    #[test]
    fn a_sibling_is_the_file_in_one_member_or_frame() {
        for size in [300, 70_000, (2 << 20) + 1] {
            let plain: Vec<u8> = b"a page of the shop\n".iter().copied().cycle().take(size).collect();
            let gzip = SiblingForm::Gzip.encode(&content(&plain)).expect("read").expect("smaller");
            assert_eq!(gzip[..10], [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff], "no name and no time");
            let mut decoder = flate2::bufread::GzDecoder::new(&gzip[..]);
            let mut read = Vec::new();
            decoder.read_to_end(&mut read).expect("decodes");
            assert!(read == plain && decoder.into_inner().is_empty(), "{size}: one member");
            let zstd = SiblingForm::Zstd.encode(&content(&plain)).expect("read").expect("smaller");
            assert_eq!(zstd::bulk::decompress(&zstd, size).expect("one frame"), plain);
        }
    }

    #[test]
    fn a_file_that_does_not_shrink_has_none() {
        let mut state = 1_u64;
        let noise: Vec<u8> = (0..5000)
            .map(|_| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                state.to_be_bytes()[0]
            })
            .collect();
        for form in [SiblingForm::Gzip, SiblingForm::Zstd] {
            assert_eq!(form.encode(&content(&noise)).expect("read"), None);
        }
        for (name, size, expected) in [
            (&b"app.js"[..], 1000, true),
            (b"LICENSE", 1000, true),
            (b"photo.JPG", 1000, false),
            (b"font.woff2", 1000, false),
            (b"app.js.gz", 1000, false),
            (b"app.js", 100, false),
            (b"dump.sql", 1 << 30, false),
        ] {
            assert_eq!(may_have_siblings(name, size), expected, "{}", String::from_utf8_lossy(name));
        }
    }
}
