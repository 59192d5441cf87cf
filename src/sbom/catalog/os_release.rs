//! The operating system: `os-release`.

use serde::{Deserialize, Serialize};

use super::text::word;

/// The statements of an `os-release` that name the system.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OsRelease {
    /// Its identifier, such as `debian`.
    pub id: String,
    /// Its version, such as `12` or `3.20.1`; empty if it has none.
    pub version: String,
    /// Its name for people.
    pub name: String,
}

impl OsRelease {
    /// Reads one; `None` without an identifier.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let mut system = Self::default();
        for (name, value) in text.lines().filter_map(|line| line.trim().split_once('=')) {
            let value = value.trim();
            let quoted = |quote| value.strip_prefix(quote).and_then(|rest| rest.strip_suffix(quote));
            let value = word(quoted('"').or_else(|| quoted('\'')).unwrap_or(value)).to_owned();
            match name.trim() {
                "ID" => system.id = value.to_lowercase(),
                "VERSION_ID" => system.version = value,
                "PRETTY_NAME" => system.name = value,
                _ => {}
            }
        }
        (!system.id.is_empty()).then_some(system)
    }

    /// The word of package URLs for it, such as `debian-12`. Of Alpine all of the version is in it.
    #[must_use]
    pub fn distro(&self) -> String {
        if self.version.is_empty() { self.id.clone() } else { format!("{}-{}", self.id, self.version) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_do_not_count() {
        let text = "PRETTY_NAME=\"Debian GNU/Linux 12\"\nID=debian\nVERSION_ID='12'\nBAD\n";
        let system = OsRelease::parse(text).expect("one");
        assert_eq!(system.distro(), "debian-12");
        assert_eq!(system.name, "Debian GNU/Linux 12");
        assert_eq!(OsRelease::parse("NAME=x\n"), None);
    }
}
