//! How layers are compressed, and into how many they are split.

use std::fmt;

use super::super::decode::{Decode, Decoder, FromText, Wrong, text_values};
use super::super::node::{TomlNode, TomlValue};
use super::numbers::decimal;
use super::words::unknown;

/// How layers are compressed. Written `gzip`, `estargz`, `soci`, `zstd` or `none`, with `:LEVEL` after all but the last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CompressionSetting {
    /// A plain tar.
    None,
    /// gzip with a level of 1 to 9, or the encoder's default.
    Gzip(Option<u8>),
    /// The same, with a table of contents: what is called eStargz.
    Estargz(Option<u8>),
    /// gzip, with a table of contents beside the image: what is called SOCI.
    Soci(Option<u8>),
    /// Zstandard with a level of 1 to 19, or the encoder's default.
    Zstd(Option<u8>),
}

impl Default for CompressionSetting {
    fn default() -> Self {
        Self::Gzip(None)
    }
}

impl CompressionSetting {
    /// Their names, without a level.
    pub const NAMES: &[&str] = &["gzip", "estargz", "soci", "zstd", "none"];
}

impl fmt::Display for CompressionSetting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("none"),
            Self::Gzip(None) => f.write_str("gzip"),
            Self::Estargz(None) => f.write_str("estargz"),
            Self::Soci(None) => f.write_str("soci"),
            Self::Zstd(None) => f.write_str("zstd"),
            Self::Gzip(Some(level)) => write!(f, "gzip:{level}"),
            Self::Estargz(Some(level)) => write!(f, "estargz:{level}"),
            Self::Soci(Some(level)) => write!(f, "soci:{level}"),
            Self::Zstd(Some(level)) => write!(f, "zstd:{level}"),
        }
    }
}

impl FromText for CompressionSetting {
    fn from_text(text: &str) -> Result<Self, Wrong> {
        let (name, level) = match text.split_once(':') {
            Some((name, level)) => (name, Some(level)),
            None => (text, None),
        };
        let level = |max: u8| match level {
            None => Ok(None),
            Some(level) => match decimal(level) {
                Some(number) if (1..=max).contains(&number) => Ok(Some(number)),
                _ => Err(Wrong::new(format!("`{level}` is not a level of {name}"))
                    .hint(format!("the levels of {name} are 1 to {max}"))),
            },
        };
        match name {
            "gzip" => Ok(Self::Gzip(level(9)?)),
            "estargz" => Ok(Self::Estargz(level(9)?)),
            "soci" => Ok(Self::Soci(level(9)?)),
            "zstd" => Ok(Self::Zstd(level(19)?)),
            "none" if text == "none" => Ok(Self::None),
            "none" => Err(Wrong::new("`none` has no levels").hint("write `\"none\"`")),
            _ => Err(unknown("compression", name, Self::NAMES)),
        }
    }
}

/// Into how many layers a large one is split. Written `"auto"`, or 1, 2, 4, 8 or 16.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Buckets {
    /// As its size wants it.
    #[default]
    Auto,
    /// A power of two; 1 never splits.
    Number(u8),
}

impl FromText for Buckets {
    fn from_text(text: &str) -> Result<Self, Wrong> {
        match (text, decimal::<u8>(text)) {
            ("auto", _) => Ok(Self::Auto),
            (_, Some(number)) if number <= 16 && number.is_power_of_two() => Ok(Self::Number(number)),
            _ => Err(Wrong::new(format!("`{text}` is not a number of buckets"))
                .hint("write `\"auto\"`, or 1, 2, 4, 8 or 16; 1 never splits")),
        }
    }
}

impl Decode for Buckets {
    fn decode(node: &TomlNode, decoder: &mut Decoder<'_>) -> Option<Self> {
        let TomlValue::Integer(number) = node.value else { return decoder.text(node) };
        match Self::from_text(&number.to_string()) {
            Ok(buckets) => Some(buckets),
            Err(wrong) => decoder.wrong(node.span, wrong),
        }
    }
}

text_values!(CompressionSetting);

#[cfg(test)]
mod tests {
    use super::super::fixture::{all_wrong, ok};
    use super::*;

    #[test]
    fn compression_has_checked_levels() {
        for text in ["gzip", "gzip:1", "gzip:9", "zstd", "zstd:19", "none"] {
            assert_eq!(ok::<CompressionSetting>(text).to_string(), text);
        }
        all_wrong::<CompressionSetting>(&[
            "", "gzip:", "gzip:0", "gzip:10", "zstd:23", "none:1", "bzip2", "gzip:+1",
        ]);
    }

    #[test]
    fn buckets_are_powers_of_two() {
        assert_eq!(ok::<Buckets>("auto"), Buckets::Auto);
        for number in [1, 2, 4, 8, 16] {
            assert_eq!(ok::<Buckets>(&number.to_string()), Buckets::Number(number));
        }
        all_wrong::<Buckets>(&["", "0", "3", "12", "32", "256", "-1", "+1", "1.0", "Auto", "all"]);
    }
}
