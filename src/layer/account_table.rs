//! A file of accounts that is looked into and added to many times: each name, number and member is found without reading the
//! file again.

use std::collections::{BTreeMap, BTreeSet};

use super::accounts::{AccountFile, AccountLine};

/// A file of accounts with an index.
#[derive(Clone, Debug, Default)]
pub struct AccountTable {
    /// Without their line ends. The last is empty where the file ends with a line end.
    lines: Vec<Vec<u8>>,
    names: BTreeMap<Vec<u8>, usize>,
    numbers: BTreeMap<u32, usize>,
    /// The members of lines that were added to.
    members: BTreeMap<usize, BTreeSet<Vec<u8>>>,
}

impl AccountTable {
    /// The table of a file.
    #[must_use]
    pub fn new(file: &AccountFile) -> Self {
        let mut table = Self::default();
        for line in file.bytes().split(|byte| *byte == b'\n') {
            table.add(line.to_vec());
        }
        table
    }

    fn add(&mut self, line: Vec<u8>) {
        let number = self.lines.len();
        if let Some(account) = AccountLine::parse(&line) {
            // The first line about a name counts, and the first with a number.
            self.names.entry(account.name.to_vec()).or_insert(number);
            if let Some(id) = account.number() {
                self.numbers.entry(id).or_insert(number);
            }
        }
        self.lines.push(line);
    }

    /// The bytes of the file.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        self.lines.join(&b'\n')
    }

    /// The lines that list an account; blank lines do not.
    pub fn lines(&self) -> impl Iterator<Item = AccountLine<'_>> {
        self.lines.iter().filter_map(|line| AccountLine::parse(line))
    }

    /// The first line about `name`, which is the one that counts.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<AccountLine<'_>> {
        AccountLine::parse(&self.lines[*self.names.get(name.as_bytes())?])
    }

    /// The first line with this number.
    #[must_use]
    pub fn with_number(&self, number: u32) -> Option<AccountLine<'_>> {
        AccountLine::parse(&self.lines[*self.numbers.get(&number)?])
    }

    /// Adds a line at the end, and changes nothing else.
    pub fn push(&mut self, line: &str) {
        self.lines.pop_if(|last| last.is_empty());
        self.add(line.as_bytes().to_vec());
        self.lines.push(Vec::new());
    }

    /// Adds `user` to the members of `group`, and changes nothing else. Whether something changed: nothing does where it is
    /// one already, or there is no such group.
    pub fn add_member(&mut self, group: &str, user: &str) -> bool {
        let Some(number) = self.names.get(group.as_bytes()).copied() else { return false };
        let text = &mut self.lines[number];
        let Some(line) = AccountLine::parse(text) else { return false };
        // The members are the last of four fields; a short line lacks some. A line that has got one has all.
        let separator = || match (line.field(3), line.field(2), line.field(1)) {
            (Some(members), ..) if members.trim_ascii().is_empty() => "",
            (Some(_), ..) => ",",
            (None, Some(_), _) => ":",
            (None, None, Some(_)) => "::",
            (None, None, None) => ":::",
        };
        let (separator, members) = match self.members.get_mut(&number) {
            Some(members) => (",", members),
            None => {
                let members = line.members().map(<[u8]>::to_vec).collect();
                (separator(), self.members.entry(number).or_insert(members))
            }
        };
        // Without a member that was added, the line is asked each time.
        let separator = if members.is_empty() { separator } else { "," };
        if !members.insert(user.as_bytes().to_vec()) {
            return false;
        }
        let end = text.trim_ascii_end().len();
        text.splice(end..end, [separator.as_bytes(), user.as_bytes()].concat());
        true
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn table(text: &[u8]) -> AccountTable {
        AccountTable::new(&AccountFile::new(text.to_vec()))
    }

    #[test]
    fn lines_and_members_are_added_and_nothing_else_changes() {
        let mut file = table(b"# kept\nroot:x:0:\n\nstaff:x:50:a\nlast:x:51:");
        for (group, user) in [
            ("root", "app"),
            ("staff", "app"),
            ("staff", "a"),
            ("last", "app"),
            ("none", "app"),
            ("root", "b"),
        ] {
            let is_new = file.add_member(group, user);
            assert_eq!(is_new, !matches!((group, user), ("staff", "a") | ("none", _)), "{group} {user}");
        }
        file.push("app:x:1000:");
        let expected = "# kept\nroot:x:0:app,b\n\nstaff:x:50:a,app\nlast:x:51:app\napp:x:1000:\n";
        assert_eq!(String::from_utf8_lossy(&file.bytes()), expected);
        assert_eq!(file.with_number(1000).map(|line| line.name), Some(&b"app"[..]));
        for start in [AccountTable::default(), table(b"")] {
            let mut empty = start;
            assert_eq!(empty.bytes(), b"");
            empty.push("app:x:1000:");
            assert_eq!(empty.bytes(), b"app:x:1000:\n");
        }
        let mut short = table(b"staff:x:50\r\n");
        assert!(short.add_member("staff", "app") && short.add_member("staff", "web"));
        assert_eq!(short.bytes(), b"staff:x:50:app,web\r\n");
    }

    proptest! {
        /// A table answers as the file that it is of.
        #[test]
        fn a_table_is_its_file(text in "([ab]:x?:[0-2]?:?[ab,]{0,3}|[ab \r]{0,2})(\n([ab]:x:[0-2]:[ab,]{0,3}|[ab:]{0,3})){0,4}\n?") {
            let (file, table) = (AccountFile::new(text.clone().into_bytes()), table(text.as_bytes()));
            prop_assert_eq!(file.bytes(), &table.bytes()[..]);
            for name in ["a", "b", "c", ""] {
                prop_assert_eq!(file.find(name), table.find(name));
            }
            for number in 0..4 {
                prop_assert_eq!(file.with_number(number), table.with_number(number));
            }
            prop_assert!(file.lines().eq(table.lines()));
        }
    }

    /// Each of many users joins each of many groups, and the last costs no more than the first.
    #[test]
    fn many_members_are_added_in_their_order() {
        let mut file = table(b"staff:x:50:\n");
        for number in 0..20_000 {
            assert!(file.add_member("staff", &format!("u{number}")) && !file.add_member("staff", "u0"));
        }
        assert!(file.bytes().ends_with(b",u19998,u19999\n"));
    }
}
