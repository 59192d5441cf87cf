//! Repositories: a path in a registry.

use std::fmt;
use std::str::FromStr;

use super::error::{NameFault, ReferenceError, cited, shown, without_login};
use super::registry::{DOCKER_HUB, Registry, is_host, parse_registry};

const REPOSITORY: &str = "the name of a repository";

/// A repository in a registry.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Repository {
    registry: Registry,
    path: String,
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
}

impl fmt::Display for Repository {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.registry, self.path)
    }
}

impl FromStr for Repository {
    type Err = ReferenceError;

    fn from_str(text: &str) -> Result<Self, ReferenceError> {
        if let Some(bare) = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://")) {
            let hint = format!("write `{}`", cited(without_login(bare.trim_end_matches('/'))));
            return Err(NameFault::new("a name has no scheme").hint(hint).of(REPOSITORY, text));
        }
        parse_repository(text).map_err(|fault| {
            // A name with a tag is none in lower case either.
            let (name, _) = split_tag(text);
            match in_lower_case(name) {
                Some(lower) => fault.better(&lower),
                None => fault,
            }
            .of(REPOSITORY, text)
        })
    }
}

/// The name and the tag after it. The text after the colon of a port is no tag.
pub(super) fn split_tag(text: &str) -> (&str, Option<&str>) {
    match text.rsplit_once(':') {
        Some((name, tag)) if !tag.contains('/') && !tag.contains(']') => (name, Some(tag)),
        _ => (text, None),
    }
}

/// The name of a repository in lower case, where its upper-case letters are all that is wrong with it.
pub(super) fn in_lower_case(name: &str) -> Option<String> {
    let lower = name.to_ascii_lowercase();
    (lower != name && parse_repository(&lower).is_ok()).then_some(lower)
}

/// The repository that `name` means.
pub(super) fn parse_repository(name: &str) -> Result<Repository, NameFault> {
    let (host, path) = match name.split_once('/') {
        Some((host, path)) if is_host(host) => (Some(host), path),
        _ => (None, name),
    };
    let registry = match host {
        Some(host) => parse_registry(host)?,
        None => Registry::docker_hub(),
    };
    if path.is_empty() {
        return Err(NameFault::new(match host {
            Some(host) => format!("there is no repository after `{}/`", cited(host)),
            None => "it is empty".to_owned(),
        }));
    }
    if let Some(fault) = path.split('/').find_map(|part| wrong_part(part, path)) {
        return Err(fault);
    }
    let path = if registry.as_str() == DOCKER_HUB && !path.contains('/') {
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

/// Whether it can be a part of a repository's name.
pub(super) fn is_path_component(component: &str) -> bool {
    wrong_part(component, component).is_none()
}

const fn alphanumeric_char(character: char) -> bool {
    character.is_ascii_lowercase() || character.is_ascii_digit()
}
