//! Package URLs as they are compared: in one spelling, whatever the author of a document or of a pattern wrote.
//!
//! The specification (ECMA-427) has a canonical form, and readers accept others. Two package URLs of one package are equal
//! here: in letters of the type, percent-encoding, slashes, and in what the type says about names. Letters are decoded, so
//! that `*` and `?` of a pattern stand for what people read. Nothing is refused that could hide a package.

/// Types whose namespaces and names are not case-sensitive: as the specification says now or has said (documents of both
/// kinds are in use), or as the registry of the packages has it.
const CASELESS: [&str; 21] = [
    "alpm",
    "apk",
    "bitbucket",
    "bitnami",
    "brew",
    "chrome-extension",
    "composer",
    "deb",
    "gitee",
    "github",
    "gitlab",
    "golang",
    "hex",
    "luarocks",
    "npm",
    "nuget",
    "oci",
    "otp",
    "pub",
    "pypi",
    "vscode-extension",
];

/// Types of which only namespaces are not case-sensitive.
const CASELESS_NAMESPACE: [&str; 3] = ["qpkg", "rpm", "yocto"];

/// Types whose packages have no namespace.
const WITHOUT_NAMESPACE: [&str; 14] = [
    "bazel",
    "bitnami",
    "cargo",
    "chrome-extension",
    "cocoapods",
    "conda",
    "cran",
    "gem",
    "hackage",
    "nuget",
    "oci",
    "opam",
    "pub",
    "pypi",
];

/// Types whose packages all have a namespace.
const WITH_NAMESPACE: [&str; 7] = ["apk", "bitbucket", "composer", "deb", "github", "maven", "swift"];

/// The parts of a package URL that name a package.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PackageName {
    /// The type, in lower case.
    pub kind: String,
    /// The namespace and the name, decoded, with a slash between each two parts.
    path: String,
    /// The version, decoded.
    pub version: Option<String>,
}

impl PackageName {
    /// Of a package URL in any spelling; `None` of another text. Qualifiers and subpath do not count.
    #[must_use]
    pub fn read(purl: &str) -> Option<Self> {
        Self::of(purl.trim().split(['?', '#']).next()?)
    }

    /// Of a text without qualifiers. A `?` in it is a character.
    fn of(text: &str) -> Option<Self> {
        let (scheme, rest) = text.split_once(':')?;
        let (kind, rest) = rest.trim_start_matches('/').split_once('/')?;
        let kind = decoded(kind).to_lowercase();
        let (path, version) = split_version(rest);
        let path = normal(&kind, &decoded(path));
        let version = version.map(decoded).filter(|version| !version.is_empty());
        let is_one = scheme.eq_ignore_ascii_case("pkg") && !kind.is_empty() && !path.is_empty();
        is_one.then_some(Self { kind, path, version })
    }

    /// The text of all its versions.
    pub(super) fn unversioned(&self) -> String {
        format!("pkg:{}/{}", self.kind, self.path)
    }

    /// The text with its version, if it has one.
    pub(super) fn text(&self) -> String {
        match &self.version {
            Some(version) => format!("pkg:{}/{}@{version}", self.kind, self.path),
            None => self.unversioned(),
        }
    }
}

/// The path and the version. A `@` at the beginning of a part is that of a scope; names have none.
fn split_version(rest: &str) -> (&str, Option<&str>) {
    let is_after_name = |at: &usize| *at > 0 && !rest[..*at].ends_with('/');
    match rest.match_indices('@').map(|(at, _)| at).find(is_after_name) {
        Some(at) => (&rest[..at], Some(&rest[at + 1..])),
        None => (rest, None),
    }
}

/// The text without percent-encoding. A wrong encoding stays.
fn decoded(text: &str) -> String {
    let bytes = text.as_bytes();
    let digit = |at: usize| bytes.get(at).and_then(|digit| char::from(*digit).to_digit(16));
    let (mut out, mut at) = (Vec::with_capacity(bytes.len()), 0);
    while let Some(byte) = bytes.get(at) {
        let encoded = digit(at + 1).zip(digit(at + 2)).filter(|_| *byte == b'%');
        let value = encoded.and_then(|(high, low)| u8::try_from(high * 16 + low).ok());
        out.push(value.unwrap_or(*byte));
        at += if value.is_some() { 3 } else { 1 };
    }
    String::from_utf8(out).unwrap_or_else(|_| text.to_owned())
}

/// A path by the rules of its type.
fn normal(kind: &str, path: &str) -> String {
    let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    let Some((name, namespace)) = parts.split_last() else { return String::new() };
    let is_caseless = CASELESS.contains(&kind);
    let mut namespace = namespace.join("/");
    if is_caseless || CASELESS_NAMESPACE.contains(&kind) {
        namespace = namespace.to_lowercase();
    }
    let mut name = if is_caseless { name.to_lowercase() } else { (*name).to_owned() };
    match kind {
        "pypi" => name = dashed(&name),
        "pub" => name = name.replace('-', "_"),
        _ => {}
    }
    if namespace.is_empty() { name } else { format!("{namespace}/{name}") }
}

/// A name in which each run of `-`, `_` and `.` is one dash.
fn dashed(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    for letter in name.chars() {
        match letter {
            '-' | '_' | '.' if out.ends_with('-') => {}
            '-' | '_' | '.' => out.push('-'),
            other => out.push(other),
        }
    }
    out
}

/// The text that a pattern is compared as, in the spelling of [`PackageName`].
///
/// # Errors
/// The reason why it matches no package, with the pattern to write instead where that is known.
pub(super) fn compared_pattern(text: &str) -> Result<String, UnmatchedPattern> {
    let none = || UnmatchedPattern {
        why: "it is no package URL without qualifiers",
        instead: "pkg:maven/log4j/log4j@1.*".to_owned(),
    };
    let text = text.trim();
    if let Some(at) = qualifiers(text) {
        let instead = text[..at].to_owned();
        return Err(UnmatchedPattern { why: "qualifiers and subpaths do not count", instead });
    }
    let name = PackageName::of(text).filter(|name| name.kind.chars().all(is_of_type)).ok_or_else(none)?;
    let has_encoded_star = ["%2a", "%2A", "%3f", "%3F"].iter().any(|code| text.contains(code));
    if has_encoded_star {
        let instead = text.replace("%2a", "?").replace("%2A", "?").replace("%3f", "?").replace("%3F", "?");
        return Err(UnmatchedPattern {
            why: "a name cannot be compared with `*` and `?` themselves",
            instead,
        });
    }
    match misplaced(&name) {
        Some((why, path)) => Err(UnmatchedPattern { why, instead: PackageName { path, ..name }.text() }),
        None => Ok(name.text()),
    }
}

/// Why a pattern matches no package.
pub(super) struct UnmatchedPattern {
    pub(super) why: &'static str,
    /// The pattern that was probably meant.
    pub(super) instead: String,
}

/// Where qualifiers or a subpath begin, in which a `?` stands for no character.
fn qualifiers(text: &str) -> Option<usize> {
    let begins = |(at, _): &(usize, &str)| {
        let key = text[at + 1..].split('=').next().unwrap_or_default();
        let has_value = text[at + 1..].contains('=');
        has_value && !key.is_empty() && key.chars().all(|letter| letter.is_ascii_lowercase() || letter == '_')
    };
    text.find('#').or_else(|| text.match_indices('?').find(begins).map(|(at, _)| at))
}

fn is_of_type(letter: char) -> bool {
    letter.is_ascii_alphanumeric() || ".-+*?".contains(letter)
}

/// Why no package has a path, and the one that was probably meant.
fn misplaced(name: &PackageName) -> Option<(&'static str, String)> {
    let PackageName { kind, path, .. } = name;
    if path.contains("**") {
        return None;
    }
    let kind = kind.as_str();
    match path.rsplit_once('/') {
        Some((_, last)) if WITHOUT_NAMESPACE.contains(&kind) => {
            Some(("packages of this type have no namespace", last.to_owned()))
        }
        None if WITH_NAMESPACE.contains(&kind) => {
            let meant = match path.split_once(':') {
                Some((namespace, name)) => format!("{namespace}/{name}"),
                None if path == "*" => "**".to_owned(),
                None => format!("*/{path}"),
            };
            Some(("packages of this type have a namespace", meant))
        }
        None if kind == "npm" && path.starts_with('@') => {
            Some(("a scope alone is no package", format!("{path}/*")))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(purl: &str) -> String {
        PackageName::read(purl).expect(purl).text()
    }

    #[test]
    fn spellings_of_one_package_are_one() {
        for (one, other) in [
            ("pkg:npm/%40scope/name@1", "pkg:npm/@scope/name@1"),
            ("pkg:npm/%40scope/name@1", "pkg:npm/%40scope%2Fname@1"),
            ("pkg:npm/evil@1", "pkg:NPM/evil@1"),
            ("pkg:npm/evil@1", "PKG://npm/evil@1"),
            ("pkg:npm/evil@1", "pkg:npm//evil@1"),
            ("pkg:npm/evil@1", "pkg:npm/%65vil@1?a=b#c"),
            ("pkg:npm/evil", "pkg:npm/evil@"),
            ("pkg:pypi/foo-bar@1", "pkg:pypi/Foo_.Bar@1"),
            ("pkg:pub/a_b@1", "pkg:pub/A-B@1"),
            ("pkg:golang/github.com/masterminds/semver", "pkg:golang/github.com/Masterminds/semver"),
            ("pkg:rpm/redhat/Foo", "pkg:rpm/RedHat/Foo"),
            ("pkg:deb/debian/libc6@2.36-9+deb12u10", "pkg:deb/debian/libc6@2.36-9%2Bdeb12u10?arch=amd64"),
        ] {
            assert_eq!(text(one), text(other));
        }
        assert_ne!(text("pkg:maven/a/B"), text("pkg:maven/a/b"));
        assert_ne!(text("pkg:rpm/redhat/Foo"), text("pkg:rpm/redhat/foo"));
        for none in ["", "npm/evil", "pkg:npm", "pkg:npm/", "pkg:npm//", "url:npm/evil"] {
            assert_eq!(PackageName::read(none), None, "{none}");
        }
    }

    #[test]
    fn a_version_begins_behind_the_name() {
        let read = |purl: &str| PackageName::read(purl).map(|name| (name.unversioned(), name.version));
        let some = |name: &str, version: Option<&str>| Some((name.to_owned(), version.map(str::to_owned)));
        assert_eq!(read("pkg:npm/@scope/name"), some("pkg:npm/@scope/name", None));
        assert_eq!(read("pkg:npm/@scope/name@1@2"), some("pkg:npm/@scope/name", Some("1@2")));
        assert_eq!(read("pkg:npm/evil@1/2"), some("pkg:npm/evil", Some("1/2")));
        assert_eq!(read("pkg:oci/a@sha256%3A00"), some("pkg:oci/a", Some("sha256:00")));
        assert_eq!(read("pkg:npm/a%zz%f"), some("pkg:npm/a%zz%f", None));
    }

    #[test]
    fn a_pattern_that_matches_nothing_says_what_to_write() {
        for (pattern, instead) in [
            ("log4j", "pkg:maven/log4j/log4j@1.*"),
            ("pkg:npm/@scope", "pkg:npm/@scope/*"),
            ("pkg:maven/log4j", "pkg:maven/*/log4j"),
            ("pkg:maven/org.a:b@1.*", "pkg:maven/org.a/b@1.*"),
            ("pkg:maven/*", "pkg:maven/**"),
            ("pkg:pypi/a/b", "pkg:pypi/b"),
            ("pkg:deb/openssl@3.*", "pkg:deb/*/openssl@3.*"),
            ("pkg:maven/a/b?type=jar", "pkg:maven/a/b"),
            ("pkg:npm/a#lib", "pkg:npm/a"),
            ("pkg:npm/a%2A", "pkg:npm/a?"),
        ] {
            let wrong = compared_pattern(pattern).err().map(|wrong| wrong.instead);
            assert_eq!(wrong.as_deref(), Some(instead), "{pattern}");
            assert!(compared_pattern(instead).is_ok(), "{instead}");
        }
        for (pattern, compared) in [
            ("pkg:npm/%40scope/*", "pkg:npm/@scope/*"),
            ("pkg:npm/left-pa?@1.*", "pkg:npm/left-pa?@1.*"),
            ("pkg:pypi/Zope.*", "pkg:pypi/zope-*"),
            ("pkg:**/b@1", "pkg:**/b@1"),
            ("pkg:maven/**", "pkg:maven/**"),
        ] {
            assert_eq!(compared_pattern(pattern).ok().as_deref(), Some(compared));
        }
    }
}
