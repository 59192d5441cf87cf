//! Image references: `[registry/]repository[:tag][@digest]`, the grammar of the distribution
//! specification with Docker's defaults for what is left out.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::digest::Digest;
use crate::shown::Foreign;

/// The registry that a reference without a host means.
pub const DOCKER_HUB: &str = "docker.io";

/// A registry's host and optional port, lower case.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Registry(String);

/// A repository in a registry.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Repository {
    registry: Registry,
    path: String,
}

/// A registry, or a path in it: what a login is for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Scope {
    registry: Registry,
    /// Empty for the whole registry.
    path: String,
}

/// A tag: `[A-Za-z0-9_][A-Za-z0-9._-]{0,127}`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tag(String);

/// A repository with a tag, a digest, both or neither.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Reference {
    repository: Repository,
    tag: Option<Tag>,
    digest: Option<Digest>,
}

/// Why a string is not a reference.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{}` is not an image reference: {why}", Foreign::new(given))]
pub struct ReferenceError {
    given: String,
    why: &'static str,
}

impl Registry {
    /// The host, with the port if one was given.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The host alone; an IPv6 address keeps its brackets.
    #[must_use]
    pub fn host(&self) -> &str {
        match self.0.rsplit_once(':') {
            Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
            _ => &self.0,
        }
    }

    /// Whether the host is this machine: `localhost`, 127.0.0.0/8 or `[::1]`.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        let host = self.host().trim_start_matches('[').trim_end_matches(']');
        host == "localhost"
            || host.ends_with(".localhost")
            || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
    }
}

impl FromStr for Registry {
    type Err = ReferenceError;

    fn from_str(text: &str) -> Result<Self, ReferenceError> {
        let fail = |why| ReferenceError { given: text.to_owned(), why };
        let lower = text.to_ascii_lowercase();
        let (host, port) = match lower.rsplit_once(':') {
            Some((host, port)) if !port.contains(']') => (host, Some(port)),
            _ => (lower.as_str(), None),
        };
        // A number may be written with a sign, a port may not.
        let is_port =
            |port: &str| port.bytes().all(|byte| byte.is_ascii_digit()) && port.parse::<u16>().is_ok();
        if port.is_some_and(|port| !is_port(port)) {
            return Err(fail("the port is not a number below 65536"));
        }
        let literal = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
        let valid = match literal {
            Some(address) => address.parse::<std::net::Ipv6Addr>().is_ok(),
            None => host.split('.').all(is_label) && is_same_in_urls(host),
        };
        if !valid {
            return Err(fail("the registry is not a host name"));
        }
        Ok(Self(match lower.as_str() {
            "index.docker.io" | "registry-1.docker.io" => DOCKER_HUB.to_owned(),
            _ => lower,
        }))
    }
}

/// Whether URLs take a name for the same host: they refuse some names that end in a number or begin with `xn--`,
/// and take `127.1` for another one (WHATWG URL Standard, "host parsing").
fn is_same_in_urls(host: &str) -> bool {
    url::Host::parse(host).is_ok_and(|parsed| parsed.to_string() == host)
}

fn is_label(label: &str) -> bool {
    !label.is_empty()
        && !label.starts_with('-')
        && !label.ends_with('-')
        && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
}

impl fmt::Display for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Repository {
    /// The registry.
    #[must_use]
    pub const fn registry(&self) -> &Registry {
        &self.registry
    }

    /// The path within the registry, such as `library/debian`.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// This repository at a tag.
    #[must_use]
    pub fn at_tag(&self, tag: Tag) -> Reference {
        Reference { repository: self.clone(), tag: Some(tag), digest: None }
    }

    /// This repository at a digest.
    #[must_use]
    pub fn at_digest(&self, digest: Digest) -> Reference {
        Reference { repository: self.clone(), tag: None, digest: Some(digest) }
    }
}

impl fmt::Display for Repository {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.registry, self.path)
    }
}

impl Tag {
    /// The tag's text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// `latest`.
    #[must_use]
    pub fn latest() -> Self {
        Self("latest".to_owned())
    }
}

impl FromStr for Tag {
    type Err = ReferenceError;

    fn from_str(text: &str) -> Result<Self, ReferenceError> {
        let word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
        let valid = text.len() <= 128
            && text.bytes().next().is_some_and(word)
            && text.bytes().all(|byte| word(byte) || byte == b'.' || byte == b'-');
        if !valid {
            return Err(ReferenceError {
                given: text.to_owned(),
                why: "a tag is at most 128 letters, digits, `_`, `.` and `-`, and starts with none of the last two",
            });
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Reference {
    /// The repository.
    #[must_use]
    pub const fn repository(&self) -> &Repository {
        &self.repository
    }

    /// The tag, if one was given.
    #[must_use]
    pub const fn tag(&self) -> Option<&Tag> {
        self.tag.as_ref()
    }

    /// The digest, if one was given.
    #[must_use]
    pub const fn digest(&self) -> Option<Digest> {
        self.digest
    }

    /// What to ask the registry for: the digest, else the tag, else `latest`.
    #[must_use]
    pub fn manifest_name(&self) -> String {
        match (&self.digest, &self.tag) {
            (Some(digest), _) => digest.to_string(),
            (None, Some(tag)) => tag.to_string(),
            (None, None) => "latest".to_owned(),
        }
    }
}

impl FromStr for Reference {
    type Err = ReferenceError;

    fn from_str(text: &str) -> Result<Self, ReferenceError> {
        let fail = |why| ReferenceError { given: text.to_owned(), why };
        let (rest, digest) = match text.split_once('@') {
            Some((rest, digest)) => {
                (rest, Some(digest.parse().map_err(|_| fail("what follows `@` is not a sha256 digest"))?))
            }
            None => (text, None),
        };
        let (name, tag) = match rest.rsplit_once(':') {
            Some((name, tag)) if !tag.contains('/') && !tag.contains(']') => (name, Some(tag)),
            _ => (rest, None),
        };
        let tag = tag.map(str::parse).transpose().map_err(|error: ReferenceError| fail(error.why))?;
        Ok(Self { repository: parse_repository(name).map_err(fail)?, tag, digest })
    }
}

impl FromStr for Repository {
    type Err = ReferenceError;

    fn from_str(text: &str) -> Result<Self, ReferenceError> {
        parse_repository(text).map_err(|why| ReferenceError { given: text.to_owned(), why })
    }
}

impl Scope {
    /// The registry.
    #[must_use]
    pub const fn registry(&self) -> &Registry {
        &self.registry
    }

    /// The path within the registry; empty for the whole registry.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }
}

impl From<&Repository> for Scope {
    fn from(repository: &Repository) -> Self {
        Self { registry: repository.registry.clone(), path: repository.path.clone() }
    }
}

impl From<&Registry> for Scope {
    fn from(registry: &Registry) -> Self {
        Self { registry: registry.clone(), path: String::new() }
    }
}

impl FromStr for Scope {
    type Err = ReferenceError;

    /// `HOST[:PORT][/PATH]`, as people copy it: with `https://` and a slash at the end if need be.
    fn from_str(text: &str) -> Result<Self, ReferenceError> {
        let fail = |why| ReferenceError { given: text.to_owned(), why };
        let bare = text.strip_prefix("https://").unwrap_or(text).trim_end_matches('/');
        let (host, path) = bare.split_once('/').unwrap_or((bare, ""));
        if !is_host(host) {
            return Err(fail("a registry has a dot or a port in its name, or is `localhost`"));
        }
        let registry = host.parse::<Registry>().map_err(|error| fail(error.why))?;
        if !path.is_empty() && !path.split('/').all(is_path_component) {
            return Err(fail("what follows the registry is not the beginning of a repository's name"));
        }
        Ok(Self { registry, path: path.to_owned() })
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let separator = if self.path.is_empty() { "" } else { "/" };
        write!(f, "{}{separator}{}", self.registry, self.path)
    }
}

/// Whether the first part of a name is a registry: Docker's rule.
fn is_host(part: &str) -> bool {
    part.contains(['.', ':', '[']) || part == "localhost"
}

fn parse_repository(name: &str) -> Result<Repository, &'static str> {
    let (host, path) = match name.split_once('/') {
        Some((host, path)) if is_host(host) => (Some(host), path),
        _ => (None, name),
    };
    let registry = match host {
        Some(host) => host.parse::<Registry>().map_err(|error| error.why)?,
        None => Registry(DOCKER_HUB.to_owned()),
    };
    let path = if registry.0 == DOCKER_HUB && !path.contains('/') {
        format!("library/{path}")
    } else {
        path.to_owned()
    };
    if path.len() > 255 {
        return Err("the repository is longer than 255 characters");
    }
    if !path.split('/').all(is_path_component) {
        return Err("a repository is lower-case letters and digits, separated by `/`, `.`, `_`, `__` or `-`");
    }
    Ok(Repository { registry, path })
}

/// `[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*`
fn is_path_component(component: &str) -> bool {
    let alphanumeric = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let bytes = component.as_bytes();
    let ends =
        bytes.first().copied().is_some_and(alphanumeric) && bytes.last().copied().is_some_and(alphanumeric);
    let separators = component.split(|character: char| alphanumeric_char(character));
    ends && separators
        .filter(|separator| !separator.is_empty())
        .all(|separator| matches!(separator, "." | "_" | "__") || separator.bytes().all(|byte| byte == b'-'))
}

const fn alphanumeric_char(character: char) -> bool {
    character.is_ascii_lowercase() || character.is_ascii_digit()
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.repository)?;
        if let Some(tag) = &self.tag {
            write!(f, ":{tag}")?;
        }
        if let Some(digest) = &self.digest {
            write!(f, "@{digest}")?;
        }
        Ok(())
    }
}

macro_rules! as_text {
    ($($type:ty),*) => {$(
        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }
        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
            }
        }
    )*};
}

as_text!(Registry, Repository, Tag, Reference);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn fills_in_dockers_defaults() {
        let digest = format!("sha256:{}", "a".repeat(64));
        let cases = [
            ("debian", "docker.io/library/debian".to_owned()),
            ("debian:12", "docker.io/library/debian:12".to_owned()),
            ("shop/bookstore", "docker.io/shop/bookstore".to_owned()),
            ("localhost/a", "localhost/a".to_owned()),
            ("localhost:5000/shop/bookstore:1.0", "localhost:5000/shop/bookstore:1.0".to_owned()),
            ("GHCR.io/a/b", "ghcr.io/a/b".to_owned()),
            ("[::1]:5000/a", "[::1]:5000/a".to_owned()),
            ("index.docker.io/a", "docker.io/library/a".to_owned()),
        ];
        for (given, full) in cases {
            assert_eq!(given.parse::<Reference>().expect(given).to_string(), full);
        }
        let pinned = format!("localhost:5000/a:b@{digest}");
        let reference: Reference = pinned.parse().expect("valid");
        assert_eq!(reference.to_string(), pinned);
        assert_eq!(reference.manifest_name(), digest);
    }

    #[test]
    fn refuses_what_is_no_reference() {
        let cases = [
            "",
            "/",
            "a//b",
            "A/b",
            "localhost:5000/",
            "localhost:99999/a",
            "localhost:+5000/a",
            "127.1/a",
            "010.0.0.1/a",
            "r.090/a",
            "xn--o.example/a",
            "a:b:c",
            "a@sha256:x",
            "a_-b",
            "a/../b",
            "a:.x",
            "-a",
            "a-",
            "x y",
        ];
        for text in cases {
            assert!(text.parse::<Reference>().is_err(), "{text}");
        }
    }

    #[test]
    fn knows_this_machine() {
        for (host, loopback) in
            [("localhost:5000", true), ("127.0.0.1", true), ("[::1]:1", true), ("localhost.evil.com", false)]
        {
            assert_eq!(host.parse::<Registry>().expect(host).is_loopback(), loopback, "{host}");
        }
    }

    proptest! {
        #[test]
        fn what_parses_prints_and_parses_to_itself(text in "[a-zA-Z0-9./:@_\\[\\]-]{0,40}") {
            if let Ok(reference) = text.parse::<Reference>() {
                prop_assert_eq!(reference.to_string().parse::<Reference>(), Ok(reference));
            }
        }
    }
}
