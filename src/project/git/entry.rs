//! One setting of a git configuration, as `git config --list -z` prints it.

/// One `key = value`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct GitConfigEntry {
    /// In lower case; empty for a key before any section.
    pub(super) section: String,
    /// As it is written.
    pub(super) subsection: Option<Vec<u8>>,
    /// In lower case.
    pub(super) key: String,
    /// `None` for a key alone, which is a switch that is on.
    pub(super) value: Option<Vec<u8>>,
}

impl GitConfigEntry {
    /// Reads a record: the key, then a line feed and the value if there is one.
    pub(super) fn parse(record: &[u8]) -> Self {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let end = record.iter().position(|byte| *byte == b'\n');
        let (name, value) =
            end.map_or((record, None), |end| (&record[..end], Some(record[end + 1..].to_vec())));
        let first = name.iter().position(|byte| *byte == b'.');
        let last = name.iter().rposition(|byte| *byte == b'.');
        match (first, last) {
            (Some(first), Some(last)) => Self {
                section: text(&name[..first]),
                subsection: (first < last).then(|| name[first + 1..last].to_vec()),
                key: text(&name[last + 1..]),
                value,
            },
            _ => Self { section: String::new(), subsection: None, key: text(name), value },
        }
    }

    /// Whether it is this setting.
    pub(super) fn is(&self, section: &str, subsection: Option<&[u8]>, key: &str) -> bool {
        self.section == section && self.subsection.as_deref() == subsection && self.key == key
    }

    /// Its value as a switch; `None` where it is none.
    pub(super) fn switch(&self) -> Option<bool> {
        let Some(value) = &self.value else { return Some(true) };
        match value.to_ascii_lowercase().as_slice() {
            b"true" | b"yes" | b"on" | b"1" => Some(true),
            b"false" | b"no" | b"off" | b"0" | b"" => Some(false),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_keys_and_values() {
        let entry =
            |section: &str, subsection: Option<&str>, key: &str, value: Option<&str>| GitConfigEntry {
                section: section.to_owned(),
                subsection: subsection.map(|name| name.as_bytes().to_vec()),
                key: key.to_owned(),
                value: value.map(|value| value.as_bytes().to_vec()),
            };
        for (record, expected) in [
            ("core.bare", entry("core", None, "bare", None)),
            ("core.bare\n", entry("core", None, "bare", Some(""))),
            ("a.b.c\nd\ne", entry("a", Some("b"), "c", Some("d\ne"))),
            ("url.https://x.y/.insteadof\nz", entry("url", Some("https://x.y/"), "insteadof", Some("z"))),
            ("a..c\nd", entry("a", Some(""), "c", Some("d"))),
            ("b\n1", entry("", None, "b", Some("1"))),
        ] {
            assert_eq!(GitConfigEntry::parse(record.as_bytes()), expected, "{record:?}");
        }
    }
}
