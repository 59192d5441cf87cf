//! The scan of one file: a function of its role and its first bytes.

use std::collections::BTreeSet;
use std::path::Path;

use super::address;
use super::build_path::BuildPlaces;
use super::login;
use super::role::FileRole;
use super::sighting::{DatabaseKind, Sighting, What};
use crate::layer::{self, Content, ContentError, ContentSource};
use crate::types::digest::ContentId;
use crate::types::secret::text::LineCounter;
use crate::types::secret::{FoundSecret, SecretFinder, SecretKind};

/// How much of a file is looked at, in bytes.
pub(super) const MOST: u64 = 1 << 20;
/// A file that is no longer is read at once.
pub(super) const SMALL: u64 = 64 << 10;
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
pub(super) struct FileScanner {
    secrets: Option<SecretFinder>,
    pub(super) places: BuildPlaces,
}

impl FileScanner {
    /// For files of the project in this directory.
    pub(super) fn new(project: &Path) -> Self {
        Self { secrets: SecretFinder::new(), places: BuildPlaces::new(project) }
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
        let mut sightings = self.scan(role, &bytes);
        if content.size > MOST && self.wants_more(role, &bytes[..bytes.len().min(HEAD as usize)]) {
            sightings.insert(0, Sighting { line: 0, what: What::Rest });
        }
        Ok(Scanned { sightings, id })
    }

    /// Whether more than the head of a file tells more.
    fn wants_more(&self, role: FileRole, head: &[u8]) -> bool {
        role != FileRole::KeyStore && is_text(head)
    }

    /// Looks at the first bytes of a file.
    pub(super) fn scan(&self, role: FileRole, bytes: &[u8]) -> Vec<Sighting> {
        let head = &bytes[..bytes.len().min(HEAD as usize)];
        let mut sightings = Vec::new();
        if role == FileRole::KeyStore || is_text(head) {
            sightings = self.secrets(role, bytes);
            self.places.in_script(bytes, &mut sightings);
            match role {
                FileRole::Paths => self.places.in_paths(bytes, &mut sightings),
                FileRole::Settings | FileRole::Environment => address::find(bytes, &mut sightings),
                _ => {}
            }
        }
        let database = DatabaseKind::of(head).map(What::Database);
        sightings.extend(database.map(|what| Sighting { line: 0, what }));
        sightings.sort_by_key(|sighting| sighting.line);
        sightings.truncate(MOST_SIGHTINGS);
        sightings
    }

    /// The secrets in a text: one in a line, and the file as a whole only where no line tells more.
    fn secrets(&self, role: FileRole, text: &[u8]) -> Vec<Sighting> {
        let mut sightings = Vec::new();
        self.text(text, &mut sightings);
        login::find(role, text, &mut sightings);
        let mut seen = BTreeSet::new();
        sightings.retain(|sighting| seen.insert(sighting.line));
        if sightings.iter().any(|sighting| sighting.line > 0) {
            sightings.retain(|sighting| sighting.line > 0);
        }
        sightings
    }

    /// The first secret that its form shows, in a name or a setting: its kind and its length.
    pub(super) fn first_secret(&self, text: &[u8]) -> Option<(SecretKind, usize)> {
        let found = self.secrets.as_ref()?.find(text);
        found.first().map(|secret| (secret.kind, secret.bytes.len()))
    }

    /// Secrets that their form shows, in any text.
    pub(super) fn text(&self, text: &[u8], into: &mut Vec<Sighting>) {
        let found = self.secrets.iter().flat_map(|secrets| secrets.find(text));
        let mut lines = LineCounter::new(text);
        into.extend(found.map(|FoundSecret { bytes, kind, .. }| Sighting {
            line: lines.at(bytes.start),
            what: What::Secret { kind, length: u32::try_from(bytes.len()).unwrap_or(u32::MAX) },
        }));
    }
}

/// Whether the first bytes of a file are text.
fn is_text(head: &[u8]) -> bool {
    memchr::memchr(0, head).is_none()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::secret::text::steps;
    use crate::types::secret::{der, pem, with_checksum};

    fn kinds(role: FileRole, text: &[u8]) -> Vec<(SecretKind, u32)> {
        let kind = |sighting: Sighting| match sighting.what {
            What::Secret { kind, .. } => (kind, sighting.line),
            _ => unreachable!(),
        };
        FileScanner::new(Path::new("/")).scan(role, text).into_iter().map(kind).collect()
    }

    #[test]
    fn a_form_says_more_than_a_name_and_a_line_is_named_once() {
        let text = format!("A=1\n//r/:_authToken={}\n", with_checksum("npm_"));
        assert_eq!(kinds(FileRole::Npm, text.as_bytes()), [(SecretKind::NpmToken, 2)]);
        assert_eq!(kinds(FileRole::Text, text.as_bytes()), [(SecretKind::NpmToken, 2)]);
        assert_eq!(kinds(FileRole::Environment, text.as_bytes()), [(SecretKind::NpmToken, 2)]);
        assert_eq!(kinds(FileRole::Environment, b"A=1\n"), [(SecretKind::EnvironmentFile, 0)]);
    }

    /// Texts that are made so that each place is the beginning of something: twice as much text takes twice as much work, and
    /// no place more than the longest secret.
    #[test]
    fn work_grows_as_the_text() {
        let secret = "Zx81kQv93LmTr0aBcDy7HnWp45JfUgE2Zx81kQv9";
        let lines = format!("<password>{secret}</password>\n");
        let keys = format!("aws_secret_access_key={secret}\n");
        let key = pem("PRIVATE KEY", &der(120));
        let scanner = FileScanner::new(Path::new("/srv/ci/shop"));
        for (role, head, unit) in [
            (FileRole::Text, "", "ghp_"),
            (FileRole::Text, "", "-ghp_"),
            (FileRole::Text, "", "npm_"),
            (FileRole::Text, "", "AKIA"),
            (FileRole::Text, "", "-glpat-"),
            (FileRole::Text, "", "-xoxb-"),
            (FileRole::Text, "", "-pypi-AgEIcHlwaS5vcmc"),
            (FileRole::Text, "", "AccountKey="),
            (FileRole::Text, "", "aws_secret_access_key="),
            (FileRole::Text, "", &keys),
            (FileRole::Text, "", &key),
            (FileRole::Text, "", "-----BEGIN PRIVATE KEY-----"),
            (FileRole::Text, "", "-----BEGIN PRIVATE KEY-----\nMII\n-----END PRIVATE KEY-----"),
            (FileRole::Text, "", "PuTTY-User-Key-File-"),
            (FileRole::Text, "#!", "@/home//"),
            (FileRole::Paths, "", "@/home//"),
            (FileRole::Maven, "<settings>", "<password>"),
            (FileRole::Maven, "<settings>", &lines),
            (FileRole::Docker, "", "\"auth\":"),
            (FileRole::Docker, "", "\"auth\":\"a1b2c3d4\",\n"),
            (FileRole::Kubernetes, "", "token: a1b2c3d4\n"),
            (FileRole::Kubernetes, "", "\"token\":\"a1b2c3d4\""),
            (FileRole::Environment, "", "TOKEN=a1b2c3d4\n"),
            (FileRole::Settings, "", "10.2."),
            (FileRole::Settings, "", "10.2.3.4\n"),
            (FileRole::Settings, "", "://a.local"),
            (FileRole::Settings, "${", "localhost:5432 "),
            (FileRole::Settings, "${", "localhost:543 "),
        ] {
            let steps = |count: usize| {
                let text = format!("{head}{}", unit.repeat(count));
                let steps = steps::of(|| drop(scanner.scan(role, text.as_bytes())));
                assert!(steps <= 200 * text.len(), "{unit}: {steps} steps for {} bytes", text.len());
                steps
            };
            let (one, two) = (steps(5_000), steps(10_000));
            assert!(two <= 2 * one + 100_000, "{unit}: {one} steps, then {two}");
        }
    }

    #[test]
    fn binary_files_are_passed_over() {
        let text = [&b"\0"[..], with_checksum(" ghp_").as_bytes()].concat();
        assert_eq!(kinds(FileRole::Text, &text), []);
        let scanner = FileScanner::new(Path::new("/"));
        let found = scanner.scan(FileRole::Text, b"SQLite format 3\0");
        assert_eq!(found, [Sighting { line: 0, what: What::Database(DatabaseKind::Sqlite) }]);
    }
}
