//! Image references: `[registry/]repository[:tag][@digest]`, the grammar of the distribution
//! specification with Docker's defaults for what is left out.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::types::digest::Digest;
use crate::types::shown::{Foreign, cut};

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
#[error("`{}` is not {what}: {}", Foreign::new(given), .fault.why)]
pub struct ReferenceError {
    given: String,
    what: &'static str,
    fault: NameFault,
}

/// A fault: the character or part, and the allowed ones.
#[derive(Clone, Debug, PartialEq, Eq)]
struct NameFault {
    why: String,
    hint: Option<String>,
}

impl NameFault {
    fn new(why: impl Into<String>) -> Self {
        Self { why: why.into(), hint: None }
    }

    fn hint(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }

    fn of(self, what: &'static str, given: &str) -> ReferenceError {
        ReferenceError { given: given.to_owned(), what, fault: self }
    }
}

impl ReferenceError {
    /// A suggestion of a valid form, where there is one.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        self.fault.hint.clone()
    }
}

const REFERENCE: &str = "an image reference";
const REPOSITORY: &str = "the name of a repository";
const REGISTRY: &str = "a registry";
const TAG: &str = "a tag";

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
        parse_registry(text).map_err(|fault| fault.of(REGISTRY, text))
    }
}

fn parse_registry(text: &str) -> Result<Registry, NameFault> {
    if let Some((_, host)) = text.split_once("://") {
        return Err(NameFault::new("a registry has no scheme")
            .hint(format!("write `{}`", cited(host.trim_end_matches('/')))));
    }
    let lower = text.to_ascii_lowercase();
    let (host, port) = match lower.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (host, Some(port)),
        _ => (lower.as_str(), None),
    };
    // A number may be written with a sign, a port may not.
    let is_port = |port: &str| port.bytes().all(|byte| byte.is_ascii_digit()) && port.parse::<u16>().is_ok();
    if let Some(port) = port.filter(|port| !is_port(port)) {
        return Err(NameFault::new(format!("its port `{}` is not a number below 65536", cited(port))));
    }
    let literal = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    let valid = match literal {
        Some(address) => address.parse::<std::net::Ipv6Addr>().is_ok(),
        None => host.split('.').all(is_label) && is_same_in_urls(host),
    };
    if !valid {
        return Err(NameFault::new(format!("`{}` is not a host name", cited(host))));
    }
    Ok(Registry(match lower.as_str() {
        "index.docker.io" | "registry-1.docker.io" => DOCKER_HUB.to_owned(),
        _ => lower,
    }))
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
        parse_tag(text).map_err(|fault| fault.of(TAG, text))
    }
}

/// The longest tag, in characters.
const MAX_TAG: usize = 128;

fn parse_tag(text: &str) -> Result<Tag, NameFault> {
    let word = |character: char| character.is_ascii_alphanumeric() || character == '_';
    let other = |character: &char| !word(*character) && !matches!(character, '.' | '-');
    match text.chars().next() {
        None => return Err(NameFault::new("the tag is empty")),
        Some(first) if matches!(first, '.' | '-') => {
            let why = format!(
                "the tag `{}` begins with `{first}`; a tag begins with a letter, a digit or `_`",
                cited(text)
            );
            return Err(NameFault::new(why));
        }
        Some(_) => {}
    }
    if let Some(character) = text.chars().find(other) {
        let why = format!(
            "the tag `{}` has {} in it; a tag is letters, digits, `_`, `.` and `-`",
            cited(text),
            shown(character)
        );
        return Err(NameFault::new(why));
    }
    if text.len() > MAX_TAG {
        return Err(NameFault::new(format!(
            "the tag has {} characters; a tag has at most {MAX_TAG}",
            text.len()
        )));
    }
    Ok(Tag(text.to_owned()))
}

/// A character in a message.
fn shown(character: char) -> String {
    match character {
        ' ' => "a space".to_owned(),
        _ => format!("`{}`", cited(&character.to_string())),
    }
}

/// A part of a reference in a message.
fn cited(text: &str) -> String {
    Foreign::new(&cut(text, 100)).to_string()
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

    /// The last part of the registry's address for it: the digest, else the tag, else `latest`.
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
        parse_reference(text).map_err(|fault| fault.of(REFERENCE, text))
    }
}

fn parse_reference(text: &str) -> Result<Reference, NameFault> {
    if let Some(bare) = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://")) {
        return Err(NameFault::new("a reference has no scheme")
            .hint(format!("write `{}`", cited(bare.trim_end_matches('/')))));
    }
    let (rest, digest) = match text.split_once('@') {
        Some((rest, digest)) => (rest, Some(parse_digest(digest)?)),
        None => (text, None),
    };
    let (name, tag) = match rest.rsplit_once(':') {
        Some((name, tag)) if !tag.contains('/') && !tag.contains(']') => (name, Some(tag)),
        _ => (rest, None),
    };
    Ok(Reference { repository: parse_repository(name)?, tag: tag.map(parse_tag).transpose()?, digest })
}

fn parse_digest(text: &str) -> Result<Digest, NameFault> {
    text.parse().map_err(|_| {
        let what = "a digest is `sha256:` and 64 hexadecimal digits in lower case";
        let why = match text.strip_prefix("sha256:") {
            Some(hex) if hex.len() != 64 && hex.bytes().all(|byte| byte.is_ascii_hexdigit()) => {
                format!("the digest after `@` has {} digits; {what}", hex.len())
            }
            _ => format!("`{}` after `@` is not a digest; {what}", cited(text)),
        };
        NameFault::new(why)
    })
}

impl FromStr for Repository {
    type Err = ReferenceError;

    fn from_str(text: &str) -> Result<Self, ReferenceError> {
        if let Some(bare) = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://")) {
            let hint = format!("write `{}`", cited(bare.trim_end_matches('/')));
            return Err(NameFault::new("a name has no scheme").hint(hint).of(REPOSITORY, text));
        }
        parse_repository(text).map_err(|fault| fault.of(REPOSITORY, text))
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
        let fail = |why: &str| NameFault::new(why).of(REGISTRY, text);
        if let Some(bare) = text.strip_prefix("http://") {
            let bare = cited(bare.trim_end_matches('/'));
            let host = bare.split('/').next().unwrap_or_default();
            let hint = format!("write `{bare}`, and `--plain-http {host}` where it speaks no TLS");
            return Err(NameFault::new("a registry has no scheme").hint(hint).of(REGISTRY, text));
        }
        let bare = text.strip_prefix("https://").unwrap_or(text).trim_end_matches('/');
        let (host, path) = bare.split_once('/').unwrap_or((bare, ""));
        if !is_host(host) {
            return Err(fail("a registry has a dot or a port in its name, or is `localhost`"));
        }
        let registry = parse_registry(host).map_err(|fault| fault.of(REGISTRY, text))?;
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

fn parse_repository(name: &str) -> Result<Repository, NameFault> {
    let (host, path) = match name.split_once('/') {
        Some((host, path)) if is_host(host) => (Some(host), path),
        _ => (None, name),
    };
    let registry = match host {
        Some(host) => parse_registry(host)?,
        None => Registry(DOCKER_HUB.to_owned()),
    };
    if path.is_empty() {
        return Err(NameFault::new(match host {
            Some(host) => format!("there is no repository after `{}/`", cited(host)),
            None => "it is empty".to_owned(),
        }));
    }
    if let Some(fault) = path.split('/').find_map(|part| wrong_part(part, path)) {
        return Err(match path.bytes().any(|byte| byte.is_ascii_uppercase()) {
            true => fault.hint(format!("write `{}`", cited(&name.to_ascii_lowercase()))),
            false => fault,
        });
    }
    let path = if registry.0 == DOCKER_HUB && !path.contains('/') {
        format!("library/{path}")
    } else {
        path.to_owned()
    };
    if path.len() > MAX_PATH {
        let why = format!("the repository has {} characters; its name has at most {MAX_PATH}", path.len());
        return Err(NameFault::new(why));
    }
    Ok(Repository { registry, path })
}

/// The longest name of a repository within its registry, in characters.
const MAX_PATH: usize = 255;

/// The fault of a part of a repository's name, if it has one: `[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*`.
fn wrong_part(part: &str, path: &str) -> Option<NameFault> {
    let is_separator = |character: char| matches!(character, '.' | '_' | '-');
    let allowed = "a repository is lower-case letters and digits, with `.`, `_`, `__` or `-` between them";
    if part.is_empty() {
        return Some(NameFault::new(format!(
            "a part of `{}` is empty: there is a `/` too many",
            cited(path)
        )));
    }
    if part.contains(|character: char| character.is_ascii_uppercase()) {
        return Some(NameFault::new(format!("`{}` has upper-case letters; {allowed}", cited(part))));
    }
    let other = |character: &char| !alphanumeric_char(*character) && !is_separator(*character);
    if let Some(character) = part.chars().find(other) {
        return Some(NameFault::new(format!("`{}` has {} in it; {allowed}", cited(part), shown(character))));
    }
    let ends = [part.chars().next(), part.chars().next_back()];
    if let Some(end) = ends.into_iter().flatten().find(|end| is_separator(*end)) {
        return Some(NameFault::new(format!("`{}` begins or ends with `{end}`; {allowed}", cited(part))));
    }
    let separators = part.split(alphanumeric_char).filter(|separator| !separator.is_empty());
    let is_wrong = |separator: &&str| {
        !matches!(*separator, "." | "_" | "__") && separator.bytes().any(|byte| byte != b'-')
    };
    let wrong = { separators }.find(is_wrong)?;
    Some(NameFault::new(format!("`{}` has `{}` in it; {allowed}", cited(part), cited(wrong))))
}

fn is_path_component(component: &str) -> bool {
    wrong_part(component, component).is_none()
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
    fn a_scope_without_tls_is_told_how_to_go_on() {
        let error = "http://localhost:5000/a/".parse::<Scope>().expect_err("a scheme");
        let hint = error.hint().expect("a hint");
        assert_eq!(
            hint,
            "write `localhost:5000/a`, and `--plain-http localhost:5000` where it speaks no TLS"
        );
        assert!("localhost:5000/a".parse::<Scope>().is_ok() && "localhost:5000".parse::<Registry>().is_ok());
    }

    #[test]
    fn each_fault_is_named_with_what_is_allowed() {
        let cases = [
            ("https://ghcr.io/x/y", "a reference has no scheme", Some("write `ghcr.io/x/y`")),
            (
                "shop/App:1",
                "`App` has upper-case letters; a repository is lower-case",
                Some("write `shop/app`"),
            ),
            ("ghcr.io/Shop/app", "`Shop` has upper-case letters", Some("write `ghcr.io/shop/app`")),
            ("a//b", "a part of `a//b` is empty", None),
            ("localhost:5000/", "there is no repository after `localhost:5000/`", None),
            ("x y", "`x y` has a space in it", None),
            ("a$b", "`a$b` has `$` in it", None),
            ("tomcat:10:x", "`tomcat:10` has `:` in it", None),
            ("a_-b", "`a_-b` has `_-` in it", None),
            ("-a", "`-a` begins or ends with `-`", None),
            ("a:", "the tag is empty", None),
            ("a:.x", "the tag `.x` begins with `.`; a tag begins with a letter, a digit or `_`", None),
            ("a:1+2", "the tag `1+2` has `+` in it; a tag is letters", None),
            ("a@sha256:abc", "the digest after `@` has 3 digits; a digest is `sha256:` and 64", None),
            ("a@md5:x", "`md5:x` after `@` is not a digest", None),
            ("localhost:99999/a", "its port `99999` is not a number below 65536", None),
            ("r_.example-/a", "`r_.example-` is not a host name", None),
            ("", "it is empty", None),
        ];
        for (text, why, hint) in cases {
            let error = text.parse::<Reference>().expect_err(text);
            assert!(error.to_string().contains(why), "{text}: {error}");
            assert_eq!(error.hint().as_deref(), hint, "{text}");
            if let Some(better) = hint.and_then(|hint| hint.strip_prefix("write `")?.strip_suffix('`')) {
                assert!(better.parse::<Reference>().is_ok(), "{better}");
            }
        }
        let long = format!("a/{}", "b".repeat(300)).parse::<Reference>().expect_err("too long");
        assert!(long.to_string().ends_with("the repository has 302 characters; its name has at most 255"));
        let long = format!("a:{}", "b".repeat(129)).parse::<Reference>().expect_err("too long");
        assert!(long.to_string().ends_with("the tag has 129 characters; a tag has at most 128"));
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
