//! Everything that is read from the process: variables, working directory, clock.
//!
//! Read once at the start into a plain [`Environment`] that the rest receives, so that nothing below
//! `cli` depends on the machine and a test can be any machine it likes. An empty variable counts as not
//! set, as the XDG base directory specification and most tools have it.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::registry::EngineFiles;
use crate::runtime::input;
use crate::types::error::{Explain, Kind, io_code};
use crate::types::error_code::ErrorCode;
use crate::types::time::LAST_SECOND;

/// The largest `/etc/passwd` that is read.
const MAX_ACCOUNTS: u64 = 4 << 20;

/// The variables that are read, as `docs/environment.md` lists them. A number at the end of a name is left out.
pub const VARIABLES: &[&str] = &[
    "PACK_NAME",
    "PACK_BASE",
    "PACK_TAGS",
    "PACK_PLATFORMS",
    "PACK_COMPRESSION",
    "PACK_OFFLINE",
    "PACK_LOCKED",
    "PACK_UNTRUSTED",
    "PACK_JOBS",
    "SOURCE_DATE_EPOCH",
    "COSIGN_PASSWORD",
    "PACK_CACHE_DIR",
    "XDG_CACHE_HOME",
    "HOME",
    "XDG_CONFIG_HOME",
    "XDG_RUNTIME_DIR",
    "TMPDIR",
    "PACK_SYSTEM_CONFIG",
    "PATH",
    "GIT_CONFIG_NOSYSTEM",
    "GIT_CONFIG_SYSTEM",
    "GIT_CONFIG_GLOBAL",
    "GIT_CONFIG_PARAMETERS",
    "GIT_CONFIG_COUNT",
    "GIT_CONFIG_KEY_",
    "GIT_CONFIG_VALUE_",
    "DOCKER_AUTH_CONFIG",
    "REGISTRY_AUTH_FILE",
    "DOCKER_CONFIG",
    "DOCKER_HOST",
    "CONTAINERS_REGISTRIES_CONF",
    "SSL_CERT_FILE",
    "https_proxy",
    "HTTPS_PROXY",
    "http_proxy",
    "HTTP_PROXY",
    "all_proxy",
    "ALL_PROXY",
    "no_proxy",
    "NO_PROXY",
    "REQUEST_METHOD",
    "NO_COLOR",
    "CLICOLOR_FORCE",
    "CLICOLOR",
    "TERM",
    "COLUMNS",
    "CI",
    "GITHUB_OUTPUT",
    "GITHUB_STEP_SUMMARY",
    "CI_NODE_INDEX",
    "CI_NODE_TOTAL",
    "CIRCLE_NODE_INDEX",
    "CIRCLE_NODE_TOTAL",
    "BUILDKITE_PARALLEL_JOB",
    "BUILDKITE_PARALLEL_JOB_COUNT",
    "JOB_COMPLETION_INDEX",
    "GITHUB_ACTIONS",
    "GITHUB_SERVER_URL",
    "RUNNER_ENVIRONMENT",
    "GITLAB_CI",
    "CI_SERVER_URL",
    "BUILDKITE_ORGANIZATION_SLUG",
    "CIRCLECI",
    "BITBUCKET_BUILD_NUMBER",
    "JENKINS_URL",
    "TF_BUILD",
    "SYSTEM_COLLECTIONURI",
    "DRONE",
    "DRONE_SYSTEM_PROTO",
    "DRONE_SYSTEM_HOST",
    "GITHUB_ACTOR",
    "GITLAB_USER_LOGIN",
    "BUILDKITE_BUILD_CREATOR",
    "CIRCLE_USERNAME",
    "BUILD_USER_ID",
    "DRONE_BUILD_TRIGGER",
    "BITBUCKET_STEP_TRIGGERER_UUID",
    "BUILD_REQUESTEDFOR",
    "USER",
    "LOGNAME",
];

/// A snapshot of what the process was started with.
///
/// It holds credentials, so that its `Debug` shows no values.
#[derive(Clone)]
pub struct Environment {
    /// The working directory.
    pub cwd: PathBuf,
    /// The time of the start.
    pub now: SystemTime,
    /// The number of the user whose process this is.
    uid: Option<u32>,
    variables: BTreeMap<OsString, OsString>,
}

/// Why the environment cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum EnvironmentError {
    /// The working directory is gone or out of reach.
    #[error("the working directory cannot be read")]
    WorkingDirectory(#[source] std::io::Error),
    /// `SOURCE_DATE_EPOCH` is no count of seconds.
    #[error("`SOURCE_DATE_EPOCH` is `{0}`, which is not a whole number of seconds since 1970")]
    SourceDateEpoch(String),
    /// `SOURCE_DATE_EPOCH` is of a year that no format can say.
    #[error("`SOURCE_DATE_EPOCH` is `{0}`, which is a time after the year 9999")]
    TooLate(u64),
    /// There is nowhere to put the cache.
    #[error(
        "there is no place for the cache: none of `PACK_CACHE_DIR`, `XDG_CACHE_HOME` and `HOME` is set to an absolute path"
    )]
    NoCacheDir,
}

impl Explain for EnvironmentError {
    fn kind(&self) -> Kind {
        match self {
            Self::SourceDateEpoch(_) | Self::TooLate(_) => Kind::Usage,
            Self::WorkingDirectory(_) | Self::NoCacheDir => Kind::Input,
        }
    }

    fn code(&self) -> Option<ErrorCode> {
        match self {
            Self::WorkingDirectory(source) => io_code(source, ErrorCode::FileMissing),
            Self::NoCacheDir => Some(ErrorCode::StoreUnusable),
            Self::SourceDateEpoch(_) | Self::TooLate(_) => None,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::WorkingDirectory(_) => Some("change to a directory that exists".to_owned()),
            Self::SourceDateEpoch(_) => Some(
                "`SOURCE_DATE_EPOCH=$(git log -1 --format=%ct)` takes the time of the last commit".into(),
            ),
            Self::TooLate(milliseconds) => {
                let seconds = milliseconds / 1000;
                format!("it counts seconds, and this looks like milliseconds: `SOURCE_DATE_EPOCH={seconds}`")
                    .into()
            }
            Self::NoCacheDir => Some("give one with `--cache-dir DIR`".to_owned()),
        }
    }
}

/// The proxies to use, as the variables give them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Proxies {
    /// For `https` URLs: `https_proxy` or `HTTPS_PROXY`.
    pub https: Option<String>,
    /// For `http` URLs: `http_proxy` or `HTTP_PROXY`.
    pub http: Option<String>,
    /// For both where they have none: `all_proxy` or `ALL_PROXY`.
    pub all: Option<String>,
    /// Hosts to reach directly: `no_proxy` or `NO_PROXY`.
    pub none: Option<String>,
}

impl Environment {
    /// The same environment at another time.
    #[must_use]
    pub fn at(&self, now: SystemTime) -> Self {
        Self { now, ..self.clone() }
    }

    /// Reads the process.
    ///
    /// # Errors
    /// When the working directory is gone.
    #[allow(clippy::disallowed_methods, reason = "the one place that reads the environment and the clock")]
    pub fn read() -> Result<Self, EnvironmentError> {
        let cwd = std::env::current_dir().map_err(EnvironmentError::WorkingDirectory)?;
        let uid = Some(rustix::process::getuid().as_raw());
        Ok(Self { uid, ..Self::new(cwd, SystemTime::now(), std::env::vars_os()) })
    }

    /// An environment with these variables.
    pub fn new<K: Into<OsString>, V: Into<OsString>>(
        cwd: PathBuf,
        now: SystemTime,
        variables: impl IntoIterator<Item = (K, V)>,
    ) -> Self {
        let variables = variables
            .into_iter()
            .map(|(name, value)| (name.into(), value.into()))
            .filter(|(_, value)| !value.is_empty())
            .collect();
        Self { cwd, now, uid: None, variables }
    }

    /// A variable's value. The variable is one of [`VARIABLES`], so that the documents have it.
    #[must_use]
    pub fn raw(&self, name: &str) -> Option<&OsStr> {
        let listed = name.trim_end_matches(|character: char| character.is_ascii_digit());
        debug_assert!(VARIABLES.contains(&listed), "`{name}` is not in the list of variables");
        self.named(name)
    }

    /// The value of a variable that the user named, as text; one that is not UTF-8 counts as not set.
    #[must_use]
    pub fn chosen(&self, name: &str) -> Option<&str> {
        self.named(name)?.to_str()
    }

    fn named(&self, name: &str) -> Option<&OsStr> {
        self.variables.get(OsStr::new(name)).map(OsString::as_os_str)
    }

    /// A variable's value as text; one that is not UTF-8 counts as not set.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<&str> {
        self.raw(name)?.to_str()
    }

    /// A variable's value as an absolute path; a relative one is taken from the working directory.
    #[must_use]
    pub fn path(&self, name: &str) -> Option<PathBuf> {
        self.raw(name).map(|value| self.cwd.join(value))
    }

    /// A directory of the XDG specification, which wants relative values to be ignored.
    fn xdg(&self, name: &str) -> Option<PathBuf> {
        self.raw(name).map(PathBuf::from).filter(|path| path.is_absolute())
    }

    /// The user's home directory.
    #[must_use]
    pub fn home(&self) -> Option<PathBuf> {
        self.xdg("HOME")
    }

    /// The store: `given` (the flag), `PACK_CACHE_DIR`, `$XDG_CACHE_HOME/pack` or `~/.cache/pack`.
    ///
    /// # Errors
    /// When none of them says where.
    pub fn cache_dir(&self, given: Option<&Path>) -> Result<PathBuf, EnvironmentError> {
        given
            .map(|given| self.cwd.join(given))
            .or_else(|| self.path("PACK_CACHE_DIR"))
            .or_else(|| Some(self.xdg("XDG_CACHE_HOME")?.join("pack")))
            .or_else(|| Some(self.home()?.join(".cache/pack")))
            .ok_or(EnvironmentError::NoCacheDir)
    }

    /// `$XDG_RUNTIME_DIR`, where `podman` and `skopeo` keep logins.
    #[must_use]
    pub fn runtime_dir(&self) -> Option<PathBuf> {
        self.xdg("XDG_RUNTIME_DIR")
    }

    /// `$XDG_CONFIG_HOME`, else `~/.config`.
    #[must_use]
    pub fn config_home(&self) -> Option<PathBuf> {
        self.xdg("XDG_CONFIG_HOME").or_else(|| Some(self.home()?.join(".config")))
    }

    /// The user's own configuration: `$XDG_CONFIG_HOME/pack/config.toml`, else `~/.config/pack/config.toml`.
    #[must_use]
    pub fn user_config(&self) -> Option<PathBuf> {
        Some(self.config_home()?.join("pack/config.toml"))
    }

    /// The directory of this machine's configuration: `$PACK_SYSTEM_CONFIG`, else `/etc`.
    fn system_config(&self) -> PathBuf {
        self.path("PACK_SYSTEM_CONFIG").unwrap_or_else(|| PathBuf::from("/etc"))
    }

    /// The user whose process this is: the name in `/etc/passwd`, else the number. Containers and jobs of `cron` have no
    /// variable that tells it.
    #[must_use]
    pub fn user(&self) -> Option<String> {
        let uid = self.uid?.to_string();
        let file = self.system_config().join("passwd");
        let accounts = input::read(&file, MAX_ACCOUNTS).unwrap_or_default();
        let accounts = String::from_utf8_lossy(&accounts);
        let name = accounts.lines().find_map(|line| {
            let mut fields = line.split(':');
            let (name, _, number) = (fields.next()?, fields.next()?, fields.next()?);
            (number == uid && !name.is_empty()).then(|| name.to_owned())
        });
        Some(name.unwrap_or(uid))
    }

    /// Where Docker's and Podman's files about registries are: the user's before those of the system, which
    /// `$PACK_SYSTEM_CONFIG` names instead of `/etc`; `$CONTAINERS_REGISTRIES_CONF` names one of them.
    #[must_use]
    pub fn engine_files(&self) -> EngineFiles {
        let system = self.system_config();
        let user = self.config_home();
        let of_user = |name: &str| user.as_ref().map(|user| user.join(name));
        let both =
            |name: &str| -> Vec<PathBuf> { of_user(name).into_iter().chain([system.join(name)]).collect() };
        EngineFiles {
            certificates: [both("containers/certs.d"), both("docker/certs.d")].concat(),
            registries_conf: match self.path("CONTAINERS_REGISTRIES_CONF") {
                Some(given) => vec![given],
                None => both("containers/registries.conf"),
            },
            // The user's have the last word.
            drop_ins: both("containers/registries.conf.d").into_iter().rev().collect(),
            daemon_json: both("docker/daemon.json"),
        }
    }

    /// Docker's configuration directory: `$DOCKER_CONFIG`, else `~/.docker`.
    #[must_use]
    pub fn docker_config(&self) -> Option<PathBuf> {
        self.path("DOCKER_CONFIG").or_else(|| Some(self.home()?.join(".docker")))
    }

    /// `$DOCKER_AUTH_CONFIG`: the text of a `config.json`, as CI systems pass it. A secret.
    #[must_use]
    pub fn docker_auth_config(&self) -> Option<&str> {
        self.text("DOCKER_AUTH_CONFIG")
    }

    /// `$REGISTRY_AUTH_FILE`: an `auth.json`.
    #[must_use]
    pub fn registry_auth_file(&self) -> Option<PathBuf> {
        self.path("REGISTRY_AUTH_FILE")
    }

    /// `$SSL_CERT_FILE`: certificates to trust.
    #[must_use]
    pub fn ssl_cert_file(&self) -> Option<PathBuf> {
        self.path("SSL_CERT_FILE")
    }

    /// The proxies. The lower-case spelling wins, as in curl.
    #[must_use]
    pub fn proxies(&self) -> Proxies {
        let either = |lower: &str| {
            let value = self.text(lower).or_else(|| self.text(&lower.to_ascii_uppercase()));
            value.map(str::to_owned)
        };
        let mut http = either("http_proxy");
        // Under CGI a client can set `HTTP_PROXY` by sending a `Proxy` header (CVE-2016-5385).
        if self.raw("REQUEST_METHOD").is_some() {
            http = self.text("http_proxy").map(str::to_owned);
        }
        Proxies { https: either("https_proxy"), http, all: either("all_proxy"), none: either("no_proxy") }
    }

    /// `$SOURCE_DATE_EPOCH`: the time that everything in the image has, in seconds since 1970
    /// (reproducible-builds.org's specification).
    ///
    /// # Errors
    /// When it is not a whole number: a build that silently took another time would not be reproducible.
    pub fn source_date_epoch(&self) -> Result<Option<u64>, EnvironmentError> {
        let Some(value) = self.raw("SOURCE_DATE_EPOCH") else { return Ok(None) };
        let error = || EnvironmentError::SourceDateEpoch(value.to_string_lossy().into_owned());
        let text = value.to_str().ok_or_else(error)?;
        if !text.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(error());
        }
        let seconds = text.parse().map_err(|_| error())?;
        if seconds > LAST_SECOND {
            return Err(EnvironmentError::TooLate(seconds));
        }
        Ok(Some(seconds))
    }

    /// Whether a CI system runs this.
    #[must_use]
    pub fn is_ci(&self) -> bool {
        self.text("CI").is_some_and(|value| !matches!(value, "false" | "0"))
    }

    /// The directories of `$PATH`, for credential helpers and `git`. A relative one is left out: what it
    /// names depends on where the program was started.
    #[must_use]
    pub fn search_path(&self) -> Vec<PathBuf> {
        let path = self.raw("PATH").unwrap_or_default();
        std::env::split_paths(path).filter(|directory| directory.is_absolute()).collect()
    }
}

impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&OsString> = self.variables.keys().collect();
        f.debug_struct("Environment")
            .field("cwd", &self.cwd)
            .field("variables", &names)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
pub(super) fn for_test(variables: &[(&str, &str)]) -> Environment {
    Environment::new("/cwd".into(), SystemTime::UNIX_EPOCH, variables.iter().copied())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cache_is_where_the_nearest_voice_says() {
        type Case<'a> = (&'a [(&'a str, &'a str)], Option<&'a str>, &'a str);
        let home = ("HOME", "/home/u");
        let cases: [Case<'_>; 7] = [
            (&[home], None, "/home/u/.cache/pack"),
            (&[home, ("XDG_CACHE_HOME", "/c")], None, "/c/pack"),
            (&[home, ("XDG_CACHE_HOME", "relative")], None, "/home/u/.cache/pack"),
            (&[home, ("XDG_CACHE_HOME", "")], None, "/home/u/.cache/pack"),
            (&[home, ("XDG_CACHE_HOME", "/c"), ("PACK_CACHE_DIR", "/p")], None, "/p"),
            (&[("PACK_CACHE_DIR", "p")], None, "/cwd/p"),
            (&[("PACK_CACHE_DIR", "/p")], Some("flag"), "/cwd/flag"),
        ];
        for (variables, given, expected) in cases {
            let dir = for_test(variables).cache_dir(given.map(Path::new)).expect("a directory");
            assert_eq!(dir, Path::new(expected), "{variables:?}");
        }
        assert!(for_test(&[]).cache_dir(None).is_err());
    }

    #[test]
    fn a_source_date_epoch_is_a_number_or_an_error() {
        let epoch = |value| for_test(&[("SOURCE_DATE_EPOCH", value)]).source_date_epoch();
        assert_eq!(epoch("1700000000").expect("valid"), Some(1_700_000_000));
        assert_eq!(epoch("").expect("as if not set"), None);
        assert_eq!(epoch("253402300799").expect("the last one"), Some(LAST_SECOND));
        let late = epoch("1700000000000").expect_err("milliseconds");
        assert!(late.hint().is_some_and(|hint| hint.contains("SOURCE_DATE_EPOCH=1700000000`")), "{late}");
        for wrong in ["253402300800", "yesterday", "-1", "+1", "1.5", " 1", "99999999999999999999"] {
            assert!(epoch(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn proxies_in_both_spellings() {
        let proxies = for_test(&[
            ("HTTPS_PROXY", "http://upper"),
            ("https_proxy", "http://lower"),
            ("HTTP_PROXY", "http://header"),
            ("NO_PROXY", "localhost"),
        ])
        .proxies();
        assert_eq!(proxies.https.as_deref(), Some("http://lower"));
        assert_eq!(proxies.http.as_deref(), Some("http://header"));
        assert_eq!(proxies.none.as_deref(), Some("localhost"));
        let cgi = for_test(&[("HTTP_PROXY", "http://header"), ("REQUEST_METHOD", "GET")]).proxies();
        assert_eq!(cgi.http, None);
    }

    #[test]
    fn a_user_is_the_account_of_the_number_and_else_the_number() {
        let directory = tempfile::tempdir().expect("a directory");
        let variables = [("PACK_SYSTEM_CONFIG", directory.path().to_str().expect("text"))];
        let user = |uid| Environment { uid, ..for_test(&variables) }.user();
        assert_eq!(user(Some(1000)).as_deref(), Some("1000"), "there is no file");
        let accounts = "root:x:0:0:root:/root:/bin/sh\nbroken\n:x:7:7::/:\nalice:x:1000:1000::/home/alice:\n";
        std::fs::write(directory.path().join("passwd"), accounts).expect("written");
        assert_eq!(user(Some(1000)).as_deref(), Some("alice"));
        assert_eq!(user(Some(0)).as_deref(), Some("root"));
        assert_eq!((user(Some(7)).as_deref(), user(Some(100)).as_deref()), (Some("7"), Some("100")));
        assert_eq!(user(None), None);
    }

    #[test]
    fn the_documents_have_every_variable_that_is_read() {
        let page = include_str!("../../docs/environment.md");
        let rows =
            page.lines().filter(|line| line.starts_with("| `")).filter_map(|line| line.split('|').nth(1));
        let told: Vec<String> = rows
            .flat_map(|names| names.split(','))
            .map(|name| name.trim().trim_matches('`').to_owned())
            .collect();
        let read = VARIABLES
            .iter()
            .map(|name| if name.ends_with('_') { format!("{name}N") } else { (*name).to_owned() });
        assert_eq!(told, read.collect::<Vec<_>>(), "docs/environment.md and `VARIABLES` are in one order");
    }

    #[test]
    fn debug_shows_no_secret() {
        let environment = for_test(&[("DOCKER_AUTH_CONFIG", "hunter2")]);
        assert!(!format!("{environment:?}").contains("hunter2"));
    }

    #[test]
    fn only_absolute_directories_are_searched() {
        let path = for_test(&[("PATH", "/usr/bin:.::bin:/bin")]).search_path();
        assert_eq!(path, [Path::new("/usr/bin"), Path::new("/bin")]);
    }
}
