//! Names of users and groups, as `/etc/passwd` and `/etc/group` list them.
//!
//! A runtime looks a name up in these files when a container starts, and refuses to start where it is missing.

use std::collections::BTreeSet;
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

/// The names in one such file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountNames(BTreeSet<Vec<u8>>);

impl AccountNames {
    /// The names in a file with these bytes: on each line, what stands before the first colon.
    #[must_use]
    pub fn parse(bytes: &[u8]) -> Self {
        let lines = bytes.split(|byte| *byte == b'\n');
        let names = lines.filter_map(|line| {
            let colon = line.iter().position(|byte| *byte == b':')?;
            Some(line[..colon].trim_ascii().to_vec())
        });
        Self(names.filter(|name| !name.is_empty()).collect())
    }

    /// About how many bytes of memory they take.
    #[must_use]
    pub fn cost(&self) -> usize {
        const EACH: usize = 64;
        self.0.iter().map(|name| name.len() + EACH).sum()
    }

    /// Whether it lists `name`.
    #[must_use]
    pub fn contains(&self, name: &str) -> bool {
        self.0.contains(name.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_what_stands_before_the_first_colon() {
        let names =
            AccountNames::parse(b"root:x:0:0:root:/root:/bin/sh\n\n web :x:1000:\nnot a line\n:x:\nlast:x");
        for name in ["root", "web", "last"] {
            assert!(names.contains(name), "{name}");
        }
        for name in ["x", "not a line", "", "0"] {
            assert!(!names.contains(name), "{name}");
        }
    }
}
