//! Whose word counts about how registries are reached.
//!
//! The user's own configuration is believed. A project's build file may come from anyone: it adds what the user has
//! said nothing about, and what makes a registry less safe, or leads pulls elsewhere, is an [`Addition`] that the
//! caller tells the user of, or refuses.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use super::ConfigError;
use super::decode::{Wrong, table};
use super::document::Document;
use super::schema::RegistryOptions;
use super::source::{Diagnostic, Sources, Span, Spanned};
use super::value::MirrorAddress;
use crate::types::reference::Registry;

table! {
    /// The user's own configuration.
    pub struct UserFile {
        /// How registries are reached.
        "registry" => registries: BTreeMap<Registry, RegistryOptions>,
    }
}

impl UserFile {
    /// Reads the file at `path`; `None` where there is none.
    ///
    /// # Errors
    /// When it cannot be read, or anything in it is wrong.
    pub fn read(path: &Path) -> Result<Option<Self>, ConfigError> {
        match Document::read(path) {
            Ok(document) => Self::of(&document).map(Some),
            Err(ConfigError::NotFound(_)) => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn of(document: &Document) -> Result<Self, ConfigError> {
        let file: Self = document.decode()?;
        let diagnostics = check(&file.registries);
        if diagnostics.is_empty() { Ok(file) } else { Err(document.sources().error(diagnostics)) }
    }
}

/// Rules that concern several values of `[registry]`.
pub(super) fn check(registries: &BTreeMap<Registry, RegistryOptions>) -> Vec<Diagnostic> {
    let mut diagnostics = Vec::new();
    for options in registries.values() {
        if let (Some(skip), Some(plain)) = (&options.skip_tls_verify, &options.plain_http)
            && skip.value
            && plain.value
        {
            let wrong = Wrong::new("`plain-http` and `skip-tls-verify` contradict each other")
                .hint("`plain-http` alone is enough: there is no certificate to check");
            diagnostics.push(Diagnostic::of(skip.span, wrong.message, wrong.hint));
        }
    }
    diagnostics
}

/// Something in a project's file that makes a registry less safe, or leads pulls elsewhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Addition {
    /// The registry.
    pub registry: Registry,
    /// The key that the file sets.
    pub what: AddedKey,
    /// Where: file, line and column.
    pub place: String,
    span: Span,
}

/// A key that a project's file adds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AddedKey {
    /// No TLS.
    PlainHttp,
    /// No check of certificates.
    SkipTlsVerify,
    /// More authorities, from this file.
    CaFile(String),
    /// Another registry that is asked first.
    Mirror(String),
}

impl AddedKey {
    /// The key of the build file.
    #[must_use]
    pub const fn key(&self) -> &'static str {
        match self {
            Self::PlainHttp => "plain-http",
            Self::SkipTlsVerify => "skip-tls-verify",
            Self::CaFile(_) => "ca-file",
            Self::Mirror(_) => "mirrors",
        }
    }
}

impl Addition {
    /// Where the file says it.
    #[must_use]
    pub const fn span(&self) -> Span {
        self.span
    }
}

impl fmt::Display for Addition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { registry, what, place, .. } = self;
        let key = what.key();
        match what {
            AddedKey::PlainHttp => {
                write!(
                    f,
                    "{place}: `{key}` for `{registry}`: logins and images go there without TLS, as this project \
                     wants it"
                )
            }
            AddedKey::SkipTlsVerify => {
                write!(
                    f,
                    "{place}: `{key}` for `{registry}`: its certificate is not checked, as this project wants it"
                )
            }
            AddedKey::CaFile(file) => {
                write!(
                    f,
                    "{place}: `{key}` for `{registry}`: this project trusts the authorities in `{file}`"
                )
            }
            AddedKey::Mirror(mirror) => {
                write!(f, "{place}: `{key}` for `{registry}`: this project has pulls ask `{mirror}` first")
            }
        }
    }
}

/// The keys that a project's file adds to those of `user`. A key on the command line comes from the user, a key that
/// concerns only this machine makes nothing less safe, and a project cannot add to a decision of the user.
pub(super) fn additions(
    project: &BTreeMap<Registry, RegistryOptions>,
    sources: &Sources,
    user: &BTreeMap<Registry, RegistryOptions>,
) -> Vec<Addition> {
    let mut additions = Vec::new();
    let mut add = |registry: &Registry, what: AddedKey, span: Span| {
        let is_decided = user.get(registry).is_some_and(|own| own.decides(&what));
        if !sources.is_typed(span) && !is_decided {
            let (registry, place) = (registry.clone(), sources.location(span));
            additions.push(Addition { registry, what, place, span });
        }
    };
    for (registry, options) in project {
        if let Some(plain) = options.plain_http.as_ref().filter(|plain| plain.value)
            && !registry.is_loopback()
        {
            add(registry, AddedKey::PlainHttp, plain.span);
        }
        if let Some(skip) = options.skip_tls_verify.as_ref().filter(|skip| skip.value) {
            add(registry, AddedKey::SkipTlsVerify, skip.span);
        }
        if let Some(file) = &options.ca_file {
            add(registry, AddedKey::CaFile(file.written().to_owned()), file.span);
        }
        for mirror in &options.mirrors {
            add(registry, AddedKey::Mirror(mirror.to_string()), mirror.span);
            // A mirror without TLS is that for whatever else is asked of the same host.
            if mirror.is_plain() && !mirror.scope().registry().is_loopback() {
                add(mirror.scope().registry(), AddedKey::PlainHttp, mirror.span);
            }
        }
    }
    additions.sort_by_key(|addition| addition.span);
    additions
}

/// The settings of `first`, with those of `then` where `first` says nothing. The mirrors of both, in this order.
#[must_use]
pub fn merge(
    first: &BTreeMap<Registry, RegistryOptions>,
    then: &BTreeMap<Registry, RegistryOptions>,
) -> BTreeMap<Registry, RegistryOptions> {
    let mut merged = first.clone();
    for (registry, options) in then {
        match merged.get_mut(registry) {
            Some(own) => own.complete(options),
            None => drop(merged.insert(registry.clone(), options.clone())),
        }
    }
    merged
}

/// The keys on the command line.
pub(super) fn typed(
    registries: &BTreeMap<Registry, RegistryOptions>,
    sources: &Sources,
) -> BTreeMap<Registry, RegistryOptions> {
    registries.iter().map(|(registry, options)| (registry.clone(), options.typed(sources))).collect()
}

impl RegistryOptions {
    /// The part of it from the command line.
    fn typed(&self, sources: &Sources) -> Self {
        fn kept<T: Clone>(value: &Option<Spanned<T>>, sources: &Sources) -> Option<Spanned<T>> {
            value.as_ref().filter(|value| sources.is_typed(value.span)).cloned()
        }
        Self {
            plain_http: kept(&self.plain_http, sources),
            skip_tls_verify: kept(&self.skip_tls_verify, sources),
            ca_file: kept(&self.ca_file, sources),
            client_cert: kept(&self.client_cert, sources),
            client_key: kept(&self.client_key, sources),
            chunk_size: kept(&self.chunk_size, sources),
            mirrors: self.mirrors.iter().filter(|mirror| sources.is_typed(mirror.span)).cloned().collect(),
        }
    }

    /// Whether these settings, and not others that are merged into them, decide about `what`.
    fn decides(&self, what: &AddedKey) -> bool {
        match what {
            AddedKey::PlainHttp | AddedKey::SkipTlsVerify => {
                self.plain_http.is_some() || self.skip_tls_verify.is_some()
            }
            AddedKey::CaFile(_) => self.ca_file.is_some(),
            AddedKey::Mirror(mirror) => self.mirrors.iter().any(|own| own.to_string() == *mirror),
        }
    }

    /// Takes from `other` what is not set here. Whether and how TLS is spoken is one setting of two keys, and a
    /// certificate belongs to its key.
    fn complete(&mut self, other: &Self) {
        if self.plain_http.is_none() && self.skip_tls_verify.is_none() {
            self.plain_http.clone_from(&other.plain_http);
            self.skip_tls_verify.clone_from(&other.skip_tls_verify);
        }
        if self.client_cert.is_none() && self.client_key.is_none() {
            self.client_cert.clone_from(&other.client_cert);
            self.client_key.clone_from(&other.client_key);
        }
        if self.ca_file.is_none() {
            self.ca_file.clone_from(&other.ca_file);
        }
        if self.chunk_size.is_none() {
            self.chunk_size.clone_from(&other.chunk_size);
        }
        let is_new =
            |mirror: &&Spanned<MirrorAddress>| !self.mirrors.iter().any(|own| own.value == mirror.value);
        let new: Vec<_> = other.mirrors.iter().filter(is_new).cloned().collect();
        self.mirrors.extend(new);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::project::config::{Overrides, Settings};

    fn user(text: &str) -> BTreeMap<Registry, RegistryOptions> {
        let document = Document::parse("config.toml", Path::new("/home/u"), text).expect("TOML");
        UserFile::of(&document).expect("valid").registries
    }

    fn project(text: &str, set: &[&str]) -> Settings {
        let document = Document::parse("build.toml", Path::new("/src"), text).expect("TOML");
        let set = set.iter().map(|&one| one.to_owned()).collect();
        let flags = Overrides { set, ..Overrides::default() };
        Settings::resolve(document, &flags, &Overrides::default()).expect("valid")
    }

    #[test]
    fn what_a_project_adds_is_named_and_what_was_typed_is_not() {
        let text = "[registry.\"r.example\"]\nplain-http = true\nca-file = \"ca.pem\"\n\
                    mirrors = [\"https://m.example/hub\", \"http://plain.example\"]\n\
                    [registry.\"s.example\"]\nskip-tls-verify = true\nplain-http = false\n\
                    [registry.\"localhost:5000\"]\nplain-http = true\nchunk-size = \"16MiB\"\n";
        let settings = project(text, &[]);
        let found = settings.additions(&BTreeMap::new());
        let shown: Vec<(String, &str, &str)> = found
            .iter()
            .map(|addition| (addition.registry.to_string(), addition.what.key(), addition.place.as_str()))
            .collect();
        let case = |host: &str, key, place| (host.to_owned(), key, place);
        assert_eq!(
            shown,
            [
                case("r.example", "plain-http", "build.toml:2:14"),
                case("r.example", "ca-file", "build.toml:3:11"),
                case("r.example", "mirrors", "build.toml:4:12"),
                case("r.example", "mirrors", "build.toml:4:37"),
                case("plain.example", "plain-http", "build.toml:4:37"),
                case("s.example", "skip-tls-verify", "build.toml:6:19"),
            ]
        );
        assert!(found[3].to_string().contains("`http://plain.example`"), "{}", found[3]);
        let typed = project("", &["registry.\"r.example\".plain-http=true"]);
        assert_eq!(typed.additions(&BTreeMap::new()), []);
        // The command line counts more than the user's file, and that more than the project's.
        let own = user("[registry.\"r.example\"]\nplain-http = false\n");
        let host: Registry = "r.example".parse().expect("a host");
        let plain = |settings: &Settings| {
            settings.registries_with(&own).get(&host)?.plain_http.as_ref().map(|plain| plain.value)
        };
        assert_eq!(plain(&typed), Some(true));
        assert_eq!(plain(&settings), Some(false));
        let left = settings.additions(&own);
        assert!(!left.iter().any(|addition| addition.to_string().contains("`plain-http` for `r.example`")));
        assert_eq!(left.len(), found.len() - 1);
    }

    #[test]
    fn a_project_completes_what_the_user_has_said_and_overrides_nothing() {
        let user = user(
            "[registry.\"r.example\"]\nplain-http = false\nca-file = \"own.pem\"\nmirrors = [\"https://own.example\"]\n",
        );
        let project = project(
            "[registry.\"r.example\"]\nskip-tls-verify = true\nca-file = \"their.pem\"\nchunk-size = \"5MB\"\n\
             mirrors = [\"https://their.example\", \"https://own.example\"]\n\
             [registry.\"s.example\"]\nplain-http = true\n",
            &[],
        );
        let merged = project.registries_with(&user);
        let of = |host: &str| &merged[&host.parse::<Registry>().expect("a host")];
        let own = of("r.example");
        assert!(own.plain_http.as_ref().is_some_and(|plain| !plain.value) && own.skip_tls_verify.is_none());
        assert_eq!(own.ca_file.as_ref().expect("kept").path(), Path::new("/home/u/own.pem"));
        assert_eq!(own.chunk_size.as_ref().expect("added").get(), 5_000_000);
        let mirrors: Vec<String> = own.mirrors.iter().map(|mirror| mirror.to_string()).collect();
        assert_eq!(mirrors, ["https://own.example", "https://their.example"]);
        assert!(of("s.example").plain_http.as_ref().is_some_and(|plain| plain.value));
    }

    #[test]
    fn a_users_file_has_registries_and_nothing_else() {
        let wrong = |text: &str| {
            let document = Document::parse("config.toml", Path::new(""), text).expect("TOML");
            UserFile::of(&document).expect_err(text).to_string()
        };
        assert!(wrong("[image]\nname = \"a\"\n").contains("unknown key `image`"));
        let both = "[registry.\"r.example\"]\nplain-http = true\nskip-tls-verify = true\n";
        assert!(wrong(both).contains("contradict each other"));
        let directory = tempfile::tempdir().expect("a directory");
        let none = UserFile::read(&directory.path().join("config.toml"));
        assert_eq!(none.expect("no file is no error"), None);
        assert!(UserFile::read(directory.path()).is_err(), "a directory is no file");
    }
}
