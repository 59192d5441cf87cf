//! The document before it is typed: TOML values with their spans, and the flags written into it.
//!
//! Whatever overrides the build file is an edit of this document: what the workspace gives as default is
//! put in where nothing stands, then variables, `--set` and flags replace what stands. So every setting
//! obeys one precedence, and a bad value is reported in the same way wherever it was written.

use std::path::Path;

use toml::de::{DeTable, DeValue};

use super::app_argument::AppParts;
use super::decode::{Decode, Decoder};
use super::node::{TomlNode, TomlTable, TomlValue};
use super::source::{Diagnostic, Sources, Span, TextOrigin};
use super::{ConfigError, ConfigError::NotFound};
use crate::formats::CostlyText;
use crate::formats::toml_cost;
use crate::types::error_code::ErrorCode;
use crate::types::shown::shown_path;

/// The parser's name for the one error that has no consequences.
const DUPLICATE: &str = "duplicate key";

/// The beginning of the parser's words for a number such as `0660`.
const LEADING_ZERO: &str = "unexpected leading zero";

/// The name of a build file.
pub const BUILD_FILE: &str = "build.toml";

/// The tables of a workspace's root that no member takes over: they describe an image, or the workspace.
pub(in crate::project) const OF_ONE_IMAGE: [&str; 5] = ["image", APP, LAYER, "user", "config"];
const WORKSPACE: &str = "workspace";

/// The key of the artifacts.
const APP: &str = "app";
/// The array of tables of the further layers.
const LAYER: &str = "layer";

/// The most memory that reading a build file or the like may take.
const MOST_MEMORY: u64 = 192 << 20;

/// The longest text of which more than its first fault is looked for: each fault takes memory.
const MOST_WITH_FAULTS: usize = 256 << 10;

/// A build file, or the lack of one, with what overrides it.
#[derive(Clone, Debug)]
pub struct Document {
    sources: Sources,
    /// Always a table.
    root: TomlNode,
    /// The directory that relative paths in the build file and in `--set` start from.
    directory: std::path::PathBuf,
    /// The memory that reading its files took at most, in bytes.
    cost: u64,
}

impl Document {
    /// No build file: only what flags and variables say.
    #[must_use]
    pub fn empty(directory: &Path) -> Self {
        let span = Span::new(0, &(0..0));
        let root = TomlNode { span, value: TomlValue::Table(TomlTable::new()) };
        Self { sources: Sources::default(), root, directory: directory.to_owned(), cost: 0 }
    }

    /// Reads the build file at `path`. Relative paths in it are relative to its directory.
    ///
    /// # Errors
    /// When it cannot be read or is not TOML.
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        Self::parse(&shown_path(path), directory_of(path), &read(path)?)
    }

    /// Parses the text of a build file that errors call `name`.
    ///
    /// # Errors
    /// When it is not TOML.
    pub fn parse(name: &str, directory: &Path, text: &str) -> Result<Self, ConfigError> {
        Self::empty(directory).with(name, directory, text, MOST_MEMORY)
    }

    /// The same for a document that programs write, which may be larger: reading it takes at most `most` bytes of memory.
    ///
    /// # Errors
    /// When it is not TOML, or takes more.
    pub(in crate::project) fn parse_large(name: &str, text: &str, most: u64) -> Result<Self, ConfigError> {
        let directory = Path::new("");
        Self::empty(directory).with(name, directory, text, most)
    }

    /// Reads the build file of the member `called` of the workspace that this is the root of.
    ///
    /// # Errors
    /// As for [`Document::parse_member`], and when it cannot be read.
    pub fn read_member(&self, called: &str, path: &Path) -> Result<Self, ConfigError> {
        self.parse_member(called, &shown_path(path), directory_of(path), &read(path)?)
    }

    /// Parses the build file of a member, which leaves to this document what it does not say itself: `[image]` and `[config]`
    /// to `[workspace.image]` and `[workspace.config]`, every other table that is not about one image to the table of the
    /// same name. Tables such as `env` are joined by key; all else is the member's or the workspace's as a whole.
    ///
    /// The `name` of `[workspace.image]` is that of a directory of images: `called` is put behind it.
    ///
    /// # Errors
    /// When it is not TOML.
    pub fn parse_member(
        &self,
        called: &str,
        name: &str,
        directory: &Path,
        text: &str,
    ) -> Result<Self, ConfigError> {
        let mut member = self.clone().with(name, directory, text, MOST_MEMORY)?;
        for (key, given) in self.table() {
            if key != WORKSPACE && !OF_ONE_IMAGE.contains(&&**key) {
                inherit(member.table_mut(), key, given);
            }
        }
        let workspace = self.table().get(WORKSPACE).map(|(_, node)| &node.value);
        let Some(TomlValue::Table(workspace)) = workspace else { return Ok(member) };
        if let Some((span, image)) = workspace.get("image") {
            let mut image = image.clone();
            if let TomlValue::Table(image) = &mut image.value
                && let Some((_, TomlNode { value: TomlValue::String(name), .. })) = image.get_mut("name")
            {
                *name = format!("{}/{called}", name.trim_end_matches('/'));
            }
            inherit(member.table_mut(), "image", &(*span, image));
        }
        if let Some(config) = workspace.get("config") {
            inherit(member.table_mut(), "config", config);
        }
        Ok(member)
    }

    /// The memory that reading its build file took at most, in bytes, with that of the root which it takes tables from.
    #[must_use]
    pub const fn cost(&self) -> u64 {
        self.cost
    }

    /// Whether this is the root of a workspace.
    #[must_use]
    pub fn has_workspace(&self) -> bool {
        self.table().contains_key(WORKSPACE)
    }

    /// Whether it has a `[policy]`.
    #[must_use]
    pub fn has_policy(&self) -> bool {
        self.table().contains_key("policy")
    }

    /// Where a key at the top stands.
    pub(in crate::project) fn place_of(&self, key: &str) -> Option<Span> {
        self.table().get(key).map(|(span, _)| *span)
    }

    /// The image's name as it is written, and where.
    pub(in crate::project) fn image_name(&self) -> Option<(&str, Span)> {
        let (_, image) = self.table().get("image")?;
        let TomlValue::Table(image) = &image.value else { return None };
        let (_, name) = image.get("name")?;
        match &name.value {
            TomlValue::String(text) => Some((text, name.span)),
            _ => None,
        }
    }

    /// Replaces the tree by that of `text`, and keeps the sources.
    fn with(mut self, name: &str, directory: &Path, text: &str, most: u64) -> Result<Self, ConfigError> {
        match toml_cost::check(text, most) {
            Ok(cost) => self.cost += cost,
            Err(costly) => return Err(self.too_costly(name, directory, &costly)),
        }
        let base = self.sources.add(name, directory, TextOrigin::File, text);
        let (table, errors) = match text.len() {
            ..=MOST_WITH_FAULTS => DeTable::parse_recoverable(text),
            _ => match DeTable::parse(text) {
                Ok(table) => (table, Vec::new()),
                Err(error) => (toml::Spanned::new(0..0, DeTable::new()), vec![error]),
            },
        };
        if !errors.is_empty() {
            // Whatever the parser finds after the first slip is mostly a consequence of it.
            let slip = errors.iter().filter(|error| error.message() != DUPLICATE).take(1);
            let mut reported: Vec<_> = slip.collect();
            if reported.is_empty() {
                reported.extend(&errors);
            }
            let diagnostics = reported.iter().map(|error| syntax(error, base, text)).collect();
            return Err(self.sources.error(diagnostics));
        }
        self.root = TomlNode {
            span: Span::new(base, &(0..0)),
            value: TomlValue::Table(convert_table(table.get_ref(), base)),
        };
        directory.clone_into(&mut self.directory);
        Ok(self)
    }

    /// The error about a file that is not even looked at.
    fn too_costly(mut self, name: &str, directory: &Path, why: &CostlyText) -> ConfigError {
        let base = self.sources.add(name, directory, TextOrigin::File, "");
        let hint = "put it back as it was: `pack` reads files of a sensible size".to_owned();
        self.sources.wrong_at(Span::new(base, &(0..0)), why.to_string(), Some(hint))
    }

    /// Writes `KEY=VALUE` into the document: a dotted key and a TOML value, or a string where it is none.
    ///
    /// # Errors
    /// When there is no `=`, the key is not a TOML key, or passes through something that is not a table.
    pub fn set(&mut self, assignment: &str) -> Result<(), ConfigError> {
        let directory = self.directory.clone();
        let base = self.sources.add("--set", &directory, TextOrigin::Typed, assignment);
        let wrong = |document: &Self, range: std::ops::Range<usize>, message: String| {
            let hint = "write `--set KEY=VALUE`, such as `--set config.user=1000`".to_owned();
            document.sources.wrong_at(Span::new(base, &range), message, Some(hint))
        };
        let Some(equals) = equals(assignment) else {
            return Err(wrong(self, 0..assignment.len(), format!("`{assignment}` has no `=`")));
        };
        let (key, value) = (&assignment[..equals], &assignment[equals + 1..]);
        let Some(path) = parse_key(key, base) else {
            let message = match key.trim() {
                "" => format!("`{assignment}` has no key"),
                key => format!("`{key}` is not a key"),
            };
            return Err(wrong(self, 0..equals, message));
        };
        let blank = value.len() - value.trim_start().len();
        let (start, value) = (equals + 1 + blank, value.trim());
        let span = Span::new(base, &(start..start + value.len()));
        let node = match DeValue::parse(value) {
            Ok(parsed) => convert(&parsed, base + start),
            Err(_) => TomlNode { span, value: TomlValue::String(value.to_owned()) },
        };
        self.put(&path, node)
    }

    /// Writes a string that the flag or variable `name` gave.
    pub(super) fn give(&mut self, name: &str, path: [&str; 2], text: &str) -> Result<(), ConfigError> {
        let node = self.typed(name, text);
        self.put(&path.map(|key| (key.to_owned(), node.span)), node)
    }

    /// Writes strings that the flag or variable `name` gave.
    pub(super) fn give_all(
        &mut self,
        name: &str,
        path: [&str; 2],
        texts: &[String],
    ) -> Result<(), ConfigError> {
        let nodes: Vec<TomlNode> = texts.iter().map(|text| self.typed(name, text)).collect();
        let Some(span) = nodes.first().map(|node| node.span) else { return Ok(()) };
        self.put(&path.map(|key| (key.to_owned(), span)), TomlNode { span, value: TomlValue::Array(nodes) })
    }

    /// Adds an artifact that `--app` gave as `PATH[:KIND][=ROOT]` to those that are there.
    pub(super) fn add_app(&mut self, text: &str) -> Result<(), ConfigError> {
        let whole = self.typed("--app", text).span;
        let parts = AppParts::of(text);
        if parts.path.is_empty() {
            let hint = "write `--app PATH[:KIND][=ROOT]`, such as `--app docs:site=/srv/docs`".to_owned();
            return Err(self.sources.wrong_at(whole, format!("`{text}` has no path"), Some(hint)));
        }
        let keys = [("path", Some(parts.path)), ("kind", parts.kind), ("root", parts.root)];
        let keys = keys.into_iter().filter_map(|(key, range)| Some((key, range?)));
        let table: TomlTable = keys
            .map(|(key, range)| {
                let span = whole.part(&range);
                (key.to_owned(), (span, TomlNode { span, value: TomlValue::String(text[range].to_owned()) }))
            })
            .collect();
        let app = TomlNode { span: whole, value: TomlValue::Table(table) };
        match self.table_mut().get_mut(APP) {
            None => drop(self.table_mut().insert(APP.to_owned(), (whole, app))),
            Some((_, TomlNode { value: TomlValue::Array(apps), .. })) => apps.push(app),
            Some((_, only)) => {
                let span = only.span;
                let first = std::mem::replace(only, TomlNode { span, value: TomlValue::Array(Vec::new()) });
                only.value = TomlValue::Array(vec![first, app]);
            }
        }
        Ok(())
    }

    /// Registers a typed text. Its relative paths are relative to the working directory.
    pub(super) fn typed(&mut self, name: &str, text: &str) -> TomlNode {
        let base = self.sources.add(name, Path::new(""), TextOrigin::Typed, text);
        TomlNode { span: Span::new(base, &(0..text.len())), value: TomlValue::String(text.to_owned()) }
    }

    fn put(&mut self, path: &[(String, Span)], node: TomlNode) -> Result<(), ConfigError> {
        let Some(((last, last_span), parents)) = path.split_last() else { return Ok(()) };
        let sources = self.sources.clone();
        let mut table = self.table_mut();
        for (key, span) in parents {
            let fresh = || (*span, TomlNode { span: *span, value: TomlValue::Table(TomlTable::new()) });
            let (_, child) = table.entry(key.clone()).or_insert_with(fresh);
            let what = child.value.what();
            let Some(inner) = table_at(key, &mut child.value) else {
                let message = format!("`{key}` is {what}, not a table");
                let hint = format!("set `{key}` as a whole");
                return Err(sources.wrong_at(*span, message, Some(hint)));
            };
            table = inner;
        }
        table.insert(last.clone(), (*last_span, node));
        Ok(())
    }

    /// Types the document. All that is wrong with it is reported at once.
    pub(crate) fn decode<T: Decode>(&self) -> Result<T, ConfigError> {
        let mut decoder = Decoder::new::<T>(&self.sources);
        let decoded = T::decode(&self.root, &mut decoder);
        match decoded {
            Some(decoded) if decoder.diagnostics.is_empty() => Ok(decoded),
            _ => Err(self.sources.error(decoder.diagnostics)),
        }
    }

    /// The texts, for errors that are found later.
    #[must_use]
    pub const fn sources(&self) -> &Sources {
        &self.sources
    }

    /// The whole, as a table.
    pub(super) const fn root(&self) -> &TomlNode {
        &self.root
    }

    fn table(&self) -> &TomlTable {
        static EMPTY: TomlTable = TomlTable::new();
        match &self.root.value {
            TomlValue::Table(table) => table,
            _ => &EMPTY,
        }
    }

    fn table_mut(&mut self) -> &mut TomlTable {
        if !matches!(self.root.value, TomlValue::Table(_)) {
            self.root.value = TomlValue::Table(TomlTable::new());
        }
        match &mut self.root.value {
            TomlValue::Table(table) => table,
            _ => unreachable!("made a table just above"),
        }
    }
}

/// The table that a key passes through at `key`: of several artifacts, that of the first.
fn table_at<'a>(key: &str, value: &'a mut TomlValue) -> Option<&'a mut TomlTable> {
    match value {
        TomlValue::Table(table) => Some(table),
        TomlValue::Array(nodes) if key == APP => match nodes.first_mut().map(|node| &mut node.value) {
            Some(TomlValue::Table(table)) => Some(table),
            _ => None,
        },
        _ => None,
    }
}

fn read(path: &Path) -> Result<String, ConfigError> {
    let name = path.file_name().unwrap_or_default();
    if name == "Dockerfile" || name == "Containerfile" {
        return Err(ConfigError::Dockerfile(path.to_owned()));
    }
    crate::runtime::input::read_text(path, crate::runtime::input::MAX_TEXT).map_err(|source| {
        match source.kind() {
            std::io::ErrorKind::NotFound => NotFound(path.to_owned()),
            _ => ConfigError::Read { path: path.to_owned(), source },
        }
    })
}

fn directory_of(path: &Path) -> &Path {
    path.parent().unwrap_or(Path::new(""))
}

/// Puts `given` at `key` unless something stands there; tables are joined.
fn inherit(table: &mut TomlTable, key: &str, given: &(Span, TomlNode)) {
    let Some((_, own)) = table.get_mut(key) else {
        table.insert(key.to_owned(), given.clone());
        return;
    };
    if let (TomlValue::Table(own), TomlValue::Table(theirs)) = (&mut own.value, &given.1.value) {
        for (key, given) in theirs {
            inherit(own, key, given);
        }
    }
}

fn syntax(error: &toml::de::Error, base: usize, text: &str) -> Diagnostic {
    let range = error.span().unwrap_or(text.len()..text.len());
    let (message, hint) = match (error.message(), text.get(range.clone())) {
        (DUPLICATE, Some(key)) => {
            let is_header = text[..range.start].ends_with('[');
            let hint = match key {
                APP | LAYER if is_header => format!("write `[[{key}]]` for each, to have several of them"),
                _ => "remove one of the two".to_owned(),
            };
            (format!("the key `{key}` stands here twice"), Some(hint))
        }
        (message, _) if message.starts_with(LEADING_ZERO) => {
            if let Some(number) = number_at(text, range.start) {
                return leading_zero(text, base, &number);
            }
            (message.to_owned(), None)
        }
        (message, _) => (message.to_owned(), None),
    };
    Diagnostic { message, hint, span: Span::new(base, &range), code: ErrorCode::BuildFileBroken }
}

/// The digits around `at`, if there are any and nothing else is part of the number.
fn number_at(text: &str, at: usize) -> Option<std::ops::Range<usize>> {
    let is_part = |character: char| character.is_ascii_alphanumeric() || "+-._".contains(character);
    let start = text.get(..at)?.rfind(|character| !is_part(character)).map_or(0, |before| before + 1);
    let rest = text.get(start..)?;
    let number = &rest[..rest.find(|character| !is_part(character)).unwrap_or(rest.len())];
    let are_digits = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    are_digits.then(|| start..start + number.len())
}

/// A number such as `0660`, which TOML does not have: a mode is a string.
fn leading_zero(text: &str, base: usize, range: &std::ops::Range<usize>) -> Diagnostic {
    let (before, number) = (&text[..range.start], &text[range.clone()]);
    let key = before.trim_end().strip_suffix('=').map(str::trim_end);
    let hint = if key.is_some_and(|key| key.trim_end_matches(['"', '\'']).ends_with("mode")) {
        format!("a mode is a string: write `\"{number}\"`")
    } else {
        let bare = number.trim_start_matches('0');
        let bare = if bare.is_empty() { "0" } else { bare };
        format!("write `{bare}`, or `\"{number}\"` for a string")
    };
    let message = format!("the number `{number}` begins with a zero");
    Diagnostic { message, hint: Some(hint), span: Span::new(base, range), code: ErrorCode::BuildFileBroken }
}

fn convert_table(table: &DeTable<'_>, base: usize) -> TomlTable {
    let entry = |(key, value): (&toml::Spanned<_>, _)| {
        let key: (&std::borrow::Cow<'_, str>, _) = (key.get_ref(), Span::new(base, &key.span()));
        (key.0.clone().into_owned(), (key.1, convert(value, base)))
    };
    table.iter().map(entry).collect()
}

fn convert(node: &toml::Spanned<DeValue<'_>>, base: usize) -> TomlNode {
    let value = match node.get_ref() {
        DeValue::String(text) => TomlValue::String(text.clone().into_owned()),
        DeValue::Integer(integer) => {
            let text = integer.as_str();
            let saturated = if text.starts_with('-') { i128::MIN } else { i128::MAX };
            TomlValue::Integer(i128::from_str_radix(text, integer.radix()).unwrap_or(saturated))
        }
        DeValue::Float(_) => TomlValue::Float,
        DeValue::Boolean(boolean) => TomlValue::Boolean(*boolean),
        DeValue::Datetime(datetime) => TomlValue::Datetime(*datetime),
        DeValue::Array(array) => TomlValue::Array(array.iter().map(|node| convert(node, base)).collect()),
        DeValue::Table(table) => TomlValue::Table(convert_table(table, base)),
    };
    TomlNode { span: Span::new(base, &node.span()), value }
}

/// The first `=` that is not inside a quoted key.
fn equals(assignment: &str) -> Option<usize> {
    let mut quote = None;
    for (at, byte) in assignment.bytes().enumerate() {
        match (quote, byte) {
            (None, b'=') => return Some(at),
            (None, b'"' | b'\'') => quote = Some(byte),
            (Some(open), byte) if open == byte => quote = None,
            _ => {}
        }
    }
    None
}

/// The parts of a dotted TOML key.
fn parse_key(key: &str, base: usize) -> Option<Vec<(String, Span)>> {
    // A line break would let one assignment write two keys or a table header.
    if key.contains(['\n', '\r', '#']) {
        return None;
    }
    let text = format!("{key}=0");
    let table = DeTable::parse(&text).ok()?;
    let mut path = Vec::new();
    let mut table = table.get_ref();
    loop {
        let (key, value) = table.iter().next()?;
        path.push((key.get_ref().clone().into_owned(), Span::new(base, &key.span())));
        match value.get_ref() {
            DeValue::Table(inner) => table = inner,
            _ => return Some(path),
        }
    }
}
