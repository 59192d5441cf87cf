//! The statements of a packaged jar about itself: which library it is, whether its signature fits, and whether a name is in it twice.

use std::path::Path;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256, Sha384, Sha512};

use crate::formats::zip::{EntryProblem, ZipArchive, ZipError};
use crate::layer::{self, Content, ContentError, ContentSource};

/// The largest manifest or signature file that is read, in bytes.
const MAX_TEXT: u64 = 16 << 20;
/// The largest `pom.properties` that is read, in bytes.
const MAX_POM: u64 = 64 << 10;
/// The largest jar that is inflated for this, in bytes. A larger one in an archive that compresses it is not looked into.
const MAX_INFLATED: u64 = 16 << 20;
/// The largest signed entry that is read, in bytes. A larger one is not checked.
const MAX_SIGNED: u64 = 64 << 20;

/// A library as Maven names it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) struct LibraryName {
    pub(super) group: String,
    pub(super) name: String,
    pub(super) version: String,
}

/// The facts about a jar.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct JarFacts {
    /// The libraries that it says it has: more than one in a shaded jar.
    pub(super) libraries: Vec<LibraryName>,
    /// The entry that is not what the signature says.
    pub(super) forged: Option<String>,
    /// The entry that is there twice.
    pub(super) doubled: Option<String>,
}

impl JarFacts {
    /// Of a jar in a layer, wherever its bytes are.
    pub(super) fn read(content: &Content) -> Result<Self, ContentError> {
        let jar = match &content.source {
            ContentSource::File(path, stamp) => match ZipArchive::open(path) {
                Ok(jar) if jar.stamp() != stamp => return Err(ContentError::Changed(path.to_path_buf())),
                jar => jar,
            },
            ContentSource::Zip(archive, index) => match archive.within(*index) {
                Some(jar) => jar,
                None if content.size > MAX_INFLATED => return Ok(Self::default()),
                None => ZipArchive::from_bytes(archive.path(), layer::read_start(content, MAX_INFLATED)?),
            },
            ContentSource::Bytes(bytes) => ZipArchive::from_bytes(Path::new(""), bytes.to_vec()),
            // Its entries are those of the application, and it is made without a signature.
            ContentSource::Repacked(_) => return Ok(Self::default()),
        };
        Ok(match jar {
            Ok(jar) => Self::of(&jar),
            Err(error) => Self::of_error(&error),
        })
    }

    /// Of an open jar. A jar that cannot be read tells nothing: the program that loads it says so.
    pub(super) fn of(jar: &ZipArchive) -> Self {
        Self { libraries: libraries(jar), forged: forged(jar), doubled: None }
    }

    /// Of a jar that cannot be opened, by the reason.
    pub(super) fn of_error(error: &ZipError) -> Self {
        let doubled = match error {
            ZipError::Entry { name, problem: EntryProblem::Duplicate, .. } => {
                Some(String::from_utf8_lossy(name).into_owned())
            }
            _ => None,
        };
        Self { doubled, ..Self::default() }
    }
}

/// The libraries whose `pom.properties` it has.
fn libraries(jar: &ZipArchive) -> Vec<LibraryName> {
    let is_pom = |name: &[u8]| name.starts_with(b"META-INF/maven/") && name.ends_with(b"/pom.properties");
    let found = jar.entries().iter().enumerate().filter(|(_, entry)| is_pom(&entry.name));
    let mut libraries: Vec<LibraryName> = found
        .filter_map(|(index, _)| {
            let text = jar.read(index, MAX_POM).ok()?;
            let text = String::from_utf8_lossy(&text);
            let value = |key: &str| {
                let lines = text.lines().filter_map(|line| line.trim().split_once('='));
                lines
                    .filter(|(name, _)| name.trim() == key)
                    .map(|(_, value)| value.trim().to_owned())
                    .next_back()
            };
            Some(LibraryName {
                group: value("groupId")?,
                name: value("artifactId")?,
                version: value("version")?,
            })
        })
        .take(64)
        .collect();
    libraries.sort();
    libraries.dedup();
    libraries
}

/// The first entry that Java would refuse, or the manifest itself. SHA-1 is not checked: Java takes no new signature with it.
fn forged(jar: &ZipArchive) -> Option<String> {
    let signature = jar.entries().iter().position(|entry| is_signature_file(&entry.name))?;
    let manifest_at = jar.position(b"META-INF/MANIFEST.MF")?;
    let signature = jar.read(signature, MAX_TEXT).ok()?;
    let manifest = jar.read(manifest_at, MAX_TEXT).ok()?;
    let (signed, sections) = (sections(&signature), sections(&manifest));
    let is_whole = signed.first().and_then(|main| main.fits("-Digest-Manifest", &manifest));
    if is_whole == Some(false) {
        let changed = sections.iter().skip(1).find(|section| {
            let of_section = signed.iter().skip(1).find(|signed| signed.get("Name") == section.get("Name"));
            of_section.and_then(|signed| signed.fits("-Digest", section.bytes)) == Some(false)
        });
        if let Some(section) = changed {
            return Some(section.get("Name").unwrap_or_else(|| "META-INF/MANIFEST.MF".to_owned()));
        }
    }
    let signed_names: std::collections::BTreeSet<String> =
        signed.iter().filter_map(|section| section.get("Name")).collect();
    let positions: std::collections::BTreeMap<&[u8], usize> =
        jar.entries().iter().enumerate().map(|(index, entry)| (&entry.name[..], index)).collect();
    sections.iter().skip(1).find_map(|section| {
        let name =
            section.get("Name").filter(|name| is_whole == Some(true) || signed_names.contains(name))?;
        let index = *positions.get(name.as_bytes())?;
        section.has_digest().then_some(())?;
        let content = jar.read(index, MAX_SIGNED).ok()?;
        (section.fits("-Digest", &content) == Some(false)).then_some(name)
    })
}

/// Whether an entry's name is that of a file of signatures: `META-INF/NAME.SF`.
pub(super) fn is_signature_file(name: &[u8]) -> bool {
    let Some(rest) = name.strip_prefix(b"META-INF/") else { return false };
    rest.ends_with(b".SF") && !rest.contains(&b'/')
}

/// A section of a manifest, with its bytes up to and with the empty line behind it.
struct SignedSection<'m> {
    bytes: &'m [u8],
    lines: Vec<(String, String)>,
}

impl SignedSection<'_> {
    fn get(&self, name: &str) -> Option<String> {
        self.lines.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.clone())
    }

    fn has_digest(&self) -> bool {
        ["SHA-256", "SHA-384", "SHA-512"]
            .iter()
            .any(|algorithm| self.get(&format!("{algorithm}-Digest")).is_some())
    }

    /// Whether the digests with this ending are those of `content`; `None` where there is none that is known.
    fn fits(&self, ending: &str, content: &[u8]) -> Option<bool> {
        use base64::Engine as _;
        let digest = |algorithm: &str| -> Vec<u8> {
            match algorithm {
                "SHA-256" => Sha256::digest(content).to_vec(),
                "SHA-384" => Sha384::digest(content).to_vec(),
                _ => Sha512::digest(content).to_vec(),
            }
        };
        let answers = ["SHA-256", "SHA-384", "SHA-512"].iter().filter_map(|algorithm| {
            let said = self.get(&format!("{algorithm}{ending}"))?;
            Some(base64::engine::general_purpose::STANDARD.encode(digest(algorithm)) == said.trim())
        });
        answers.reduce(|one, other| one && other)
    }
}

/// The sections of a manifest: the first one is about all of the jar.
fn sections(bytes: &[u8]) -> Vec<SignedSection<'_>> {
    let mut sections = Vec::new();
    let (mut start, mut at) = (0, 0);
    let mut lines: Vec<Vec<u8>> = Vec::new();
    while at < bytes.len() {
        let end = memchr::memchr(b'\n', &bytes[at..]).map_or(bytes.len(), |end| at + end + 1);
        let line = &bytes[at..end];
        let text = line.strip_suffix(b"\n").unwrap_or(line);
        let text = text.strip_suffix(b"\r").unwrap_or(text);
        at = end;
        if !text.is_empty() {
            match (text.strip_prefix(b" "), lines.last_mut()) {
                (Some(rest), Some(last)) => last.extend(rest),
                _ => lines.push(text.to_vec()),
            }
        }
        let is_end = text.is_empty() || at == bytes.len();
        if is_end && !lines.is_empty() {
            let split = |line: Vec<u8>| {
                let line = String::from_utf8_lossy(&line).into_owned();
                line.split_once(": ").map(|(name, value)| (name.to_owned(), value.to_owned()))
            };
            let lines = std::mem::take(&mut lines).into_iter().filter_map(split).collect();
            sections.push(SignedSection { bytes: &bytes[start..at], lines });
        }
        if is_end {
            start = at;
        }
    }
    sections
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;

    use super::*;
    use crate::formats::zip::fixture::{self, Item};

    fn base64_of(content: &[u8]) -> String {
        base64::engine::general_purpose::STANDARD.encode(Sha256::digest(content))
    }

    /// A jar with an entry that was signed as `signed`, and is `content`.
    fn jar(signed: &[u8], content: &[u8], version: &str) -> ZipArchive {
        let section = format!("Name: a/A.class\r\nSHA-256-Digest: {}\r\n\r\n", base64_of(signed));
        let manifest = format!("Manifest-Version: 1.0\r\n\r\n{section}");
        let signature = format!(
            "Signature-Version: 1.0\r\nSHA-256-Digest-Manifest: {}\r\n\r\nName: a/A.class\r\nSHA-256-Digest: {}\r\n\r\n",
            base64_of(manifest.as_bytes()),
            base64_of(section.as_bytes())
        );
        let pom = format!("version={version}\ngroupId=org.shop\nartifactId=a\n");
        let files: [(&str, &[u8]); 4] = [
            ("META-INF/MANIFEST.MF", manifest.as_bytes()),
            ("META-INF/SHOP.SF", signature.as_bytes()),
            ("META-INF/maven/org.shop/a/pom.properties", pom.as_bytes()),
            ("a/A.class", content),
        ];
        ZipArchive::from_bytes(
            Path::new("a.jar"),
            fixture::write(&files.map(|(name, content)| Item::stored(name, content))),
        )
        .expect("a jar")
    }

    #[test]
    fn a_changed_entry_of_a_signed_jar_is_found() {
        let sound = JarFacts::of(&jar(b"class", b"class", "1.2"));
        assert_eq!(sound.forged, None);
        let library =
            LibraryName { group: "org.shop".to_owned(), name: "a".to_owned(), version: "1.2".to_owned() };
        assert_eq!(sound.libraries, [library]);
        assert_eq!(JarFacts::of(&jar(b"class", b"other", "1")).forged.as_deref(), Some("a/A.class"));
    }

    #[test]
    fn sections_keep_their_bytes_and_join_lines() {
        let found = sections(b"A: 1\r\nB: 2\r\n 3\r\n\r\nName: x\n\nName: y");
        let bytes: Vec<&[u8]> = found.iter().map(|section| section.bytes).collect();
        assert_eq!(bytes, [&b"A: 1\r\nB: 2\r\n 3\r\n\r\n"[..], b"Name: x\n\n", b"Name: y"]);
        assert_eq!(found[0].get("b").as_deref(), Some("23"));
        assert!(is_signature_file(b"META-INF/A.SF") && !is_signature_file(b"META-INF/a/A.SF"));
    }
}
