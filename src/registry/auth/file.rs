//! `config.json` and `auth.json`: the files that Docker and Podman keep logins in.

use std::collections::BTreeMap;
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD_PAD_INDIFFERENT as BASE64;

use super::super::wire::secret::Secret;
use super::credential::Login;
use crate::formats::json::{self, FromJson, JsonError, JsonKind, JsonValue, Object};
use crate::types::reference::{DOCKER_HUB, Registry, Scope};

/// How Docker's tools call Docker Hub.
const DOCKER_HUB_KEY: &str = "https://index.docker.io/v1/";

/// A file that says more than this is broken.
const LIMIT: u64 = 1 << 20;

/// The parts of `config.json` and `auth.json` that concern credentials. Entries of a registry are read when that
/// registry is asked about, so that unusual entries of another one do not matter.
#[derive(Debug, Default)]
pub(in crate::registry) struct AuthFile<'a> {
    auths: BTreeMap<String, JsonValue<'a>>,
    creds_store: Option<JsonValue<'a>>,
    cred_helpers: BTreeMap<String, JsonValue<'a>>,
}

/// A credential helper that a file names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::registry) struct NamedHelper {
    /// `NAME` of `docker-credential-NAME`.
    pub(in crate::registry) name: String,
    /// Whether it is named for this registry and not for all of them.
    pub(in crate::registry) is_own: bool,
}

impl<'a> AuthFile<'a> {
    /// Reads the text of such a file; an empty one has nothing in it.
    ///
    /// # Errors
    /// When it is no such file, or Docker's tools read another one in it: a key twice, or in another case.
    pub(in crate::registry) fn parse(text: &'a str) -> Result<Self, JsonError> {
        if text.trim().is_empty() {
            return Ok(Self::default());
        }
        let file = Object::open(json::parse(text.as_bytes())?, &["auths", "credsStore", "credHelpers"])?;
        Ok(Self {
            auths: entries::<AuthEntry>(&file, "auths")?,
            creds_store: file.get("credsStore"),
            cred_helpers: entries::<String>(&file, "credHelpers")?,
        })
    }

    /// The names under which logins are kept.
    pub(in crate::registry) fn keys(&self) -> impl Iterator<Item = &String> {
        self.auths.keys()
    }

    /// How many logins are written down: entries that are not empty.
    pub(in crate::registry) fn logins(&self) -> usize {
        let has_member =
            |entry: &&JsonValue<'_>| entry.kind() == JsonKind::Object && entry.members().next().is_some();
        self.auths.values().filter(has_member).count()
    }

    /// The names of all helpers: `NAME` of `docker-credential-NAME`.
    pub(in crate::registry) fn helpers(&self) -> Vec<String> {
        let all = self.cred_helpers.values().copied().chain(self.creds_store);
        all.filter_map(|value| text_of(value, "a helper").ok().flatten()).collect()
    }

    /// The helper for a registry: its own, else the one for all.
    pub(in crate::registry) fn helper(&self, scope: &Scope) -> Result<Option<NamedHelper>, String> {
        if let Some(own) = lookup(&self.cred_helpers, scope) {
            // One without a name says that the file itself has the login.
            let name = text_of(*own, "its entry in `credHelpers`")?;
            return Ok(name.map(|name| NamedHelper { name, is_own: true }));
        }
        let store = self.creds_store.map(|store| text_of(store, "`credsStore`"));
        Ok(store.transpose()?.flatten().map(|name| NamedHelper { name, is_own: false }))
    }

    /// The login that is written down for a registry.
    pub(in crate::registry) fn login(&self, scope: &Scope) -> Result<Option<Login>, String> {
        let Some(entry) = lookup(&self.auths, scope).filter(|entry| !entry.is_null()) else {
            return Ok(None);
        };
        if entry.kind() != JsonKind::Object {
            return Err("its entry in `auths` is not an object of texts such as `auth`".to_owned());
        }
        let entry = AuthEntry::decode(*entry).map_err(|error| format!("its entry in `auths`: {error}"))?;
        entry.login().map_err(str::to_owned)
    }
}

/// The entries of a map from registries to `T`, none of which is read.
fn entries<'a, T: FromJson>(
    file: &Object<'a>,
    name: &'static str,
) -> Result<BTreeMap<String, JsonValue<'a>>, JsonError> {
    let Some(map) = file.get(name) else { return Ok(BTreeMap::new()) };
    if map.kind() != JsonKind::Object {
        return Err(BTreeMap::<String, T>::wrong(map).below(name));
    }
    Ok(map.members().map(|(key, value)| (key.into_owned(), value)).collect())
}

/// A text; none where it is null or empty.
fn text_of(value: JsonValue<'_>, what: &str) -> Result<Option<String>, String> {
    if value.is_null() {
        return Ok(None);
    }
    let text = value.as_str().ok_or_else(|| format!("{what} is not a text"))?;
    Ok(Some(text.into_owned()).filter(|text| !text.is_empty()))
}

#[derive(Debug)]
struct AuthEntry {
    auth: Option<Secret>,
    username: Option<String>,
    password: Option<Secret>,
    identitytoken: Option<Secret>,
    registrytoken: Option<Secret>,
}

impl FromJson for AuthEntry {
    fn decode(value: JsonValue<'_>) -> Result<Self, JsonError> {
        const NAMES: &[&str] =
            &["auth", "username", "password", "email", "serveraddress", "identitytoken", "registrytoken"];
        let mut entry = Object::open(value, NAMES)?;
        Ok(Self {
            auth: entry.take("auth")?,
            username: entry.take("username")?,
            password: entry.take("password")?,
            identitytoken: entry.take("identitytoken")?,
            registrytoken: entry.take("registrytoken")?,
        })
    }
}

impl AuthEntry {
    fn login(&self) -> Result<Option<Login>, &'static str> {
        let some = |secret: &Option<Secret>| secret.clone().filter(|secret| !secret.expose().is_empty());
        if let Some(token) = some(&self.identitytoken) {
            return Ok(Some(Login::Identity(token)));
        }
        if let Some(token) = some(&self.registrytoken) {
            return Ok(Some(Login::Bearer(token)));
        }
        if let Some(auth) = some(&self.auth) {
            const WHY: &str = "an `auth` is not the base64 of `user:password`";
            let decoded = BASE64.decode(auth.expose().trim()).map_err(|_| WHY)?;
            let decoded = String::from_utf8(decoded).map_err(|_| WHY)?;
            let (user, password) = decoded.split_once(':').ok_or(WHY)?;
            // Docker once padded with NULs.
            let password = Secret::new(password.trim_end_matches('\0'));
            return Ok(Some(match user {
                "<token>" => Login::Identity(password),
                user => Login::Password(user.to_owned(), password),
            }));
        }
        Ok(match (&self.username, some(&self.password)) {
            (Some(user), Some(password)) if !user.is_empty() => Some(Login::Password(user.clone(), password)),
            _ => None,
        })
    }
}

/// The name of a registry in Docker's files and helpers.
pub(in crate::registry) fn key_of(registry: &Registry) -> &str {
    if registry.as_str() == DOCKER_HUB { DOCKER_HUB_KEY } else { registry.as_str() }
}

/// The text of a file with logins; nothing where there is none, and in `/dev/null`, by which people say that there is none.
pub(in crate::registry) fn read(path: &Path) -> std::io::Result<Option<String>> {
    use std::io::ErrorKind::{NotADirectory, NotFound};
    if path == Path::new("/dev/null") {
        return Ok(None);
    }
    match crate::runtime::input::read_text(path, LIMIT) {
        Ok(text) => Ok(Some(text)),
        Err(error) if matches!(error.kind(), NotFound | NotADirectory) => Ok(None),
        Err(error) => Err(error),
    }
}

/// The value with the longest key that is the scope, a parent of it, or its registry.
pub(in crate::registry) fn lookup<'a, T>(map: &'a BTreeMap<String, T>, scope: &Scope) -> Option<&'a T> {
    let full = scope.to_string();
    let fits =
        |key: &str| full.strip_prefix(key).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    map.iter()
        .map(|(key, value)| (normalise(key), value))
        .filter(|(key, _)| fits(key))
        .max_by_key(|(key, _)| key.len())
        .map(|(_, value)| value)
}

/// `https://index.docker.io/v1/` → `docker.io`, `https://r.example/v2/` → `r.example`.
pub(in crate::registry) fn normalise(key: &str) -> String {
    let bare = key.strip_prefix("https://").or_else(|| key.strip_prefix("http://")).unwrap_or(key);
    let bare = bare.trim_end_matches('/');
    let bare = bare.strip_suffix("/v1").or_else(|| bare.strip_suffix("/v2")).unwrap_or(bare);
    let (host, path) = bare.split_once('/').unwrap_or((bare, ""));
    let host = host.parse::<Registry>().map_or_else(|_| host.to_owned(), |registry| registry.to_string());
    if path.is_empty() { host } else { format!("{host}/{path}") }
}
