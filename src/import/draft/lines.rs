//! The lines of a description that the values of a build file come from.

use std::collections::BTreeMap;
use std::rc::Rc;

/// A line of a description.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::import) struct SourceLine {
    /// Its number, from 1.
    pub(in crate::import) line: usize,
    /// The file, if it is not the one that was named.
    pub(in crate::import) file: Option<Rc<str>>,
}

impl From<usize> for SourceLine {
    fn from(line: usize) -> Self {
        Self { line, file: None }
    }
}

/// The lines of values, by the key of a value and, of several values under a key, by the value or its name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DraftLines(BTreeMap<(&'static str, String), SourceLine>);

impl DraftLines {
    /// Notes the line of a value. A later one replaces an earlier one.
    pub(in crate::import) fn set(&mut self, key: &'static str, name: &str, line: impl Into<SourceLine>) {
        self.0.insert((key, name.to_owned()), line.into());
    }

    /// Adds the lines of others.
    pub(in crate::import) fn extend(&mut self, others: &Self) {
        self.0.extend(others.0.iter().map(|(key, line)| (key.clone(), line.clone())));
    }

    /// The line of a value, else that of all values under its key, else that of the description as a whole.
    pub(in crate::import) fn of(&self, key: &'static str, name: &str) -> Option<&SourceLine> {
        let find = |key: &'static str, name: &str| self.0.get(&(key, name.to_owned()));
        find(key, name).or_else(|| find(key, "")).or_else(|| find("", ""))
    }
}

/// The name that a row of `files` has among the lines.
pub(in crate::import) fn line_name(from: &str, to: &str) -> String {
    format!("{from}\0{to}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_line_counts() {
        let mut lines = DraftLines::default();
        assert_eq!(lines.of("labels", "a"), None);
        lines.set("", "", 1);
        lines.set("labels", "", 2);
        lines.set("labels", "a", 3);
        let of = |key, name| lines.of(key, name).map(|line| line.line);
        assert_eq!((of("labels", "a"), of("labels", "b"), of("user", "")), (Some(3), Some(2), Some(1)));
    }
}
