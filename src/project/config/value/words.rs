//! Values that are one of a few words, and the number of the output format.

use std::fmt;

use super::super::decode::{Decode, Decoder, FromText, Wrong, list, text_values};
use super::super::node::{TomlNode, TomlValue};
use crate::types::error::nearest;

/// One of a few words, with the nearest suggested.
pub(super) fn unknown(what: &str, given: &str, known: &[&str]) -> Wrong {
    let hint = match nearest(given, known.iter().copied()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("it is one of {}", list(known.iter().copied())),
    };
    Wrong::new(format!("unknown {what} `{given}`")).hint(hint)
}

/// The name of a kind of artifact. Which kinds there are, the artifacts know.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KindName(String);

impl KindName {
    /// As it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromText for KindName {
    fn from_text(text: &str) -> Result<Self, Wrong> {
        match text {
            "" => {
                Err(Wrong::new("a kind of artifact has a name").hint("write `\"war\"`, or leave `kind` out"))
            }
            text => String::from_text(text).map(Self),
        }
    }
}

/// The output format: what turns the same inputs into the same bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Format(u32);

impl Format {
    /// The newest format.
    pub const CURRENT: Self = Self(1);

    /// Its number.
    #[must_use]
    pub const fn number(self) -> u32 {
        self.0
    }
}

impl Decode for Format {
    fn decode(node: &TomlNode, decoder: &mut Decoder<'_>) -> Option<Self> {
        match node.value {
            TomlValue::Integer(1) => Some(Self(1)),
            TomlValue::Integer(number) => {
                let wrong = Wrong::new(format!("this version does not know format {number}"))
                    .hint("write `format = 1`, or use a newer version");
                decoder.wrong(node.span, wrong)
            }
            _ => decoder.mismatch(node, "an integer", Some("write `format = 1`".to_owned())),
        }
    }
}

/// Defines an enum whose variants are written as words.
macro_rules! words {
    ($(#[$meta:meta])* $name:ident: $what:literal { $($(#[$word_meta:meta])* $variant:ident = $word:literal,)* }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name {
            $($(#[$word_meta])* $variant,)*
        }

        impl $name {
            /// The word that it is written as.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $word,)*
                }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl FromText for $name {
            fn from_text(text: &str) -> Result<Self, Wrong> {
                match text {
                    $($word => Ok(Self::$variant),)*
                    _ => Err(unknown($what, text, &[$($word),*])),
                }
            }
        }

        text_values!($name);

        #[cfg(test)]
        impl $crate::project::config::json_schema::JsonSchema for $name {
            fn json_schema() -> serde_json::Value {
                serde_json::json!({ "enum": [$($word),*] })
            }
        }
    };
}

words! {
    /// Where documents about an image go.
    AttestPlaceSetting: "place for documents" {
        /// Beside the image: they refer to it.
        Referrers = "referrers",
        /// Into the index.
        Index = "index",
    }
}

words! {
    /// Whether an archive is taken apart into layers by rate of change, or shipped as one file.
    Layout: "layout" {
        /// Libraries beside a thin jar.
        Extracted = "extracted",
        /// Unpacked.
        Exploded = "exploded",
        /// As it is.
        Packaged = "packaged",
    }
}

words! {
    /// The way in which an application with a start script starts.
    StartSetting: "start" {
        /// The script.
        Script = "script",
        /// Java itself.
        Java = "java",
    }
}

words! {
    /// A compressed form that files of a site get beside them.
    SiblingSetting: "compressed form" {
        /// `.gz`
        Gzip = "gz",
        /// `.zst`
        Zstd = "zst",
    }
}

text_values!(KindName);
