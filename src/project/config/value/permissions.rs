//! Modes and owners.

use std::fmt;

use super::super::decode::{Decode, Decoder, FromText, Wrong, text_values};
use super::super::node::{TomlNode, TomlValue};
use super::numbers::decimal;

/// Permission bits with setuid, setgid and sticky: at most `0o7777`. Written `"0644"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Mode(u16);

impl Mode {
    /// The bits.
    #[must_use]
    pub const fn bits(self) -> u32 {
        self.0 as u32
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04o}", self.0)
    }
}

impl FromText for Mode {
    fn from_text(text: &str) -> Result<Self, Wrong> {
        let octal = text.bytes().all(|byte| matches!(byte, b'0'..=b'7')) && (3..=5).contains(&text.len());
        match u16::from_str_radix(text, 8) {
            Ok(bits) if octal && bits <= 0o7777 => Ok(Self(bits)),
            _ => Err(Wrong::new(format!("`{text}` is not a mode"))
                .hint("a mode is three or four octal digits, such as `\"0644\"`")),
        }
    }
}

impl Decode for Mode {
    fn decode(node: &TomlNode, decoder: &mut Decoder<'_>) -> Option<Self> {
        // Decimal 644 is the octal mode 01204: a user who writes it does not mean that.
        if matches!(node.value, TomlValue::Integer(_)) && !decoder.sources.is_typed(node.span) {
            let digits = decoder.sources.text(node.span).trim_start_matches("0o");
            let hint = format!("a mode is octal: write `\"{digits:0>4}\"`");
            return decoder.mismatch(node, "a string", Some(hint));
        }
        decoder.text(node)
    }
}

/// Numeric owner and group. Written `"1000:1000"`; the group is the owner's number where it is left out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Owner {
    /// The user.
    pub uid: u32,
    /// The group.
    pub gid: u32,
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.uid, self.gid)
    }
}

impl FromText for Owner {
    fn from_text(text: &str) -> Result<Self, Wrong> {
        let (uid, gid) = text.split_once(':').unwrap_or((text, text));
        match (decimal(uid), decimal(gid)) {
            // To chown(2) the last number means: leave it as it is.
            (Some(u32::MAX), _) | (_, Some(u32::MAX)) => Err(Wrong::new(format!("`{text}` is not an owner"))
                .hint("the largest number of a user or group is 4294967294")),
            (Some(uid), Some(gid)) => Ok(Self { uid, gid }),
            _ => Err(Wrong::new(format!("`{text}` is not an owner"))
                .hint("an owner is numeric, such as `\"1000:1000\"`: names mean different numbers in different bases")),
        }
    }
}

text_values!(Owner);

#[cfg(test)]
mod tests {
    use super::super::fixture::{all_wrong, ok};
    use super::*;

    #[test]
    fn modes_are_octal() {
        assert_eq!(ok::<Mode>("0644").bits(), 0o644);
        assert_eq!(ok::<Mode>("755").bits(), 0o755);
        assert_eq!(ok::<Mode>("1777").to_string(), "1777");
        assert_eq!(ok::<Mode>("04755").bits(), 0o4755);
        all_wrong::<Mode>(&["", "7", "08", "0648", "10000", "77777", "-644", "+644", "0o644", "rw-r--r--"]);
    }

    #[test]
    fn owners_are_numeric() {
        assert_eq!(ok::<Owner>("1000"), Owner { uid: 1000, gid: 1000 });
        assert_eq!(ok::<Owner>("1000:0"), Owner { uid: 1000, gid: 0 });
        all_wrong::<Owner>(&["", ":", "1:", ":1", "app", "1:2:3", "+1", "4294967296"]);
    }
}
