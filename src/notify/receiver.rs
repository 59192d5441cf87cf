//! A receiver of events, and where its secret is.

use std::collections::BTreeSet;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::signature::{SigningKey, SigningKeyError};
use crate::registry::Secret;
use crate::types::delivery::{DeliveryKind, EventForm};
use crate::types::digest::Digest;
use crate::types::shown::shown_path;
use crate::types::webhook_url::WebhookUrl;

/// How long a receiver may take where nothing else is set.
pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(10);
/// The longest secret in a file, in bytes.
const LONGEST_SECRET: u64 = 4096;

/// A receiver of events.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Receiver {
    /// Its address.
    pub url: WebhookUrl,
    /// The form that it wants.
    pub form: EventForm,
    /// The kinds of events that it wants; empty for all.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub on: BTreeSet<DeliveryKind>,
    /// Where the secret is that messages are signed with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<SecretPlace>,
    /// Whether a push is refused if the receiver cannot be reached.
    #[serde(default)]
    pub required: bool,
    /// The longest time that one run spends on it for an event, all tries together.
    pub timeout: Duration,
}

impl Receiver {
    /// Whether it wants an event of this kind.
    #[must_use]
    pub fn wants(&self, kind: DeliveryKind) -> bool {
        self.on.is_empty() || self.on.contains(&kind)
    }

    /// A word for it in names of files: no part of the address can be read from it.
    pub(super) fn tag(&self) -> String {
        let text = format!("{} {}", self.url.expose(), self.form);
        Digest::of(text.as_bytes()).hex()[..12].to_owned()
    }
}

/// Where a secret is: never the secret itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SecretPlace {
    /// In this variable of the environment.
    Env(String),
    /// In this file; line breaks at its end do not count.
    File(PathBuf),
}

impl fmt::Display for SecretPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Env(name) => write!(f, "the variable `{name}`"),
            Self::File(path) => write!(f, "the file `{}`", shown_path(path)),
        }
    }
}

/// Gives the value of a variable of the environment.
pub type Variables = dyn Fn(&str) -> Option<String> + Send + Sync;

/// Why a secret cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// The variable is not set.
    #[error("{0} is not set")]
    NotSet(SecretPlace),
    /// The file cannot be read.
    #[error("{place} cannot be read")]
    Unreadable {
        /// The file.
        place: SecretPlace,
        /// Why.
        source: std::io::Error,
    },
    /// It is no secret.
    #[error("{place} cannot be used: {why}")]
    Unusable {
        /// Where it is.
        place: SecretPlace,
        /// Why.
        why: SigningKeyError,
    },
}

impl SecretPlace {
    /// The secret there.
    ///
    /// # Errors
    /// When it is not there.
    pub fn secret(&self, variables: &Variables) -> Result<Secret, SecretError> {
        match self {
            Self::Env(name) => variables(name)
                .filter(|value| !value.is_empty())
                .map(Secret::new)
                .ok_or_else(|| SecretError::NotSet(self.clone())),
            Self::File(path) => {
                let text = crate::runtime::input::read_text(path, LONGEST_SECRET)
                    .map_err(|source| SecretError::Unreadable { place: self.clone(), source })?;
                Ok(Secret::new(text.trim_end_matches(['\r', '\n'])))
            }
        }
    }

    /// The key that the secret there means.
    ///
    /// # Errors
    /// When it is not there, or is no secret.
    pub fn key(&self, variables: &Variables) -> Result<SigningKey, SecretError> {
        SigningKey::new(&self.secret(variables)?)
            .map_err(|why| SecretError::Unusable { place: self.clone(), why })
    }
}
