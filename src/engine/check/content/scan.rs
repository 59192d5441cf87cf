//! The scan of one file: a function of its role and its first bytes.

use super::login;
use super::role::FileRole;
use super::sighting::{Sighting, What};
use super::token::TokenFinder;
use crate::layer::{self, Content, ContentError, ContentSource};
use crate::types::digest::ContentId;

/// How much of a file is looked at, in bytes.
const MOST: u64 = 1 << 20;
/// A file that is no longer is read at once.
const SMALL: u64 = 64 << 10;
/// A byte of zero among so many first ones shows that a file is no text.
const HEAD: u64 = 1 << 10;
/// So many sightings of one file are kept.
const MOST_SIGHTINGS: usize = 64;

/// The result of a scan.
pub(super) struct Scanned {
    pub(super) sightings: Vec<Sighting>,
    /// The identity of the content, where all of it was read.
    pub(super) id: Option<ContentId>,
}

/// Looks into files.
pub(super) struct FileScanner(Option<TokenFinder>);

impl FileScanner {
    pub(super) fn new() -> Self {
        Self(TokenFinder::new())
    }

    /// Reads the file and looks at it.
    pub(super) fn read(&self, role: FileRole, content: &Content) -> Result<Scanned, ContentError> {
        // Of an entry in an archive, all is inflated at once in any case.
        let is_whole = content.size <= SMALL || !matches!(content.source, ContentSource::File(..));
        let mut bytes = layer::read_start(content, if is_whole { MOST } else { HEAD })?;
        if !is_whole && self.wants_more(role, &bytes) {
            bytes = layer::read_start(content, MOST)?;
        }
        let is_file = matches!(content.source, ContentSource::File(..));
        let id = (is_file && bytes.len() as u64 == content.size).then(|| layer::identify_bytes(&bytes));
        Ok(Scanned { sightings: self.scan(role, &bytes), id })
    }

    /// Whether more than the head of a file tells more.
    fn wants_more(&self, role: FileRole, head: &[u8]) -> bool {
        role != FileRole::KeyStore && is_text(head)
    }

    /// Looks at the first bytes of a file.
    pub(super) fn scan(&self, role: FileRole, bytes: &[u8]) -> Vec<Sighting> {
        let mut sightings = Vec::new();
        let head = &bytes[..bytes.len().min(HEAD as usize)];
        if role == FileRole::KeyStore || is_text(head) {
            self.text(bytes, &mut sightings);
            login::find(role, bytes, &mut sightings);
            // What has a form of its own needs no name.
            let is_named = |sighting: &Sighting| sighting.line == 0;
            if !sightings.iter().all(is_named) {
                sightings.retain(|sighting| !is_named(sighting));
            }
        }
        sightings.sort_by_key(|sighting| sighting.line);
        let mut seen: Vec<Sighting> = Vec::new();
        for sighting in sightings {
            let is_same_place = |other: &Sighting| match (&other.what, &sighting.what) {
                (What::Secret { .. }, What::Secret { .. }) => other.line == sighting.line,
            };
            if !seen.iter().any(is_same_place) && seen.len() < MOST_SIGHTINGS {
                seen.push(sighting);
            }
        }
        seen
    }

    /// Secrets that their form shows, in any text.
    pub(super) fn text(&self, text: &[u8], into: &mut Vec<Sighting>) {
        if let Some(tokens) = &self.0 {
            tokens.find(text, into);
        }
    }
}

/// Whether the first bytes of a file are text.
fn is_text(head: &[u8]) -> bool {
    memchr::memchr(0, head).is_none()
}

#[cfg(test)]
mod tests {
    use super::super::sighting::SecretKind;
    use super::super::token::tests::with_checksum;
    use super::*;

    fn kinds(role: FileRole, text: &[u8]) -> Vec<(SecretKind, u32)> {
        let found = FileScanner::new().scan(role, text);
        found.iter().map(|Sighting { line, what: What::Secret { kind, .. } }| (*kind, *line)).collect()
    }

    #[test]
    fn a_form_says_more_than_a_name_and_a_line_is_named_once() {
        let text = format!("A=1\n//r/:_authToken={}\n", with_checksum("npm_"));
        assert_eq!(kinds(FileRole::Npm, text.as_bytes()), [(SecretKind::NpmToken, 2)]);
        assert_eq!(kinds(FileRole::Text, text.as_bytes()), [(SecretKind::NpmToken, 2)]);
        assert_eq!(kinds(FileRole::Environment, text.as_bytes()), [(SecretKind::NpmToken, 2)]);
        assert_eq!(kinds(FileRole::Environment, b"A=1\n"), [(SecretKind::EnvironmentFile, 0)]);
    }

    #[test]
    fn binary_files_are_passed_over() {
        let text = [&b"\0"[..], with_checksum(" ghp_").as_bytes()].concat();
        assert_eq!(kinds(FileRole::Text, &text), []);
    }
}
