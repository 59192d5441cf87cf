//! The manifest of a Java archive.

use std::collections::BTreeMap;
use std::path::Path;

use super::error::ArtifactError;

pub(super) const MANIFEST: &str = "META-INF/MANIFEST.MF";

/// Larger manifests exist only in attacks: signed jars of 10,000 entries have 1 MiB.
pub(super) const MAX_MANIFEST: u64 = 16 << 20;

/// The most lines of a manifest: a signed jar of 100,000 entries has 300,000. Each costs some 200 bytes of memory.
const MAX_LINES: usize = 500_000;

/// The longest line that is written, in bytes without its end (JAR specification).
const LINE: usize = 72;

/// A section of a manifest: names and values in their order.
type ManifestSection = Vec<(String, String)>;

/// A manifest (JAR specification).
#[derive(Clone, Debug, Default)]
pub struct JarManifest {
    main: ManifestSection,
    /// Those of single entries.
    sections: Vec<ManifestSection>,
}

impl JarManifest {
    /// The manifest of the archive at `path`.
    ///
    /// # Errors
    /// When it has more lines than any archive needs.
    pub(super) fn read(path: &Path, bytes: &[u8]) -> Result<Self, ArtifactError> {
        if lines(bytes).nth(MAX_LINES).is_none() {
            return Ok(Self::parse(bytes));
        }
        Err(ArtifactError::Unfit {
            path: path.to_owned(),
            why: format!("`{MANIFEST}` in it has more than {MAX_LINES} lines"),
            hint: "build the archive again, without a section for each of its entries".to_owned(),
        })
    }

    /// Lenient: what is not `Name: value` is skipped, as Java's own tools would refuse it anyway.
    #[must_use]
    pub fn parse(bytes: &[u8]) -> Self {
        let mut sections: Vec<Vec<Vec<u8>>> = vec![Vec::new()];
        let mut is_new = false;
        for line in lines(bytes) {
            if line.is_empty() {
                is_new = true;
                continue;
            }
            if std::mem::take(&mut is_new) {
                sections.push(Vec::new());
            }
            let Some(section) = sections.last_mut() else { continue };
            match line.strip_prefix(b" ") {
                // A line may end within a character, so that bytes are joined.
                Some(continued) => {
                    if let Some(last) = section.last_mut() {
                        last.extend(continued);
                    }
                }
                None => section.push(line.to_vec()),
            }
        }
        let mut sections: Vec<ManifestSection> = sections.iter().map(|lines| section(lines)).collect();
        let main = sections.remove(0);
        Self { main, sections }
    }

    /// A value of the main section. Names are case-insensitive, and of several the last one counts, as in Java.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        let found = self.main.iter().rev().find(|(known, _)| known.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }

    /// As [`JarManifest::get`], without blanks around the value; `None` where nothing is left.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<&str> {
        self.get(name).map(str::trim).filter(|value| !value.is_empty())
    }

    /// The attribute that makes it a Spring Boot archive.
    pub(super) fn spring_boot(&self) -> Option<&'static str> {
        ["Spring-Boot-Classes", "Spring-Boot-Lib", "Spring-Boot-Layers-Index", "Spring-Boot-Classpath-Index"]
            .into_iter()
            .find(|name| self.get(name).is_some())
    }

    /// Gives the main section this value, in the place of the former one if there is one.
    pub(super) fn set(&mut self, name: &str, value: &str) {
        let value = value.to_owned();
        match self.main.iter_mut().find(|(known, _)| known.eq_ignore_ascii_case(name)) {
            Some((_, known)) => *known = value,
            None => self.main.push((name.to_owned(), value)),
        }
    }

    /// Removes this name from the main section.
    pub(super) fn remove(&mut self, name: &str) {
        self.main.retain(|(known, _)| !known.eq_ignore_ascii_case(name));
    }

    /// Its bytes as Java writes them: the version first, lines of at most 72 bytes, which may end within a character.
    /// Sections of single entries keep their order, which Java does not.
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        const VERSION: &str = "Manifest-Version";
        let mut out = Vec::new();
        // A name stands where it occurs first, with the value that counts.
        let mut values: BTreeMap<String, &str> = BTreeMap::new();
        for (name, value) in &self.main {
            values.insert(name.to_ascii_lowercase(), value);
        }
        let version = values.remove(&VERSION.to_ascii_lowercase());
        write_attribute(&mut out, VERSION, version.unwrap_or("1.0"));
        for (name, _) in &self.main {
            if let Some(value) = values.remove(&name.to_ascii_lowercase()) {
                write_attribute(&mut out, name, value);
            }
        }
        out.extend(b"\r\n");
        for section in &self.sections {
            for (name, value) in section {
                write_attribute(&mut out, name, value);
            }
            out.extend(b"\r\n");
        }
        out
    }
}

/// The lines of a text, which end with CR, LF or both.
fn lines(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = bytes;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let end = memchr::memchr2(b'\r', b'\n', rest).unwrap_or(rest.len());
        let (line, after) = rest.split_at(end);
        rest = after.strip_prefix(b"\r\n").or_else(|| after.get(1..)).unwrap_or_default();
        Some(line)
    })
}

fn section(lines: &[Vec<u8>]) -> ManifestSection {
    let attribute = |line: &Vec<u8>| {
        let line = String::from_utf8_lossy(line).into_owned();
        let (name, value) = line.split_once(':')?;
        Some((name.to_owned(), value.strip_prefix(' ').unwrap_or(value).to_owned()))
    };
    lines.iter().filter_map(attribute).collect()
}

fn write_attribute(out: &mut Vec<u8>, name: &str, value: &str) {
    let line = format!("{name}: {value}");
    let (first, rest) = line.as_bytes().split_at(line.len().min(LINE));
    out.extend_from_slice(first);
    for continued in rest.chunks(LINE - 1) {
        out.extend(b"\r\n ");
        out.extend_from_slice(continued);
    }
    out.extend(b"\r\n");
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn manifests() {
        let text = "Manifest-Version: 1.0\r\nMain-Class: org.example.Very\r\n LongName\r\nspring-boot-lib: x/\r\n\r\nName: a\r\nStart-Class: no\r\n";
        let manifest = JarManifest::parse(text.as_bytes());
        assert_eq!(manifest.get("Main-Class"), Some("org.example.VeryLongName"));
        assert_eq!(manifest.spring_boot(), Some("Spring-Boot-Lib"));
        assert_eq!(manifest.get("Start-Class"), None);
        assert_eq!(JarManifest::parse(b" x\n\xff\n").spring_boot(), None);
        assert_eq!(JarManifest::parse(b"A: 1\ra: 2\r\n 3").get("A"), Some("23"));
    }

    #[test]
    fn a_changed_manifest_is_written_as_java_does() {
        let text = format!(
            "Created-By: x\nManifest-Version: 1.0\nMain-Class: a.B\nStart-Class: c.D\nX: {}\n\n\nName: a/\nSealed: true\n",
            "y".repeat(150)
        );
        let mut manifest = JarManifest::parse(text.as_bytes());
        manifest.set("main-class", "c.D");
        manifest.remove("Start-Class");
        manifest.set("Class-Path", "lib/a.jar lib/b.jar");
        let expected = format!(
            "Manifest-Version: 1.0\r\nCreated-By: x\r\nMain-Class: c.D\r\nX: {}\r\n {}\r\n {}\r\n\
             Class-Path: lib/a.jar lib/b.jar\r\n\r\nName: a/\r\nSealed: true\r\n\r\n",
            "y".repeat(69),
            "y".repeat(71),
            "y".repeat(10)
        );
        assert_eq!(String::from_utf8(manifest.to_bytes()).expect("text"), expected);
    }

    #[test]
    fn a_manifest_has_lines_for_any_archive_and_no_more() {
        let of = |lines: usize| {
            let text: String = (0..lines).map(|number| format!("X-{number}: 1\r\n")).collect();
            JarManifest::read(Path::new("a.jar"), text.as_bytes())
        };
        let large = of(300_000).expect("of an archive of 100,000 entries");
        // Each attribute is looked at once, whatever their number.
        assert!(large.to_bytes().ends_with(b"X-299999: 1\r\n\r\n"));
        let error = of(MAX_LINES + 1).expect_err("too many");
        assert_eq!(
            error.to_string(),
            "`a.jar` cannot be packaged: `META-INF/MANIFEST.MF` in it has more than 500000 lines"
        );
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(values in proptest::collection::vec("[^\\r\\n\u{fffd}]{0,200}", 0..6)) {
            let mut manifest = JarManifest::default();
            for (number, value) in values.iter().enumerate() {
                manifest.set(&format!("X-{number}"), value);
            }
            let bytes = manifest.to_bytes();
            prop_assert!(bytes.split(|byte| *byte == b'\n').all(|line| line.len() <= LINE + 1));
            // A line may end within a character: bytes are joined, not text.
            let read = JarManifest::parse(&bytes);
            for (number, value) in values.iter().enumerate() {
                prop_assert_eq!(read.get(&format!("X-{number}")), Some(value.as_str()));
            }
        }
    }
}
