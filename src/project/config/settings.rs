//! The resolved settings: flag over `--set` over environment over file over default.
//!
//! A pure function. Everything that overrides the build file is written into the document in order of
//! rank and typed with it, so there is one way to get a value right and one way to report it.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use super::ConfigError;
use super::decode::{FromText as _, Wrong};
use super::document::Document;
use super::registries::{self, Addition};
use super::schema::{
    AddedUserSettings, AppSettings, AttestSettings, BuildFile, Cache, CheckSettings, ConfigSettings,
    EnvironmentSettings, FilesSettings, LayerSettings, NonEmptyName, Paths, PermissionSettings,
    PolicySettings, RegistryOptions, TagTemplate, WebhookSettings, WorkspaceSettings,
};
use super::source::{Diagnostic, Sources, Span, Spanned};
use super::template::Template;
use super::value::{BaseSetting, CompressionSetting, DiskPath, Format, Justification};
use crate::layer::scan::MAX_PATTERNS;
use crate::types::check_policy::{AllowedRule, CheckPolicy};
use crate::types::platform::Platform;
use crate::types::policy::EvidenceKind;
use crate::types::reference::{Registry, Repository};
use crate::types::release::EnvironmentName;
use crate::types::rule::Rule;
use crate::types::time::LAST_SECOND;

/// The settings of the command line or the environment; nothing is a default.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Overrides {
    /// The artifact, given as an argument: the first one's path.
    pub artifact: Option<PathBuf>,
    /// `--app`, repeated: artifacts besides, as `PATH[:KIND][=ROOT]`.
    pub apps: Vec<String>,
    /// `--name`: [`super::schema::ImageSettings::name`].
    pub name: Option<String>,
    /// `--base`: [`super::schema::ImageSettings::base`].
    pub base: Option<String>,
    /// `--tag`, repeated: replaces all of [`super::schema::ImageSettings::tags`].
    pub tags: Vec<String>,
    /// `--platform`, repeated: replaces all of [`super::schema::ImageSettings::platforms`].
    pub platforms: Vec<String>,
    /// `--compression`: [`super::schema::ImageSettings::compression`].
    pub compression: Option<String>,
    /// `--set`, repeated: `KEY=VALUE`, later over earlier.
    pub set: Vec<String>,
    /// Texts of flags that stand for one key each, such as `--root`.
    pub keys: Vec<KeyFlag>,
    /// `--offline`.
    pub offline: Option<bool>,
    /// `--locked`.
    pub locked: Option<bool>,
    /// `--untrusted`.
    pub untrusted: Option<bool>,
    /// `--allow`, repeated: rules that the image may break, besides those of [`super::schema::CheckSettings::allow`].
    pub allow: Vec<AllowFlag>,
    /// `--strict`.
    pub strict: Option<bool>,
    /// Whether uncommitted changes are refused: of flags, `--allow-dirty` says no; of the environment, a CI system says yes.
    pub refuse_changes: Option<bool>,
    /// `--jobs`.
    pub jobs: Option<NonZeroUsize>,
    /// `SOURCE_DATE_EPOCH`.
    pub source_date_epoch: Option<u64>,
}

/// A flag that gives a key of the build file as a text; it wins over `--set`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyFlag {
    /// As it is written: `--root`.
    pub flag: &'static str,
    /// The table and the key.
    pub key: [&'static str; 2],
    /// The value.
    pub value: String,
}

/// A rule that `--allow RULE=WHY` allows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AllowFlag {
    /// The rule.
    pub rule: Rule,
    /// The reason.
    pub why: Justification,
}

impl FromStr for AllowFlag {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let told = |wrong: Wrong| match wrong.hint {
            Some(hint) => format!("{}; {hint}", wrong.message),
            None => wrong.message,
        };
        let (rule, why) = text.split_once('=').unwrap_or((text, ""));
        let rule = Rule::from_text(rule.trim()).map_err(told)?;
        if why.trim().is_empty() {
            return Err(format!("a rule is allowed for a reason; write `--allow \"{rule}=WHY\"`"));
        }
        Ok(Self { rule, why: Justification::from_text(why).map_err(told)? })
    }
}

impl AllowFlag {
    /// As it was written.
    #[must_use]
    pub fn text(&self) -> String {
        format!("{}={}", self.rule, self.why.as_str())
    }
}

/// The names of each field in its sources.
struct Names {
    name: &'static str,
    base: &'static str,
    tags: &'static str,
    platforms: &'static str,
    compression: &'static str,
}

const FLAGS: Names = Names {
    name: "--name",
    base: "--base",
    tags: "--tag",
    platforms: "--platform",
    compression: "--compression",
};

const VARIABLES: Names = Names {
    name: "PACK_NAME",
    base: "PACK_BASE",
    tags: "PACK_TAGS",
    platforms: "PACK_PLATFORMS",
    compression: "PACK_COMPRESSION",
};

impl Overrides {
    /// The settings of the environment. `lookup` gives a variable's value; an empty one counts as not set.
    ///
    /// # Errors
    /// When a variable is not of its type.
    pub fn from_environment(lookup: impl Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        let get = |name: &str| lookup(name).filter(|value| !value.is_empty());
        let list = |name: &str| -> Vec<String> {
            let value = get(name).unwrap_or_default();
            value.split(',').map(|part| part.trim().to_owned()).filter(|part| !part.is_empty()).collect()
        };
        let switch = |name: &str| match get(name).as_deref() {
            None => Ok(None),
            Some("1" | "true") => Ok(Some(true)),
            Some("0" | "false") => Ok(Some(false)),
            Some(other) => Err(bad_variable(name, other, "a switch", "write `1` or `0`")),
        };
        let number = |name: &str, hint: &str| match get(name) {
            None => Ok(None),
            Some(text) => match text.parse::<u64>() {
                Ok(number) if !text.starts_with('+') => Ok(Some(number)),
                _ => Err(bad_variable(name, &text, "a whole number", hint)),
            },
        };
        let jobs = number("PACK_JOBS", "write how many threads to use")?;
        let jobs = match jobs.map(|jobs| usize::try_from(jobs).ok().and_then(NonZeroUsize::new)) {
            Some(None) => {
                return Err(bad_variable("PACK_JOBS", "0", "a number of threads", "write at least 1"));
            }
            jobs => jobs.flatten(),
        };
        let epoch = "SOURCE_DATE_EPOCH";
        let source_date_epoch = number(epoch, "write seconds since 1970, such as `date +%s` prints")?;
        if let Some(late) = source_date_epoch.filter(|seconds| *seconds > LAST_SECOND) {
            let hint =
                format!("it counts seconds, and this looks like milliseconds: write `{}`", late / 1000);
            return Err(bad_variable(epoch, &late.to_string(), "a time before the year 10000", &hint));
        }
        Ok(Self {
            artifact: None,
            apps: Vec::new(),
            name: get(VARIABLES.name),
            base: get(VARIABLES.base),
            tags: list(VARIABLES.tags),
            platforms: list(VARIABLES.platforms),
            compression: get(VARIABLES.compression),
            set: Vec::new(),
            keys: Vec::new(),
            offline: switch("PACK_OFFLINE")?,
            locked: switch("PACK_LOCKED")?,
            untrusted: switch("PACK_UNTRUSTED")?,
            allow: Vec::new(),
            strict: None,
            refuse_changes: None,
            jobs,
            source_date_epoch,
        })
    }

    fn apply(&self, document: &mut Document, names: &Names) -> Result<(), ConfigError> {
        for assignment in &self.set {
            document.set(assignment)?;
        }
        for KeyFlag { flag, key, value } in &self.keys {
            document.give(flag, *key, value)?;
        }
        let one = [
            (&self.name, names.name, ["image", "name"]),
            (&self.base, names.base, ["image", "base"]),
            (&self.compression, names.compression, ["image", "compression"]),
        ];
        for (text, name, key) in one {
            if let Some(text) = text {
                document.give(name, key, text)?;
            }
        }
        document.give_all(names.tags, ["image", "tags"], &self.tags)?;
        document.give_all(names.platforms, ["image", "platforms"], &self.platforms)
    }
}

fn bad_variable(name: &str, value: &str, what: &str, hint: &str) -> ConfigError {
    let mut document = Document::empty(std::path::Path::new(""));
    let span = document.typed(name, value).span;
    document.sources().wrong_at(span, format!("`{name}` is not {what}"), Some(hint.to_owned()))
}

/// Everything that decides what an image becomes, besides the files themselves.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The texts that spans point into.
    pub sources: Sources,
    /// The output format.
    pub format: Format,
    /// The repository; where not given, the caller names the image after the artifact.
    pub name: Option<Spanned<Repository>>,
    /// The base; where not given, the kind of artifact decides whether it can do without.
    pub base: Option<Spanned<BaseSetting>>,
    /// The tags; empty for [`Template::default_tag`].
    pub tags: Vec<Spanned<TagTemplate>>,
    /// The platforms, without duplicates; empty for all that both base and artifact offer.
    pub platforms: Vec<Spanned<Platform>>,
    /// Annotations.
    pub annotations: BTreeMap<NonEmptyName, Spanned<Template>>,
    /// How layers are compressed.
    pub compression: CompressionSetting,
    /// The artifacts, in the order in which they were written; flags come last.
    pub apps: Vec<AppSettings>,
    /// Further layers, bottom first.
    pub layers: Vec<LayerSettings>,
    /// Users that are added to those of the base.
    pub users: Vec<AddedUserSettings>,
    /// How containers run.
    pub config: ConfigSettings,
    /// The policy about what the checks of an image find.
    pub check: CheckSettings,
    /// Whether a tree with uncommitted changes is refused.
    pub refuse_changes: bool,
    /// Whether the warnings of checks are errors.
    pub strict: bool,
    /// The documents that are attached to the image.
    pub attest: AttestSettings,
    /// Where other machines' layers are found.
    pub cache: Cache,
    /// How registries are reached.
    pub registries: BTreeMap<Registry, RegistryOptions>,
    /// The receivers of events.
    pub webhooks: Vec<WebhookSettings>,
    /// The environments that the image is released into.
    pub environments: BTreeMap<EnvironmentName, EnvironmentSettings>,
    /// The conditions of bases, pushes and releases.
    pub policy: PolicySettings,
    /// The workspace that this file is the root of.
    pub workspace: Option<WorkspaceSettings>,
    /// Whether the network must not be used.
    pub offline: bool,
    /// Whether `build.lock` must not change.
    pub locked: bool,
    /// Whether the build file comes from somebody who may not decide for this machine.
    pub untrusted: bool,
    /// Threads to use; as many as the machine has where not given.
    pub jobs: Option<NonZeroUsize>,
    /// The time that stands for "now", in seconds since the epoch.
    pub source_date_epoch: Option<u64>,
}

impl Settings {
    /// Merges a build file with what overrides it.
    ///
    /// # Errors
    /// When anything in it is wrong; all of it is reported.
    pub fn resolve(
        mut document: Document,
        flags: &Overrides,
        environment: &Overrides,
    ) -> Result<Self, ConfigError> {
        environment.apply(&mut document, &VARIABLES)?;
        flags.apply(&mut document, &FLAGS)?;
        let artifact = flags.artifact.as_ref().or(environment.artifact.as_ref());
        if let Some(path) = artifact {
            document.give("", ["app", "path"], &path.display().to_string())?;
        }
        for app in &flags.apps {
            document.add_app(app)?;
        }
        let mut file: BuildFile = document.decode()?;
        for allow in &flags.allow {
            let span = document.typed("--allow", &allow.text()).span;
            file.check.allow.insert(allow.rule, Spanned { value: allow.why.clone(), span });
        }
        if let (Some(path), Some(app)) = (artifact, file.apps.0.first_mut()) {
            // A path need not be UTF-8, a document must.
            let span = app.paths.as_slice().first().map_or_else(|| Span::new(0, &(0..0)), |path| path.span);
            app.paths = Paths(vec![Spanned { value: DiskPath::new(path), span }]);
        }
        let sources = document.sources().clone();
        let diagnostics = check(&file);
        if !diagnostics.is_empty() {
            return Err(sources.error(diagnostics));
        }
        let BuildFile {
            format,
            image,
            apps,
            layers,
            users,
            config,
            check,
            attest,
            cache,
            registries,
            webhooks,
            environments,
            policy,
            workspace,
        } = file;
        let mut platforms = image.platforms.unwrap_or_default();
        let mut seen = BTreeSet::new();
        platforms.retain(|platform| seen.insert(platform.value.clone()));
        Ok(Self {
            sources,
            format: format.unwrap_or(Format::CURRENT),
            name: image.name,
            base: image.base,
            tags: image.tags.unwrap_or_default(),
            platforms,
            annotations: image.annotations,
            compression: image.compression.map(|compression| compression.value).unwrap_or_default(),
            apps: apps.0,
            layers,
            users,
            config,
            check,
            refuse_changes: flags
                .refuse_changes
                .or(image.strict)
                .or(environment.refuse_changes)
                .unwrap_or(false),
            strict: flags.strict.or(environment.strict).unwrap_or(false),
            attest,
            cache,
            registries,
            webhooks,
            environments,
            policy,
            workspace,
            offline: flags.offline.or(environment.offline).unwrap_or(false),
            locked: flags.locked.or(environment.locked).unwrap_or(false),
            untrusted: flags.untrusted.or(environment.untrusted).unwrap_or(false),
            jobs: flags.jobs.or(environment.jobs),
            source_date_epoch: flags.source_date_epoch.or(environment.source_date_epoch),
        })
    }

    /// An error about what was written at `span`.
    #[must_use]
    pub fn error_at(&self, span: Span, message: impl Into<String>, hint: Option<String>) -> ConfigError {
        self.sources.error_at(span, message, hint)
    }

    /// The policy about findings.
    #[must_use]
    pub fn check_policy(&self) -> CheckPolicy {
        let CheckSettings { allow, levels } = &self.check;
        let allowed = allow.iter().map(|(rule, why)| {
            let place = Some(self.sources.place(why.span));
            (*rule, AllowedRule { why: why.as_str().to_owned(), place })
        });
        let levels = levels.iter().map(|(rule, level)| (*rule, level.value)).collect();
        CheckPolicy { allowed: allowed.collect(), levels, is_strict: self.strict }
    }

    /// The settings of `[check]` that let more through than the rules do, in words.
    #[must_use]
    pub fn weaker_checks(&self) -> Vec<(Span, String)> {
        let allow =
            self.check.allow.iter().map(|(rule, why)| (why.span, format!("`allow` of the rule `{rule}`")));
        let levels = self.check.levels.iter().filter(|(rule, level)| level.value.may_weaken(**rule));
        let levels = levels.map(|(rule, level)| {
            (level.span, format!("`{}` as the level of the rule `{rule}`", level.value.as_str()))
        });
        allow.chain(levels).collect()
    }

    /// How registries are reached, where `user` is what the user's own configuration says: what was typed counts
    /// most, then the user's configuration, then the project's file.
    #[must_use]
    pub fn registries_with(
        &self,
        user: &BTreeMap<Registry, RegistryOptions>,
    ) -> BTreeMap<Registry, RegistryOptions> {
        let typed = registries::typed(&self.registries, &self.sources);
        registries::merge(&typed, &registries::merge(user, &self.registries))
    }

    /// Where the project's file, and not the user, makes a registry less safe or leads pulls elsewhere.
    #[must_use]
    pub fn additions(&self, user: &BTreeMap<Registry, RegistryOptions>) -> Vec<Addition> {
        registries::additions(&self.registries, &self.sources, user)
    }

    /// The environment variables that templates ask for.
    pub fn env_names(&self) -> impl Iterator<Item = &str> {
        let tags = self.tags.iter().map(|tag| tag.value.template());
        let texts = self.annotations.values().chain(self.config.labels.values()).map(|text| &text.value);
        tags.chain(texts).flat_map(Template::env_names)
    }
}

/// The longest time that a receiver of events may take.
const LONGEST_TIMEOUT: Duration = Duration::from_secs(300);

/// Rules for receivers of events.
fn check_webhooks(file: &BuildFile, wrong: &mut impl FnMut(Span, Wrong)) {
    for webhook in &file.webhooks {
        if let (Some(_), Some(path)) = (&webhook.secret_env, &webhook.secret_file) {
            let message = "`secret-env` and `secret-file` contradict each other";
            wrong(path.span, Wrong::new(message).hint("remove one"));
        }
        if let Some(timeout) =
            webhook.timeout.as_ref().filter(|timeout| timeout.value.duration() > LONGEST_TIMEOUT)
        {
            let hint = "write `\"5m\"` or less: a push waits for its receivers";
            wrong(timeout.span, Wrong::new("a receiver may take at most 5 minutes").hint(hint));
        }
    }
}

fn check_policy(file: &BuildFile, wrong: &mut impl FnMut(Span, Wrong)) {
    for rules in [&file.policy.push, &file.policy.release] {
        let asks = rules.require.iter().find(|evidence| evidence.value == EvidenceKind::Signature);
        if let Some(signature) = asks.filter(|_| rules.signed_by.is_empty()) {
            let message = "a signature proves something only by a key, and `signed-by` names none";
            let hint = "write `signed-by = [\"FILE\"]`, with the files of public keys";
            wrong(signature.span, Wrong::new(message).hint(hint));
        }
    }
}

/// Rules that concern several values.
pub(super) fn check(file: &BuildFile) -> Vec<Diagnostic> {
    let mut diagnostics = Vec::new();
    let mut wrong = |span, wrong: Wrong| {
        diagnostics.push(Diagnostic::of(span, wrong.message, wrong.hint));
    };
    check_patterns(file, &mut wrong);
    check_webhooks(file, &mut wrong);
    check_policy(file, &mut wrong);
    let mut names = BTreeSet::new();
    for layer in &file.layers {
        let name = layer.name.as_str();
        if !names.insert(name) {
            wrong(
                layer.name.span,
                Wrong::new(format!("there are two layers named `{name}`")).hint("rename one"),
            );
        }
        if layer.files.is_empty() && layer.directories.is_empty() && layer.links.is_empty() {
            let hint = "give it `files`, `directories` or `links`, or remove it";
            wrong(layer.name.span, Wrong::new(format!("the layer `{name}` is empty")).hint(hint));
        }
        for FilesSettings { mode, owner, keep_modes, keep_owners, .. } in &layer.files {
            if let (Some(mode), true) = (mode, keep_modes) {
                wrong(
                    mode.span,
                    Wrong::new("`mode` and `keep-modes` contradict each other").hint("remove one"),
                );
            }
            if let (Some(owner), true) = (owner, keep_owners) {
                wrong(
                    owner.span,
                    Wrong::new("`owner` and `keep-owners` contradict each other").hint("remove one"),
                );
            }
        }
        for link in layer.links.iter().filter(|link| link.path.entry().is_none()) {
            wrong(link.path.span, Wrong::new("`/` cannot be a link"));
        }
        for pattern in layer.permissions.iter().flat_map(|permission| permission.paths.as_slice()) {
            if !pattern.is_absolute() {
                let hint = format!(
                    "write `\"/{}\"`: in a layer, patterns are about paths in the image",
                    pattern.value
                );
                let message = format!("`{}` is not an absolute path", pattern.value);
                wrong(pattern.span, Wrong::new(message).hint(hint));
            }
        }
        for directory in &layer.directories {
            if directory.path.entry().is_none() {
                wrong(directory.path.span, Wrong::new("`/` belongs to the base: a layer cannot make it"));
            }
        }
    }
    check_users(&file.users, &mut wrong);
    check_layers(file, &mut wrong);
    let of_apps = file.apps.0.iter().flat_map(|app| &app.permissions);
    for permission in of_apps.chain(file.layers.iter().flat_map(|layer| &layer.permissions)) {
        let PermissionSettings { paths, owner, mode, directory_mode, capabilities } = permission;
        if owner.is_none() && mode.is_none() && directory_mode.is_none() && capabilities.is_none() {
            let span = paths.as_slice().first().map_or_else(|| Span::new(0, &(0..0)), |pattern| pattern.span);
            let hint = "give `owner`, `mode`, `directory-mode` or `capabilities`, or remove it";
            wrong(span, Wrong::new("a table of `permissions` sets nothing").hint(hint));
        }
    }
    for name in &file.config.unset_env {
        if file.config.env.contains_key(&name.value) {
            let message = format!("`{}` is both in `env` and in `unset-env`", name.as_str());
            wrong(name.span, Wrong::new(message).hint("remove one"));
        }
    }
    for name in &file.config.unset_labels {
        if file.config.labels.contains_key(&name.value) {
            let message = format!("`{}` is both in `labels` and in `unset-labels`", name.as_str());
            wrong(name.span, Wrong::new(message).hint("remove one"));
        }
    }
    for volume in &file.config.volumes {
        if volume.entry().is_none() {
            wrong(volume.span, Wrong::new("`/` cannot be a volume"));
        }
    }
    diagnostics.extend(registries::check(&file.registries));
    diagnostics
}

/// Two users of one name or number, and texts that would break the line of a user.
fn check_users(users: &[AddedUserSettings], wrong: &mut impl FnMut(Span, Wrong)) {
    let (mut names, mut numbers) = (BTreeSet::new(), BTreeSet::new());
    for user in users {
        if !names.insert(user.name.as_str()) {
            let message = format!("there are two users named `{}`", user.name.as_str());
            wrong(user.name.span, Wrong::new(message).hint("rename one"));
        }
        if !numbers.insert(user.uid.get()) {
            let message = format!("there are two users with the number {}", user.uid.get());
            wrong(user.uid.span, Wrong::new(message).hint("give one of them another `uid`"));
        }
        let home = user.home.as_ref().map(|home| (home.as_str(), home.span));
        let shell = user.shell.as_ref().map(|shell| (shell.as_str(), shell.span));
        for (path, span) in home.into_iter().chain(shell) {
            if path.contains([':', '\n']) {
                let message = format!("`{}` cannot be in `/etc/passwd`", path.escape_debug());
                wrong(span, Wrong::new(message).hint("choose a path without `:` and line ends"));
            }
        }
    }
}

/// The most layers of an image: overlayfs stacks 128, of which a runtime needs one for itself.
pub const MAX_LAYERS: usize = 127;

/// More layers and artifacts than any image can have: each is placed on those below it.
fn check_layers(file: &BuildFile, wrong: &mut impl FnMut(Span, Wrong)) {
    let hint = "put files that change together into one layer";
    if let Some(layer) = file.layers.get(MAX_LAYERS) {
        let message = format!(
            "there are {} tables `[[layer]]`, and an image has at most {MAX_LAYERS} layers",
            file.layers.len()
        );
        wrong(layer.name.span, Wrong::new(message).hint(hint));
    }
    if let Some(app) = file.apps.0.get(MAX_LAYERS) {
        let message = format!(
            "there are {} artifacts, and an image has at most {MAX_LAYERS} layers",
            file.apps.0.len()
        );
        let span = app.paths.as_slice().first().map(|path| path.span);
        span.into_iter().for_each(|span| wrong(span, Wrong::new(message.clone()).hint(hint)));
    }
}

/// Patterns are compiled list by list, and each list takes its time.
fn check_patterns(file: &BuildFile, wrong: &mut impl FnMut(Span, Wrong)) {
    let of_files =
        file.layers.iter().flat_map(|layer| &layer.files).flat_map(|files| [&files.include, &files.exclude]);
    let of_app = file.apps.0.iter().flat_map(|app| [&app.include, &app.exclude]);
    let of_app = of_app.chain(of_files).flatten().map(|pattern| (pattern.as_str(), pattern.span));
    let permissions = file.apps.0.iter().flat_map(|app| &app.permissions);
    let permissions = permissions.chain(file.layers.iter().flat_map(|layer| &layer.permissions));
    let permissions = permissions.flat_map(|permission| permission.paths.as_slice());
    let mut bytes = 0;
    for (pattern, span) in of_app.chain(permissions.map(|pattern| (pattern.glob(), pattern.span))) {
        bytes += pattern.len() as u64;
        if bytes > MAX_PATTERNS {
            let message = format!("all patterns together are longer than {MAX_PATTERNS} bytes");
            let hint = "name directories instead of the files in them";
            return wrong(span, Wrong::new(message).hint(hint));
        }
    }
}
