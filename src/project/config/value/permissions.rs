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

/// The name of a user or group, in the form that all systems take.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AccountName(String);

/// As many bytes as a name of a user may have.
const MAX_NAME: usize = 32;

impl AccountName {
    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn is_valid(text: &str) -> bool {
        let is_part = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
        let rest = text.strip_suffix('$').unwrap_or(text);
        let begins = rest.bytes().next().is_some_and(|byte| byte.is_ascii_alphabetic() || byte == b'_');
        begins && rest.bytes().all(is_part) && text.len() <= MAX_NAME
    }
}

impl fmt::Display for AccountName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromText for AccountName {
    fn from_text(text: &str) -> Result<Self, Wrong> {
        if Self::is_valid(text) {
            return Ok(Self(text.to_owned()));
        }
        Err(Wrong::new(format!("`{text}` is not the name of a user or group")).hint(format!(
            "a name begins with a letter or `_`, has letters, digits, `_`, `-` and `.`, and at most {MAX_NAME} characters"
        )))
    }
}

/// The largest number of a user or group that engines start containers with.
pub(super) const MAX_ACCOUNT: u64 = 2_147_483_647;

/// The number of a user or group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AccountNumber(u32);

impl AccountNumber {
    /// The number.
    #[must_use]
    pub const fn get(self) -> u32 {
        self.0
    }
}

impl Decode for AccountNumber {
    fn decode(node: &TomlNode, decoder: &mut Decoder<'_>) -> Option<Self> {
        let number = decoder.number(node, MAX_ACCOUNT)?;
        u32::try_from(number).ok().map(Self)
    }
}

/// A user or a group: by its number, or by the name that the image's files of accounts list.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum OwnerPart {
    /// By its number.
    Number(u32),
    /// By its name.
    Name(AccountName),
}

impl fmt::Display for OwnerPart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => number.fmt(f),
            Self::Name(name) => name.fmt(f),
        }
    }
}

/// Owner and group. Written `"1000:1000"`, `"app:staff"` or `"app"`. Without a group, that of a number is the same number,
/// and that of a name is the first group of the user.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Owner {
    /// The user.
    pub user: OwnerPart,
    /// The group; `None` for the first group of a user with a name.
    pub group: Option<OwnerPart>,
}

impl Owner {
    /// Whether a file of accounts has to tell what it means.
    #[must_use]
    pub fn has_name(&self) -> bool {
        [Some(&self.user), self.group.as_ref()]
            .into_iter()
            .flatten()
            .any(|part| matches!(part, OwnerPart::Name(_)))
    }
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.group {
            Some(group) => write!(f, "{}:{group}", self.user),
            None => self.user.fmt(f),
        }
    }
}

impl FromText for Owner {
    fn from_text(text: &str) -> Result<Self, Wrong> {
        let wrong = || Wrong::new(format!("`{text}` is not an owner"));
        let part = |part: &str| match decimal(part) {
            // To chown(2) the last number means: leave it as it is.
            Some(u32::MAX) => Err(wrong().hint("the largest number of a user or group is 4294967294")),
            Some(number) => Ok(OwnerPart::Number(number)),
            None => AccountName::from_text(part).map(OwnerPart::Name).map_err(|_| {
                wrong().hint("an owner is written \"1000:1000\", or with names as in \"app:app\"")
            }),
        };
        let (user, group) = match text.split_once(':') {
            Some((user, group)) => (part(user)?, Some(part(group)?)),
            None => (part(text)?, None),
        };
        let group = group.or_else(|| matches!(user, OwnerPart::Number(_)).then(|| user.clone()));
        Ok(Self { user, group })
    }
}

text_values!(AccountName, Owner);

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
    fn owners_are_numbers_or_names() {
        for (text, shown, has_name) in [
            ("1000", "1000:1000", false),
            ("1000:0", "1000:0", false),
            ("app", "app", true),
            ("app:0", "app:0", true),
            ("0:_web-data", "0:_web-data", true),
        ] {
            let owner = ok::<Owner>(text);
            assert_eq!((owner.to_string(), owner.has_name()), (shown.to_owned(), has_name));
        }
        all_wrong::<Owner>(&[
            "",
            ":",
            "1:",
            ":1",
            "1:2:3",
            "+1",
            "4294967295",
            "4294967296",
            "a b",
            "-a",
            "a/b",
        ]);
        all_wrong::<AccountName>(&[
            "",
            "1a",
            "a:b",
            "a\n",
            "$",
            "a$b",
            "abcdefghijklmnopqrstuvwxyz0123456789",
        ]);
    }
}
