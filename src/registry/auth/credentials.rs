//! Where a login comes from: the files and helpers that Docker and Podman have written for years.
//!
//! The first source that knows the registry wins; nothing found means anonymous. Inputs are explicit, the
//! environment is not read here. A result names its source, so that an error can say which login was wrong.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::super::wire::error::RegistryError;
use super::super::wire::secret::Secret;
use super::credential::{Credential, CredentialLookup, Login, PassedOver};
use super::file::{AuthFile, NamedHelper, key_of, read};
use super::helper::{self, HelperError, HelperOutput};
use crate::formats::json::{self, FromJson, JsonError, JsonValue, Object};
use crate::types::reference::{Registry, Scope};
use crate::types::shown::{Foreign, shown_path};

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

/// The answer of a helper to `get`.
struct HelperReply {
    username: String,
    secret: Secret,
}

impl FromJson for HelperReply {
    fn decode(value: JsonValue<'_>) -> Result<Self, JsonError> {
        let mut reply = Object::open(value, &["ServerURL", "Username", "Secret"])?;
        Ok(Self { username: reply.take_or_default("Username")?, secret: reply.require("Secret")? })
    }
}

impl Credentials {
    /// The first login that fits.
    ///
    /// Blocks: it reads files and may run a helper.
    pub(in crate::registry) fn find(&self, scope: &Scope) -> Result<Option<Credential>, RegistryError> {
        Ok(self.look(scope)?.credential)
    }

    /// As [`Credentials::find`], with what could not be looked at.
    pub(in crate::registry) fn look(&self, scope: &Scope) -> Result<CredentialLookup, RegistryError> {
        self.search(scope, &mut |_, _| {})
    }

    /// As [`Credentials::look`]; `note` hears of each place that was looked at and what was there.
    pub(in crate::registry) fn search(
        &self,
        scope: &Scope,
        note: &mut dyn FnMut(&str, &str),
    ) -> Result<CredentialLookup, RegistryError> {
        let broken = |from: &str, why: String, note: &mut dyn FnMut(&str, &str)| {
            note(from, &why);
            RegistryError::Credentials { registry: scope.registry().clone(), from: from.to_owned(), why }
        };
        let mut found = CredentialLookup::default();
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
                // If no setting names this place, the login may be elsewhere, or not be needed.
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

    /// The places that were read, for the message that none fitted.
    pub(in crate::registry) fn places(&self) -> String {
        let mut places: Vec<String> = Vec::new();
        if self.docker_auth_config.is_some() {
            places.push("DOCKER_AUTH_CONFIG".to_owned());
        }
        places.extend(self.files().iter().map(|path| quoted(path)));
        if places.is_empty() { "no place to look in was given".to_owned() } else { places.join(", ") }
    }

    /// The files that are read, the first that knows a registry winning.
    pub(in crate::registry) fn files(&self) -> Vec<PathBuf> {
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
        if let Some(NamedHelper { name: helper, is_own }) = file.helper(scope).map_err(here)? {
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
    pub(in crate::registry) fn run(
        &self,
        helper: &str,
        action: &str,
        input: &str,
    ) -> Result<HelperOutput, HelperError> {
        let program = self.program(helper)?;
        let timeout =
            if self.helper_timeout.is_zero() { Duration::from_secs(30) } else { self.helper_timeout };
        helper::run(&program, action, input, timeout)
    }

    pub(in crate::registry) fn ask(
        &self,
        helper: &str,
        registry: &Registry,
    ) -> Result<Option<Login>, HelperError> {
        let output = self.run(helper, "get", key_of(registry))?;
        if !output.success {
            // Helpers say this on stdout, with exit code 1.
            let text = output.text.to_ascii_lowercase();
            if text.contains("credentials not found") || text.contains("no credentials") {
                return Ok(None);
            }
            return Err(HelperError::Failed(output.reason(&[])));
        }
        let HelperReply { username, secret } =
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

pub(in crate::registry) fn program_name(helper: &str) -> String {
    format!("docker-credential-{}", Foreign::short(helper, 60))
}

fn quoted(path: &Path) -> String {
    format!("`{}`", shown_path(path))
}

/// Whether a file could be read, and is no text.
fn is_text_fault(error: &std::io::Error) -> bool {
    error.kind() == std::io::ErrorKind::InvalidData
}

#[cfg(test)]
mod tests {
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD_PAD_INDIFFERENT as BASE64;
    use proptest::prelude::*;

    use super::super::helper::write_program;
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
        write_program(&path, &format!("#!/bin/sh\n{script}\n"));
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
        assert_eq!(null.look(&scope).expect("nothing there"), CredentialLookup::default());
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
