//! Where a login comes from: the files and helpers that Docker and Podman have written for years.
//!
//! The first source that knows the registry wins; nothing found means anonymous. Inputs are explicit, the
//! environment is not read here. A result names its source, so that an error can say which login was wrong.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD_PAD_INDIFFERENT as BASE64;

use super::error::{RegistryError, shorten};
use super::helper::{self, HelperError, Output};
use super::settings::Secret;
use crate::formats::json::{self, Decode, JsonError, Kind, Object, Value};
use crate::types::reference::{DOCKER_HUB, Registry, Scope};
use crate::types::shown::{Foreign, shown_path};

/// How Docker's tools call Docker Hub.
const DOCKER_HUB_KEY: &str = "https://index.docker.io/v1/";
/// A file that says more than this is broken.
const LIMIT: u64 = 1 << 20;

/// Where credentials may be found, most specific first.
#[derive(Clone, Debug, Default)]
pub struct Credentials {
    /// `DOCKER_AUTH_CONFIG`: the text of a `config.json`.
    pub docker_auth_config: Option<Secret>,
    /// `REGISTRY_AUTH_FILE`: if set, no other file is read.
    pub registry_auth_file: Option<PathBuf>,
    /// `XDG_RUNTIME_DIR`, for `containers/auth.json`.
    pub xdg_runtime_dir: Option<PathBuf>,
    /// `XDG_CONFIG_HOME`, for `containers/auth.json`; without it `home`/.config.
    pub xdg_config_home: Option<PathBuf>,
    /// `DOCKER_CONFIG`, the directory of `config.json`; without it `home`/.docker.
    pub docker_config: Option<PathBuf>,
    /// The home directory.
    pub home: Option<PathBuf>,
    /// `PATH`, where credential helpers are looked for.
    pub helper_path: Option<OsString>,
    /// How long a helper may take; zero means 30 s.
    pub helper_timeout: Duration,
}

/// A login and where it came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Credential {
    pub(super) login: Login,
    pub(super) source: String,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Login {
    /// User and password.
    Password(String, Secret),
    /// A refresh token, exchanged by POST.
    Identity(Secret),
    /// A token for the registry itself.
    Bearer(Secret),
}

impl Credential {
    pub(super) fn new(login: Login, source: impl Into<String>) -> Self {
        Self { login, source: source.into() }
    }

    /// For messages.
    pub(super) fn describe(&self) -> String {
        match &self.login {
            Login::Password(user, _) => format!("the login `{}` from {}", shorten(user, 60), self.source),
            Login::Identity(_) => format!("the identity token from {}", self.source),
            Login::Bearer(_) => format!("the registry token from {}", self.source),
        }
    }
}

/// The parts of `config.json` and `auth.json` that concern credentials. What is said of one registry is looked into when
/// that one is asked about, so that nothing odd about another one matters.
#[derive(Debug, Default)]
pub(super) struct AuthFile<'a> {
    auths: BTreeMap<String, Value<'a>>,
    creds_store: Option<Value<'a>>,
    cred_helpers: BTreeMap<String, Value<'a>>,
}

/// A credential helper that a file names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Named {
    /// `NAME` of `docker-credential-NAME`.
    pub(super) name: String,
    /// Whether it is named for this registry and not for all of them.
    pub(super) is_own: bool,
}

impl<'a> AuthFile<'a> {
    /// Reads the text of such a file; an empty one has nothing in it.
    ///
    /// # Errors
    /// When it is no such file, or Docker's tools read another one in it: a key twice, or in another case.
    pub(super) fn parse(text: &'a str) -> Result<Self, JsonError> {
        if text.trim().is_empty() {
            return Ok(Self::default());
        }
        let file = Object::open(json::parse(text.as_bytes())?, &["auths", "credsStore", "credHelpers"])?;
        Ok(Self {
            auths: entries::<Entry>(&file, "auths")?,
            creds_store: file.get("credsStore"),
            cred_helpers: entries::<String>(&file, "credHelpers")?,
        })
    }

    /// The names under which logins are kept.
    pub(super) fn keys(&self) -> impl Iterator<Item = &String> {
        self.auths.keys()
    }

    /// The helper for a registry: its own, else the one for all.
    pub(super) fn helper(&self, scope: &Scope) -> Result<Option<Named>, String> {
        if let Some(own) = lookup(&self.cred_helpers, scope) {
            // One without a name says that the file itself has the login.
            let name = text_of(*own, "its entry in `credHelpers`")?;
            return Ok(name.map(|name| Named { name, is_own: true }));
        }
        let store = self.creds_store.map(|store| text_of(store, "`credsStore`"));
        Ok(store.transpose()?.flatten().map(|name| Named { name, is_own: false }))
    }

    /// The login that is written down for a registry.
    fn login(&self, scope: &Scope) -> Result<Option<Login>, String> {
        let Some(entry) = lookup(&self.auths, scope).filter(|entry| !entry.is_null()) else {
            return Ok(None);
        };
        if entry.kind() != Kind::Object {
            return Err("its entry in `auths` is not an object of texts such as `auth`".to_owned());
        }
        let entry = Entry::decode(*entry).map_err(|error| format!("its entry in `auths`: {error}"))?;
        entry.login().map_err(str::to_owned)
    }
}

/// The entries of a map from registries to `T`, none of which is read.
fn entries<'a, T: Decode>(
    file: &Object<'a>,
    name: &'static str,
) -> Result<BTreeMap<String, Value<'a>>, JsonError> {
    let Some(map) = file.get(name) else { return Ok(BTreeMap::new()) };
    if map.kind() != Kind::Object {
        return Err(map.wrong::<BTreeMap<String, T>>().below(name));
    }
    Ok(map.members().map(|(key, value)| (key.into_owned(), value)).collect())
}

/// A text; none where it is null or empty.
fn text_of(value: Value<'_>, what: &str) -> Result<Option<String>, String> {
    if value.is_null() {
        return Ok(None);
    }
    let text = value.as_str().ok_or_else(|| format!("{what} is not a text"))?;
    Ok(Some(text.into_owned()).filter(|text| !text.is_empty()))
}

/// What was found, and what could not be looked at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) credential: Option<Credential>,
    pub(super) passed_over: Vec<PassedOver>,
}

/// A place that could not be looked at, where that is no reason to stop: whatever needs no login still works.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum PassedOver {
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

impl Found {
    /// What to do about a login that may be in a place which could not be looked at.
    pub(super) fn advice(&self) -> Option<String> {
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

#[derive(Debug)]
struct Entry {
    auth: Option<Secret>,
    username: Option<String>,
    password: Option<Secret>,
    identitytoken: Option<Secret>,
    registrytoken: Option<Secret>,
}

impl Decode for Entry {
    fn decode(value: Value<'_>) -> Result<Self, JsonError> {
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
    fn wanted() -> String {
        "an object".to_owned()
    }
}

/// What a helper answers to `get`.
struct Reply {
    username: String,
    secret: Secret,
}

impl Decode for Reply {
    fn decode(value: Value<'_>) -> Result<Self, JsonError> {
        let mut reply = Object::open(value, &["ServerURL", "Username", "Secret"])?;
        Ok(Self { username: reply.take_or_default("Username")?, secret: reply.require("Secret")? })
    }
    fn wanted() -> String {
        "an object".to_owned()
    }
}

impl Credentials {
    /// The first login that fits.
    ///
    /// Blocks: it reads files and may run a helper.
    pub(super) fn find(&self, scope: &Scope) -> Result<Option<Credential>, RegistryError> {
        Ok(self.look(scope)?.credential)
    }

    /// As [`Credentials::find`], with what could not be looked at.
    pub(super) fn look(&self, scope: &Scope) -> Result<Found, RegistryError> {
        self.search(scope, &mut |_, _| {})
    }

    /// As [`Credentials::look`]; `note` hears of each place that was looked at and what was there.
    pub(super) fn search(
        &self,
        scope: &Scope,
        note: &mut dyn FnMut(&str, &str),
    ) -> Result<Found, RegistryError> {
        let broken = |from: &str, why: String, note: &mut dyn FnMut(&str, &str)| {
            note(from, &why);
            RegistryError::Credentials { registry: scope.registry().clone(), from: from.to_owned(), why }
        };
        let mut found = Found::default();
        let given =
            self.docker_auth_config.iter().map(|text| ("DOCKER_AUTH_CONFIG".to_owned(), None, Some(text)));
        let files = self.files().into_iter().map(|path| (quoted(&path), Some(path), None));
        for (name, path, given) in given.chain(files) {
            let text = match (&path, given) {
                (Some(path), _) => read(path),
                (None, given) => Ok(given.map(|text| text.expose().to_owned())),
            };
            let text = match (text, path) {
                (Ok(Some(text)), _) => text,
                (Ok(None), _) => {
                    note(&name, "does not exist");
                    continue;
                }
                // Where nobody said that the login is there, it may be elsewhere, or not be needed.
                (Err(error), Some(path)) if self.registry_auth_file.is_none() && !is_text_fault(&error) => {
                    note(&name, &format!("cannot be read: {error}"));
                    found.passed_over.push(PassedOver::File(path, error.to_string()));
                    continue;
                }
                (Err(error), _) => return Err(broken(&name, error.to_string(), note)),
            };
            match self.in_text(&name, &text, scope, &mut found.passed_over) {
                Ok(Some(credential)) => {
                    note(&name, &credential.describe());
                    found.credential = Some(credential);
                    return Ok(found);
                }
                Ok(None) => note(&name, "has no login for it"),
                Err((from, why)) => return Err(broken(&from, why, note)),
            }
        }
        Ok(found)
    }

    /// What was looked at, for the message that nothing fitted.
    pub(super) fn places(&self) -> String {
        let mut places: Vec<String> = Vec::new();
        if self.docker_auth_config.is_some() {
            places.push("DOCKER_AUTH_CONFIG".to_owned());
        }
        places.extend(self.files().iter().map(|path| quoted(path)));
        if places.is_empty() { "no place to look in was given".to_owned() } else { places.join(", ") }
    }

    /// The files that are read, the first that knows a registry winning.
    pub(super) fn files(&self) -> Vec<PathBuf> {
        if let Some(file) = &self.registry_auth_file {
            return vec![file.clone()];
        }
        let home = |below: &str| self.home.as_ref().map(|home| home.join(below));
        let containers = |directory: PathBuf| directory.join("containers").join("auth.json");
        let candidates = [
            self.xdg_runtime_dir.clone().map(containers),
            self.xdg_config_home.clone().or_else(|| home(".config")).map(containers),
            self.docker_config
                .clone()
                .or_else(|| home(".docker"))
                .map(|directory| directory.join("config.json")),
        ];
        candidates.into_iter().flatten().collect()
    }

    fn in_text(
        &self,
        name: &str,
        text: &str,
        scope: &Scope,
        passed_over: &mut Vec<PassedOver>,
    ) -> Result<Option<Credential>, (String, String)> {
        let here = |why: String| (name.to_owned(), why);
        let file = AuthFile::parse(text).map_err(|error| here(error.to_string()))?;
        if let Some(Named { name: helper, is_own }) = file.helper(scope).map_err(here)? {
            let program = program_name(&helper);
            let source = format!("`{program}`, named in {name}");
            match self.ask(&helper, scope.registry()) {
                Ok(Some(login)) => return Ok(Some(Credential::new(login, source))),
                Ok(None) => {}
                // A `credsStore` of a desktop that is not this machine is common; then the file may still know.
                Err(HelperError::Missing) if !is_own => {
                    passed_over.push(PassedOver::Helper(program, name.to_owned()));
                }
                Err(error) => return Err((source, error.to_string())),
            }
        }
        let login = file.login(scope).map_err(here)?;
        Ok(login.map(|login| Credential::new(login, name)))
    }

    /// Runs a helper with one of its actions, without a shell.
    pub(super) fn run(&self, helper: &str, action: &str, input: &str) -> Result<Output, HelperError> {
        let program = self.program(helper)?;
        let timeout =
            if self.helper_timeout.is_zero() { Duration::from_secs(30) } else { self.helper_timeout };
        helper::run(&program, action, input, timeout)
    }

    pub(super) fn ask(&self, helper: &str, registry: &Registry) -> Result<Option<Login>, HelperError> {
        let output = self.run(helper, "get", key_of(registry))?;
        if !output.success {
            // Helpers say this on stdout, with exit code 1.
            let text = output.text.to_ascii_lowercase();
            if text.contains("credentials not found") || text.contains("no credentials") {
                return Ok(None);
            }
            return Err(HelperError::Failed(output.reason(&[])));
        }
        let Reply { username, secret } =
            json::decode(output.text.as_bytes()).map_err(HelperError::NotJson)?;
        Ok(match (username.as_str(), secret.expose()) {
            (_, "") => None,
            ("<token>", _) => Some(Login::Identity(secret)),
            _ => Some(Login::Password(username, secret)),
        })
    }

    /// The helper's program. The name comes from a file, so it must not be able to leave the directories.
    fn program(&self, helper: &str) -> Result<PathBuf, HelperError> {
        let valid = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
        if !helper.bytes().all(valid) {
            return Err(HelperError::Name);
        }
        let name = program_name(helper);
        let path = self.helper_path.clone().unwrap_or_default();
        std::env::split_paths(&path)
            .filter(|directory| directory.is_absolute())
            .map(|directory| directory.join(&name))
            .find(|program| program.is_file())
            .ok_or(HelperError::Missing)
    }
}

/// What Docker's files and helpers call a registry.
pub(super) fn key_of(registry: &Registry) -> &str {
    if registry.as_str() == DOCKER_HUB { DOCKER_HUB_KEY } else { registry.as_str() }
}

pub(super) fn program_name(helper: &str) -> String {
    format!("docker-credential-{}", Foreign::short(helper, 60))
}

fn quoted(path: &Path) -> String {
    format!("`{}`", shown_path(path))
}

/// The text of a file with logins; nothing where there is none, and in `/dev/null`, by which people say that there is none.
pub(super) fn read(path: &Path) -> std::io::Result<Option<String>> {
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

/// Whether a file could be read, and is no text.
fn is_text_fault(error: &std::io::Error) -> bool {
    error.kind() == std::io::ErrorKind::InvalidData
}

/// The value with the longest key that is the scope, a parent of it, or its registry.
pub(super) fn lookup<'a, T>(map: &'a BTreeMap<String, T>, scope: &Scope) -> Option<&'a T> {
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
pub(super) fn normalise(key: &str) -> String {
    let bare = key.strip_prefix("https://").or_else(|| key.strip_prefix("http://")).unwrap_or(key);
    let bare = bare.trim_end_matches('/');
    let bare = bare.strip_suffix("/v1").or_else(|| bare.strip_suffix("/v2")).unwrap_or(bare);
    let (host, path) = bare.split_once('/').unwrap_or((bare, ""));
    let host = host.parse::<Registry>().map_or_else(|_| host.to_owned(), |registry| registry.to_string());
    if path.is_empty() { host } else { format!("{host}/{path}") }
}

impl Entry {
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

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use proptest::prelude::*;

    use super::*;

    fn repository(name: &str) -> Scope {
        (&name.parse::<crate::types::reference::Repository>().expect(name)).into()
    }

    fn auth(user: &str, password: &str) -> String {
        BASE64.encode(format!("{user}:{password}"))
    }

    fn in_config(config: &str, name: &str) -> Option<Credential> {
        let docker_auth_config = Some(Secret::new(config));
        let credentials = Credentials { docker_auth_config, ..Credentials::default() };
        credentials.find(&repository(name)).expect("readable")
    }

    fn user(credential: Option<&Credential>) -> Option<&str> {
        match &credential?.login {
            Login::Password(user, _) => Some(user),
            _ => None,
        }
    }

    fn write(path: &Path, text: &str) {
        std::fs::create_dir_all(path.parent().expect("has a parent")).expect("writable");
        std::fs::write(path, text).expect("writable");
    }

    fn helper(directory: &Path, name: &str, script: &str) {
        let path = directory.join(format!("docker-credential-{name}"));
        // Renamed into place: another thread's fork may hold the written file open for a moment.
        let draft = directory.join(format!(".{name}"));
        write(&draft, &format!("#!/bin/sh\n{script}\n"));
        std::fs::set_permissions(&draft, std::fs::Permissions::from_mode(0o755)).expect("owned");
        std::fs::rename(&draft, &path).expect("writable");
    }

    #[test]
    fn the_longest_prefix_wins_in_every_spelling() {
        let config = format!(
            r#"{{"auths":{{
                "r.example":{{"auth":"{}"}},
                "https://r.example/v2/":{{}},
                "r.example/team":{{"auth":"{}"}},
                "https://index.docker.io/v1/":{{"auth":"{}"}},
                "other.example":{{"username":"named","password":"p"}},
                "token.example":{{"identitytoken":"t","auth":"{}"}},
                "null.example":null
            }}}}"#,
            auth("host", "p"),
            auth("team", "p"),
            auth("hub", "p"),
            auth("ignored", "p"),
        );
        let cases = [
            ("r.example/team/app", Some("team")),
            ("r.example/team", Some("team")),
            ("debian", Some("hub")),
            ("registry-1.docker.io/library/debian", Some("hub")),
            ("other.example/a", Some("named")),
            ("null.example/a", None),
            ("unknown.example/a", None),
            ("r.example:5000/team", None),
        ];
        for (name, expected) in cases {
            assert_eq!(user(in_config(&config, name).as_ref()), expected, "{name}");
        }
        let token = in_config(&config, "token.example/a").expect("found");
        assert_eq!(token.login, Login::Identity(Secret::new("t")));
        assert_eq!(token.describe(), "the identity token from DOCKER_AUTH_CONFIG");
    }

    #[test]
    fn looks_in_order_and_names_the_source() {
        let directory = tempfile::tempdir().expect("writable");
        let root = directory.path();
        let entry = |user: &str| format!(r#"{{"auths":{{"r.example":{{"auth":"{}"}}}}}}"#, auth(user, "p"));
        let places = [
            ("home/.docker/config.json", "docker"),
            ("home/.config/containers/auth.json", "config"),
            ("run/containers/auth.json", "runtime"),
            ("named.json", "named"),
        ];
        let mut credentials = Credentials {
            xdg_runtime_dir: Some(root.join("run")),
            home: Some(root.join("home")),
            ..Credentials::default()
        };
        let name = repository("r.example/a");
        assert_eq!(credentials.find(&name).expect("nothing there"), None);
        for (path, who) in places {
            write(&root.join(path), &entry(who));
            if who == "named" {
                credentials.registry_auth_file = Some(root.join(path));
            }
            let found = credentials.find(&name).expect("readable").expect("found");
            assert_eq!(user(Some(&found)), Some(who));
            assert!(found.describe().contains(path), "{}", found.describe());
        }
        credentials.registry_auth_file = Some(root.join("absent.json"));
        assert_eq!(credentials.find(&name).expect("then stop"), None);
        credentials.docker_auth_config = Some(Secret::new(entry("environment")));
        assert_eq!(user(credentials.find(&name).expect("readable").as_ref()), Some("environment"));
    }

    #[test]
    fn asks_helpers_without_a_shell() {
        let directory = tempfile::tempdir().expect("writable");
        let bin = directory.path().join("bin");
        helper(&bin, "good", r#"read key; echo "{\"Username\":\"$1 $key\",\"Secret\":\"s\"}""#);
        helper(&bin, "token", r#"echo '{"Username":"<token>","Secret":"refresh"}'"#);
        helper(&bin, "none", "echo credentials not found in native keychain; exit 1");
        helper(&bin, "bad", "echo the keychain is locked; exit 1");
        helper(&bin, "html", "echo '<html>'");
        helper(&bin, "slow", "exec sleep 30");
        helper(&bin, "grumpy", "printf 'gpg: no\\npinentry \\033[2J' >&2; exit 2");
        let find = |config: &str, name: &str| {
            let credentials = Credentials {
                docker_auth_config: Some(Secret::new(config)),
                helper_path: Some(bin.clone().into_os_string()),
                helper_timeout: Duration::from_millis(500),
                ..Credentials::default()
            };
            credentials.find(&repository(name))
        };
        let named =
            |name: &str| format!(r#"{{"credHelpers":{{"r.example":"{name}","docker.io":"{name}"}}}}"#);
        let good = find(&named("good"), "r.example/a").expect("runs");
        assert_eq!(user(good.as_ref()), Some("get r.example"));
        let hub = find(&named("good"), "debian").expect("runs");
        assert_eq!(user(hub.as_ref()), Some("get https://index.docker.io/v1/"));
        let token = find(&named("token"), "r.example/a").expect("runs").expect("found");
        assert_eq!(token.login, Login::Identity(Secret::new("refresh")));
        assert!(token.describe().contains("docker-credential-token"));
        assert_eq!(find(&named("none"), "r.example/a").expect("not an error"), None);
        for (name, why) in [
            ("bad", "keychain is locked"),
            ("html", "not JSON"),
            ("grumpy", "failed: gpg: no pinentry [2J"),
            ("slow", "did not answer"),
            ("absent", "not in PATH"),
            ("../bin/good", "characters"),
            ("good; touch x", "characters"),
        ] {
            let error = find(&named(name), "r.example/a").expect_err(name).to_string();
            assert!(error.contains(why), "{name}: {error}");
        }
        let store = format!(
            r#"{{"credsStore":"absent","auths":{{"r.example":{{"auth":"{}"}}}}}}"#,
            auth("file", "p")
        );
        assert_eq!(user(find(&store, "r.example/a").expect("falls back").as_ref()), Some("file"));
    }

    #[test]
    fn what_is_odd_about_another_registry_is_no_matter() {
        let good = format!(r#""r.example":{{"auth":"{}"}}"#, auth("me", "p"));
        for config in [
            r#"{"auths":null,"credHelpers":null,"credsStore":null}"#.to_owned(),
            r#"{"auths":{"r.example":null}}"#.to_owned(),
            r#"{"auths":{"r.example":{"auth":null,"identitytoken":null}}}"#.to_owned(),
            r#"{"auths":{"odd.example":7},"HttpHeaders":[1],"credHelpers":{"odd.example":{}}}"#.to_owned(),
            r#"{"credHelpers":{"r.example":null},"credsStore":""}"#.to_owned(),
        ] {
            assert_eq!(in_config(&config, "r.example/a"), None, "{config}");
        }
        for config in [
            format!(r#"{{"auths":{{"odd.example":7,{good}}}}}"#),
            format!(r#"{{"auths":{{"odd.example":{{"auth":["x"]}},{good},"":null}}}}"#),
            format!(r#"{{"auths":{{{good}}},"credHelpers":{{"odd.example":[7],"r.example":""}}}}"#),
        ] {
            assert_eq!(user(in_config(&config, "r.example/a").as_ref()), Some("me"), "{config}");
        }
        for (config, why) in [
            (r#"{"auths":{"r.example":7}}"#, "its entry in `auths`"),
            (r#"{"auths":{"r.example":{"auth":7}}}"#, "its entry in `auths`"),
            (r#"{"credHelpers":{"r.example":7}}"#, "its entry in `credHelpers`"),
            (r#"{"credsStore":7}"#, "`credsStore` is not a text"),
            (r#"{"auths":7}"#, "`auths` is a number; it must be an object of values"),
            (r#"{"credHelpers":[]}"#, "`credHelpers` is a list; it must be an object of strings"),
        ] {
            let docker_auth_config = Some(Secret::new(config));
            let credentials = Credentials { docker_auth_config, ..Credentials::default() };
            let error = credentials.find(&repository("r.example/a")).expect_err(config).to_string();
            assert!(error.contains(why), "{config}: {error}");
        }
    }

    /// Whatever cannot be read in a usual place is passed over and named; where the user says to look, it is an error.
    #[test]
    fn a_file_that_cannot_be_read_is_passed_over() {
        use std::os::unix::fs::symlink;
        let directory = tempfile::tempdir().expect("writable");
        let file = directory.path().join(".docker/config.json");
        let scope = repository("r.example/a");
        type Make = fn(&Path);
        let makes: [(Make, &str); 3] = [
            (|path| std::fs::create_dir_all(path).expect("made"), "a directory"),
            (|path| symlink("/dev/zero", path).expect("made"), "a character device"),
            (
                |path| {
                    use rustix::fs::{CWD, FileType, Mode, mknodat};
                    mknodat(CWD, path, FileType::Fifo, Mode::from_raw_mode(0o600), 0).expect("made");
                },
                "a named pipe",
            ),
        ];
        for (make, why) in makes {
            std::fs::create_dir_all(file.parent().expect("has one")).expect("made");
            make(&file);
            let usual = Credentials { home: Some(directory.path().to_owned()), ..Credentials::default() };
            let found = usual.look(&scope).expect("passed over");
            assert_eq!(found.credential, None);
            let text = found.passed_over.iter().map(ToString::to_string).collect::<String>();
            assert!(text.contains(".docker/config.json") && text.contains(why), "{text}");
            assert!(found.advice().is_some_and(|advice| advice.contains("REGISTRY_AUTH_FILE")));
            let named = Credentials { registry_auth_file: Some(file.clone()), ..Credentials::default() };
            assert!(named.look(&scope).expect_err("said to look there").to_string().contains(why));
            std::fs::remove_dir_all(directory.path().join(".docker")).expect("removed");
        }
        let null = Credentials { registry_auth_file: Some("/dev/null".into()), ..Credentials::default() };
        assert_eq!(null.look(&scope).expect("nothing there"), Found::default());
    }

    #[test]
    fn a_store_that_is_not_installed_is_named() {
        let docker_auth_config = Some(Secret::new(r#"{"credsStore":"desktop"}"#));
        let credentials = Credentials { docker_auth_config, ..Credentials::default() };
        let found = credentials.look(&repository("r.example/a")).expect("no error");
        let text = found.passed_over.iter().map(ToString::to_string).collect::<String>();
        assert_eq!(text, "`docker-credential-desktop`, which DOCKER_AUTH_CONFIG names, is not in PATH");
    }

    #[test]
    fn broken_files_are_named_and_not_quoted() {
        let docker_auth_config = Some(Secret::new(r#"{"auths":{"r.example":{"auth":"hunter2!"}}}"#));
        let credentials = Credentials { docker_auth_config, ..Credentials::default() };
        let error = credentials.find(&repository("r.example/a")).expect_err("no base64").to_string();
        assert!(error.contains("DOCKER_AUTH_CONFIG") && !error.contains("hunter2"), "{error}");
        let docker_auth_config = Some(Secret::new(r#"{"auths":"hunter2"}"#));
        let credentials = Credentials { docker_auth_config, ..Credentials::default() };
        let error = credentials.find(&repository("r.example/a")).expect_err("no map").to_string();
        assert!(error.contains("`auths` is a string") && !error.contains("hunter2"), "{error}");
    }

    /// Docker takes a key in any case and the last of several; two readers must not find two logins in one file.
    #[test]
    fn a_file_in_which_others_read_another_login_is_refused() {
        let find = |config: &str| {
            let docker_auth_config = Some(Secret::new(config));
            let credentials = Credentials { docker_auth_config, ..Credentials::default() };
            credentials.find(&repository("r.example/a")).map_err(|error| error.to_string())
        };
        let (one, other) = (auth("one", "hunter2-one"), auth("other", "hunter2-other"));
        let one = format!(r#""r.example":{{"auth":"{one}"}}"#);
        for (config, why) in [
            (format!(r#"{{"auths":{{{one}}},"Auths":{{}}}}"#), "the key `Auths` is `auths` to tools"),
            (format!(r#"{{"auths":{{{one}}},"auth\u017f":{{}}}}"#), "the key `authſ` is `auths` to tools"),
            (format!(r#"{{"auths":{{{one}}},"auths":{{}}}}"#), "the key `auths` occurs twice"),
            (
                format!(r#"{{"auths":{{{one},"r.ex\u0061mple":{{}}}}}}"#),
                "the key `auths.r.example` occurs twice",
            ),
            (format!(r#"{{"auths":{{{one}}},"credsstore":"x"}}"#), "the key `credsstore` is `credsStore` to"),
            (
                format!(r#"{{"auths":{{"r.example":{{"auth":"{other}","Auth":"{other}"}}}}}}"#),
                "its entry in `auths`: the key `Auth` is `auth` to",
            ),
            (
                format!(
                    r#"{{"auths":{{"r.example":{{"$serde_json::private::RawValue":7,"auth":["{other}"]}}}}}}"#
                ),
                "its entry in `auths`: `auth` is a list; it must be a string",
            ),
        ] {
            let error = find(&config).expect_err(&config);
            assert!(error.contains(why), "{config}: {error}");
            assert!(!error.contains("hunter2") && !error.contains(&other), "{error}");
        }
        // A key of this name is one like any other, and maps have keys in any case.
        let private = format!(r#"{{"$serde_json::private::RawValue":"{{}}","auths":{{{one}}}}}"#);
        assert_eq!(user(find(&private).expect("read").as_ref()), Some("one"));
        let private = format!(r#"{{"auths":{{"$serde_json::private::RawValue":"null",{one}}}}}"#);
        assert_eq!(user(find(&private).expect("read").as_ref()), Some("one"));
        let others =
            format!(r#"{{"HttpHeaders":{{"a":"1","A":"2"}},"auths":{{"x.example":{{"Auth":1}},{one}}}}}"#);
        assert_eq!(user(find(&others).expect("read").as_ref()), Some("one"));
    }

    #[test]
    fn an_answer_in_which_others_read_another_login_is_refused() {
        let directory = tempfile::tempdir().expect("writable");
        for (answer, why) in [
            (r#"{"Username":"u","Secret":"hunter2","Secret":"x"}"#, "the key `Secret` occurs twice"),
            (r#"{"Username":"u","Secret":"hunter2","secret":"x"}"#, "the key `secret` is `Secret` to tools"),
            (r#"{"Username":"u","Secret":["hunter2"]}"#, "`Secret` is a list; it must be a string"),
            (r#"{"Username":"hunter2"}"#, "`Secret` is missing"),
            (r#"["hunter2","hunter2"]"#, "the document is a list; it must be an object"),
            (r#"{"Username":"u","Secret":"hunter2"} x"#, "something after the end of the document"),
        ] {
            helper(directory.path(), "odd", &format!("cat <<'END'\n{answer}\nEND"));
            let credentials = Credentials {
                docker_auth_config: Some(Secret::new(r#"{"credHelpers":{"r.example":"odd"}}"#)),
                helper_path: Some(directory.path().as_os_str().to_owned()),
                ..Credentials::default()
            };
            let error = credentials.find(&repository("r.example/a")).expect_err(answer).to_string();
            assert!(error.contains(why) && !error.contains("hunter2"), "{error}");
        }
    }

    proptest! {
        #[test]
        fn logins_survive_and_are_never_printed(name in "[a-z]{1,12}", password in "[ -~]{12,40}") {
            let config = format!(r#"{{"auths":{{"r.example":{{"auth":"{}"}}}}}}"#, auth(&name, &password));
            let found = in_config(&config, "r.example/a").expect("found");
            let printed = format!("{found:?}{}", found.describe());
            prop_assert!(!printed.contains(&password));
            prop_assert_eq!(found.login, Login::Password(name, Secret::new(password)));
        }

        #[test]
        fn any_text_is_survived(text in "\\PC{0,80}") {
            let docker_auth_config = Some(Secret::new(text));
            let _ = Credentials { docker_auth_config, ..Credentials::default() }.find(&repository("r.example/a"));
        }
    }
}
