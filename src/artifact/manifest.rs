//! The manifest of a Java archive.

pub(super) const MANIFEST: &str = "META-INF/MANIFEST.MF";

/// Larger manifests exist only in attacks: signed jars of 10,000 entries have 1 MiB.
pub(super) const MAX_MANIFEST: u64 = 16 << 20;

/// The main section of a manifest (JAR specification).
#[derive(Debug)]
pub(super) struct JarManifest(Vec<(String, String)>);

impl JarManifest {
    /// Lenient: what is not `Name: value` is skipped, as Java's own tools would refuse it anyway.
    pub(super) fn parse(bytes: &[u8]) -> Self {
        let text = String::from_utf8_lossy(bytes);
        let mut attributes: Vec<(String, String)> = Vec::new();
        for line in text.lines() {
            if line.is_empty() {
                break;
            }
            if let Some(continued) = line.strip_prefix(' ') {
                if let Some((_, value)) = attributes.last_mut() {
                    value.push_str(continued);
                }
            } else if let Some((name, value)) = line.split_once(':') {
                attributes.push((name.to_owned(), value.strip_prefix(' ').unwrap_or(value).to_owned()));
            }
        }
        Self(attributes)
    }

    /// Names are case-insensitive.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// The attribute that makes it a Spring Boot archive.
    pub(super) fn spring_boot(&self) -> Option<&'static str> {
        ["Spring-Boot-Classes", "Spring-Boot-Lib", "Spring-Boot-Layers-Index", "Spring-Boot-Classpath-Index"]
            .into_iter()
            .find(|name| self.get(name).is_some())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn manifests() {
        let text = "Manifest-Version: 1.0\r\nMain-Class: org.example.Very\r\n LongName\r\nspring-boot-lib: x/\r\n\r\nName: a\r\nStart-Class: no\r\n";
        let manifest = JarManifest::parse(text.as_bytes());
        assert_eq!(manifest.get("Main-Class"), Some("org.example.VeryLongName"));
        assert_eq!(manifest.spring_boot(), Some("Spring-Boot-Lib"));
        assert_eq!(manifest.get("Start-Class"), None);
        assert_eq!(JarManifest::parse(b" x\n\xff\n").spring_boot(), None);
    }
}
