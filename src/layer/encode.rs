//! Encoding bodies and stitching them into one blob.
//!
//! A gzip layer is ONE member (RFC 1952): a fixed ten-byte header, the bodies as byte-aligned runs of
//! non-final DEFLATE blocks, an empty final block, and a trailer whose CRC-32 is combined from those of
//! the bodies. Multi-member gzip would be simpler, but several real decoders stop after the first member.
//! An eStargz layer is one member per body, which is what it is for.
//! A SOCI layer is a gzip layer, with a table of contents beside it.
//! A zstd layer is one frame per body (RFC 8878 allows concatenation). An uncompressed layer is the bodies.

use std::fmt;

use super::body::Bodies;
use super::entry::Entry;
use super::{estargz, gzip, ztoc};
use crate::formats::deflate;
use crate::oci::MediaType;

/// How layers are compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Compression {
    /// gzip with our own DEFLATE encoder.
    Gzip(deflate::DeflateLevel),
    /// gzip whose files can be fetched one by one.
    Estargz(deflate::DeflateLevel),
    /// gzip as it is, with a zTOC beside it by which files can be fetched one by one.
    Soci(deflate::DeflateLevel),
    /// Zstandard, level 1 to 19.
    Zstd(ZstdLevel),
    /// A plain tar.
    None,
}

/// A Zstandard level, 1 to 19.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ZstdLevel(u8);

impl ZstdLevel {
    /// The level, if it is one.
    #[must_use]
    pub const fn new(level: u8) -> Option<Self> {
        if matches!(level, 1..=19) { Some(Self(level)) } else { None }
    }

    /// The number.
    #[must_use]
    pub const fn get(self) -> u8 {
        self.0
    }
}

impl Default for ZstdLevel {
    fn default() -> Self {
        Self(3)
    }
}

impl Default for Compression {
    fn default() -> Self {
        Self::Gzip(deflate::DeflateLevel::default())
    }
}

impl fmt::Display for Compression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Gzip(level) => write!(f, "gzip:{}", level.get()),
            Self::Estargz(level) => write!(f, "estargz:{}", level.get()),
            Self::Soci(level) => write!(f, "soci:{}", level.get()),
            Self::Zstd(level) => write!(f, "zstd:{}", level.get()),
            Self::None => f.write_str("none"),
        }
    }
}

impl Compression {
    /// The media type of a layer compressed so.
    #[must_use]
    pub const fn media_type(&self) -> MediaType {
        match self {
            Self::Gzip(_) | Self::Estargz(_) | Self::Soci(_) => MediaType::ImageLayerGzip,
            Self::Zstd(_) => MediaType::ImageLayerZstd,
            Self::None => MediaType::ImageLayer,
        }
    }

    /// The encoder with its exact version and level: two encoders with the same id give the same bytes.
    #[must_use]
    pub(crate) fn encoder_id(&self) -> String {
        match self {
            Self::Gzip(level) | Self::Soci(level) => format!("{}:{}", deflate::ENCODER_ID, level.get()),
            Self::Estargz(level) => format!("estargz-1+{}:{}", deflate::ENCODER_ID, level.get()),
            Self::Zstd(level) => format!("zstd-{}:{}", zstd::zstd_safe::VERSION_NUMBER, level.get()),
            Self::None => "none".to_owned(),
        }
    }

    /// The encoder, and what else comes of a layer.
    #[must_use]
    pub(crate) fn id(&self) -> String {
        match self {
            Self::Soci(_) => format!("soci-1+{}", self.encoder_id()),
            _ => self.encoder_id(),
        }
    }

    /// Whether a table of contents follows the bodies.
    pub(crate) const fn has_contents(self) -> bool {
        matches!(self, Self::Estargz(_))
    }

    /// Whether a table of contents comes beside a blob of so many bytes.
    pub(crate) const fn has_table(self, size: u64) -> bool {
        matches!(self, Self::Soci(_)) && size >= ztoc::MIN_BLOB
    }

    /// The first bytes of a blob.
    pub(crate) const fn prologue(self) -> &'static [u8] {
        match self {
            Self::Gzip(_) | Self::Soci(_) => &gzip::HEADER,
            Self::Estargz(_) | Self::Zstd(_) | Self::None => &[],
        }
    }

    /// The last bytes of a blob, for a tar of `length` bytes with this CRC-32.
    pub(crate) fn epilogue(self, crc32: u32, length: u64) -> Vec<u8> {
        match self {
            Self::Gzip(_) | Self::Soci(_) => gzip::trailer(crc32, length).to_vec(),
            Self::Estargz(_) | Self::Zstd(_) | Self::None => Vec::new(),
        }
    }

    /// The bodies of a layer with these entries.
    pub(crate) fn bodies(self, entries: &[Entry]) -> Bodies<'_> {
        match self {
            Self::Estargz(_) => Bodies::of_members(entries),
            Self::Gzip(_) | Self::Soci(_) | Self::Zstd(_) | Self::None => Bodies::new(entries),
        }
    }

    /// Appends the encoded form of one body to `out`.
    pub(crate) fn encode(
        self,
        body: &[u8],
        scratch: &mut deflate::DeflateScratch,
        out: &mut Vec<u8>,
    ) -> std::io::Result<()> {
        match self {
            Self::Gzip(level) | Self::Soci(level) => deflate::encode(level, body, scratch, out),
            Self::Estargz(level) => estargz::member(level, body, scratch, out),
            Self::Zstd(level) => zstd_frame(level, body, out)?,
            Self::None => out.extend_from_slice(body),
        }
        Ok(())
    }
}

/// One frame from a fresh context: content size on, checksum off, one thread.
fn zstd_frame(level: ZstdLevel, body: &[u8], out: &mut Vec<u8>) -> std::io::Result<()> {
    let mut compressor = zstd::bulk::Compressor::new(i32::from(level.get()))?;
    compressor.include_checksum(false)?;
    compressor.include_contentsize(true)?;
    out.extend_from_slice(&compressor.compress(body)?);
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;

    fn stitch(compression: Compression, bodies: &[&[u8]]) -> Vec<u8> {
        let mut out = compression.prologue().to_vec();
        let mut crc = crc32fast::Hasher::new();
        let mut length = 0;
        for body in bodies {
            compression.encode(body, &mut deflate::DeflateScratch::default(), &mut out).expect("encodes");
            crc.update(body);
            length += body.len() as u64;
        }
        out.extend_from_slice(&compression.epilogue(crc.finalize(), length));
        out
    }

    #[test]
    fn a_gzip_blob_is_one_member() {
        let bodies: [&[u8]; 4] = [b"first ", b"", b"second ", &[0; 100_000]];
        let blob = stitch(Compression::default(), &bodies);
        let mut out = Vec::new();
        let mut decoder = flate2::bufread::GzDecoder::new(&blob[..]);
        decoder.read_to_end(&mut out).expect("decodes");
        assert_eq!(out, bodies.concat());
        assert!(decoder.into_inner().is_empty(), "nothing after the member");
    }

    #[test]
    fn a_table_comes_beside_soci_blobs_from_10_mib_on() {
        let soci = Compression::Soci(deflate::DeflateLevel::default());
        assert!(soci.has_table(10 << 20) && !soci.has_table((10 << 20) - 1));
        assert!(!Compression::default().has_table(u64::MAX));
    }

    #[test]
    fn a_zstd_blob_is_frames() {
        let bodies: [&[u8]; 3] = [b"first ", b"second ", &[0; 100_000]];
        let blob = stitch(Compression::Zstd(ZstdLevel::default()), &bodies);
        assert_eq!(zstd::decode_all(&blob[..]).expect("decodes"), bodies.concat());
    }
}
