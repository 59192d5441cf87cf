//! Every key of `build.toml`, and what it is made of.
//!
//! This is the one list of keys: decoding, suggestions, `build.toml.example` and the reference are held to
//! it. Nothing here has a default other than "not given"; [`super::Settings`] has those.

use std::collections::BTreeMap;

use super::decode::{Decode, Decoder, FromText, Wrong, one_or_many, settings_table};
use super::node::{TomlNode, TomlValue};
use super::source::Spanned;
use super::template::{Facts, Template};
use super::value::{
    AccountName, AccountNumber, Age, Arguments, AttestPlaceSetting, BaseSetting, Buckets, ByteSize,
    CapabilityText, CompressionSetting, Count, DiskPath, EnvName, EnvTable, Format, ImagePath, ImagePattern,
    Justification, KindName, Layout, LinkTarget, MemberPattern, MirrorAddress, Mode, Mtime, Owner, Pattern,
    Percent, Period, Ports, SbomSetting, ShellPath, SiblingSetting, Signal, StartSetting, User,
};
use crate::oci;
use crate::types::check_policy::RuleLevel;
use crate::types::delivery::{DeliveryKind, EventForm};
use crate::types::digest::{Digest, KeyBuilder};
use crate::types::fingerprint::Fingerprint;
use crate::types::fingerprint::fingerprint_as_text;
use crate::types::platform::Platform;
use crate::types::policy::{EvidenceKind, LicencePattern, NamePattern, PackagePattern};
use crate::types::reference::{Registry, Repository};
use crate::types::release::{EnvironmentName, Gate};
use crate::types::rule::Rule;
use crate::types::webhook_url::WebhookUrl;

settings_table! {
    /// A whole build file.
    pub struct BuildFile {
        /// The output format; a digest changes only with it.
        "format" => format: Option<Format>,
        /// The image's name and base.
        "image" => image: ImageSettings,
        /// The artifacts.
        "app" => apps: Apps,
        /// Layers besides those of the artifact, bottom first.
        "layer" => layers: Vec<LayerSettings>,
        /// Users that are added to those of the base.
        "user" => users: Vec<AddedUserSettings>,
        /// How containers of the image run.
        "config" => config: ConfigSettings,
        /// The policy about what the checks of an image find.
        "check" => check: CheckSettings,
        /// The documents that are attached to the image.
        "attest" => attest: AttestSettings,
        /// Where other machines' layers are found.
        "cache" => cache: Cache,
        /// How registries are reached.
        "registry" => registries: BTreeMap<Registry, RegistryOptions>,
        /// The receivers of events.
        "webhook" => webhooks: Vec<WebhookSettings>,
        /// The environments that the image is released into.
        "environment" => environments: BTreeMap<EnvironmentName, EnvironmentSettings>,
        /// The conditions of bases, pushes and releases.
        "policy" => policy: PolicySettings,
        /// The images that are built together with this file as their common base.
        "workspace" => workspace: Option<WorkspaceSettings>,
    }
}

settings_table! {
    /// `[image]`
    pub struct ImageSettings {
        /// The repository that the image is named after and pushed to.
        "name" => name: Option<Spanned<Repository>>,
        /// The base.
        "base" => base: Option<Spanned<BaseSetting>>,
        /// Its tags.
        "tags" => tags: Option<Vec<Spanned<TagTemplate>>>,
        /// The platforms to build for; all that both the base and the artifact offer where not given.
        "platforms" => platforms: Option<Vec<Spanned<Platform>>>,
        /// Annotations of the manifest and index.
        "annotations" => annotations: BTreeMap<NonEmptyName, Spanned<Template>>,
        /// Whether a tree with uncommitted changes is refused; it is where a CI system builds and this is not given.
        "strict" => strict: Option<bool>,
        /// How layers are compressed.
        "compression" => compression: Option<Spanned<CompressionSetting>>,
    }
}

settings_table! {
    /// `[app]`, or one of several `[[app]]`.
    pub struct AppSettings {
        /// The artifact; one for each platform where there are several.
        "path" => paths: Paths,
        /// The kind; detected if it is missing.
        "kind" => kind: Option<Spanned<KindName>>,
        /// Unpacked or as it is.
        "layout" => layout: Option<Spanned<Layout>>,
        /// The way in which it starts, where it has a start script.
        "start" => start: Option<Spanned<StartSetting>>,
        /// Where it goes.
        "root" => root: Option<Spanned<ImagePath>>,
        /// Who owns its files.
        "owner" => owner: Option<Spanned<Owner>>,
        /// The mode of its files.
        "mode" => mode: Option<Spanned<Mode>>,
        /// The modification time of its files.
        "mtime" => mtime: Option<Spanned<Mtime>>,
        /// Of a directory, only what matches one of these.
        "include" => include: Vec<Spanned<Pattern>>,
        /// Of a directory, nothing that matches one of these.
        "exclude" => exclude: Vec<Spanned<Pattern>>,
        /// Into how many layers its dependencies, or its files, are split at most.
        "buckets" => buckets: Option<Spanned<Buckets>>,
        /// The compressed forms that its files get beside them.
        "precompress" => precompress: Vec<Spanned<SiblingSetting>>,
        /// Owners and modes of some of its paths; the last that matches decides.
        "permissions" => permissions: Vec<PermissionSettings>,
    }
}

settings_table! {
    /// `[[layer]]`
    pub struct LayerSettings {
        /// Its name in plans, reports and the history.
        "name" => name: Spanned<NonEmptyName>,
        /// The files that are copied into it.
        "files" => files: Vec<FilesSettings>,
        /// Directories that are made in it.
        "directories" => directories: Vec<DirectorySettings>,
        /// Symbolic links that are made in it.
        "links" => links: Vec<LinkSettings>,
        /// Owners and modes of some of its paths; the last that matches decides.
        "permissions" => permissions: Vec<PermissionSettings>,
        /// The modification time of everything in it.
        "mtime" => mtime: Option<Spanned<Mtime>>,
    }
}

settings_table! {
    /// The files that are copied into a layer.
    pub struct FilesSettings {
        /// A file, or a directory whose content is copied.
        "from" => from: Spanned<DiskPath>,
        /// Where it goes; below it, with a trailing slash.
        "to" => to: Spanned<ImagePath>,
        /// Only what matches one of these, relative to `from`.
        "include" => include: Vec<Spanned<Pattern>>,
        /// Nothing that matches one of these.
        "exclude" => exclude: Vec<Spanned<Pattern>>,
        /// The mode of all files.
        "mode" => mode: Option<Spanned<Mode>>,
        /// Who owns everything.
        "owner" => owner: Option<Spanned<Owner>>,
        /// Whether the modes on disk are kept.
        "keep-modes" => keep_modes: bool,
        /// Whether the owners on disk are kept.
        "keep-owners" => keep_owners: bool,
        /// Whether extended attributes are kept.
        "xattrs" => xattrs: bool,
    }
}

settings_table! {
    /// A directory that is made in a layer.
    pub struct DirectorySettings {
        /// Where.
        "path" => path: Spanned<ImagePath>,
        /// Who owns it.
        "owner" => owner: Option<Spanned<Owner>>,
        /// Its mode.
        "mode" => mode: Option<Spanned<Mode>>,
    }
}

settings_table! {
    /// A symbolic link that is made in a layer.
    pub struct LinkSettings {
        /// Where.
        "path" => path: Spanned<ImagePath>,
        /// Its target, as the link has it.
        "to" => to: Spanned<LinkTarget>,
    }
}

settings_table! {
    /// The owner, the mode and the capabilities of the paths that match patterns.
    pub struct PermissionSettings {
        /// The patterns.
        "path" => paths: ImagePatterns,
        /// Who owns them.
        "owner" => owner: Option<Spanned<Owner>>,
        /// The mode of the files among them.
        "mode" => mode: Option<Spanned<Mode>>,
        /// The mode of the directories among them.
        "directory-mode" => directory_mode: Option<Spanned<Mode>>,
        /// The capabilities of the files among them.
        "capabilities" => capabilities: Option<Spanned<CapabilityText>>,
    }
}

settings_table! {
    /// `[[user]]`
    pub struct AddedUserSettings {
        /// Its name.
        "name" => name: Spanned<AccountName>,
        /// Its number.
        "uid" => uid: Spanned<AccountNumber>,
        /// The group that it belongs to first; made if it is missing, and named after the user where not given.
        "group" => group: Option<Spanned<AccountName>>,
        /// The number of that group.
        "gid" => gid: Option<Spanned<AccountNumber>>,
        /// Its directory, which is made if it is missing.
        "home" => home: Option<Spanned<ImagePath>>,
        /// The program that a login starts.
        "shell" => shell: Option<Spanned<ShellPath>>,
        /// More groups that it belongs to.
        "groups" => groups: Vec<Spanned<AccountName>>,
    }
}

settings_table! {
    /// `[config]`
    pub struct ConfigSettings {
        /// Variables to set.
        "env" => env: EnvTable,
        /// Variables of the base to remove.
        "unset-env" => unset_env: Vec<Spanned<EnvName>>,
        /// Ports that the application listens on, besides those of the base.
        "ports" => ports: Vec<Spanned<Ports>>,
        /// Paths that outlive containers, besides those of the base.
        "volumes" => volumes: Vec<Spanned<ImagePath>>,
        /// Who the application runs as.
        "user" => user: Option<Spanned<User>>,
        /// Where it starts.
        "workdir" => workdir: Option<Spanned<ImagePath>>,
        /// The program; drops the base's `cmd` too.
        "entrypoint" => entrypoint: Option<Spanned<Arguments>>,
        /// Its arguments.
        "cmd" => cmd: Option<Spanned<Arguments>>,
        /// Labels to set.
        "labels" => labels: BTreeMap<NonEmptyName, Spanned<Template>>,
        /// Labels of the base to remove.
        "unset-labels" => unset_labels: Vec<Spanned<NonEmptyName>>,
        /// How to tell that the application is well.
        "healthcheck" => healthcheck: Option<Spanned<HealthSetting>>,
        /// The signal that stops it.
        "stop-signal" => stop_signal: Option<Spanned<Signal>>,
    }
}

settings_table! {
    /// `[check]`
    pub struct CheckSettings {
        /// The rules that the image may break, each with the reason.
        "allow" => allow: BTreeMap<Rule, Spanned<Justification>>,
        /// How much rules matter, where that differs from their table.
        "levels" => levels: BTreeMap<Rule, Spanned<RuleLevel>>,
    }
}

settings_table! {
    /// `[attest]`
    pub struct AttestSettings {
        /// The list of packages.
        "sbom" => sbom: Option<Spanned<SbomSetting>>,
        /// Whether the provenance and the record of checks are attached.
        "provenance" => provenance: Option<Spanned<bool>>,
        /// Where the list of packages and the provenance go.
        "place" => place: Option<Spanned<AttestPlaceSetting>>,
        /// Whether the image is signed.
        "sign" => sign: Option<Spanned<bool>>,
        /// The private key that signs.
        "key" => key: Option<Spanned<DiskPath>>,
    }
}

settings_table! {
    /// A health check.
    pub struct HealthcheckSettings {
        /// The program to run.
        "cmd" => cmd: HealthCommand,
        /// Time between checks.
        "interval" => interval: Option<Period>,
        /// Time after which a check has failed.
        "timeout" => timeout: Option<Period>,
        /// Time for the application to come up.
        "start-period" => start_period: Option<Period>,
        /// Time between checks while it comes up.
        "start-interval" => start_interval: Option<Period>,
        /// Failures in a row that make it unhealthy.
        "retries" => retries: Option<Count>,
    }
}

settings_table! {
    /// `[registry."host"]`
    pub struct RegistryOptions {
        /// Whether it speaks HTTP without TLS; where not given, the address decides.
        "plain-http" => plain_http: Option<Spanned<bool>>,
        /// Whether its certificate is not checked.
        "skip-tls-verify" => skip_tls_verify: Option<Spanned<bool>>,
        /// A file of certificate authorities to trust besides the usual ones.
        "ca-file" => ca_file: Option<Spanned<DiskPath>>,
        /// A file with the certificate to show, its chain, and maybe its key.
        "client-cert" => client_cert: Option<Spanned<DiskPath>>,
        /// A file with the key of the certificate.
        "client-key" => client_key: Option<Spanned<DiskPath>>,
        /// Blobs are uploaded in pieces of this size.
        "chunk-size" => chunk_size: Option<Spanned<ByteSize>>,
        /// Registries that are asked first when pulling.
        "mirrors" => mirrors: Vec<Spanned<MirrorAddress>>,
    }
}

settings_table! {
    /// `[[webhook]]`
    pub struct WebhookSettings {
        /// The address.
        "url" => url: Spanned<WebhookUrl>,
        /// The form of the events.
        "form" => form: Option<Spanned<EventForm>>,
        /// The kinds of events; all of them where not given.
        "on" => on: Vec<Spanned<DeliveryKind>>,
        /// The variable with the secret that signs the events.
        "secret-env" => secret_env: Option<Spanned<EnvName>>,
        /// The file with that secret.
        "secret-file" => secret_file: Option<Spanned<DiskPath>>,
        /// Whether nothing is pushed if the receiver cannot be reached.
        "required" => required: bool,
        /// The longest time that an event may take.
        "timeout" => timeout: Option<Spanned<Period>>,
    }
}

settings_table! {
    /// `[environment.NAME]`
    pub struct EnvironmentSettings {
        /// The repository that has the environment; that of the image where not given.
        "name" => name: Option<Spanned<Repository>>,
        /// The gates that an image must pass before it is released into it.
        "require" => require: Vec<Spanned<Gate>>,
        /// Whether the tag of its name is moved to the newest release; it is where not given.
        "pointer" => pointer: Option<bool>,
    }
}

settings_table! {
    /// `[policy]`
    pub struct PolicySettings {
        /// A file with more rules, written in the same way.
        "file" => file: Option<Spanned<DiskPath>>,
        /// The bases that may be used.
        "base" => base: BasePolicySettings,
        /// The conditions of a push.
        "push" => push: ImagePolicySettings,
        /// The conditions of a release.
        "release" => release: ImagePolicySettings,
    }
}

settings_table! {
    /// `[policy.base]`
    pub struct BasePolicySettings {
        /// Patterns of their names.
        "names" => names: Vec<Spanned<NamePattern>>,
        /// Their digests.
        "digests" => digests: Vec<Spanned<Digest>>,
        /// Their greatest age.
        "max-age" => max_age: Option<Spanned<Age>>,
        /// Files of public keys, one of which signed them.
        "signed-by" => signed_by: Vec<Spanned<DiskPath>>,
    }
}

settings_table! {
    /// `[policy.push]` or `[policy.release]`
    pub struct ImagePolicySettings {
        /// The evidence that an image must have.
        "require" => require: Vec<Spanned<EvidenceKind>>,
        /// Files of public keys, one of which signed the image and its evidence.
        "signed-by" => signed_by: Vec<Spanned<DiskPath>>,
        /// Packages that it must not have.
        "deny" => deny: Vec<Spanned<PackagePattern>>,
        /// The licences of its packages.
        "licences" => licences: LicenceSettings,
    }
}

settings_table! {
    /// `[policy.push.licences]` or `[policy.release.licences]`
    pub struct LicenceSettings {
        /// Only these, and each package must state one.
        "allow" => allow: Vec<Spanned<LicencePattern>>,
        /// None of these.
        "deny" => deny: Vec<Spanned<LicencePattern>>,
    }
}

settings_table! {
    /// `[workspace]`
    pub struct WorkspaceSettings {
        /// Directories with a build file each.
        "members" => members: Vec<Spanned<MemberPattern>>,
        /// Directories that are no members, though `members` matches them.
        "exclude" => exclude: Vec<Spanned<MemberPattern>>,
        /// Defaults for the `[image]` of members.
        "image" => image: ImageSettings,
        /// Defaults for the `[config]` of members.
        "config" => config: ConfigSettings,
    }
}

settings_table! {
    /// `[cache]`
    pub struct Cache {
        /// The repository with the entries; the image's own where not given.
        "repository" => repository: Option<Spanned<Repository>>,
        /// Whether it is read when pushing; it is where not given.
        "read" => read: Option<bool>,
        /// How many of the layers that are found are built all the same, to compare.
        "verify" => verify: Option<Percent>,
    }
}

/// A name that is not empty: of a layer, a label, an annotation.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NonEmptyName(String);

impl NonEmptyName {
    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromText for NonEmptyName {
    fn from_text(text: &str) -> Result<Self, Wrong> {
        if text.is_empty() || text.chars().any(char::is_control) {
            return Err(Wrong::new("a name cannot be empty or contain control characters"));
        }
        Ok(Self(text.to_owned()))
    }
}

super::decode::text_values!(NonEmptyName);

settings_table! {
    /// A tag with what may become of it.
    pub struct TagSettings {
        /// The template.
        "name" => name: TagText,
        /// Whether a push may move it from one image to another.
        "moves" => moves: Option<bool>,
    }
}

/// The text of a template that gives a tag.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TagText(Template);

impl FromText for TagText {
    fn from_text(text: &str) -> Result<Self, Wrong> {
        let template = Template::from_text(text)?;
        template.check_tag()?;
        Ok(Self(template))
    }
}

super::decode::text_values!(TagText);

/// A template that gives a tag, and whether that may move: a text, or a table that says so.
#[derive(Clone, Debug, PartialEq)]
pub struct TagTemplate(TagSettings);

impl TagTemplate {
    /// The template.
    #[must_use]
    pub const fn template(&self) -> &Template {
        &self.0.name.0
    }

    /// Whether a push may move the tag: as it is written, else as [`Template::moves`] says.
    #[must_use]
    pub fn moves(&self, facts: &Facts) -> bool {
        self.0.moves.unwrap_or_else(|| self.template().moves(facts))
    }
}

impl Decode for TagTemplate {
    fn decode(node: &TomlNode, decoder: &mut Decoder<'_>) -> Option<Self> {
        match node.value {
            TomlValue::Table(_) => TagSettings::decode(node, decoder).map(Self),
            _ => TagText::decode(node, decoder).map(|name| Self(TagSettings { name, moves: None })),
        }
    }

    fn keys(prefix: &str, keys: &mut Vec<String>) {
        TagSettings::keys(prefix, keys);
    }
}

/// The artifacts of an image, in the order in which they were written: `[app]`, or each `[[app]]`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Apps(pub(super) Vec<AppSettings>);

impl Decode for Apps {
    fn decode(node: &TomlNode, decoder: &mut Decoder<'_>) -> Option<Self> {
        one_or_many(node, decoder).map(Self)
    }

    fn missing() -> Option<Self> {
        Some(Self::default())
    }

    fn keys(prefix: &str, keys: &mut Vec<String>) {
        AppSettings::keys(prefix, keys);
    }
}

/// One pattern, or several.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImagePatterns(Vec<Spanned<ImagePattern>>);

impl ImagePatterns {
    /// The patterns; never empty.
    #[must_use]
    pub fn as_slice(&self) -> &[Spanned<ImagePattern>] {
        &self.0
    }
}

impl Decode for ImagePatterns {
    fn decode(node: &TomlNode, decoder: &mut Decoder<'_>) -> Option<Self> {
        let patterns = one_or_many(node, decoder)?;
        if patterns.is_empty() {
            return decoder.wrong(node.span, Wrong::new("`path` names no pattern").hint("give at least one"));
        }
        Some(Self(patterns))
    }
}

/// One artifact, or one for each platform.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Paths(pub(super) Vec<Spanned<DiskPath>>);

impl Paths {
    /// The artifacts; never empty.
    #[must_use]
    pub fn as_slice(&self) -> &[Spanned<DiskPath>] {
        &self.0
    }

    /// The artifacts, to put others in their place.
    pub fn as_mut_slice(&mut self) -> &mut [Spanned<DiskPath>] {
        &mut self.0
    }
}

impl Decode for Paths {
    fn decode(node: &TomlNode, decoder: &mut Decoder<'_>) -> Option<Self> {
        let paths = one_or_many(node, decoder)?;
        if paths.is_empty() {
            return decoder.wrong(node.span, Wrong::new("`app.path` names no artifact"));
        }
        Some(Self(paths))
    }
}

/// A health check, or `false` for none where the base has one.
#[derive(Clone, Debug, PartialEq)]
pub enum HealthSetting {
    /// The base's check is switched off.
    Off,
    /// This check.
    Check(HealthcheckSettings),
}

impl HealthSetting {
    /// As image configurations have it.
    #[must_use]
    pub fn to_image(&self) -> oci::Healthcheck {
        let Self::Check(check) = self else {
            return oci::Healthcheck { test: vec!["NONE".to_owned()], ..oci::Healthcheck::default() };
        };
        let nanoseconds = |period: Option<Period>| period.map_or(0, Period::nanoseconds);
        oci::Healthcheck {
            test: check.cmd.0.clone(),
            interval: nanoseconds(check.interval),
            timeout: nanoseconds(check.timeout),
            start_period: nanoseconds(check.start_period),
            start_interval: nanoseconds(check.start_interval),
            retries: check.retries.map_or(0, |retries| u64::from(retries.get())),
            ..oci::Healthcheck::default()
        }
    }
}

impl Decode for HealthSetting {
    fn decode(node: &TomlNode, decoder: &mut Decoder<'_>) -> Option<Self> {
        match node.value {
            TomlValue::Boolean(false) => Some(Self::Off),
            TomlValue::Table(_) => HealthcheckSettings::decode(node, decoder).map(Self::Check),
            _ => {
                let hint =
                    "write `{ cmd = [\"/bin/check\"], interval = \"30s\" }`, or `false` for none".to_owned();
                decoder.mismatch(node, "a table or `false`", Some(hint))
            }
        }
    }

    fn keys(prefix: &str, keys: &mut Vec<String>) {
        HealthcheckSettings::keys(prefix, keys);
    }
}

/// The command of a health check: arguments without a shell, or one string for the shell of the image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HealthCommand(Vec<String>);

impl Decode for HealthCommand {
    fn decode(node: &TomlNode, decoder: &mut Decoder<'_>) -> Option<Self> {
        let (form, arguments) = match &node.value {
            TomlValue::String(command) => ("CMD-SHELL", vec![command.clone()]),
            _ => ("CMD", Vec::decode(node, decoder)?),
        };
        if let ("CMD", Some(first)) = (form, arguments.first())
            && let Some(hint) = of_docker(first)
        {
            let why = format!("`{first}` is a word of a Dockerfile, and no program");
            return decoder.wrong(node.span, Wrong::new(why).hint(hint));
        }
        if arguments.iter().all(String::is_empty) {
            return decoder.wrong(node.span, Wrong::new("a health check needs a program to run"));
        }
        Some(Self([vec![form.to_owned()], arguments].concat()))
    }
}

/// The words to write instead, where a command begins with a word that Docker's form has before it.
fn of_docker(word: &str) -> Option<&'static str> {
    match word {
        "CMD" => Some("leave `\"CMD\"` out: write the program and its arguments"),
        "CMD-SHELL" => Some("write the command for the shell as one string"),
        "NONE" => Some("write `healthcheck = false` for none"),
        _ => None,
    }
}

impl Fingerprint for NonEmptyName {
    fn add_to(&self, key: &mut KeyBuilder) {
        key.text(self.as_str());
    }
}

impl Fingerprint for TagText {
    fn add_to(&self, key: &mut KeyBuilder) {
        self.0.add_to(key);
    }
}

impl Fingerprint for TagTemplate {
    fn add_to(&self, key: &mut KeyBuilder) {
        self.0.add_to(key);
    }
}

impl Fingerprint for Apps {
    fn add_to(&self, key: &mut KeyBuilder) {
        self.0.add_to(key);
    }
}

impl Fingerprint for ImagePatterns {
    fn add_to(&self, key: &mut KeyBuilder) {
        self.as_slice().add_to(key);
    }
}

impl Fingerprint for Paths {
    fn add_to(&self, key: &mut KeyBuilder) {
        self.as_slice().add_to(key);
    }
}

impl Fingerprint for HealthSetting {
    fn add_to(&self, key: &mut KeyBuilder) {
        match self {
            Self::Off => key.text("off"),
            Self::Check(check) => key.field("check", check),
        }
    }
}

impl Fingerprint for HealthCommand {
    fn add_to(&self, key: &mut KeyBuilder) {
        let Self(arguments) = self;
        arguments.add_to(key);
    }
}

fingerprint_as_text!(Template);

/// Every key of a build file, dotted, in the order of this file.
#[cfg(test)]
pub fn keys() -> Vec<String> {
    let mut keys = Vec::new();
    BuildFile::keys("", &mut keys);
    keys
}
