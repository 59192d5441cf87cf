//! Keeping and removing logins, where Docker and Podman would keep them and we would look for them.
//!
//! A file is changed by writing another and renaming it, under a lock on its directory; what else it holds
//! keeps its order and its bytes. A login is never kept before the registry was asked about it, which is
//! [`Client::check_login`](crate::registry::Client::check_login).

use std::fmt;
use std::io;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use rustix::fs::FlockOperation;

use super::super::wire::error::RegistryError;
use super::super::wire::secret::Secret;
use super::credential::Login;
use super::credentials::{Credentials, program_name};
use super::file::{AuthFile, NamedHelper, key_of, normalise, read};
use super::helper::HelperError;
use crate::formats::json::{self, JsonValue};
use crate::runtime::atomic::{self, Durability, NewFileMode};
use crate::types::reference::{DOCKER_HUB, Scope};
use crate::types::shown::shown_path;

/// Where a login was kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoginRecord {
    /// The file or the helper's program.
    pub place: LoginPlace,
    /// The login that is found in its stead, because it is looked for in another place first.
    pub hidden_by: Option<String>,
}

/// A place for logins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LoginPlace {
    /// A file with the password in it.
    File {
        /// The file.
        path: PathBuf,
        /// Whether others than its owner can read it.
        is_open: bool,
    },
    /// A credential helper.
    Helper(String),
}

impl fmt::Display for LoginPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { path, .. } => write!(f, "`{}`", shown_path(path)),
            Self::Helper(program) => write!(f, "`{program}`"),
        }
    }
}

/// The logins that are left after one was removed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RemainingLogins {
    /// Where there was one.
    pub places: Vec<LoginPlace>,
    /// A login that is still found, in a place that is not ours to change or for more than was asked.
    pub left: Option<String>,
}

impl Credentials {
    /// Keeps a login: in the credential helper that is configured for the registry, else in the first
    /// file that has a login for just this, else in Docker's `config.json`. A path in a registry is always
    /// kept in a file: helpers know registries alone.
    ///
    /// Blocks: it writes files and may run a helper.
    ///
    /// # Errors
    /// When there is no place for it, a file is not what it should be or cannot be written, or a helper fails.
    pub fn keep(&self, scope: &Scope, user: &str, password: &Secret) -> Result<LoginRecord, RegistryError> {
        let fail = |place: String, why: String| RegistryError::Keep {
            what: "store",
            scope: scope.clone(),
            place,
            why,
        };
        if user.is_empty() || user.contains(':') {
            let why = "a user name has at least one character and no colon".to_owned();
            return Err(fail("any place".to_owned(), why));
        }
        let named = |path: &Path| format!("`{}`", shown_path(path));
        let mut chosen = None;
        for path in self.files() {
            let text = text_of(&path).map_err(|why| fail(named(&path), why))?;
            let parsed = AuthFile::parse(&text).map_err(|error| fail(named(&path), error.to_string()))?;
            let helper = helper_of(&parsed, scope).map_err(|why| fail(named(&path), why))?;
            let knows = parsed.keys().any(|key| normalise(key) == scope.to_string()) || helper.is_some();
            chosen = Some((path, helper));
            if knows {
                break;
            }
        }
        let Some((path, helper)) = chosen else {
            let why = "neither a home directory nor a file is known".to_owned();
            return Err(fail("any place".to_owned(), why));
        };
        let kept = helper.and_then(|helper| self.keep_in_helper(&helper, scope, user, password));
        let place = match kept {
            Some(Ok(program)) => {
                // A login in the helper is removed from the file.
                edit(&path, |auths| remove(auths, scope)).map_err(|why| fail(named(&path), why))?;
                LoginPlace::Helper(program)
            }
            Some(Err((program, why))) => return Err(fail(format!("`{program}`"), why)),
            None => {
                let pair = BASE64.encode(format!("{user}:{}", password.expose()));
                edit(&path, |auths| replace(auths, scope, &pair)).map_err(|why| fail(named(&path), why))?;
                let is_open =
                    std::fs::metadata(&path).is_ok_and(|file| file.permissions().mode() & 0o077 != 0);
                LoginPlace::File { path, is_open }
            }
        };
        let login = Login::Password(user.to_owned(), password.clone());
        // It is kept by now: a helper before it that fails is in its way like any other login.
        let hidden_by = match self.find(scope) {
            Ok(found) => found.filter(|found| found.login != login).map(|found| found.describe()),
            Err(error) => Some(error.to_string()),
        };
        Ok(LoginRecord { place, hidden_by })
    }

    fn keep_in_helper(
        &self,
        NamedHelper { name, is_own }: &NamedHelper,
        scope: &Scope,
        user: &str,
        password: &Secret,
    ) -> Option<Result<String, (String, String)>> {
        let program = program_name(name);
        let input = serde_json::json!({
            "ServerURL": key_of(scope.registry()), "Username": user, "Secret": password.expose(),
        });
        match self.run(name, "store", &input.to_string()) {
            Ok(output) if output.success => Some(Ok(program)),
            Ok(output) => {
                let reason = output.reason(&[password.expose()]);
                Some(Err((program, HelperError::Failed(reason).to_string())))
            }
            // As when looking: the store of another machine's desktop.
            Err(HelperError::Missing) if !*is_own => None,
            Err(error) => Some(Err((program, error.to_string()))),
        }
    }

    /// Removes the logins for just this registry or path from all files and helpers.
    ///
    /// Blocks: it writes files and may run a helper.
    ///
    /// # Errors
    /// When a file is not what it should be or cannot be written, or a helper fails.
    pub fn forget(&self, scope: &Scope) -> Result<RemainingLogins, RegistryError> {
        let fail = |place: String, why: String| RegistryError::Keep {
            what: "remove",
            scope: scope.clone(),
            place,
            why,
        };
        let mut removed = RemainingLogins::default();
        for path in self.files() {
            let named = || format!("`{}`", shown_path(&path));
            let text = text_of(&path).map_err(|why| fail(named(), why))?;
            let parsed = AuthFile::parse(&text).map_err(|error| fail(named(), error.to_string()))?;
            let helper = helper_of(&parsed, scope).map_err(|why| fail(named(), why))?;
            if let Some(NamedHelper { name, is_own }) = helper {
                let program = program_name(&name);
                let place = || LoginPlace::Helper(program.clone());
                match self.erase(&name, scope) {
                    Ok(true) => removed.places.push(place()),
                    Ok(false) => {}
                    Err(HelperError::Missing) if !is_own => {}
                    Err(error) => return Err(fail(place().to_string(), error.to_string())),
                }
            }
            if edit(&path, |auths| remove(auths, scope)).map_err(|why| fail(named(), why))? {
                removed.places.push(LoginPlace::File { path, is_open: false });
            }
        }
        removed.left = self.find(scope)?.map(|found| found.describe());
        Ok(removed)
    }

    /// Answers whether there was anything to remove.
    fn erase(&self, helper: &str, scope: &Scope) -> Result<bool, HelperError> {
        if self.ask(helper, scope.registry())?.is_none() {
            return Ok(false);
        }
        let output = self.run(helper, "erase", key_of(scope.registry()))?;
        if output.success { Ok(true) } else { Err(HelperError::Failed(output.reason(&[]))) }
    }
}

/// The helper for a whole registry.
fn helper_of(file: &AuthFile<'_>, scope: &Scope) -> Result<Option<NamedHelper>, String> {
    if scope.path().is_empty() { file.helper(scope) } else { Ok(None) }
}

fn text_of(path: &Path) -> Result<String, String> {
    let text = read(path).map_err(|error| error.to_string())?;
    Ok(text.unwrap_or_default())
}

/// A JSON object whose members keep their order, and whose values keep their bytes.
#[derive(Default)]
struct OrderedObject(Vec<(String, String)>);

impl OrderedObject {
    /// The members of what was found to be an object, or of `null`.
    fn of(object: JsonValue<'_>) -> Self {
        Self(object.members().map(|(key, value)| (key.into_owned(), value.text().to_owned())).collect())
    }

    fn set(&mut self, name: &str, value: String) {
        match self.0.iter_mut().find(|(key, _)| key == name) {
            Some((_, old)) => *old = value,
            None => self.0.push((name.to_owned(), value)),
        }
    }

    /// The text, each member on a line; values keep the indentation that they came with.
    fn render(&self, indent: &str, depth: usize) -> String {
        if self.0.is_empty() {
            return "{}".to_owned();
        }
        let (outer, inner) = (indent.repeat(depth), indent.repeat(depth + 1));
        let member = |(name, value): &(String, String)| {
            format!("{inner}{}: {value}", serde_json::Value::from(name.as_str()))
        };
        let members: Vec<String> = self.0.iter().map(member).collect();
        format!("{{\n{}\n{outer}}}", members.join(",\n"))
    }
}

/// Where the members of `auths` stand that are for `scope`, in whatever spelling.
fn is_for(scope: &Scope) -> impl Fn(&(String, String)) -> bool {
    let wanted = scope.to_string();
    move |(key, _)| normalise(key) == wanted
}

fn remove(auths: &mut OrderedObject, scope: &Scope) -> Result<bool, String> {
    let before = auths.0.len();
    let is_for = is_for(scope);
    auths.0.retain(|member| !is_for(member));
    Ok(auths.0.len() != before)
}

/// Puts the one entry for `scope` where the first was, under the name that it had.
fn replace(auths: &mut OrderedObject, scope: &Scope, pair: &str) -> Result<bool, String> {
    let is_hub = scope.registry().as_str() == DOCKER_HUB && scope.path().is_empty();
    let own_key = if is_hub { key_of(scope.registry()).to_owned() } else { scope.to_string() };
    let at = auths.0.iter().position(is_for(scope));
    let key = at.map_or(own_key, |at| auths.0[at].0.clone());
    remove(auths, scope)?;
    let entry = format!("{{ \"auth\": {} }}", serde_json::Value::from(pair));
    auths.0.insert(at.unwrap_or(auths.0.len()).min(auths.0.len()), (key, entry));
    Ok(true)
}

/// Changes the `auths` of a file that may not exist, if `change` says that it did anything.
fn edit(
    path: &Path,
    change: impl FnOnce(&mut OrderedObject) -> Result<bool, String>,
) -> Result<bool, String> {
    // A link stays one: what it leads to is replaced.
    let path = std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let Some(directory) = path.parent() else { return Err("it is no file".to_owned()) };
    let exists = read(&path).map_err(|error| error.to_string())?.is_some();
    if !exists {
        let mut auths = OrderedObject::default();
        if !change(&mut auths)? {
            return Ok(false);
        }
        let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(directory);
        made.map_err(|error| error.to_string())?;
        // Once more under the lock: someone else may have made it.
        return edit_locked(&path, directory, |now| {
            now.0.retain(|(key, _)| !auths.0.iter().any(|(new, _)| new == key));
            now.0.extend(auths.0);
            Ok(true)
        });
    }
    edit_locked(&path, directory, change)
}

fn edit_locked(
    path: &Path,
    directory: &Path,
    change: impl FnOnce(&mut OrderedObject) -> Result<bool, String>,
) -> Result<bool, String> {
    let words = |error: io::Error| error.to_string();
    let lock = std::fs::File::open(directory).map_err(words)?;
    rustix::fs::flock(&lock, FlockOperation::LockExclusive).map_err(|error| error.to_string())?;
    let text = text_of(path)?;
    // A file that Docker's tools read differently is not changed either, because the owner of the login would be
    // unclear.
    AuthFile::parse(&text).map_err(|error| error.to_string())?;
    let (mut file, mut auths) = (OrderedObject::default(), OrderedObject::default());
    if !text.trim().is_empty() {
        let value = json::parse(text.as_bytes()).map_err(|error| error.to_string())?;
        file = OrderedObject::of(value);
        auths = value
            .members()
            .find(|(key, _)| key == "auths")
            .map_or(auths, |(_, auths)| OrderedObject::of(auths));
    }
    if !change(&mut auths)? {
        return Ok(false);
    }
    let indent = indentation(&text);
    file.set("auths", auths.render(indent, 1));
    write(path, &format!("{}\n", file.render(indent, 0))).map_err(words)?;
    Ok(true)
}

/// The indentation of the first member of the outer object; Docker takes a tab.
fn indentation(text: &str) -> &str {
    let first = text.split_once('\n').map_or("", |(_, rest)| rest);
    let end = first.find(|character| !matches!(character, ' ' | '\t')).unwrap_or(0);
    if end == 0 { "\t" } else { &first[..end] }
}

/// Replaces a file; a new one is its owner's alone, an old one stays whose it was.
fn write(path: &Path, text: &str) -> io::Result<()> {
    let before = std::fs::metadata(path).ok();
    atomic::replace(path, text.as_bytes(), ".pack-", NewFileMode::Private, before.as_ref(), Durability::Fsync)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use proptest::prelude::*;

    use super::super::helper::write_program;
    use super::*;

    struct Home(tempfile::TempDir);

    impl Home {
        fn new() -> Self {
            Self(tempfile::tempdir().expect("writable"))
        }

        fn path(&self, name: &str) -> PathBuf {
            self.0.path().join(name)
        }

        fn credentials(&self) -> Credentials {
            Credentials {
                xdg_runtime_dir: Some(self.path("run")),
                home: Some(self.path("home")),
                helper_path: Some(self.path("bin").into_os_string()),
                ..Credentials::default()
            }
        }

        fn config(&self) -> PathBuf {
            self.path("home/.docker/config.json")
        }

        fn write(&self, name: &str, text: &str) -> PathBuf {
            let path = self.path(name);
            fs::create_dir_all(path.parent().expect("has one")).expect("writable");
            fs::write(&path, text).expect("writable");
            path
        }

        /// A helper that keeps one login in a file.
        fn helper(&self, name: &str) -> PathBuf {
            let kept = self.path(name);
            let script = format!(
                "#!/bin/sh\ncase $1 in\nstore) cat > {0};;\nerase) rm {0};;\n\
                 get) [ -e {0} ] && cat {0} || {{ echo credentials not found; exit 1; }};;\nesac\n",
                kept.display()
            );
            write_program(&self.path(&format!("bin/docker-credential-{name}")), &script);
            kept
        }

        fn keep(&self, scope: &str, user: &str) -> Result<LoginRecord, RegistryError> {
            self.credentials().keep(&scope.parse().expect(scope), user, &Secret::new("hunter2"))
        }

        fn forget(&self, scope: &str) -> RemainingLogins {
            self.credentials().forget(&scope.parse().expect(scope)).expect("removes")
        }

        fn user(&self, repository: &str) -> Option<String> {
            let repository: crate::types::reference::Repository = repository.parse().expect(repository);
            match self.credentials().find(&(&repository).into()).expect("readable")?.login {
                Login::Password(user, _) => Some(user),
                _ => None,
            }
        }
    }

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).expect("exists").permissions().mode() & 0o777
    }

    #[test]
    fn a_new_file_is_its_owners_alone() {
        let home = Home::new();
        let kept = home.keep("r.example", "alice").expect("keeps");
        assert_eq!(
            kept,
            LoginRecord { place: LoginPlace::File { path: home.config(), is_open: false }, hidden_by: None }
        );
        assert_eq!((mode(&home.config()), mode(&home.path("home/.docker"))), (0o600, 0o700));
        let text = fs::read_to_string(home.config()).expect("text");
        assert_eq!(
            text,
            "{\n\t\"auths\": {\n\t\t\"r.example\": { \"auth\": \"YWxpY2U6aHVudGVyMg==\" }\n\t}\n}\n"
        );
        home.keep("r.example/team", "bot").expect("keeps");
        home.keep("docker.io", "hub").expect("keeps");
        let users =
            ["r.example/app", "r.example/team/app", "debian", "r.example:5000/a"].map(|name| home.user(name));
        assert_eq!(users.each_ref().map(Option::as_deref), [Some("alice"), Some("bot"), Some("hub"), None]);
        let text = fs::read_to_string(home.config()).expect("text");
        assert!(text.contains("\"https://index.docker.io/v1/\""), "Docker's own key: {text}");
        assert_eq!(home.forget("r.example").places.len(), 1);
        assert_eq!(
            (home.user("r.example/app"), home.user("r.example/team/a").as_deref()),
            (None, Some("bot"))
        );
        assert_eq!(home.forget("r.example"), RemainingLogins::default());
    }

    #[test]
    fn what_else_a_file_holds_is_kept_to_the_byte() {
        let home = Home::new();
        let before = "{\n  \"psFormat\": \"table {{.ID}}\",\n  \"auths\": {\n    \"z.example\": {\n      \"auth\": \"eDp5\",  \"email\": \"\\u00e4\"\n    },\n    \
                      \"https://r.example/v1/\": {\"identitytoken\": \"old\"},\n    \"a.example\": {},\n    \"r.example\": {}\n  },\n  \"HttpHeaders\": { \"b\": 1.50,\n    \"a\": [ ] }\n}\n";
        let path = home.write("home/.docker/config.json", before);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).expect("ours");
        let kept = home.keep("r.example", "alice").expect("keeps");
        assert_eq!(kept.place, LoginPlace::File { path: path.clone(), is_open: true });
        let after = fs::read_to_string(&path).expect("text");
        let expected = before
            .replace("{\"identitytoken\": \"old\"}", "{ \"auth\": \"YWxpY2U6aHVudGVyMg==\" }")
            .replace(",\n    \"r.example\": {}", "");
        assert_eq!(after, expected);
        assert_eq!(home.user("r.example/a").as_deref(), Some("alice"));
        home.forget("r.example");
        let after = fs::read_to_string(&path).expect("text");
        assert!(
            after.contains("\\u00e4") && after.contains("1.50") && !after.contains("r.example"),
            "{after}"
        );
        assert_eq!(mode(&path), 0o640, "whose it was");
    }

    #[test]
    fn a_link_stays_a_link_and_nothing_is_left_beside() {
        let home = Home::new();
        let real = home.write("dotfiles/docker.json", "{}");
        fs::create_dir_all(home.path("home/.docker")).expect("writable");
        std::os::unix::fs::symlink(&real, home.config()).expect("writable");
        home.keep("r.example", "alice").expect("keeps");
        assert!(fs::symlink_metadata(home.config()).expect("there").is_symlink());
        assert!(fs::read_to_string(&real).expect("text").contains("r.example"));
        assert_eq!(fs::read_dir(home.path("dotfiles")).expect("there").count(), 1);
    }

    #[test]
    fn a_broken_file_is_left_alone_and_not_quoted() {
        for text in [
            "{\"auths\": {\"hunter3",
            "[1]",
            "{\"auths\": []}",
            // Names that Docker would take for the logins, or for the login.
            "{\"auths\": {}, \"Auths\": {\"r.example\": {\"auth\": \"hunter3\"}}}",
            "{\"auths\": {}, \"auths\": {\"r.example\": {\"auth\": \"hunter3\"}}}",
            "{\"auths\": {\"r.example\": {\"auth\": \"hunter3\"}, \"r.example\": {}}}",
        ] {
            let home = Home::new();
            let path = home.write("home/.docker/config.json", text);
            let error = home.keep("r.example", "alice").expect_err(text).to_string();
            assert!(error.contains("config.json") && !error.contains("hunter"), "{error}");
            assert_eq!(fs::read_to_string(path).expect("text"), text);
        }
    }

    #[test]
    fn no_key_of_a_file_is_interpreted() {
        let home = Home::new();
        let before = "{\n  \"$serde_json::private::RawValue\": \"{ }\",\n  \"n\": [-0, 1E400, 123456789012345678901234567890],\n  \"auths\": {\n    \"$serde_json::private::RawValue\": {\"auth\": \"\\u0065Dp5\"}\n  }\n}\n";
        let path = home.write("home/.docker/config.json", before);
        home.keep("r.example", "alice").expect("keeps");
        let entry = ",\n    \"r.example\": { \"auth\": \"YWxpY2U6aHVudGVyMg==\" }";
        let expected = before.replace("Dp5\"}", &format!("Dp5\"}}{entry}"));
        assert_eq!(fs::read_to_string(&path).expect("text"), expected);
        home.forget("r.example");
        assert_eq!(fs::read_to_string(&path).expect("text"), before);
    }

    #[test]
    fn a_helper_keeps_what_it_is_configured_for() {
        let home = Home::new();
        let kept_by = home.helper("box");
        let config = r#"{"auths":{"r.example":{"auth":"eDp5"}},"credHelpers":{"r.example":"box"},"credsStore":"absent"}"#;
        let path = home.write("home/.docker/config.json", config);
        let kept = home.keep("r.example", "alice").expect("keeps");
        assert_eq!(
            kept,
            LoginRecord { place: LoginPlace::Helper("docker-credential-box".to_owned()), hidden_by: None }
        );
        let stored: serde_json::Value =
            serde_json::from_str(&fs::read_to_string(&kept_by).expect("text")).expect("JSON");
        assert_eq!(
            stored,
            serde_json::json!({ "ServerURL": "r.example", "Username": "alice", "Secret": "hunter2" })
        );
        let text = fs::read_to_string(&path).expect("text");
        assert!(!text.contains("eDp5") && !text.contains("aHVudGVyMg"), "no password in the file: {text}");
        // The general store is not on this machine: the file it is, as when reading.
        let other = home.keep("other.example", "bob").expect("keeps");
        assert!(matches!(other.place, LoginPlace::File { .. }) && other.hidden_by.is_none(), "{other:?}");
        // A path is no helper's business, which then answers first.
        let hidden = home.keep("r.example/team", "bot").expect("keeps");
        assert!(hidden.hidden_by.is_some_and(|by| by.contains("docker-credential-box")));
        let removed = home.forget("r.example");
        assert_eq!(removed.places, [LoginPlace::Helper("docker-credential-box".to_owned())]);
        assert!(!kept_by.exists());
    }

    #[test]
    fn a_helper_that_fails_does_not_tell_the_password() {
        let home = Home::new();
        write_program(&home.path("bin/docker-credential-bad"), "#!/bin/sh\ncat\nexit 1\n");
        home.write("home/.docker/config.json", r#"{"credsStore":"bad"}"#);
        let error = home.keep("r.example", "alice").expect_err("fails").to_string();
        assert!(error.contains("docker-credential-bad") && !error.contains("hunter2"), "{error}");
    }

    #[test]
    fn it_is_kept_where_it_will_be_found() {
        let home = Home::new();
        let podman =
            home.write("run/containers/auth.json", r#"{"auths":{"r.example":{"auth":"b2xkOm9sZA=="}}}"#);
        let kept = home.keep("r.example", "alice").expect("keeps");
        assert_eq!(kept.place, LoginPlace::File { path: podman.clone(), is_open: true });
        assert_eq!((kept.hidden_by, home.user("r.example/a").as_deref()), (None, Some("alice")));
        let mut credentials = home.credentials();
        credentials.docker_auth_config = Some(Secret::new(r#"{"auths":{"r.example":{"auth":"Y2k6Y2k="}}}"#));
        let scope = "r.example".parse().expect("valid");
        let kept = credentials.keep(&scope, "alice", &Secret::new("p")).expect("keeps");
        assert_eq!(kept.hidden_by.as_deref(), Some("the login `ci` from DOCKER_AUTH_CONFIG"));
        let removed = credentials.forget(&scope).expect("removes");
        assert_eq!(removed.left.as_deref(), Some("the login `ci` from DOCKER_AUTH_CONFIG"));
        for user in ["", "a:b"] {
            assert!(home.keep("r.example", user).is_err(), "{user}");
        }
        let nowhere = Credentials::default().keep(&scope, "alice", &Secret::new("p")).expect_err("no place");
        assert!(nowhere.to_string().contains("home directory"), "{nowhere}");
    }

    #[test]
    fn many_at_once_lose_nothing() {
        let home = Home::new();
        std::thread::scope(|threads| {
            for number in 0..12 {
                let home = &home;
                threads.spawn(move || home.keep(&format!("r{number}.example"), "alice").expect("keeps"));
            }
        });
        for number in 0..12 {
            assert_eq!(home.user(&format!("r{number}.example/a")).as_deref(), Some("alice"), "{number}");
        }
    }

    proptest! {
        #[test]
        fn what_is_kept_is_found(user in "[^:\\pC]{1,12}", password in "\\PC{1,20}", path in "[a-z]{0,5}") {
            let home = Home::new();
            let scope: Scope = format!("r.example/{path}").parse().expect("valid");
            home.credentials().keep(&scope, &user, &Secret::new(&*password)).expect("keeps");
            let found = home.credentials().find(&scope).expect("readable").expect("found");
            prop_assert_eq!(found.login, Login::Password(user, Secret::new(password)));
        }
    }
}
