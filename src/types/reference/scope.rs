//! Scopes: what a login is for.

use std::fmt;
use std::str::FromStr;

use super::error::{NameFault, ReferenceError, cited, without_login};
use super::registry::{REGISTRY, Registry, is_host, parse_registry};
use super::repository::{Repository, in_lower_case, is_path_component};

/// A registry, or a path in it: what a login is for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Scope {
    registry: Registry,
    /// Empty for the whole registry.
    path: String,
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
        Self { registry: repository.registry().clone(), path: repository.path().to_owned() }
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
            let bare = cited(without_login(bare.trim_end_matches('/')));
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
            let fault =
                NameFault::new("what follows the registry is not the beginning of a repository's name");
            return Err(match in_lower_case(bare) {
                Some(lower) => fault.better(&lower),
                None => fault,
            }
            .of(REGISTRY, text));
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
