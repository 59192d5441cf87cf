//! All stages of a file: each instruction changes the one that it stands in.

use std::collections::BTreeMap;

use super::super::ImportSurroundings;
use super::super::draft::{BuildFileDraft, DraftCheck, list, quoted};
use super::super::error::ImportError;
use super::super::remark::Remark;
use super::super::setting::shortened;
use super::budget::ImportBudget;
use super::command::{self, StartCommand};
use super::copies;
use super::copy::CopySource;
use super::lines::Instruction;
use super::place::place;
use super::project::ProjectView;
use super::run;
use super::stage::{ImageStage, WorkingPlace};
use super::values::{duration, signal, user};
use super::words::{StageVariables, UnknownVariable, expand, words};

/// StageVariables that BuildKit sets by the platform that is built for.
const OF_PLATFORM: [&str; 8] = [
    "TARGETPLATFORM",
    "TARGETOS",
    "TARGETARCH",
    "TARGETVARIANT",
    "BUILDPLATFORM",
    "BUILDOS",
    "BUILDARCH",
    "BUILDVARIANT",
];

/// The bytes that all stages may take together, each with those of the stage that it begins with.
const MAX_STAGES: usize = 8 << 20;
/// The bytes of a stage besides its text, and those of an instruction.
const EACH_STAGE: usize = 512;
const EACH_INSTRUCTION: usize = 64;

/// The stages of a file.
pub(super) struct ImageStages {
    escape: char,
    /// The variables before the first `FROM`.
    global: StageVariables,
    all: Vec<ImageStage>,
    /// The bytes that all of them take.
    taken: usize,
    budget: ImportBudget,
}

impl ImageStages {
    pub(super) fn new(escape: char) -> Self {
        Self {
            escape,
            global: StageVariables::default(),
            all: Vec::new(),
            taken: 0,
            budget: ImportBudget::default(),
        }
    }

    /// Whether it takes more steps to follow them than a file of a person does.
    pub(super) fn is_spent(&self) -> bool {
        self.budget.is_spent()
    }

    pub(super) fn last(&self) -> Option<usize> {
        self.all.len().checked_sub(1)
    }

    /// A stage by its name or number.
    pub(super) fn find(&self, name: &str) -> Option<usize> {
        find_in(&self.all, name)
    }

    /// Follows one instruction.
    pub(super) fn add(&mut self, instruction: &Instruction) -> Result<(), ImportError> {
        let Instruction { line, keyword, rest, .. } = instruction;
        let wrong =
            |why: &str| ImportError::Wrong { line: *line, instruction: keyword.clone(), why: why.to_owned() };
        if rest.is_empty() {
            return Err(match KNOWN.contains(&keyword.as_str()) {
                true => wrong("has nothing behind it"),
                false => ImportError::Instruction { line: *line, word: keyword.clone() },
            });
        }
        match keyword.as_str() {
            "FROM" => return self.from(*line, rest),
            "ARG" if self.all.is_empty() => {
                for (name, value) in self.pairs(rest) {
                    let value = value.and_then(|value| expand(&value, self.escape, &self.global).ok());
                    self.global.set(&name, value);
                }
                return Ok(());
            }
            _ if !KNOWN.contains(&keyword.as_str()) => {
                return Err(ImportError::Instruction { line: *line, word: keyword.clone() });
            }
            _ if self.all.is_empty() => return Err(wrong("comes before the first `FROM`")),
            _ => {}
        }
        let escape = self.escape;
        let pairs = self.pairs(rest);
        let Some((stage, earlier)) = self.all.split_last_mut() else { return Err(ImportError::Empty) };
        // Each value with a name is kept twice: by itself, and with its line.
        let copies = if NAMED.contains(&keyword.as_str()) { 2 } else { 1 };
        stage.bytes += rest.len() * copies + EACH_INSTRUCTION;
        let outcome = match keyword.as_str() {
            "ARG" => argument(stage, &self.global, &pairs, escape),
            "ENV" => env(stage, *line, &or_old_form(rest, pairs), escape),
            "LABEL" => label(stage, *line, &or_old_form(rest, pairs), escape),
            "MAINTAINER" => {
                stage.lines.set("labels", "maintainer", *line);
                stage.config.labels.insert("maintainer".to_owned(), rest.clone());
                Ok(())
            }
            "EXPOSE" => each(rest, escape, &stage.variables).map(|ports| {
                for port in ports {
                    match exposed(&port) {
                        Some(port) => {
                            stage.lines.set("ports", &port, *line);
                            stage.config.ports.push(port);
                        }
                        None => stage.left(*line, format!("`EXPOSE {}` names no port", shortened(&port))),
                    }
                }
            }),
            "USER" => {
                let given = expand(rest, escape, &stage.variables);
                stage.is_user_lost = given.is_err();
                stage.lines.set("user", "", *line);
                given.map(|given| stage.config.user = Some(user(&given)))
            }
            "WORKDIR" => match expand(rest, escape, &stage.variables) {
                Ok(path) => {
                    stage.lines.set("workdir", "", *line);
                    if !stage.enter(*line, &path) {
                        let text =
                            "the working directory of the base is not known here; write the whole path";
                        stage.left(*line, format!("`WORKDIR {}`: {text}", shortened(&path)));
                    }
                    Ok(())
                }
                Err(unknown) => {
                    stage.place = WorkingPlace::Lost;
                    Err(unknown)
                }
            },
            "VOLUME" => {
                let given = command::exec_form(rest).unwrap_or_else(|| words(rest, escape));
                let paths: Result<Vec<String>, _> =
                    given.iter().map(|path| expand(path, escape, &stage.variables)).collect();
                paths.map(|paths| {
                    let paths: Vec<String> = paths.iter().map(|path| stage.path(path)).collect();
                    paths.iter().for_each(|path| stage.lines.set("volumes", path, *line));
                    stage.config.volumes.extend(paths);
                })
            }
            "STOPSIGNAL" => {
                stage.lines.set("stop-signal", "", *line);
                let given = expand(rest, escape, &stage.variables);
                given.map(|given| stage.config.stop_signal = Some(signal(&given)))
            }
            "SHELL" => match command::exec_form(rest) {
                Some(shell) => {
                    stage.shell = shell;
                    Ok(())
                }
                None => return Err(wrong("takes a list in JSON, such as [\"/bin/bash\", \"-c\"]")),
            },
            "ENTRYPOINT" => {
                stage.lines.set("entrypoint", "", *line);
                stage.command = Some(StartCommand::of(*line, rest, &stage.shell));
                // The arguments so far belong to another program.
                stage.arguments = None;
                Ok(())
            }
            "CMD" => {
                stage.lines.set("cmd", "", *line);
                stage.arguments = Some(StartCommand::of(*line, rest, &stage.shell));
                Ok(())
            }
            "HEALTHCHECK" => match health(rest, &stage.shell) {
                Ok(check) => {
                    stage.lines.set("healthcheck", "", *line);
                    stage.config.healthcheck = Some(check);
                    Ok(())
                }
                Err(why) => return Err(wrong(&why)),
            },
            "COPY" | "ADD" => {
                let known = |name: &str| find_in(earlier, name).map(CopySource::Stage);
                copies::read(stage, instruction, escape, &known)?;
                Ok(())
            }
            "RUN" => {
                run::follow(stage, instruction);
                Ok(())
            }
            _ => {
                stage.left(
                    *line,
                    format!("`{keyword} {}` is for images that are built on this one", shortened(rest)),
                );
                Ok(())
            }
        };
        for name in stage.variables.defaults_taken() {
            stage
                .check(*line, format!("the argument `{name}` counts as not given: its other value is taken"));
        }
        if let Err(UnknownVariable(name)) = outcome {
            let shown = shortened(rest);
            stage.left(
                *line,
                format!("`{keyword} {shown}`: the value of `{name}` is not known here; write the value into the new file yourself"),
            );
        }
        Ok(())
    }

    /// Names, each with the value behind its `=`.
    fn pairs(&self, rest: &str) -> Vec<(String, Option<String>)> {
        let pair = |word: &String| match word.split_once('=') {
            Some((name, value)) => (name.to_owned(), Some(value.to_owned())),
            None => (word.clone(), None),
        };
        words(rest, self.escape).iter().map(pair).collect()
    }

    fn from(&mut self, line: usize, rest: &str) -> Result<(), ImportError> {
        let wrong =
            |why: &str| ImportError::Wrong { line, instruction: "FROM".to_owned(), why: why.to_owned() };
        let mut split = words(rest, self.escape);
        let mut platform = None;
        while split.first().is_some_and(|word| word.starts_with("--")) {
            let flag = split.remove(0);
            let Some(value) = flag.strip_prefix("--platform=") else {
                return Err(wrong(&format!("has no flag `{flag}`")));
            };
            platform = expand(value, self.escape, &self.global).ok();
        }
        let (image, name) = match &split[..] {
            [image] => (image, None),
            [image, between, name] if between.eq_ignore_ascii_case("as") => (image, Some(name.clone())),
            _ => return Err(wrong("takes an image, and then at most `AS` and a name")),
        };
        let image = expand(image, self.escape, &self.global);
        let mut stage = match image.as_deref().ok().and_then(|image| self.find(image)) {
            Some(number) => self.all[number].clone(),
            None => {
                let variables = self.global.empty();
                let place = WorkingPlace::of(image.as_deref().ok());
                let budget = self.budget.clone();
                ImageStage { shell: default_shell(), variables, place, budget, ..ImageStage::default() }
            }
        };
        stage.lines.set("platforms", "", line);
        if stage.base.is_none() {
            // The whole begins here, too.
            stage.lines.set("", "", line);
            match image {
                Ok(image) => stage.base = Some(image),
                Err(UnknownVariable(name)) => stage.left(
                    line,
                    format!(
                        "`FROM {rest}`: the value of `{name}` is not known here; write the base yourself"
                    ),
                ),
            }
        }
        stage.variables = stage.variables.without_arguments();
        (stage.name, stage.platform) = (name, platform.or(stage.platform));
        self.taken += stage.bytes + EACH_STAGE;
        if self.taken > MAX_STAGES {
            return Err(ImportError::TooMuch { line, what: "stages", most: "8 MiB" });
        }
        self.all.push(stage);
        Ok(())
    }

    /// The build file of a stage.
    pub(super) fn draft(
        &self,
        number: usize,
        around: &ImportSurroundings<'_>,
    ) -> (BuildFileDraft, Vec<Remark>) {
        let stage = &self.all[number];
        let mut remarks = stage.remarks.clone();
        let mut config = stage.config.clone();
        if stage.place == WorkingPlace::Known && !stage.workdir.is_empty() && stage.workdir != "/" {
            config.workdir = Some(stage.workdir.clone());
        }
        let mut draft = BuildFileDraft {
            base: stage.base.clone(),
            platforms: stage.platform.iter().filter(|platform| platform.contains('/')).cloned().collect(),
            users: stage.users.clone(),
            lines: stage.lines.clone(),
            ..BuildFileDraft::default()
        };
        let start =
            command::ContainerStart { entrypoint: stage.command.as_ref(), cmd: stage.arguments.as_ref() };
        let project = ProjectView::new(around, self.budget.clone());
        place(&self.all, stage, &start, &project, &mut draft, &mut config, &mut remarks);
        draft.config = config;
        for (name, number, line) in stage.groups_without_users() {
            remarks.push(match number {
                Some(number) if draft.number_group(name, number) => Remark::check(
                    line,
                    format!("the group `{name}` has no user here and no name in the image: its number {number} is the owner"),
                ),
                _ => Remark::left(line, format!("the group `{name}` has no user here: give it one in a `[[user]]`")),
            });
        }
        (draft, remarks)
    }
}

/// The instructions with several values.
const NAMED: [&str; 4] = ["ENV", "EXPOSE", "LABEL", "VOLUME"];

const KNOWN: [&str; 18] = [
    "ADD",
    "ARG",
    "CMD",
    "COPY",
    "ENTRYPOINT",
    "ENV",
    "EXPOSE",
    "FROM",
    "HEALTHCHECK",
    "LABEL",
    "MAINTAINER",
    "ONBUILD",
    "RUN",
    "SHELL",
    "STOPSIGNAL",
    "USER",
    "VOLUME",
    "WORKDIR",
];

/// The shell that runs a text, unless `SHELL` names another one.
fn default_shell() -> Vec<String> {
    vec!["/bin/sh".to_owned(), "-c".to_owned()]
}

/// A stage by its name or number; of two with one name, the later one.
fn find_in(stages: &[ImageStage], name: &str) -> Option<usize> {
    let named = |stage: &ImageStage| stage.name.as_deref().is_some_and(|own| own.eq_ignore_ascii_case(name));
    let number = || name.parse().ok().filter(|number| *number < stages.len());
    stages.iter().rposition(named).or_else(number)
}

/// All words with the values of their variables.
fn each(rest: &str, escape: char, variables: &StageVariables) -> Result<Vec<String>, UnknownVariable> {
    words(rest, escape).iter().map(|word| expand(word, escape, variables)).collect()
}

/// A port, or a range of some, as `[config]` has it.
fn exposed(port: &str) -> Option<String> {
    let port = port.to_ascii_lowercase();
    let (numbers, protocol) = port.split_once('/').unwrap_or((&port, "tcp"));
    let (first, last) = numbers.split_once('-').unwrap_or((numbers, numbers));
    let number = |text: &str| text.parse::<u16>().ok().filter(|number| *number > 0);
    let (first, last) = (number(first)?, number(last)?);
    if first > last || !["tcp", "udp", "sctp"].contains(&protocol) {
        return None;
    }
    let numbers = if first == last { first.to_string() } else { format!("{first}-{last}") };
    Some(if protocol == "tcp" { numbers } else { format!("{numbers}/{protocol}") })
}

type Pairs = [(String, Option<String>)];

/// The older form of `ENV` and `LABEL` has one name, and the rest of the line is its value.
fn or_old_form(rest: &str, pairs: Vec<(String, Option<String>)>) -> Vec<(String, Option<String>)> {
    match (pairs.first(), rest.split_once(char::is_whitespace)) {
        (Some((_, None)), Some((name, value))) => vec![(name.to_owned(), Some(value.trim().to_owned()))],
        _ => pairs,
    }
}

fn argument(
    stage: &mut ImageStage,
    global: &StageVariables,
    pairs: &Pairs,
    escape: char,
) -> Result<(), UnknownVariable> {
    for (name, value) in pairs {
        // A variable of the environment wins over an argument.
        if stage.config.env.contains_key(name) {
            continue;
        }
        let value = match value {
            _ if OF_PLATFORM.contains(&name.as_str()) => None,
            Some(value) => Some(expand(value, escape, &stage.variables)?),
            None if global.has(name) => global.get(name).map(str::to_owned),
            None => {
                stage.variables.set_absent(name);
                continue;
            }
        };
        stage.variables.set_argument(name, value);
    }
    Ok(())
}

fn env(stage: &mut ImageStage, line: usize, pairs: &Pairs, escape: char) -> Result<(), UnknownVariable> {
    // All values of one instruction see the variables as they were before it.
    let value = |(name, value): &(String, Option<String>)| {
        (name.clone(), expand(value.as_deref().unwrap_or(""), escape, &stage.variables))
    };
    let values: Vec<_> = pairs.iter().map(value).collect();
    let mut outcome = Ok(());
    for (name, value) in values {
        match value {
            Ok(value) => {
                stage.variables.set(&name, Some(value.clone()));
                stage.lines.set("env", &name, line);
                stage.config.env.insert(name, value);
            }
            Err(unknown) => {
                stage.variables.set(&name, None);
                outcome = Err(unknown);
            }
        }
    }
    outcome
}

fn label(stage: &mut ImageStage, line: usize, pairs: &Pairs, escape: char) -> Result<(), UnknownVariable> {
    for (name, value) in pairs {
        let name = expand(name, escape, &stage.variables)?;
        let value = expand(value.as_deref().unwrap_or(""), escape, &stage.variables)?;
        stage.lines.set("labels", &name, line);
        stage.config.labels.insert(name, value);
    }
    Ok(())
}

/// `HEALTHCHECK NONE`, or settings and `CMD`.
fn health(rest: &str, shell: &[String]) -> Result<DraftCheck, String> {
    let mut settings = BTreeMap::new();
    let mut rest = rest.trim();
    while let Some(flag) = rest.strip_prefix("--") {
        let (flag, after) = flag.split_once(char::is_whitespace).unwrap_or((flag, ""));
        let (name, value) = flag.split_once('=').unwrap_or((flag, ""));
        let key = ["interval", "timeout", "start-period", "start-interval", "retries"];
        let Some(key) = key.into_iter().find(|key| *key == name) else {
            return Err(format!("has no flag `--{name}`"));
        };
        // Of a value of zero, Docker decides.
        let value = match key {
            "retries" => {
                let number = value.parse::<u32>().map_err(|_| "has no number of `retries`".to_owned())?;
                (number > 0).then(|| number.to_string())
            }
            _ => duration(value).map(|value| quoted(&value)),
        };
        match value {
            Some(value) => settings.insert(key, value),
            None => settings.remove(key),
        };
        rest = after.trim_start();
    }
    let (keyword, command) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
    match (keyword.to_ascii_uppercase().as_str(), command.trim()) {
        ("NONE", "") => Ok(DraftCheck::None),
        ("CMD", command) if !command.is_empty() => {
            let command = match command::exec_form(command) {
                Some(words) => list(&words),
                None if shell == default_shell() => quoted(command),
                None => list(&[shell, &[command.to_owned()]].concat()),
            };
            Ok(DraftCheck::Command { command, settings })
        }
        _ => Err("takes `NONE`, or `CMD` and a command".to_owned()),
    }
}
