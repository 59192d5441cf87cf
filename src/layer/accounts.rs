//! Names of users and groups, as `/etc/passwd` and `/etc/group` list them.
//!
//! A runtime looks a name up in these files when a container starts, and refuses to start where it is missing.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The most that is read of a file of accounts: real ones have some kilobytes.
pub const MAX_ACCOUNTS: u64 = 1 << 20;

/// Whether a name is a user's or a group's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum AccountKind {
    /// A user, listed in `/etc/passwd`.
    User,
    /// A group, listed in `/etc/group`.
    Group,
}

impl AccountKind {
    /// Both.
    pub const ALL: [Self; 2] = [Self::User, Self::Group];

    /// Its name for people.
    #[must_use]
    pub const fn describe(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Group => "group",
        }
    }

    /// Where it is listed, below the root.
    #[must_use]
    pub const fn file(self) -> &'static str {
        match self {
            Self::User => "etc/passwd",
            Self::Group => "etc/group",
        }
    }
}

/// A user or a group, by its name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Account {
    /// Which of the two.
    pub kind: AccountKind,
    /// Its name.
    pub name: String,
}

impl Account {
    /// The names in `USER[:GROUP]`. Numbers need not be listed anywhere.
    #[must_use]
    pub fn named_in(user: &str) -> Vec<Self> {
        let (user, group) = user.split_once(':').map_or((user, None), |(user, group)| (user, Some(group)));
        let named = [(AccountKind::User, Some(user)), (AccountKind::Group, group)];
        let named = named.into_iter().filter_map(|(kind, name)| Some(Self { kind, name: name?.to_owned() }));
        let is_name = |account: &Self| {
            !account.name.is_empty() && !account.name.bytes().all(|byte| byte.is_ascii_digit())
        };
        named.filter(is_name).collect()
    }
}

impl fmt::Display for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind.describe(), self.name)
    }
}

/// A file of accounts: `/etc/passwd` or `/etc/group`, byte by byte.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountFile(Vec<u8>);

/// A line of a file of accounts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AccountLine<'a> {
    /// The name of the user or group.
    pub name: &'a [u8],
    /// All that follows the name and its colon.
    rest: &'a [u8],
}

impl<'a> AccountLine<'a> {
    pub(super) fn parse(text: &'a [u8]) -> Option<Self> {
        let colon = text.iter().position(|byte| *byte == b':')?;
        let name = text[..colon].trim_ascii();
        (!name.is_empty()).then(|| Self { name, rest: &text[colon + 1..] })
    }

    /// The field with this number; the name is field 0.
    #[must_use]
    pub fn field(&self, number: usize) -> Option<&'a [u8]> {
        match number.checked_sub(1) {
            None => Some(self.name),
            Some(number) => self.rest.split(|byte| *byte == b':').nth(number),
        }
    }

    /// The number of the user or group.
    #[must_use]
    pub fn number(&self) -> Option<u32> {
        self.field(2).and_then(number)
    }

    /// Of a user, the number of the group that it belongs to first.
    #[must_use]
    pub fn first_group(&self) -> Option<u32> {
        self.field(3).and_then(number)
    }

    /// Of a group, the names of the users that it lists.
    pub fn members(&self) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        let names = self.field(3).unwrap_or_default().split(|byte| *byte == b',');
        names.map(<[u8]>::trim_ascii).filter(|name| !name.is_empty())
    }
}

fn number(text: &[u8]) -> Option<u32> {
    let is_number = !text.is_empty() && text.iter().all(u8::is_ascii_digit);
    std::str::from_utf8(text).ok().filter(|_| is_number)?.parse().ok()
}

impl AccountFile {
    /// A file with these bytes.
    #[must_use]
    pub const fn new(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }

    /// The bytes.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// About how many bytes of memory it takes.
    #[must_use]
    pub const fn cost(&self) -> usize {
        self.0.len()
    }

    /// The lines that list an account; blank lines do not.
    pub fn lines(&self) -> impl Iterator<Item = AccountLine<'_>> {
        self.0.split(|byte| *byte == b'\n').filter_map(AccountLine::parse)
    }

    /// The first line about `name`, which is the one that counts.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<AccountLine<'_>> {
        self.lines().find(|line| line.name == name.as_bytes())
    }

    /// The first line with this number.
    #[must_use]
    pub fn with_number(&self, number: u32) -> Option<AccountLine<'_>> {
        self.lines().find(|line| line.number() == Some(number))
    }

    /// Whether it lists `name`.
    #[must_use]
    pub fn contains(&self, name: &str) -> bool {
        self.find(name).is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_what_stands_before_the_first_colon() {
        let names = AccountFile::new(
            b"root:x:0:0:root:/root:/bin/sh\n\n web :x:1000:\nnot a line\n:x:\nlast:x".to_vec(),
        );
        for name in ["root", "web", "last"] {
            assert!(names.contains(name), "{name}");
        }
        for name in ["x", "not a line", "", "0"] {
            assert!(!names.contains(name), "{name}");
        }
    }

    #[test]
    fn lines_have_numbers_and_members() {
        let users = AccountFile::new(b"app:x:1000:50::/:/bin/sh\nbad:x:+1:0\nbig:x:99999999999:\n".to_vec());
        let app = users.find("app").expect("listed");
        assert_eq!((app.number(), app.first_group()), (Some(1000), Some(50)));
        assert_eq!(users.find("bad").and_then(|line| line.number()), None);
        assert_eq!(users.find("big").and_then(|line| line.number()), None);
        let groups = AccountFile::new(b"staff:x:50:app, web\nnone:x:51:\nshort:x:52".to_vec());
        let members = |name| -> Vec<&[u8]> { groups.find(name).expect("listed").members().collect() };
        assert_eq!(members("staff"), [&b"app"[..], b"web"]);
        assert!(members("none").is_empty() && members("short").is_empty());
    }
}
