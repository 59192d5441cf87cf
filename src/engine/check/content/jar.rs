//! The statements of a packaged jar about itself: which library it is, whether its signature fits, and whether a name is in it twice.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;

use serde::{Deserialize, Serialize};
use sha2::digest::DynDigest;
use sha2::{Sha256, Sha384, Sha512};

use crate::engine::error::BuildError;
use crate::formats::zip::{EntryProblem, ZipArchive, ZipError};
use crate::layer::{self, Content, ContentError, ContentSource};
use crate::runtime::interrupt::{Interrupt, Interrupted};

/// The largest manifest or signature file that is read, in bytes.
const MAX_TEXT: u64 = 16 << 20;
/// The largest `pom.properties` that is read, in bytes.
const MAX_POM: u64 = 64 << 10;
/// The largest jar that is inflated for this, in bytes. A larger one in an archive that compresses it is not looked into.
const MAX_INFLATED: u64 = 16 << 20;
/// The most that is inflated of the signed entries of a jar, in bytes. The others are not checked.
const MAX_SIGNED: u64 = 256 << 20;
/// So many `pom.properties` of a jar are read.
const MAX_POMS: usize = 64;

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
    /// The first signed entry that was not checked, because there is more than is inflated.
    pub(super) unchecked: Option<String>,
    /// The entry that is there twice.
    pub(super) doubled: Option<String>,
}

impl JarFacts {
    /// Of a jar in a layer, wherever its bytes are.
    pub(super) fn read(content: &Content, interrupt: &Interrupt) -> Result<Self, BuildError> {
        let jar = match &content.source {
            ContentSource::File(path, stamp) => match ZipArchive::open(path) {
                Ok(jar) if jar.stamp() != stamp => {
                    return Err(BuildError::Content(ContentError::Changed(path.to_path_buf())));
                }
                jar => jar,
            },
            ContentSource::Zip(archive, index) => match archive.within(*index) {
                Some(jar) => jar,
                None if content.size > MAX_INFLATED => return Ok(Self::default()),
                None => {
                    let bytes = layer::read_start(content, MAX_INFLATED).map_err(BuildError::Content)?;
                    ZipArchive::from_bytes(archive.path(), bytes)
                }
            },
            ContentSource::Bytes(bytes) => ZipArchive::from_bytes(Path::new(""), bytes.to_vec()),
            // Its entries are those of the application, and it is made without a signature.
            ContentSource::Repacked(_) => return Ok(Self::default()),
        };
        Ok(match jar {
            Ok(jar) => Self::of(&jar, interrupt)?,
            Err(error) => Self::of_error(&error),
        })
    }

    /// Of an open jar. A jar that cannot be read tells nothing: the program that loads it says so.
    fn of(jar: &ZipArchive, interrupt: &Interrupt) -> Result<Self, Interrupted> {
        let SignatureAnswer { forged, unchecked } = signature(jar, interrupt)?;
        Ok(Self { libraries: libraries(jar), forged, unchecked, doubled: None })
    }

    /// Of a jar that cannot be opened, by the reason.
    fn of_error(error: &ZipError) -> Self {
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
    let found = jar.entries().iter().enumerate().filter(|(_, entry)| is_pom(&entry.name)).take(MAX_POMS);
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
        .collect();
    libraries.sort();
    libraries.dedup();
    libraries
}

/// The answer of a signature.
#[derive(Default)]
struct SignatureAnswer {
    forged: Option<String>,
    unchecked: Option<String>,
}

/// The first entry that Java would refuse, or the manifest itself. SHA-1 is not checked: Java takes no new signature with it.
fn signature(jar: &ZipArchive, interrupt: &Interrupt) -> Result<SignatureAnswer, Interrupted> {
    let texts = || {
        let signature = jar.entries().iter().position(|entry| is_signature_file(&entry.name))?;
        let manifest = jar.position(b"META-INF/MANIFEST.MF")?;
        Some((jar.read(signature, MAX_TEXT).ok()?, jar.read(manifest, MAX_TEXT).ok()?))
    };
    let Some((signature, manifest)) = texts() else { return Ok(SignatureAnswer::default()) };
    let forged = |name: String| Ok(SignatureAnswer { forged: Some(name), unchecked: None });
    let is_whole = sections(&signature).next().and_then(|main| main.fits("-Digest-Manifest", &manifest[..]));
    // Where the manifest as a whole is what was signed, all of it is.
    let mut signed: BTreeMap<String, SignedSection<'_>> = BTreeMap::new();
    if is_whole != Some(true) {
        for section in sections(&signature).skip(1) {
            interrupt.check()?;
            let name = section.get("Name");
            name.map(|name| signed.entry(name).or_insert(section));
        }
    }
    if is_whole == Some(false) {
        for section in sections(&manifest).skip(1) {
            interrupt.check()?;
            let name = section.get("Name");
            let of_section = name.as_ref().and_then(|name| signed.get(name));
            if of_section.and_then(|signed| signed.fits("-Digest", section.bytes)) == Some(false) {
                return forged(name.unwrap_or_else(|| "META-INF/MANIFEST.MF".to_owned()));
            }
        }
    }
    let positions: BTreeMap<&[u8], usize> =
        jar.entries().iter().enumerate().map(|(index, entry)| (&entry.name[..], index)).collect();
    let mut left = MAX_SIGNED;
    for section in sections(&manifest).skip(1) {
        interrupt.check()?;
        let Some(name) = section.get("Name") else { continue };
        if is_whole != Some(true) && !signed.contains_key(&name) {
            continue;
        }
        let position = positions.get(name.as_bytes()).copied();
        let Some(index) = position.filter(|_| section.has_digest()) else { continue };
        match left.checked_sub(jar.entries()[index].size) {
            Some(rest) => left = rest,
            None => return Ok(SignatureAnswer { forged: None, unchecked: Some(name) }),
        }
        let Ok(content) = jar.reader(index) else { continue };
        if section.fits("-Digest", content) == Some(false) {
            return forged(name);
        }
    }
    Ok(SignatureAnswer::default())
}

/// Whether an entry's name is that of a file of signatures: `META-INF/NAME.SF`.
pub(super) fn is_signature_file(name: &[u8]) -> bool {
    let Some(rest) = name.strip_prefix(b"META-INF/") else { return false };
    rest.ends_with(b".SF") && !rest.contains(&b'/')
}

/// A section of a manifest: its bytes up to and with the empty line behind it. Its lines are read when they are asked for,
/// because a hostile jar has hundreds of thousands.
#[derive(Clone, Copy)]
struct SignedSection<'m> {
    bytes: &'m [u8],
}

/// The algorithms of digests that Java takes.
#[derive(Clone, Copy)]
enum JarDigest {
    Sha256,
    Sha384,
    Sha512,
}

impl JarDigest {
    const ALL: [(Self, &'static str); 3] =
        [(Self::Sha256, "SHA-256"), (Self::Sha384, "SHA-384"), (Self::Sha512, "SHA-512")];

    fn hasher(self) -> Box<dyn DynDigest> {
        match self {
            Self::Sha256 => Box::new(Sha256::default()),
            Self::Sha384 => Box::new(Sha384::default()),
            Self::Sha512 => Box::new(Sha512::default()),
        }
    }
}

impl SignedSection<'_> {
    /// The value of the first line with this name. A line that begins with a blank goes on with the one before.
    fn get(&self, name: &str) -> Option<String> {
        let value = |line: &[u8]| {
            let line = String::from_utf8_lossy(line);
            let (known, value) = line.split_once(": ")?;
            known.eq_ignore_ascii_case(name).then(|| value.to_owned())
        };
        let mut whole: Vec<u8> = Vec::new();
        for line in self.bytes.split(|byte| *byte == b'\n') {
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            match line.strip_prefix(b" ") {
                Some(rest) if !whole.is_empty() => whole.extend(rest),
                _ => {
                    if let Some(value) = value(&whole) {
                        return Some(value);
                    }
                    whole.clear();
                    whole.extend(line);
                }
            }
        }
        value(&whole)
    }

    fn has_digest(&self) -> bool {
        JarDigest::ALL.iter().any(|(_, name)| self.get(&format!("{name}-Digest")).is_some())
    }

    /// Whether the digests with this ending are those of `content`; `None` where there is none that is known, and where the
    /// content cannot be read.
    fn fits(&self, ending: &str, mut content: impl Read) -> Option<bool> {
        use base64::Engine as _;
        let mut wanted: Vec<(Box<dyn DynDigest>, String)> = JarDigest::ALL
            .iter()
            .filter_map(|(algorithm, name)| Some((algorithm.hasher(), self.get(&format!("{name}{ending}"))?)))
            .collect();
        let mut piece = vec![0; 64 << 10];
        while !wanted.is_empty() {
            match content.read(&mut piece).ok()? {
                0 => break,
                read => wanted.iter_mut().for_each(|(hasher, _)| hasher.update(&piece[..read])),
            }
        }
        let answers = wanted.into_iter().map(|(hasher, said)| {
            base64::engine::general_purpose::STANDARD.encode(hasher.finalize()) == said.trim()
        });
        answers.reduce(|one, other| one && other)
    }
}

/// The sections of a manifest: the first one is about all of the jar.
fn sections(bytes: &[u8]) -> impl Iterator<Item = SignedSection<'_>> {
    let mut at = 0;
    std::iter::from_fn(move || {
        let (mut start, mut has_lines) = (at, false);
        while at < bytes.len() {
            let end = memchr::memchr(b'\n', &bytes[at..]).map_or(bytes.len(), |end| at + end + 1);
            let is_empty = matches!(&bytes[at..end], b"\n" | b"\r\n");
            at = end;
            has_lines |= !is_empty;
            if is_empty || at == bytes.len() {
                if has_lines {
                    return Some(SignedSection { bytes: &bytes[start..at] });
                }
                start = at;
            }
        }
        None
    })
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use sha2::Digest as _;

    use super::*;
    use crate::formats::zip::fixture::{self, Item};

    fn facts(jar: &ZipArchive) -> JarFacts {
        JarFacts::of(jar, &Interrupt::default()).expect("not interrupted")
    }

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
        let sound = facts(&jar(b"class", b"class", "1.2"));
        assert_eq!(sound.forged, None);
        let library =
            LibraryName { group: "org.shop".to_owned(), name: "a".to_owned(), version: "1.2".to_owned() };
        assert_eq!(sound.libraries, [library]);
        assert_eq!(facts(&jar(b"class", b"other", "1")).forged.as_deref(), Some("a/A.class"));
    }

    #[test]
    fn sections_keep_their_bytes_and_join_lines() {
        let found = sections(b"A: 1\r\nB: 2\r\n 3\r\n\r\n\nName: x\n\nName: y").collect::<Vec<_>>();
        let bytes: Vec<&[u8]> = found.iter().map(|section| section.bytes).collect();
        assert_eq!(bytes, [&b"A: 1\r\nB: 2\r\n 3\r\n\r\n"[..], b"Name: x\n\n", b"Name: y"]);
        assert_eq!(found[0].get("b").as_deref(), Some("23"));
        assert!(is_signature_file(b"META-INF/A.SF") && !is_signature_file(b"META-INF/a/A.SF"));
    }

    /// A manifest of so many sections, signed by another manifest: each section is looked up, none searched for.
    #[test]
    fn a_signature_of_many_sections_takes_a_step_for_each() {
        let count = 20_000;
        let sections: String = (0..count)
            .map(|number| format!("Name: c{number}\r\nSHA-256-Digest: {}\r\n\r\n", base64_of(b"x")))
            .collect();
        let manifest = format!("Manifest-Version: 1.0\r\n\r\n{sections}");
        let signed: String = sections
            .split_inclusive("\r\n\r\n")
            .map(|section| {
                let name = section.lines().next().expect("a name");
                format!("{name}\r\nSHA-256-Digest: {}\r\n\r\n", base64_of(section.as_bytes()))
            })
            .collect();
        let signature = format!(
            "Signature-Version: 1.0\r\nSHA-256-Digest-Manifest: {}\r\n\r\n{signed}",
            base64_of(b"other")
        );
        let last = format!("c{}", count - 1);
        let files: [(&str, &[u8]); 3] = [
            ("META-INF/MANIFEST.MF", manifest.as_bytes()),
            ("META-INF/SHOP.SF", signature.as_bytes()),
            (&last, b"other"),
        ];
        let jar = ZipArchive::from_bytes(
            Path::new("a.jar"),
            fixture::write(&files.map(|(name, content)| Item::stored(name, content))),
        );
        assert_eq!(facts(&jar.expect("a jar")).forged, Some(last));
    }

    #[test]
    fn a_long_look_at_a_jar_ends_when_the_user_interrupts() {
        let interrupt = Interrupt::default();
        interrupt.trigger();
        assert!(JarFacts::of(&jar(b"class", b"class", "1"), &interrupt).is_err());
    }
}
