//! Where a login comes from: the files and helpers that Docker and Podman have written for years.
//!
//! The first source that knows the registry wins; nothing found means anonymous. Inputs are explicit, the
//! environment is not read here. A result names its source, so that an error can say which login was wrong.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD_PAD_INDIFFERENT as BASE64;
use serde::Deserialize;

use super::error::{RegistryError, shorten};
use super::settings::Secret;
use crate::reference::{DOCKER_HUB, Registry, Scope};

/// How Docker's tools call Docker Hub.
const DOCKER_HUB_KEY: &str = "https://index.docker.io/v1/";
/// A helper or file that says more than this is broken.
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

/// The parts of `config.json` and `auth.json` that concern credentials.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct AuthFile {
    #[serde(default)]
    pub(super) auths: BTreeMap<String, Option<Entry>>,
    #[serde(default)]
    pub(super) creds_store: Option<String>,
    #[serde(default)]
    pub(super) cred_helpers: BTreeMap<String, String>,
}

impl AuthFile {
    /// Reads the text of such a file; an empty one has nothing in it.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        if text.trim().is_empty() {
            return Ok(Self::default());
        }
        // The parser's message can quote the text; the position is enough.
        serde_json::from_str(text).map_err(|error| {
            format!("not valid JSON of this kind at line {} column {}", error.line(), error.column())
        })
    }
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct Entry {
    #[serde(default)]
    auth: Option<Secret>,
    #[serde(default)]
    username: Option<String>,
    #[serde(default)]
    password: Option<Secret>,
    #[serde(default)]
    identitytoken: Option<Secret>,
    #[serde(default)]
    registrytoken: Option<Secret>,
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self::new)
    }
}

impl Credentials {
    /// The first login that fits.
    ///
    /// Blocks: it reads files and may run a helper.
    pub(super) fn find(&self, scope: &Scope) -> Result<Option<Credential>, RegistryError> {
        self.search(scope, &mut |_, _| {})
    }

    /// As [`Credentials::find`]; `note` hears of each place that was looked at and what was there.
    pub(super) fn search(
        &self,
        scope: &Scope,
        note: &mut dyn FnMut(&str, &str),
    ) -> Result<Option<Credential>, RegistryError> {
        let broken = |from: &str, why: String, note: &mut dyn FnMut(&str, &str)| {
            note(from, &why);
            RegistryError::Credentials { registry: scope.registry().clone(), from: from.to_owned(), why }
        };
        let texts = self
            .docker_auth_config
            .iter()
            .map(|text| ("DOCKER_AUTH_CONFIG".to_owned(), Ok(Some(text.expose().to_owned()))));
        let files = self.files().into_iter().map(|path| (format!("`{}`", path.display()), read(&path)));
        for (name, text) in texts.chain(files) {
            let text = match text {
                Ok(Some(text)) => text,
                Ok(None) => {
                    note(&name, "does not exist");
                    continue;
                }
                Err(error) => return Err(broken(&name, error.to_string(), note)),
            };
            match self.in_text(&name, &text, scope) {
                Ok(Some(found)) => {
                    note(&name, &found.describe());
                    return Ok(Some(found));
                }
                Ok(None) => note(&name, "has no login for it"),
                Err((from, why)) => return Err(broken(&from, why, note)),
            }
        }
        Ok(None)
    }

    /// What was looked at, for the message that nothing fitted.
    pub(super) fn places(&self) -> String {
        let mut places: Vec<String> = Vec::new();
        if self.docker_auth_config.is_some() {
            places.push("DOCKER_AUTH_CONFIG".to_owned());
        }
        places.extend(self.files().iter().map(|path| format!("`{}`", path.display())));
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

    fn in_text(&self, name: &str, text: &str, scope: &Scope) -> Result<Option<Credential>, (String, String)> {
        let file = AuthFile::parse(text).map_err(|why| (name.to_owned(), why))?;
        let helper = lookup(&file.cred_helpers, scope);
        if let Some(helper) = helper.or(file.creds_store.as_ref()).filter(|helper| !helper.is_empty()) {
            let source = format!("`docker-credential-{helper}`, named in {name}");
            match self.ask(helper, scope.registry()) {
                Ok(Some(login)) => return Ok(Some(Credential::new(login, source))),
                Ok(None) => {}
                // A `credsStore` of a desktop that is not this machine is common; then the file may still know.
                Err(HelperError::Missing) if lookup(&file.cred_helpers, scope).is_none() => {}
                Err(error) => return Err((source, error.to_string())),
            }
        }
        let Some(entry) = lookup(&file.auths, scope).and_then(Option::as_ref) else { return Ok(None) };
        let login = entry.login().map_err(|why| (name.to_owned(), why.to_owned()))?;
        Ok(login.map(|login| Credential::new(login, name)))
    }

    /// Runs a helper with one of its actions, without a shell.
    pub(super) fn run(&self, helper: &str, action: &str, input: &str) -> Result<Output, HelperError> {
        let program = self.program(helper)?;
        let timeout =
            if self.helper_timeout.is_zero() { Duration::from_secs(30) } else { self.helper_timeout };
        run(&program, action, input, timeout)
    }

    pub(super) fn ask(&self, helper: &str, registry: &Registry) -> Result<Option<Login>, HelperError> {
        let output = self.run(helper, "get", key_of(registry))?;
        if !output.success {
            // Helpers say this on stdout, with exit code 1.
            let text = output.text.to_ascii_lowercase();
            if text.contains("credentials not found") || text.contains("no credentials") {
                return Ok(None);
            }
            return Err(HelperError::Failed(shorten(&output.text, 200)));
        }
        #[derive(Deserialize)]
        #[serde(rename_all = "PascalCase")]
        struct Reply {
            #[serde(default)]
            username: String,
            secret: Secret,
        }
        let reply: Reply = serde_json::from_str(&output.text).map_err(|_| HelperError::NotJson)?;
        Ok(match (reply.username.as_str(), reply.secret.expose()) {
            (_, "") => None,
            ("<token>", _) => Some(Login::Identity(reply.secret)),
            _ => Some(Login::Password(reply.username, reply.secret)),
        })
    }

    /// The helper's program. The name comes from a file, so it must not be able to leave the directories.
    fn program(&self, helper: &str) -> Result<PathBuf, HelperError> {
        let valid = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
        if !helper.bytes().all(valid) {
            return Err(HelperError::Name);
        }
        let name = format!("docker-credential-{helper}");
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

#[derive(Debug, thiserror::Error)]
pub(super) enum HelperError {
    #[error("the helper's name has characters other than letters, digits, `.`, `_` and `-`")]
    Name,
    #[error("the program is not in PATH")]
    Missing,
    #[error("it cannot be run: {0}")]
    Run(#[from] std::io::Error),
    #[error("it did not answer within {0} s")]
    Timeout(u64),
    #[error("it failed: {0}")]
    Failed(String),
    #[error("its answer is not JSON with `Username` and `Secret`")]
    NotJson,
}

pub(super) struct Output {
    pub(super) success: bool,
    pub(super) text: String,
}

/// Runs `PROGRAM ACTION`, without a shell.
fn run(program: &Path, action: &str, input: &str, timeout: Duration) -> Result<Output, HelperError> {
    let mut child = Command::new(program)
        .arg(action)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()?;
    if let Some(mut stdin) = child.stdin.take() {
        // A helper that does not read its input may still answer.
        let _ = stdin.write_all(input.as_bytes());
    }
    let stdout = child.stdout.take();
    let reader = std::thread::spawn(move || {
        let mut text = Vec::new();
        match stdout {
            Some(stdout) => stdout.take(LIMIT).read_to_end(&mut text).map(|_| text),
            None => Ok(text),
        }
    });
    let deadline = Instant::now() + timeout;
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break status;
        }
        if Instant::now() >= deadline {
            // What it has started may hold the pipe open, so its output is not waited for.
            child.kill()?;
            child.wait()?;
            return Err(HelperError::Timeout(timeout.as_secs()));
        }
        std::thread::sleep(Duration::from_millis(5));
    };
    let text = reader.join().map_err(|_| HelperError::NotJson)??;
    Ok(Output { success: status.success(), text: String::from_utf8_lossy(&text).into_owned() })
}

pub(super) fn read(path: &Path) -> std::io::Result<Option<String>> {
    use std::io::ErrorKind::{NotADirectory, NotFound};
    let file = match std::fs::File::open(path) {
        Ok(file) => file,
        Err(error) if matches!(error.kind(), NotFound | NotADirectory) => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut text = String::new();
    file.take(LIMIT).read_to_string(&mut text)?;
    Ok(Some(text))
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
        (&name.parse::<crate::reference::Repository>().expect(name)).into()
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
    fn broken_files_are_named_and_not_quoted() {
        let docker_auth_config = Some(Secret::new(r#"{"auths":{"r.example":{"auth":"hunter2!"}}}"#));
        let credentials = Credentials { docker_auth_config, ..Credentials::default() };
        let error = credentials.find(&repository("r.example/a")).expect_err("no base64").to_string();
        assert!(error.contains("DOCKER_AUTH_CONFIG") && !error.contains("hunter2"), "{error}");
        let docker_auth_config = Some(Secret::new(r#"{"auths":"hunter2"}"#));
        let credentials = Credentials { docker_auth_config, ..Credentials::default() };
        let error = credentials.find(&repository("r.example/a")).expect_err("no map").to_string();
        assert!(error.contains("line 1") && !error.contains("hunter2"), "{error}");
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
