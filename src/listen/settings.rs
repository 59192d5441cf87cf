//! The settings of the service, from a file of its own: a server is configured by those who run it, not by a build
//! file.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use super::filter::TargetPattern;
use super::parse::SourceKind;
use crate::notify::SecretPlace;
use crate::project::config::decode::{FromText, Wrong, table, text_values};
use crate::project::config::{
    ConfigError, Count, Diagnostic, DiskPath, Document, EnvName, NonEmptyName, Period, Span, Spanned,
};
use crate::types::delivery::{DeliveryKind, EventForm};
use crate::types::reference::Registry;
use crate::types::webhook_url::WebhookUrl;

table! {
    /// The whole file.
    pub struct ListenSettings {
        /// Where to listen.
        "address" => address: Option<Spanned<ListenAddress>>,
        /// The directory of what waits; in the local store where not given.
        "state" => state: Option<Spanned<DiskPath>>,
        /// Runs at the same time.
        "concurrency" => concurrency: Option<Spanned<Count>>,
        /// How long runs may go on after the service was asked to end.
        "grace" => grace: Option<Spanned<Period>>,
        /// Where messages come from.
        "source" => sources: Vec<SourceSettings>,
        /// The actions.
        "action" => actions: Vec<ActionSettings>,
    }
}

table! {
    /// `[[source]]`
    pub struct SourceSettings {
        /// The path that its messages are sent to.
        "path" => path: Spanned<RoutePath>,
        /// The sender.
        "kind" => kind: Spanned<SourceKind>,
        /// The variable with the secret.
        "secret-env" => secret_env: Option<Spanned<EnvName>>,
        /// The file with the secret.
        "secret-file" => secret_file: Option<Spanned<DiskPath>>,
        /// The registry that its images are in, whatever the messages say.
        "registry" => registry: Option<Spanned<Registry>>,
    }
}

table! {
    /// `[[action]]`
    pub struct ActionSettings {
        /// Its name in logs and in the journal.
        "name" => name: Spanned<NonEmptyName>,
        /// The images that it is for; all where not given.
        "image" => images: Vec<Spanned<TargetPattern>>,
        /// The tags that it is for; all where not given.
        "tag" => tags: Vec<Spanned<TargetPattern>>,
        /// The kinds of events that it is for; all where not given.
        "on" => on: Vec<Spanned<DeliveryKind>>,
        /// The program and its arguments.
        "command" => command: Vec<Spanned<CommandWord>>,
        /// The receiver that the event is posted to.
        "post" => post: Option<Spanned<WebhookUrl>>,
        /// The form that the receiver gets.
        "form" => form: Option<Spanned<EventForm>>,
        /// The variable with the secret that signs what is posted.
        "secret-env" => secret_env: Option<Spanned<EnvName>>,
        /// The file with that secret.
        "secret-file" => secret_file: Option<Spanned<DiskPath>>,
        /// How long a run may take.
        "timeout" => timeout: Option<Spanned<Period>>,
        /// Tries after one that failed.
        "retries" => retries: Option<Spanned<Count>>,
        /// The pause before the second try; it doubles.
        "pause" => pause: Option<Spanned<Period>>,
        /// Whether a run that a crash interrupted is repeated.
        "repeat" => repeat: bool,
    }
}

/// Where the service listens if nothing else is set.
pub const DEFAULT_ADDRESS: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 8088);

/// An address and a port of this machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ListenAddress(pub SocketAddr);

impl FromText for ListenAddress {
    fn from_text(text: &str) -> Result<Self, Wrong> {
        text.parse().map(Self).map_err(|_| {
            Wrong::new(format!("`{text}` is not an address with a port"))
                .hint("write `\"127.0.0.1:8088\"`, or `\"0.0.0.0:8088\"` for all networks")
        })
    }
}

/// A path of a URL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoutePath(String);

impl RoutePath {
    /// The path.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The paths that the service itself has.
const OWN_PATHS: [&str; 3] = ["/healthz", "/readyz", "/metrics"];

impl FromText for RoutePath {
    fn from_text(text: &str) -> Result<Self, Wrong> {
        let is_part = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'/' | b'-' | b'_' | b'.');
        if !text.starts_with('/') || text.len() < 2 || text.len() > 200 || !text.bytes().all(is_part) {
            return Err(Wrong::new(format!("`{text}` is not a path of a URL"))
                .hint("write `\"/registry\"`: letters, digits, `-`, `_`, `.` and `/`"));
        }
        if OWN_PATHS.contains(&text) {
            return Err(Wrong::new(format!("`{text}` is a path of the service itself")).hint("take another"));
        }
        Ok(Self(text.to_owned()))
    }
}

impl FromText for SourceKind {
    fn from_text(text: &str) -> Result<Self, Wrong> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text).ok_or_else(|| {
            let known = Self::ALL.map(|kind| format!("`{}`", kind.as_str())).join(", ");
            Wrong::new(format!("unknown kind of source `{text}`")).hint(format!("it is one of {known}"))
        })
    }
}

/// The placeholders of a command.
pub const PLACEHOLDERS: [&str; 8] =
    ["image", "repository", "tag", "digest", "reference", "kind", "environment", "id"];

/// A word of a command: text with placeholders such as `{reference}`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommandWord(Vec<CommandPart>);

/// A part of a word.
#[derive(Clone, Debug, PartialEq, Eq)]
enum CommandPart {
    Text(String),
    Placeholder(&'static str),
}

impl CommandWord {
    /// The word with values in the place of placeholders.
    #[must_use]
    pub fn filled(&self, value: impl Fn(&str) -> String) -> String {
        let parts = self.0.iter().map(|part| match part {
            CommandPart::Text(text) => text.clone(),
            CommandPart::Placeholder(name) => value(name),
        });
        parts.collect()
    }

    /// Whether it has a placeholder of this name.
    #[must_use]
    pub fn needs(&self, name: &str) -> bool {
        self.0.iter().any(|part| matches!(part, CommandPart::Placeholder(known) if *known == name))
    }

    /// Whether it is the same for every event.
    #[must_use]
    pub fn is_fixed(&self) -> bool {
        self.0.iter().all(|part| matches!(part, CommandPart::Text(_)))
    }
}

impl FromText for CommandWord {
    fn from_text(text: &str) -> Result<Self, Wrong> {
        if text.contains('\0') {
            return Err(Wrong::new("a NUL character cannot be part of a command"));
        }
        let (mut parts, mut rest) = (Vec::new(), text);
        while let Some(open) = rest.find('{') {
            // A doubled brace is one that is meant.
            if rest[open..].starts_with("{{") {
                parts.push(CommandPart::Text(rest[..=open].to_owned()));
                rest = &rest[open + 2..];
                continue;
            }
            let known = rest[open + 1..].split_once('}').and_then(|(name, after)| {
                PLACEHOLDERS.into_iter().find(|known| *known == name).map(|known| (known, after))
            });
            let Some((name, after)) = known else {
                let all = PLACEHOLDERS.map(|name| format!("`{{{name}}}`")).join(", ");
                return Err(Wrong::new(format!("`{text}` has a placeholder that does not exist"))
                    .hint(format!("the placeholders are {all}; write `{{{{` for a brace")));
            };
            parts.push(CommandPart::Text(rest[..open].to_owned()));
            parts.push(CommandPart::Placeholder(name));
            rest = after;
        }
        parts.push(CommandPart::Text(rest.to_owned()));
        Ok(Self(parts))
    }
}

text_values!(ListenAddress, RoutePath, SourceKind, CommandWord);

/// The longest time of a run.
const LONGEST_RUN: Duration = Duration::from_secs(24 * 3600);
/// The most runs at the same time.
const MOST_RUNS: u32 = 64;

impl ListenSettings {
    /// Reads the file at `path`.
    ///
    /// # Errors
    /// When it cannot be read, or anything in it is wrong; all of it is reported.
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        Self::of(&Document::read(path)?)
    }

    /// Decodes and checks a document.
    ///
    /// # Errors
    /// When anything in it is wrong.
    pub fn of(document: &Document) -> Result<Self, ConfigError> {
        let settings: Self = document.decode()?;
        let diagnostics = check(&settings);
        if diagnostics.is_empty() { Ok(settings) } else { Err(document.sources().error(diagnostics)) }
    }

    /// The variables that have secrets, which no command gets.
    pub fn secret_variables(&self) -> impl Iterator<Item = &str> {
        let sources = self.sources.iter().filter_map(|source| source.secret_env.as_ref());
        let actions = self.actions.iter().filter_map(|action| action.secret_env.as_ref());
        sources.chain(actions).map(|name| name.as_str())
    }
}

/// Where a secret is, of two settings of which one at most is given.
pub fn secret_place(
    variable: Option<&Spanned<EnvName>>,
    file: Option<&Spanned<DiskPath>>,
) -> Option<SecretPlace> {
    match (variable, file) {
        (Some(name), _) => Some(SecretPlace::Env(name.as_str().to_owned())),
        (None, Some(path)) => Some(SecretPlace::File(path.path().to_owned())),
        (None, None) => None,
    }
}

/// Rules that concern several values.
fn check(settings: &ListenSettings) -> Vec<Diagnostic> {
    let mut diagnostics = Vec::new();
    let mut wrong = |span: Span, message: String, hint: &str| {
        diagnostics.push(Diagnostic::of(span, message, Some(hint.to_owned())));
    };
    let mut paths = BTreeSet::new();
    for source in &settings.sources {
        let path = source.path.as_str();
        if !paths.insert(path) {
            wrong(source.path.span, format!("there are two sources at `{path}`"), "give each its own path");
        }
        match (&source.secret_env, &source.secret_file) {
            (None, None) => wrong(
                source.path.span,
                format!("the source `{path}` has no secret, so that anybody could send to it"),
                "set `secret-env` or `secret-file`",
            ),
            (Some(_), Some(file)) => {
                wrong(
                    file.span,
                    "`secret-env` and `secret-file` contradict each other".to_owned(),
                    "remove one",
                );
            }
            _ => {}
        }
    }
    let mut names = BTreeSet::new();
    for action in &settings.actions {
        let name = action.name.as_str();
        if !names.insert(name) {
            wrong(action.name.span, format!("there are two actions named `{name}`"), "rename one");
        }
        match (action.command.first(), &action.post) {
            (None, None) => {
                wrong(
                    action.name.span,
                    format!("the action `{name}` does nothing"),
                    "give it `command` or `post`",
                );
            }
            (Some(_), Some(post)) => {
                wrong(
                    post.span,
                    "`command` and `post` contradict each other".to_owned(),
                    "write two actions",
                );
            }
            (Some(program), None) if !program.is_fixed() => wrong(
                program.span,
                "a message may not choose the program".to_owned(),
                "write the program without a placeholder",
            ),
            _ => {}
        }
        if let (Some(_), Some(file)) = (&action.secret_env, &action.secret_file) {
            wrong(file.span, "`secret-env` and `secret-file` contradict each other".to_owned(), "remove one");
        }
        if let Some(timeout) = action.timeout.as_ref().filter(|it| it.value.duration() > LONGEST_RUN) {
            wrong(timeout.span, "a run may take at most 24 hours".to_owned(), "write `\"24h\"` or less");
        }
    }
    if let Some(count) =
        settings.concurrency.as_ref().filter(|count| count.value.get() == 0 || count.value.get() > MOST_RUNS)
    {
        let message = format!("`concurrency` must be between 1 and {MOST_RUNS}");
        wrong(count.span, message, "2 is right for most machines");
    }
    if settings.sources.is_empty() {
        wrong(Span::new(0, &(0..0)), "there is no `[[source]]`".to_owned(), "name a path and a sender");
    }
    diagnostics
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<ListenSettings, String> {
        let document =
            Document::parse("listen.toml", Path::new(""), text).map_err(|error| error.to_string())?;
        ListenSettings::of(&document).map_err(|error| error.to_string())
    }

    const SOURCE: &str = "[[source]]\npath = '/r'\nkind = 'docker-registry'\nsecret-env = 'S'\n";

    #[test]
    fn a_whole_file() {
        let settings = read(
            "address = '0.0.0.0:9000'\nstate = 'var'\nconcurrency = 4\ngrace = '1m'\n\
             [[source]]\npath = '/hooks/hub'\nkind = 'docker-hub'\nsecret-file = 's'\nregistry = 'docker.io'\n\
             [[action]]\nname = 'a'\nimage = ['x/**']\ntag = ['v*']\non = ['push']\ncommand = ['run', '{reference}-{{x']\n\
             timeout = '1m'\nretries = 3\npause = '1s'\nrepeat = true\n\
             [[action]]\nname = 'b'\npost = 'https://h/x'\nform = 'cdevents'\nsecret-env = 'T'\n",
        );
        let settings = settings.expect("right");
        let word = &settings.actions[0].command[1];
        assert_eq!(word.filled(str::to_uppercase), "REFERENCE-{x");
        assert_eq!((word.needs("reference"), word.needs("digest")), (true, false));
        assert_eq!(settings.secret_variables().collect::<Vec<_>>(), ["T"]);
    }

    #[test]
    fn what_cannot_be_is_refused() {
        for (text, said) in [
            ("", "there is no `[[source]]`"),
            ("[[source]]\npath = '/r'\nkind = 'pack'\n", "has no secret"),
            ("[[source]]\npath = 'r'\nkind = 'pack'\nsecret-env = 'S'\n", "not a path of a URL"),
            ("[[source]]\npath = '/metrics'\nkind = 'pack'\nsecret-env = 'S'\n", "of the service itself"),
            ("[[source]]\npath = '/r'\nkind = 'quay'\nsecret-env = 'S'\n", "unknown kind of source"),
            (&format!("{SOURCE}{SOURCE}"), "two sources at `/r`"),
            (&format!("address = 'localhost'\n{SOURCE}"), "not an address with a port"),
            (&format!("concurrency = 65\n{SOURCE}"), "between 1 and 64"),
            (&format!("{SOURCE}[[action]]\nname = 'a'\n"), "does nothing"),
            (
                &format!("{SOURCE}[[action]]\nname = 'a'\ncommand = ['{{image}}']\n"),
                "may not choose the program",
            ),
            (&format!("{SOURCE}[[action]]\nname = 'a'\ncommand = ['a', '{{imag}}']\n"), "placeholder"),
            (&format!("{SOURCE}[[action]]\nname = 'a'\ncommand = ['a', '{{']\n"), "placeholder"),
            (
                &format!("{SOURCE}[[action]]\nname = 'a'\ncommand = ['a']\npost = 'https://h/'\n"),
                "contradict",
            ),
            (
                &format!("{SOURCE}[[action]]\nname = 'a'\ncommand = ['a']\ntimeout = '25h'\n"),
                "at most 24 hours",
            ),
        ] {
            let error = read(text).expect_err(said);
            assert!(error.contains(said), "{text}: {error}");
        }
    }
}
