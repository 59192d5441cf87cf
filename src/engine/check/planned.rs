//! All checks of a planned image.

use super::access::{self, WritableDirectory};
use super::arguments::InterpretedCommand;
use super::configured::ConfiguredImage;
use super::counted::CountedFindings;
use super::executable::{StartProgram, executable};
use super::image::CandidateImage;
use super::lookups::PathLookups;
use super::requirement::{check, check_all};
use super::start;
use crate::artifact::{Interpreted, Requirement, Requirements, interpreted, java_options_change_classes};
use crate::bases::{BaseAnswer, BaseLayers, BaseNode, Empty, FileTree, Mounted, Stack, Volumes, follow};
use crate::engine::apps::Start;
use crate::engine::request::Request;
use crate::layer::{Account, Content, ContentSource, EntryKind, EntryPath, LayerSpec};
use crate::oci::{ConfigFile, RunConfig};
use crate::plan::PlannedLayer;
use crate::project::config::{Arguments, ImagePath, Spanned};
use crate::runtime::events::{Progress, Stage, Step};
use crate::runtime::interrupt::Interrupt;
use crate::types::error::BoxedError;
use crate::types::finding::{Answer, Finding, SettingPlace, Severity};
use crate::types::platform::Platform;
use crate::types::rule::Rule;
use crate::types::shown::shown;

/// The inputs of the checks.
pub(in crate::engine) struct Checks<'a> {
    pub(in crate::engine) request: &'a Request,
    /// The requirements of each artifact.
    pub(in crate::engine) requirements: &'a [Requirements],
    /// The base's configuration.
    pub(in crate::engine) config: Option<&'a ConfigFile>,
    pub(in crate::engine) platform: &'a Platform,
    /// The user's wish to stop.
    pub(in crate::engine) interrupt: &'a Interrupt,
    /// Receives the time of each family of checks.
    pub(in crate::engine) progress: &'a Progress,
    /// How the artifacts start the image.
    pub(in crate::engine) start: &'a Start,
}

/// The word of a configuration that names the program to start.
struct NamedProgram<'a> {
    name: &'a str,
    /// The setting that has it.
    setting: Option<&'a Spanned<Arguments>>,
    /// Whether it is only a default (`cmd`), which a container may be started without.
    is_default: bool,
}

impl Checks<'_> {
    /// The findings of checks that need no file of the image, so that a refusal comes before a layer is read.
    pub(in crate::engine) fn first(&self) -> Result<Vec<Finding>, BoxedError> {
        let step = self.step("artifacts and base");
        let mut findings = self.requirements(&mut Empty, |requirement| !needs_files(requirement))?;
        drop(step);
        let _step = self.step("configuration");
        findings.extend(self.configured());
        Ok(findings)
    }

    /// The time of one family of checks.
    fn step(&self, family: &'static str) -> Step {
        self.progress.step(Stage::Check, family)
    }

    /// The findings about the configuration.
    fn configured(&self) -> Vec<Finding> {
        let base = self.config.and_then(|config| config.config.as_ref());
        let is_some = |words: Option<&Vec<String>>| words.is_some_and(|words| !words.is_empty());
        let starts = |run: &RunConfig| is_some(run.entrypoint.as_ref()) || is_some(run.cmd.as_ref());
        let has_program = self.start_word().is_some() || base.is_some_and(starts);
        let user = self.user_name();
        let programs = match self.start_word() {
            Some(_) => &[],
            None => &self.start.programs[..],
        };
        ConfiguredImage { request: self.request, base, user: &user, has_program, programs }.findings()
    }

    /// The user of the image's processes: `USER[:GROUP]`; empty is root.
    fn user_name(&self) -> String {
        let of_base = || self.config.and_then(|config| config.config.as_ref()).map(|run| run.user.clone());
        match &self.request.settings.config.user {
            Some(user) => user.value.as_str().to_owned(),
            None => of_base().unwrap_or_default(),
        }
    }

    /// All others, in the planned layers on `base`, and what is said of the whole.
    pub(in crate::engine) fn run(
        &self,
        layers: &[PlannedLayer],
        base: Option<&mut BaseLayers<'_>>,
    ) -> Result<Vec<Finding>, BoxedError> {
        let specs: Vec<LayerSpec> = layers.iter().map(|layer| layer.spec.clone()).collect();
        let mut findings = self.volumes(layers);
        match base {
            Some(base) => self.in_tree(&mut Stack { base, layers: &specs }, &specs, &mut findings)?,
            None => {
                self.in_tree(&mut Stack { base: &mut Empty, layers: &specs }, &specs, &mut findings)?;
            }
        }
        Ok(findings)
    }

    fn in_tree<T: FileTree>(
        &self,
        tree: &mut T,
        specs: &[LayerSpec],
        findings: &mut Vec<Finding>,
    ) -> Result<(), BoxedError> {
        let step = self.step("user");
        findings.extend(self.user(tree)?);
        drop(step);
        let step = self.step("rights of the user");
        findings.extend(self.rights(tree, specs)?);
        drop(step);
        let volumes = self.all_volumes();
        let tree = &mut Mounted { tree, volumes: &volumes };
        let step = self.step("files that artifacts need");
        findings.extend(self.requirements(tree, needs_files)?);
        drop(step);
        findings.extend(self.directory(tree)?);
        let _step = self.step("program that starts the image");
        findings.extend(self.started(tree, specs)?);
        findings.extend(self.interpreted(tree)?);
        findings.extend(self.health_command(tree)?);
        Ok(())
    }

    /// The volumes of the settings and the base.
    fn all_volumes(&self) -> Volumes {
        let run = self.config.and_then(|config| config.config.as_ref());
        let of_base = run.into_iter().flat_map(|run| run.volumes.keys().map(String::as_str));
        let own = self.request.settings.config.volumes.iter().map(|volume| volume.value.as_str());
        of_base.chain(own).collect()
    }

    fn requirements<T: FileTree>(
        &self,
        tree: &mut T,
        is_meant: impl Fn(&Requirement) -> bool,
    ) -> Result<Vec<Finding>, BoxedError> {
        let cure = self.cure();
        let words = self.start_words();
        let starts = |script: &str| words.iter().any(|word| word.contains(script));
        let is_meant = |requirement: &Requirement| match requirement {
            Requirement::ScriptProgram { script, .. } => starts(script) && is_meant(requirement),
            _ => is_meant(requirement),
        };
        let mut image = self.image(tree, &cure);
        let mut findings = Vec::new();
        for requirements in self.requirements {
            let found = check_all(requirements, is_meant, &mut image)?;
            findings.extend(found.into_iter().map(|finding| finding.in_file(&requirements.artifact)));
        }
        Ok(findings)
    }

    /// Where a setting was written, if a build file has it.
    fn place<T>(&self, setting: &Spanned<T>) -> Option<SettingPlace> {
        self.request.has_build_file.then(|| self.request.settings.sources.place(setting.span))
    }

    fn image<'t, T>(&'t self, tree: &'t mut T, cure: &'t str) -> CandidateImage<'t, T> {
        let run = self.config.and_then(|config| config.config.as_ref());
        let own = &self.request.settings.config;
        let directory = own.workdir.as_ref().map(|directory| directory.value.as_str().to_owned());
        CandidateImage {
            tree,
            platform: self.platform,
            base: self.config,
            library_path: self.variable("LD_LIBRARY_PATH"),
            path: self.variable("PATH"),
            node_path: self.variable("NODE_PATH"),
            node_options: self.variable("NODE_OPTIONS"),
            user: self.user_name(),
            directory: directory
                .or_else(|| self.start.workdir.clone())
                .or_else(|| run.map(|run| run.working_dir.clone())),
            cure,
            name: "the image",
            base_name: "the base",
            why_unknown: "`build.lock` does not tell what the base has, and nothing else needs the layers of the base on this machine",
            lookups: PathLookups::new(self.interrupt),
        }
    }

    /// A variable of the image: as the settings have it, else the base.
    fn variable(&self, name: &str) -> Option<String> {
        let own = &self.request.settings.config.env;
        let set = own.iter().find(|(key, _)| key.as_str() == name);
        match set {
            Some((_, value)) => Some(value.as_str().to_owned()),
            None if self
                .request
                .settings
                .config
                .unset_env
                .iter()
                .any(|unset| unset.value.as_str() == name) =>
            {
                None
            }
            None => {
                let of_base = self.config.and_then(|base| base.env(name)).map(str::to_owned);
                of_base.or_else(|| self.start.env.get(name).cloned())
            }
        }
    }

    /// How to learn what the base has.
    fn cure(&self) -> String {
        if self.request.has_build_file {
            "`pack update` reads the layers of the base and writes what they have to `build.lock`".to_owned()
        } else {
            "copy the base with `pack copy BASE oci:DIR`, and build with `--base oci:DIR`".to_owned()
        }
    }

    /// Files below a volume of the base: a container sees what its volume holds.
    fn volumes(&self, layers: &[PlannedLayer]) -> Vec<Finding> {
        let run = self.config.and_then(|config| config.config.as_ref());
        let volumes = run.into_iter().flat_map(|run| run.volumes.keys());
        let volumes = volumes.filter_map(|volume| EntryPath::new(volume.as_bytes()).ok());
        let mut hidden = CountedFindings::new(Rule::BelowVolume, self.request.most_findings);
        for volume in volumes {
            let entries = layers.iter().flat_map(|layer| {
                let itself = layer.spec.get(&volume).into_iter();
                itself.chain(layer.spec.below(&volume))
            });
            let mut files = entries.filter(|entry| !entry.is_directory());
            let Some(first) = files.next() else { continue };
            hidden.add(Severity::Warning, || {
                let more = match files.count() {
                    0 => String::new(),
                    1 => " and 1 more file".to_owned(),
                    count => format!(" and {count} more files"),
                };
                let message = format!(
                    "`{}`{more} would be below `{volume}`, a volume of the base: a container shows what its volume holds, \
                     and one that is kept hides every newer image",
                    first.path
                );
                Finding::not_met(Rule::BelowVolume, message)
                    .hint("`app.root`, or `to` of a layer, names another place")
            });
        }
        hidden.finish()
    }

    /// The program that starts the image; `None` where the base decides it alone.
    fn start_word(&self) -> Option<NamedProgram<'_>> {
        let own = &self.request.settings.config;
        let base = self.config.and_then(|config| config.config.as_ref());
        let base = base.and_then(|run| run.entrypoint.as_deref()).unwrap_or_default();
        let entrypoint = arguments(&own.entrypoint).or(self.start.entrypoint.as_deref());
        if let Some(name) = entrypoint.unwrap_or_default().first() {
            return Some(NamedProgram { name, setting: own.entrypoint.as_ref(), is_default: false });
        }
        if entrypoint.is_none() && !base.is_empty() {
            return None;
        }
        let of_artifact = self.start.cmd.as_deref().filter(|_| own.entrypoint.is_none());
        let name = arguments(&own.cmd).or(of_artifact)?.first()?;
        Some(NamedProgram { name, setting: own.cmd.as_ref(), is_default: true })
    }

    /// The words that start the image: those of the settings, the artifact and the base together.
    fn start_words(&self) -> Vec<&String> {
        let own = &self.request.settings.config;
        let base = self.config.and_then(|config| config.config.as_ref());
        let own_entrypoint = arguments(&own.entrypoint).or(self.start.entrypoint.as_deref());
        let entrypoint = own_entrypoint.or_else(|| base.and_then(|run| run.entrypoint.as_deref()));
        let of_artifact = self.start.cmd.as_deref().filter(|_| own.entrypoint.is_none());
        // An entrypoint of its own leaves nothing of the base's arguments.
        let of_base = base.and_then(|run| run.cmd.as_deref()).filter(|_| own_entrypoint.is_none());
        let cmd = arguments(&own.cmd).or(of_artifact).or(of_base);
        entrypoint.into_iter().chain(cmd).flatten().collect()
    }

    /// Whether the program that starts the image can: it may come from the settings, an artifact or a layer.
    fn started<T: FileTree>(&self, tree: &mut T, specs: &[LayerSpec]) -> Result<Vec<Finding>, BoxedError> {
        let cure = self.cure();
        let words = self.start_words();
        let is_own_file = |path: &EntryPath| {
            let entry = specs.iter().rev().find_map(|layer| layer.get(path));
            entry.is_some_and(|entry| matches!(entry.kind, EntryKind::File(_)))
        };
        let path_of =
            |name: &str| name.starts_with('/').then(|| EntryPath::new(name.as_bytes()).ok()).flatten();
        let named = match self.start_word() {
            Some(named) => named,
            // A layer may have the program of the base.
            None => match words.first() {
                Some(name) if path_of(name).is_some_and(|path| is_own_file(&path)) => {
                    NamedProgram { name, setting: None, is_default: false }
                }
                _ => return Ok(Vec::new()),
            },
        };
        let mut image = self.image(tree, &cure);
        let mut findings = Vec::new();
        for path in start::started_by(named.name, words.iter().skip(1).copied()) {
            if is_own_file(&path) {
                findings.extend(start::script_only(&path, &mut image)?);
            }
        }
        let NamedProgram { name, setting, is_default } = named;
        let mut stated = self.requirements.iter().flat_map(|requirements| &requirements.all);
        // An artifact that needs a program on the base has stated it. Its own script is asked for its first line alone.
        if setting.is_none() && stated.any(|stated| matches!(stated, Requirement::Executable { .. })) {
            if let Some(path) = path_of(name).filter(is_own_file) {
                let program = StartProgram {
                    name,
                    role: "the program that starts it".to_owned(),
                    remedy: "set `config.entrypoint`".to_owned(),
                };
                let (finding, _) = executable(&program, &mut image)?;
                findings.push(finding);
                findings.extend(start::script_only(&path, &mut image)?);
            }
            return Ok(findings);
        }
        let is_artifact = |path: &EntryPath| {
            let entry = specs.iter().rev().find_map(|layer| layer.get(path));
            entry.is_some_and(|entry| match &entry.kind {
                EntryKind::File(Content { source: ContentSource::File(file, _), .. }) => {
                    self.requirements.iter().any(|requirements| *requirements.artifact == **file)
                }
                _ => false,
            })
        };
        let program = StartProgram {
            name,
            role: "the program that starts it".to_owned(),
            remedy:
                "correct `config.entrypoint`, use a base that has the program, or add it in a `[[layer]]`"
                    .to_owned(),
        };
        findings.extend(start::check(&program, is_artifact, &mut image)?);
        if is_default {
            findings.iter_mut().for_each(|finding| finding.level = finding.level.min(Severity::Warning));
        }
        let place = setting.and_then(|setting| self.place(setting));
        Ok(findings.into_iter().map(|finding| finding.at_setting(place.clone())).collect())
    }

    /// Whether the image has what the settings tell an interpreter to run.
    fn interpreted<T: FileTree>(&self, tree: &mut T) -> Result<Vec<Finding>, BoxedError> {
        let own = &self.request.settings.config;
        let base = self.config.and_then(|config| config.config.as_ref());
        let of_base = base.and_then(|run| run.entrypoint.as_deref());
        let entrypoint = arguments(&own.entrypoint).or(self.start.entrypoint.as_deref()).or(of_base);
        let cmd = arguments(&own.cmd).unwrap_or_default();
        let entrypoint = entrypoint.unwrap_or_default();
        // The script of a base starts the words of `cmd`.
        let (words, setting, is_default) = if own.entrypoint.is_some() {
            ([entrypoint, cmd].concat(), own.entrypoint.as_ref(), false)
        } else if !interpreted(&[entrypoint, &["x".to_owned()]].concat()).is_empty() {
            ([entrypoint, cmd].concat(), own.cmd.as_ref(), true)
        } else {
            (cmd.to_vec(), own.cmd.as_ref(), true)
        };
        let derived;
        let (words, setting) = match (setting, &self.start.entrypoint) {
            (Some(setting), _) => (words, Some(setting)),
            // Artifacts of other kinds know their file.
            (None, Some(start)) if starts_java(start) => {
                derived = [start.as_slice(), self.start.cmd.as_deref().unwrap_or_default()].concat();
                (derived, None)
            }
            (None, _) => return Ok(Vec::new()),
        };
        let is_derived = setting.is_none();
        let cure = self.cure();
        let mut image = self.image(tree, &cure);
        let options = JAVA_OPTIONS.iter().filter_map(|name| self.variable(name));
        let command = InterpretedCommand {
            words: &words,
            python_path: self.variable("PYTHONPATH"),
            class_path: self.variable("CLASSPATH"),
            changes_classes: options.into_iter().any(|options| java_options_change_classes(&options)),
        };
        let mut findings = command.findings(&mut image)?;
        // Of a program that may not be there, this is no other question.
        if findings.iter().any(|finding| finding.answer == Answer::Unknown) {
            let name = words.first().map(String::as_str).unwrap_or_default();
            let program = StartProgram { name, role: String::new(), remedy: String::new() };
            if executable(&program, &mut image)?.1.is_none() {
                findings.retain(|finding| finding.answer != Answer::Unknown);
            }
        }
        if is_derived {
            findings.retain(|finding| finding.answer != Answer::Unknown);
        } else if is_default {
            findings.iter_mut().for_each(|finding| finding.level = finding.level.min(Severity::Warning));
        }
        let place = setting.and_then(|setting| self.place(setting));
        Ok(findings.into_iter().map(|finding| finding.at_setting(place.clone())).collect())
    }

    /// Whether the directory that a container starts in can be one: an engine makes it where it is missing.
    fn directory<T: FileTree>(&self, tree: &mut T) -> Result<Option<Finding>, BoxedError> {
        let cure = self.cure();
        let image = self.image(tree, &cure);
        let Some(directory) = image.directory.filter(|directory| !directory.is_empty()) else {
            return Ok(None);
        };
        // A directory below a file cannot be made either.
        let parts = directory.match_indices('/').map(|(at, _)| at).chain([directory.len()]);
        let mut in_the_way = None;
        for end in parts.filter(|end| *end > 0).take(MAX_PARTS) {
            match follow(image.tree, &directory.as_bytes()[..end])? {
                BaseAnswer::Here((file, BaseNode::File(_))) => {
                    in_the_way = Some((file, end < directory.len()));
                    break;
                }
                BaseAnswer::Here(_) => {}
                BaseAnswer::Nothing | BaseAnswer::Unknown => break,
            }
        }
        let Some((file, is_above)) = in_the_way else { return Ok(None) };
        let is = if is_above { "is below a file" } else { "is a file" };
        let message = format!(
            "`{}`, the directory in which a container starts, {is} in the image: `{file}`",
            shown(directory.as_bytes())
        );
        let place = self.request.settings.config.workdir.as_ref().and_then(|setting| self.place(setting));
        let hint = "set `config.workdir` to a directory";
        Ok(Some(Finding::not_met(Rule::EntrypointMissing, message).hint(hint).at_setting(place)))
    }

    /// Whether the image has the program of the health check in the settings. An application runs without it, but is never
    /// healthy.
    fn health_command<T: FileTree>(&self, tree: &mut T) -> Result<Option<Finding>, BoxedError> {
        let Some(setting) = &self.request.settings.config.healthcheck else { return Ok(None) };
        let test = setting.value.to_image().test;
        let (name, is_shell) = match &test[..] {
            [form, program, ..] if form == "CMD" => (program.as_str(), false),
            [form, command, ..] if form == "CMD-SHELL" => match first_program(command) {
                Some(program) => (program, true),
                None => ("/bin/sh", false),
            },
            _ => return Ok(None),
        };
        let cure = self.cure();
        let mut image = self.image(tree, &cure);
        let remedy = "use a base that has it, add it in a `[[layer]]`, or have the application check itself";
        let role = "the program of `config.healthcheck`";
        let program = |name| StartProgram { name, role: role.to_owned(), remedy: remedy.to_owned() };
        let (mut finding, _) = executable(&program(if is_shell { "/bin/sh" } else { name }), &mut image)?;
        if is_shell && finding.answer == Answer::Met {
            (finding, _) = executable(&program(name), &mut image)?;
        }
        // An image whose program is not known runs all the same.
        let level = match finding.answer {
            Answer::Met => finding.level,
            Answer::NotMet => Severity::Warning,
            Answer::Unknown => Severity::Note,
        };
        Ok(Some(finding.at(level).at_setting(self.place(setting))))
    }

    /// Whether the user may read and write what it must.
    fn rights<T: FileTree>(&self, tree: &mut T, specs: &[LayerSpec]) -> Result<Vec<Finding>, BoxedError> {
        let settings = &self.request.settings;
        let directories = settings.layers.iter().flat_map(|layer| &layer.directories);
        let directories = directories.filter(|directory| access::is_to_write_to(directory));
        let directories = directories.filter_map(|directory| WritableDirectory::of(&directory.path, false));
        let volumes = settings.config.volumes.iter().filter_map(|volume| WritableDirectory::of(volume, true));
        let writable: Vec<WritableDirectory<'_>> = directories.chain(volumes).collect();
        let cure = self.cure();
        let place = |setting: &Spanned<ImagePath>| self.place(setting);
        let told = (self.request.most_findings, place);
        access::check(specs, &writable, told, &mut self.image(tree, &cure))
    }

    /// Whether the user exists, where the settings give a name.
    fn user<T: FileTree>(&self, tree: &mut T) -> Result<Vec<Finding>, BoxedError> {
        let Some(user) = &self.request.settings.config.user else { return Ok(Vec::new()) };
        let cure = self.cure();
        let mut image = self.image(tree, &cure);
        let mut findings = Vec::new();
        for account in Account::named_in(user.value.as_str()) {
            findings.extend(check(&Requirement::Account(account), "", &mut image)?);
        }
        let place = self.place(user);
        Ok(findings.into_iter().map(|finding| finding.at_setting(place.clone())).collect())
    }
}

/// Whether a layer has the certificates that TLS clients look for.
pub(in crate::engine) fn has_certificates(layers: &[PlannedLayer]) -> bool {
    let path = EntryPath::new(b"etc/ssl/certs/ca-certificates.crt");
    let is_there = |path: &EntryPath| {
        layers.iter().any(|layer| layer.spec.get(path).is_some_and(|entry| !entry.is_directory()))
    };
    path.is_ok_and(|path| is_there(&path))
}

/// A container starts in no directory that is deeper.
const MAX_PARTS: usize = 256;

/// The variables with options of Java.
const JAVA_OPTIONS: [&str; 3] = ["JDK_JAVA_OPTIONS", "JAVA_TOOL_OPTIONS", "_JAVA_OPTIONS"];

fn starts_java(words: &[String]) -> bool {
    interpreted(words).iter().any(|(_, run)| matches!(run, Interpreted::Java(_)))
}

/// The program that a command of a shell begins with; `None` where it is no plain name.
fn first_program(command: &str) -> Option<&str> {
    let word = command.split([' ', '\t', '\n', ';', '&', '|', '>', '<']).find(|word| !word.is_empty())?;
    let is_plain =
        |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'/' | b'.' | b'_' | b'-' | b'+');
    (word.bytes().all(is_plain) && !WORDS_OF_SHELLS.contains(&word)).then_some(word)
}

/// Words that no program is started by: those of the shell's language, and its own commands.
const WORDS_OF_SHELLS: [&str; 28] = [
    ".", ":", "[", "break", "case", "cd", "command", "continue", "echo", "eval", "exec", "exit", "export",
    "false", "for", "if", "kill", "printf", "read", "set", "test", "time", "trap", "true", "type", "until",
    "wait", "while",
];

fn arguments(setting: &Option<Spanned<Arguments>>) -> Option<&[String]> {
    setting.as_ref().map(|words| words.value.as_slice())
}

/// Whether files of the image decide a requirement.
const fn needs_files(requirement: &Requirement) -> bool {
    !matches!(requirement, Requirement::Platform(_) | Requirement::Servlet(_))
}
