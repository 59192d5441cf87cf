//! Platforms: operating system, architecture, variant, normalised as containerd does it.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::types::shown::Foreign;

/// A normalised platform such as `linux/amd64` or `linux/arm/v7`.
///
/// Two platforms that mean the same machine are equal: `x86_64` is `amd64`, `arm64/v8` is `arm64`, `arm`
/// without a variant is `arm/v7`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Platform {
    os: String,
    architecture: String,
    variant: Option<String>,
}

/// Why a string is not a platform.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{}` is not a platform: expected `os/architecture` or `os/architecture/variant`, such as `linux/amd64`",
    Foreign::new(.0)
)]
pub struct PlatformError(String);

impl Platform {
    /// Normalises the three parts as an image index gives them.
    ///
    /// # Errors
    /// When a part is empty or has characters that no platform has.
    pub fn new(os: &str, architecture: &str, variant: Option<&str>) -> Result<Self, PlatformError> {
        let variant = variant.filter(|variant| !variant.is_empty());
        let written = || match variant {
            Some(variant) => format!("{os}/{architecture}/{variant}"),
            None => format!("{os}/{architecture}"),
        };
        if ![Some(os), Some(architecture), variant].into_iter().flatten().all(is_word) {
            return Err(PlatformError(written()));
        }
        let os = os.to_ascii_lowercase();
        let os = if os == "macos" { "darwin".to_owned() } else { os };
        let variant = variant.map(str::to_ascii_lowercase);
        let (architecture, variant) = normalise(&architecture.to_ascii_lowercase(), variant);
        Ok(Self { os, architecture, variant })
    }

    /// `linux/amd64`.
    #[must_use]
    pub fn linux_amd64() -> Self {
        Self { os: "linux".into(), architecture: "amd64".into(), variant: None }
    }

    /// The operating system, as Go's `GOOS` names it.
    #[must_use]
    pub fn os(&self) -> &str {
        &self.os
    }

    /// The processor architecture, as Go's `GOARCH` names it.
    #[must_use]
    pub fn architecture(&self) -> &str {
        &self.architecture
    }

    /// The variant, such as `v7`.
    #[must_use]
    pub fn variant(&self) -> Option<&str> {
        self.variant.as_deref()
    }
}

fn is_word(text: &str) -> bool {
    !text.is_empty()
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-'))
}

/// The table of containerd's `platforms` package.
fn normalise(architecture: &str, variant: Option<String>) -> (String, Option<String>) {
    let (architecture, variant) = match architecture {
        "i386" | "i686" => ("386", None),
        "x86_64" | "x86-64" | "amd64" => ("amd64", variant.filter(|variant| variant != "v1")),
        "aarch64" | "arm64" => ("arm64", variant.filter(|variant| !matches!(variant.as_str(), "8" | "v8"))),
        "armhf" => ("arm", None),
        "armel" => ("arm", Some("v6".to_owned())),
        other => (other, variant),
    };
    let variant = match (architecture, variant) {
        ("arm", None) => Some("v7".to_owned()),
        ("arm", Some(variant)) if variant.len() == 1 => Some(format!("v{variant}")),
        (_, variant) => variant,
    };
    (architecture.to_owned(), variant)
}

impl FromStr for Platform {
    type Err = PlatformError;

    fn from_str(text: &str) -> Result<Self, PlatformError> {
        let parts: Vec<&str> = text.split('/').collect();
        match parts[..] {
            _ if parts.contains(&"") => Err(PlatformError(text.to_owned())),
            [os, architecture] => Self::new(os, architecture, None),
            [os, architecture, variant] => Self::new(os, architecture, Some(variant)),
            _ => Err(PlatformError(text.to_owned())),
        }
        .map_err(|_| PlatformError(text.to_owned()))
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.os, self.architecture)?;
        self.variant.as_ref().map_or(Ok(()), |variant| write!(f, "/{variant}"))
    }
}

impl Serialize for Platform {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Platform {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_machine_is_equal() {
        let same = [
            ("linux/x86_64", "linux/amd64"),
            ("Linux/AMD64/v1", "linux/amd64"),
            ("linux/aarch64", "linux/arm64"),
            ("linux/arm64/v8", "linux/arm64"),
            ("linux/arm", "linux/arm/v7"),
            ("linux/armhf", "linux/arm/v7"),
            ("linux/arm/6", "linux/arm/v6"),
        ];
        for (given, normal) in same {
            assert_eq!(given.parse::<Platform>().expect("valid").to_string(), normal);
        }
        assert_ne!("linux/arm64/v9".parse::<Platform>(), "linux/arm64".parse());
    }

    #[test]
    fn refuses_what_is_no_platform() {
        for text in ["", "linux", "linux/", "/amd64", "linux/amd64/", "linux/amd64/v2/x", "lin ux/amd64"] {
            assert!(text.parse::<Platform>().is_err(), "{text}");
        }
    }
}
