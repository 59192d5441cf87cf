//! A build file that is to be written.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

mod left_out;
mod lines;

pub use self::lines::DraftLines;
pub(super) use self::lines::{SourceLine, line_name};
use super::remark::{Remark, Weight};
use crate::types::shown::{one_line, toml_text};

/// A build file, and what to know about it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Imported {
    /// The build file.
    pub draft: BuildFileDraft,
    /// In the order of their lines.
    pub remarks: Vec<Remark>,
}

/// The content of a new `build.toml`. Paths on disk are relative to it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BuildFileDraft {
    /// The repository that the description names, if it does.
    pub name: Option<String>,
    /// The tags that it names.
    pub tags: Vec<String>,
    /// The base, if it is known.
    pub base: Option<String>,
    /// The platforms, if not all that there are.
    pub platforms: Vec<String>,
    /// The artifacts.
    pub apps: Vec<DraftApp>,
    /// Layers besides those of the artifacts, bottom first.
    pub layers: Vec<DraftLayer>,
    /// Users that the base lacks.
    pub users: Vec<DraftUser>,
    /// How a container starts.
    pub config: DraftConfig,
    /// The lines that the values come from.
    pub lines: DraftLines,
}

/// An artifact.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DraftApp {
    /// Where it is on disk.
    pub path: String,
    /// Where it is for each platform, instead, if there are several.
    pub paths: Vec<String>,
    /// The commands that make it.
    pub commands: Vec<String>,
    /// Its kind, where it must not be detected.
    pub kind: Option<&'static str>,
    /// Where it goes, if not to the usual place.
    pub root: Option<String>,
    /// Who owns its files.
    pub owner: Option<String>,
    /// The mode of its files, if not the usual one.
    pub mode: Option<String>,
    /// Patterns of files that are taken, if not all.
    pub include: Vec<String>,
    /// Patterns of files that are left out.
    pub exclude: Vec<String>,
}

/// A layer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DraftLayer {
    /// Its name.
    pub name: String,
    /// The files that are copied.
    pub files: Vec<DraftFiles>,
    /// Directories that are made, each with its owner and mode.
    pub directories: Vec<(String, Option<String>, Option<String>)>,
    /// Links that are made.
    pub links: Vec<DraftLink>,
    /// Modes of some of its paths.
    pub modes: Vec<(String, String)>,
}

/// Files that are copied.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DraftFiles {
    /// A file or directory on disk.
    pub from: String,
    /// Its place in the image.
    pub to: String,
    /// Patterns of files of a directory that are taken, if not all.
    pub include: Vec<String>,
    /// Patterns of files of it that are left out.
    pub exclude: Vec<String>,
    /// The mode of files, if not the usual one.
    pub mode: Option<String>,
    /// The owner, if not 0:0.
    pub owner: Option<String>,
}

/// A symbolic link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DraftLink {
    /// Where it is.
    pub path: String,
    /// Where it leads.
    pub to: String,
}

/// A user to add.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DraftUser {
    /// The name.
    pub name: String,
    /// The number.
    pub uid: u32,
    /// The first group.
    pub group: Option<String>,
    /// Its number.
    pub gid: Option<u32>,
    /// The home directory.
    pub home: Option<String>,
    /// The shell.
    pub shell: Option<String>,
    /// More groups.
    pub groups: Vec<String>,
}

/// How a container starts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DraftConfig {
    /// Variables.
    pub env: BTreeMap<String, String>,
    /// Ports, as `8080` or `8080/udp`.
    pub ports: Vec<String>,
    /// Directories for data.
    pub volumes: BTreeSet<String>,
    /// Who runs it.
    pub user: Option<String>,
    /// Where it starts.
    pub workdir: Option<String>,
    /// The program and its first arguments.
    pub entrypoint: Option<Vec<String>>,
    /// The arguments that a user may replace.
    pub cmd: Option<Vec<String>>,
    /// Labels, as plain texts.
    pub labels: BTreeMap<String, String>,
    /// How its health is asked for.
    pub healthcheck: Option<DraftCheck>,
    /// The signal that stops it.
    pub stop_signal: Option<String>,
}

/// How the health of a container is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DraftCheck {
    /// Not at all, whatever the base says.
    None,
    /// By a command, with its settings by their keys in `build.toml`.
    Command {
        /// The command as TOML.
        command: String,
        /// Durations and the count, as TOML.
        settings: BTreeMap<&'static str, String>,
    },
}

/// A text as TOML writes it.
pub(super) fn quoted(text: &str) -> String {
    toml_text(text)
}

/// A list of texts as TOML writes it.
pub(super) fn list(texts: &[String]) -> String {
    let texts: Vec<String> = texts.iter().map(|text| quoted(text)).collect();
    format!("[{}]", texts.join(", "))
}

/// A table in one line.
fn table<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> String {
    let is_bare = |key: &str| {
        !key.is_empty() && key.chars().all(|letter| letter.is_ascii_alphanumeric() || "-_".contains(letter))
    };
    let pair = |(key, value): (&str, &str)| match is_bare(key) {
        true => format!("{key} = {value}"),
        false => format!("{} = {value}", quoted(key)),
    };
    let pairs: Vec<String> = pairs.into_iter().map(pair).collect();
    format!("{{ {} }}", pairs.join(", "))
}

/// A label is a template, in which a brace stands for itself when it is written twice.
fn plain_template(text: &str) -> String {
    quoted(&text.replace('{', "{{").replace('}', "}}"))
}

impl BuildFileDraft {
    /// Puts the number of a group in its place wherever it is an owner; whether it was one.
    pub(super) fn number_group(&mut self, name: &str, number: u32) -> bool {
        let apps = self.apps.iter_mut().map(|app| &mut app.owner);
        let of_layers = self.layers.iter_mut().flat_map(|layer| {
            let files = layer.files.iter_mut().map(|files| &mut files.owner);
            files.chain(layer.directories.iter_mut().map(|(_, owner, _)| owner))
        });
        let mut is_one = false;
        for owner in apps.chain(of_layers).chain([&mut self.config.user]).flatten() {
            if let Some(user) = owner.strip_suffix(name).and_then(|user| user.strip_suffix(':')) {
                *owner = format!("{user}:{number}");
                is_one = true;
            }
        }
        is_one
    }

    /// The text of the file, for the image `name`, with the remarks as comments at its beginning.
    #[must_use]
    pub fn render<'a>(&self, name: impl Into<Option<&'a str>>, remarks: &[Remark]) -> String {
        let mut text = String::from("format = 1\n\n");
        for (weight, head) in [
            (Weight::Left, "# Not in this image, by the lines that say so:\n"),
            (Weight::Check, "# To be looked at, by the lines that it comes from:\n"),
        ] {
            let mut of_weight = remarks.iter().filter(|remark| remark.weight == weight).peekable();
            if of_weight.peek().is_some() {
                text.push_str(head);
                of_weight.for_each(|remark| text.push_str(&comment(&remark.to_string())));
                text.push('\n');
            }
        }
        text.push_str("[image]\n");
        match name.into() {
            Some(name) => _ = writeln!(text, "name = {}", quoted(name)),
            None => text.push_str("# name = \"…\"\n"),
        }
        match &self.base {
            Some(base) => _ = writeln!(text, "base = {}", quoted(base)),
            None => text.push_str("# base = \"…\"\n"),
        }
        if !self.tags.is_empty() {
            let tags: Vec<String> = self.tags.iter().map(|tag| plain_template(tag)).collect();
            let _ = writeln!(text, "tags = [{}]", tags.join(", "));
        }
        if !self.platforms.is_empty() {
            let _ = writeln!(text, "platforms = {}", list(&self.platforms));
        }
        self.apps.iter().for_each(|app| app.render(self.apps.len() > 1, &mut text));
        self.layers.iter().for_each(|layer| layer.render(&mut text));
        self.users.iter().for_each(|user| user.render(&mut text));
        self.config.render(&mut text);
        text
    }
}

/// A remark as lines of a comment.
fn comment(text: &str) -> String {
    let mut lines = vec![String::from("#")];
    for word in text.split_whitespace() {
        let last = lines.last_mut().unwrap_or_else(|| unreachable!("there is a first line"));
        match last.len() + word.len() < 118 || last.trim_end().len() <= 3 {
            true => _ = write!(last, " {word}"),
            false => lines.push(format!("#   {word}")),
        }
    }
    lines.join("\n") + "\n"
}

fn key(text: &mut String, key: &str, value: Option<String>) {
    if let Some(value) = value {
        let _ = writeln!(text, "{key} = {value}");
    }
}

impl DraftApp {
    fn render(&self, several: bool, text: &mut String) {
        let _ = writeln!(text, "\n{}", if several { "[[app]]" } else { "[app]" });
        for command in &self.commands {
            let _ = writeln!(text, "# `{}` makes the artifact.", one_line(command));
        }
        match &self.paths[..] {
            [] => _ = writeln!(text, "path = {}", quoted(&self.path)),
            paths => _ = writeln!(text, "path = {}", list(paths)),
        }
        key(text, "kind", self.kind.map(quoted));
        key(text, "root", self.root.as_deref().map(quoted));
        key(text, "owner", self.owner.as_deref().map(quoted));
        key(text, "mode", self.mode.as_deref().map(quoted));
        key(text, "include", (!self.include.is_empty()).then(|| list(&self.include)));
        key(text, "exclude", (!self.exclude.is_empty()).then(|| list(&self.exclude)));
    }
}

impl DraftLayer {
    fn render(&self, text: &mut String) {
        let _ = writeln!(text, "\n[[layer]]\nname = {}", quoted(&self.name));
        let files = self.files.iter().map(DraftFiles::toml);
        let directories = self.directories.iter().map(|(path, owner, mode)| {
            let (path, owner, mode) =
                (quoted(path), owner.as_deref().map(quoted), mode.as_deref().map(quoted));
            let rest = [("owner", &owner), ("mode", &mode)];
            let rest = rest.into_iter().filter_map(|(key, value)| Some((key, value.as_deref()?)));
            table([("path", path.as_str())].into_iter().chain(rest))
        });
        let links = self
            .links
            .iter()
            .map(|link| table([("path", quoted(&link.path).as_str()), ("to", quoted(&link.to).as_str())]));
        rows(text, "files", files);
        rows(text, "directories", directories);
        rows(text, "links", links);
        let modes = self
            .modes
            .iter()
            .map(|(path, mode)| table([("path", quoted(path).as_str()), ("mode", quoted(mode).as_str())]));
        rows(text, "permissions", modes);
    }
}

/// An array of tables, one in a line.
fn rows(text: &mut String, key: &str, rows: impl Iterator<Item = String>) {
    let rows: Vec<String> = rows.collect();
    match &rows[..] {
        [] => {}
        [one] => _ = writeln!(text, "{key} = [{one}]"),
        rows => _ = writeln!(text, "{key} = [\n    {},\n]", rows.join(",\n    ")),
    }
}

impl DraftFiles {
    fn toml(&self) -> String {
        let some = |list_of: &[String]| (!list_of.is_empty()).then(|| list(list_of));
        let pairs = [
            ("from", Some(quoted(&self.from))),
            ("to", Some(quoted(&self.to))),
            ("include", some(&self.include)),
            ("exclude", some(&self.exclude)),
            ("mode", self.mode.as_deref().map(quoted)),
            ("owner", self.owner.as_deref().map(quoted)),
        ];
        table(pairs.iter().filter_map(|(key, value)| Some((*key, value.as_deref()?))))
    }
}

impl DraftUser {
    fn render(&self, text: &mut String) {
        let _ = writeln!(text, "\n[[user]]\nname = {}\nuid = {}", quoted(&self.name), self.uid);
        key(text, "group", self.group.as_deref().map(quoted));
        key(text, "gid", self.gid.map(|number| number.to_string()));
        key(text, "home", self.home.as_deref().map(quoted));
        key(text, "shell", self.shell.as_deref().map(quoted));
        key(text, "groups", (!self.groups.is_empty()).then(|| list(&self.groups)));
    }
}

impl DraftConfig {
    fn render(&self, text: &mut String) {
        if *self == Self::default() {
            return;
        }
        text.push_str("\n[config]\n");
        let pairs = |of: &BTreeMap<String, String>, value: fn(&str) -> String| {
            let values: Vec<(&str, String)> =
                of.iter().map(|(key, text)| (key.as_str(), value(text))).collect();
            (!values.is_empty()).then(|| table(values.iter().map(|(key, value)| (*key, value.as_str()))))
        };
        key(text, "env", pairs(&self.env, quoted));
        key(text, "ports", (!self.ports.is_empty()).then(|| ports(&self.ports)));
        let volumes: Vec<String> = self.volumes.iter().cloned().collect();
        key(text, "volumes", (!volumes.is_empty()).then(|| list(&volumes)));
        key(text, "user", self.user.as_deref().map(quoted));
        key(text, "workdir", self.workdir.as_deref().map(quoted));
        key(text, "entrypoint", self.entrypoint.as_deref().map(list));
        key(text, "cmd", self.cmd.as_deref().map(list));
        key(text, "labels", pairs(&self.labels, plain_template));
        let check = self.healthcheck.as_ref().map(|check| match check {
            DraftCheck::None => "false".to_owned(),
            DraftCheck::Command { command, settings } => {
                let settings = settings.iter().map(|(key, value)| (*key, value.as_str()));
                table([("cmd", command.as_str())].into_iter().chain(settings))
            }
        });
        key(text, "healthcheck", check);
        key(text, "stop-signal", self.stop_signal.as_deref().map(quoted));
    }
}

fn ports(ports: &[String]) -> String {
    let port = |port: &String| match port.parse::<u16>() {
        Ok(number) => number.to_string(),
        Err(_) => quoted(port),
    };
    format!("[{}]", ports.iter().map(port).collect::<Vec<_>>().join(", "))
}
