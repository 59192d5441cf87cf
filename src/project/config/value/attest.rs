//! The list of packages that an image gets.

use super::super::decode::{Decode, Decoder, FromText, Wrong};
use super::super::node::{TomlNode, TomlValue};
use super::words::unknown;

/// The list of packages that is attached to an image: a form, or `true` for the first one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SbomSetting {
    /// None.
    Off,
    /// CycloneDX.
    CycloneDx,
    /// SPDX.
    Spdx,
}

impl SbomSetting {
    /// As it is written.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Off => "false",
            Self::CycloneDx => "cyclonedx",
            Self::Spdx => "spdx",
        }
    }
}

impl FromText for SbomSetting {
    fn from_text(text: &str) -> Result<Self, Wrong> {
        match text {
            "cyclonedx" | "true" => Ok(Self::CycloneDx),
            "spdx" => Ok(Self::Spdx),
            "false" => Ok(Self::Off),
            _ => Err(unknown("form of a list of packages", text, &["cyclonedx", "spdx"])),
        }
    }
}

impl Decode for SbomSetting {
    fn decode(node: &TomlNode, decoder: &mut Decoder<'_>) -> Option<Self> {
        match &node.value {
            TomlValue::Boolean(true) => Some(Self::CycloneDx),
            TomlValue::Boolean(false) => Some(Self::Off),
            TomlValue::String(text) => match Self::from_text(text) {
                Ok(setting) => Some(setting),
                Err(wrong) => decoder.wrong(node.span, wrong),
            },
            _ => decoder.mismatch(
                node,
                "a form or a boolean",
                Some("write `true`, `\"cyclonedx\"` or `\"spdx\"`".to_owned()),
            ),
        }
    }
}
