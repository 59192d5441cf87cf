//! A login, where it came from, and what could not be looked at on the way to it.

use std::path::PathBuf;

use super::super::wire::advice::shorten;
use super::super::wire::secret::Secret;
use crate::types::shown::shown_path;

/// A login and where it came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::registry) struct Credential {
    pub(in crate::registry) login: Login,
    pub(in crate::registry) source: String,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(in crate::registry) enum Login {
    /// User and password.
    Password(String, Secret),
    /// A refresh token, exchanged by POST.
    Identity(Secret),
    /// A token for the registry itself.
    Bearer(Secret),
}

impl Credential {
    pub(in crate::registry) fn new(login: Login, source: impl Into<String>) -> Self {
        Self { login, source: source.into() }
    }

    /// For messages.
    pub(in crate::registry) fn describe(&self) -> String {
        match &self.login {
            Login::Password(user, _) => format!("the login `{}` from {}", shorten(user, 60), self.source),
            Login::Identity(_) => format!("the identity token from {}", self.source),
            Login::Bearer(_) => format!("the registry token from {}", self.source),
        }
    }
}

/// The login that was found, and the places that could not be read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::registry) struct CredentialLookup {
    pub(in crate::registry) credential: Option<Credential>,
    pub(in crate::registry) passed_over: Vec<PassedOver>,
}

/// A place that could not be looked at, where that is no reason to stop: whatever needs no login still works.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::registry) enum PassedOver {
    /// A file that cannot be read, and why.
    File(PathBuf, String),
    /// A helper's program that is not installed, and the place that names it.
    Helper(String, String),
}

impl std::fmt::Display for PassedOver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::File(path, why) => write!(f, "`{}` cannot be read: {why}", shown_path(path)),
            Self::Helper(program, place) => write!(f, "`{program}`, which {place} names, is not in PATH"),
        }
    }
}

impl CredentialLookup {
    /// The advice about a login that may be in a place that could not be read.
    pub(in crate::registry) fn advice(&self) -> Option<String> {
        self.passed_over.first().map(|passed_over| match passed_over {
            PassedOver::File(path, _) => format!(
                "let this user read `{}`, or set REGISTRY_AUTH_FILE to another file with the login",
                shown_path(path)
            ),
            PassedOver::Helper(program, _) => {
                format!(
                    "install `{program}`, or log in with `pack login`, which then keeps the login in the file"
                )
            }
        })
    }
}
