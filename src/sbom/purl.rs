//! Package URLs (ECMA-427): `pkg:TYPE/NAMESPACE/NAME@VERSION?QUALIFIERS`.

use std::fmt;

/// The type of a package URL.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum PurlType {
    /// Alpine packages.
    Apk,
    /// Rust crates.
    Cargo,
    /// Debian packages.
    Deb,
    /// Go modules.
    Golang,
    /// Maven artifacts.
    Maven,
    /// Node packages.
    Npm,
    /// OCI images.
    Oci,
    /// Python distributions.
    Pypi,
    /// RPM packages.
    Rpm,
}

impl PurlType {
    const fn word(self) -> &'static str {
        match self {
            Self::Apk => "apk",
            Self::Cargo => "cargo",
            Self::Deb => "deb",
            Self::Golang => "golang",
            Self::Maven => "maven",
            Self::Npm => "npm",
            Self::Oci => "oci",
            Self::Pypi => "pypi",
            Self::Rpm => "rpm",
        }
    }

    /// The form of a name in which each package of the type has one.
    fn normal(self, name: &str) -> String {
        match self {
            Self::Apk | Self::Deb | Self::Golang | Self::Oci => name.to_lowercase(),
            Self::Pypi => name.to_lowercase().replace(['_', '.'], "-"),
            Self::Cargo | Self::Maven | Self::Npm | Self::Rpm => name.to_owned(),
        }
    }

    /// Whether a package of this type cannot be named without a namespace.
    const fn needs_namespace(self) -> bool {
        matches!(self, Self::Apk | Self::Deb | Self::Maven)
    }
}

/// A package URL in its canonical form.
///
/// It has a type and a name, all parts are percent-encoded, and qualifiers have values and stand in the order of their keys.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Purl(String);

impl Purl {
    /// Of a package in a namespace, whose parts are separated by slashes. `None` where there is no name, or a namespace is
    /// missing that the type needs. An empty version or value is none.
    #[must_use]
    pub fn new(
        kind: PurlType,
        namespace: &str,
        name: &str,
        version: &str,
        qualifiers: &[(&'static str, &str)],
    ) -> Option<Self> {
        let segments: Vec<&str> = namespace.split('/').filter(|segment| !segment.is_empty()).collect();
        let is_climbing = |text: &&str| matches!(*text, "." | "..");
        if name.is_empty()
            || (kind.needs_namespace() && segments.is_empty())
            || segments.iter().chain(&[name]).any(is_climbing)
        {
            return None;
        }
        let mut text = format!("pkg:{}", kind.word());
        for segment in segments {
            text.push('/');
            encode(&mut text, &kind.normal(segment));
        }
        text.push('/');
        encode(&mut text, &kind.normal(name));
        if !version.is_empty() {
            text.push('@');
            encode(&mut text, version);
        }
        let mut qualifiers: Vec<_> = qualifiers.iter().filter(|(_, value)| !value.is_empty()).collect();
        qualifiers.sort_unstable();
        for (number, (key, value)) in qualifiers.into_iter().enumerate() {
            text.push(if number == 0 { '?' } else { '&' });
            text.push_str(key);
            text.push('=');
            encode(&mut text, value);
        }
        Some(Self(text))
    }
}

impl fmt::Display for Purl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Everything but letters, digits and `.-_~` is encoded: readers decode all of it, and disagree about which of the others
/// may stand as they are.
fn encode(text: &mut String, part: &str) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    for byte in part.bytes() {
        if byte.is_ascii_alphanumeric() || b".-_~".contains(&byte) {
            text.push(char::from(byte));
        } else {
            text.push('%');
            text.push(char::from(HEX[usize::from(byte >> 4)]));
            text.push(char::from(HEX[usize::from(byte & 15)]));
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn purl(
        kind: PurlType,
        namespace: &str,
        name: &str,
        version: &str,
        qualifiers: &[(&'static str, &str)],
    ) -> String {
        Purl::new(kind, namespace, name, version, qualifiers).expect("a purl").to_string()
    }

    #[test]
    fn each_type_is_written_as_its_readers_expect() {
        for (made, expected) in [
            (
                purl(PurlType::Maven, "org.slf4j", "slf4j-api", "2.0.17", &[]),
                "pkg:maven/org.slf4j/slf4j-api@2.0.17",
            ),
            (purl(PurlType::Npm, "@types", "node", "22.1.0", &[]), "pkg:npm/%40types/node@22.1.0"),
            (purl(PurlType::Pypi, "", "Zope.Interface_x", "1.0", &[]), "pkg:pypi/zope-interface-x@1.0"),
            (
                purl(PurlType::Golang, "github.com/Masterminds", "semver", "v3.2.0+incompatible", &[]),
                "pkg:golang/github.com/masterminds/semver@v3.2.0%2Bincompatible",
            ),
            (purl(PurlType::Golang, "", "stdlib", "1.24.3", &[]), "pkg:golang/stdlib@1.24.3"),
            (purl(PurlType::Cargo, "", "serde", "1.0.1", &[]), "pkg:cargo/serde@1.0.1"),
            (
                purl(
                    PurlType::Deb,
                    "debian",
                    "libc6",
                    "2.36-9+deb12u10",
                    &[("distro", "debian-12"), ("arch", "amd64")],
                ),
                "pkg:deb/debian/libc6@2.36-9%2Bdeb12u10?arch=amd64&distro=debian-12",
            ),
            (
                purl(PurlType::Oci, "", "App", "sha256:00", &[("repository_url", "localhost:5000/shop/app")]),
                "pkg:oci/app@sha256%3A00?repository_url=localhost%3A5000%2Fshop%2Fapp",
            ),
            (
                purl(PurlType::Rpm, "redhat", "libX11", "1.7.0-9.el9", &[("arch", "x86_64"), ("epoch", "1")]),
                "pkg:rpm/redhat/libX11@1.7.0-9.el9?arch=x86_64&epoch=1",
            ),
            (purl(PurlType::Cargo, "", "x", "", &[("arch", "")]), "pkg:cargo/x"),
        ] {
            assert_eq!(made, expected);
        }
    }

    #[test]
    fn what_names_no_package_is_no_purl() {
        assert_eq!(Purl::new(PurlType::Npm, "", "", "1", &[]), None);
        assert_eq!(Purl::new(PurlType::Maven, "", "a", "1", &[]), None, "a maven artifact has a group");
        assert_eq!(Purl::new(PurlType::Npm, "..", "a", "1", &[]), None);
        assert_eq!(Purl::new(PurlType::Golang, "a", "..", "1", &[]), None);
    }

    proptest! {
        #[test]
        fn text_of_others_cannot_add_a_part(namespace: String, name: String, version: String, value: String) {
            if let Some(purl) = Purl::new(PurlType::Golang, &namespace, &name, &version, &[("arch", &value)]) {
                let text = purl.to_string();
                prop_assert!(text.bytes().all(|byte| byte.is_ascii_graphic()));
                prop_assert_eq!(text.matches('?').count(), usize::from(!value.is_empty()));
                prop_assert_eq!(text.matches('@').count(), usize::from(!version.is_empty()));
                prop_assert!(!text.contains('#') && !text.contains('&') && !text.contains("//"));
            }
        }
    }
}
