//! From the compression that settings write to that of layers, whose levels are checked.

use super::error::BuildError;
use crate::formats::deflate::DeflateLevel;
use crate::layer::{Compression, ZstdLevel};
use crate::project::config::CompressionSetting;

/// The level, or the encoder's own.
fn deflate_level(written: Option<u8>) -> Option<DeflateLevel> {
    written.map_or_else(|| Some(DeflateLevel::default()), DeflateLevel::new)
}

/// The compression that the settings ask for.
pub(super) fn compression(written: CompressionSetting) -> Result<Compression, BuildError> {
    let bad = || BuildError::Level(written.to_string());
    Ok(match written {
        CompressionSetting::None => Compression::None,
        CompressionSetting::Gzip(level) => Compression::Gzip(deflate_level(level).ok_or_else(bad)?),
        CompressionSetting::Estargz(level) => Compression::Estargz(deflate_level(level).ok_or_else(bad)?),
        CompressionSetting::Soci(level) => Compression::Soci(deflate_level(level).ok_or_else(bad)?),
        CompressionSetting::Zstd(None) => Compression::Zstd(ZstdLevel::default()),
        CompressionSetting::Zstd(Some(level)) => Compression::Zstd(ZstdLevel::new(level).ok_or_else(bad)?),
    })
}
