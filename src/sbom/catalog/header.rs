//! Lines `Name: value` with continuations, as mail has them: METADATA of Python, stanzas of dpkg.

use crate::sbom::package::PackageFacts;

/// So many names of a list are taken: no package needs or provides more.
pub(super) const MOST_NAMES: usize = 10_000;
/// The packages of one database may take so many bytes of memory.
pub(super) const MAX_PACKAGES: usize = 48 << 20;

/// The packages of a database; `None` where they take more memory than they may.
pub(super) fn kept(packages: impl Iterator<Item = PackageFacts>) -> Option<Vec<PackageFacts>> {
    let (mut all, mut memory) = (Vec::new(), 0);
    for package in packages {
        memory += package.cost();
        if memory > MAX_PACKAGES {
            return None;
        }
        all.push(package);
    }
    Some(all)
}

/// The fields of the lines up to the first empty one. A line that begins with a blank belongs to the field before it.
pub fn header_lines(text: &str) -> impl Iterator<Item = (&str, &str)> {
    text.lines()
        .take_while(|line| !line.trim().is_empty())
        .filter(|line| !line.starts_with([' ', '\t']))
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name, value.trim()))
}

/// The stanzas of a text: its parts between empty lines.
pub(super) fn stanzas(text: &str) -> impl Iterator<Item = &str> {
    text.split("\n\n").map(|stanza| stanza.trim_matches('\n')).filter(|stanza| !stanza.is_empty())
}
