//! `build.gradle` and `build.gradle.kts`: what the block `jib` says in literals.
//!
//! Both are programs, and none is run. A value is taken where it is a literal, a list or a table of literals, a file by a
//! literal, or a variable that the file sets once to a literal. Anything else is computed, and is left out with its line. A file of
//! the project that is applied is read where it is applied; another one is told.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use super::super::ImportSurroundings;
use super::super::error::ImportError;
use super::super::paths::below;
use super::super::remark::Remark;
use super::super::setting::{MAX_DEPTH, MAX_SETTINGS, SettingNode, SettingValue, shortened};
use super::tokens::{GradleToken, GradleTokenKind, tokens};

/// The settings of Jib in a build file and in the files that are applied to it.
pub(super) struct GradleSettings {
    /// The settings: a later statement wins, and an applied file counts where it is applied.
    pub(super) settings: SettingNode,
    /// The texts of the applied files.
    pub(super) applied: String,
}

/// Reads the settings of Jib in the file at `path`, whose project is at `directory`, and in the files that are applied to it.
pub(super) fn read(
    text: &str,
    path: &str,
    directory: &str,
    around: &ImportSurroundings<'_>,
    remarks: &mut Vec<Remark>,
) -> Result<GradleSettings, ImportError> {
    let mut walk = GradleWalk {
        directory,
        around,
        remarks,
        settings: SettingNode::new("jib", 1, SettingValue::Nodes(Vec::new())),
        is_there: false,
        names: BTreeSet::from([path.to_owned()]),
        applied: String::new(),
    };
    walk.file(text, None, 0, &BTreeMap::new())?;
    let GradleWalk { settings, is_there, applied, .. } = walk;
    if is_there {
        Ok(GradleSettings { settings, applied })
    } else {
        Err(ImportError::NoSettings("a block `jib`"))
    }
}

/// The most files that are applied, and how deep.
const MAX_APPLIED: usize = 16;
const MAX_APPLIED_DEPTH: usize = 8;
/// The most bytes of all applied files.
const MAX_APPLIED_BYTES: usize = 1 << 20;

/// The way through a build file and the files that it applies.
struct GradleWalk<'a> {
    directory: &'a str,
    around: &'a ImportSurroundings<'a>,
    remarks: &'a mut Vec<Remark>,
    settings: SettingNode,
    is_there: bool,
    /// The files so far.
    names: BTreeSet<String>,
    applied: String,
}

impl GradleWalk<'_> {
    fn file(
        &mut self,
        text: &str,
        file: Option<&Rc<str>>,
        depth: usize,
        outer: &BTreeMap<String, String>,
    ) -> Result<(), ImportError> {
        let tokens = tokens(text)?;
        let mut variables = variables(&tokens);
        // The version is that of the project, in each of its files.
        if let Some(version) = outer.get("version") {
            variables.entry("version".to_owned()).or_insert_with(|| version.clone());
        }
        let mut reader = GradleReader { tokens: &tokens, at: 0, variables: &variables, count: 0 };
        while let Some(token) = reader.peek() {
            let after_dot = reader.at > 0 && tokens[reader.at - 1].kind == GradleTokenKind::Symbol('.');
            let next = tokens.get(reader.at + 1).map(|token| &token.kind);
            if token.is_word("jib") && !after_dot && matches!(next, Some(GradleTokenKind::Symbol('{' | '.')))
            {
                self.is_there = true;
                let mut statement = reader.statement(0)?;
                if let Some(file) = file {
                    statement.set_file(file);
                }
                self.settings.merge_all(statement);
            } else if token.is_word("apply") && !after_dot {
                for (line, applied) in reader.applied()? {
                    let at = SettingNode { file: file.cloned(), ..SettingNode::new("", line, applied) };
                    self.apply(&at, depth, &variables)?;
                }
            } else {
                reader.at += 1;
            }
        }
        Ok(())
    }

    /// Reads a file that is applied, or says that it is not read.
    fn apply(
        &mut self,
        at: &SettingNode,
        depth: usize,
        variables: &BTreeMap<String, String>,
    ) -> Result<(), ImportError> {
        let written = match &at.value {
            SettingValue::Text(text) | SettingValue::Computed(text) => shortened(text),
            SettingValue::Nodes(_) => "…".to_owned(),
        };
        let (path, text) = match self.applied_file(at, depth) {
            Ok(Some(found)) => found,
            // Applied for the second time.
            Ok(None) => return Ok(()),
            Err(why) => {
                let text = format!(
                    "the applied file `{written}` is not read, because {why}: write its settings of Jib into the new file yourself"
                );
                self.remarks.push(at.left(text));
                return Ok(());
            }
        };
        self.applied.push_str(&text);
        self.applied.push('\n');
        let file: Rc<str> = path.as_str().into();
        self.file(&text, Some(&file), depth + 1, variables)
    }

    fn applied_file(
        &mut self,
        at: &SettingNode,
        depth: usize,
    ) -> Result<Option<(String, String)>, &'static str> {
        let SettingValue::Text(written) = &at.value else { return Err("the build file computes its name") };
        if written.contains("://") {
            return Err("it is not a file of this machine");
        }
        let (directory, relative) = match written.strip_prefix(ROOT) {
            Some(rest) => ("", rest.trim_start_matches('/')),
            None => match written.strip_prefix(PROJECT) {
                Some(rest) => (self.directory, rest.trim_start_matches('/')),
                None => (self.directory, written.as_str()),
            },
        };
        let path = below(directory, relative).ok_or("it is not below the working directory")?;
        if self.names.contains(&path) {
            return Ok(None);
        }
        if depth >= MAX_APPLIED_DEPTH || self.names.len() > MAX_APPLIED {
            return Err("16 files are the most that are read, and 8 within each other");
        }
        let text = (self.around.read)(&path).ok_or("it is not a file that can be read in this project")?;
        if self.applied.len() + text.len() > MAX_APPLIED_BYTES {
            return Err("1 MiB is the most that is read of all applied files");
        }
        self.names.insert(path.clone());
        Ok(Some((path, text)))
    }
}

/// The beginnings of paths that a build file takes from Gradle, as they stand in a text that is read: no path has such a letter.
const ROOT: &str = "\0root";
const PROJECT: &str = "\0project";

/// The words for the directories, longest first.
const DIRECTORIES: [(&str, &str); 12] = [
    ("${rootProject.projectDir}", ROOT),
    ("$rootProject.projectDir", ROOT),
    ("${project.rootDir}", ROOT),
    ("$project.rootDir", ROOT),
    ("${rootProject.rootDir}", ROOT),
    ("${rootDir}", ROOT),
    ("$rootDir", ROOT),
    ("${project.projectDir}", PROJECT),
    ("$project.projectDir", PROJECT),
    ("${projectDir}", PROJECT),
    ("$projectDir", PROJECT),
    ("${project.rootProject.projectDir}", ROOT),
];

/// The variables that a file sets exactly once, to a literal.
fn variables(tokens: &[GradleToken]) -> BTreeMap<String, String> {
    let mut known: BTreeMap<String, Option<String>> = BTreeMap::new();
    for (at, token) in tokens.iter().enumerate() {
        let is_set = tokens.get(at + 1).is_some_and(|next| next.kind == GradleTokenKind::Symbol('='));
        let GradleTokenKind::Word(name) = &token.kind else { continue };
        let after = at.checked_sub(1).and_then(|before| tokens.get(before));
        let is_declared = after
            .is_some_and(|before| before.is_word("def") || before.is_word("val") || before.is_word("String"));
        let is_version = name == "version" && after.is_none_or(|before| before.kind == GradleTokenKind::Line);
        if !is_set || !(is_declared || is_version) {
            continue;
        }
        let ends = matches!(
            tokens.get(at + 3).map(|token| &token.kind),
            None | Some(GradleTokenKind::Line | GradleTokenKind::Symbol(';'))
        );
        let value = match tokens.get(at + 2).map(|token| &token.kind) {
            Some(GradleTokenKind::Text { text, is_plain: true }) if ends => Some(text.clone()),
            _ => None,
        };
        known.entry(name.clone()).and_modify(|known| *known = None).or_insert(value);
    }
    known.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
}

/// Reads statements, one after another.
struct GradleReader<'a> {
    tokens: &'a [GradleToken],
    at: usize,
    variables: &'a BTreeMap<String, String>,
    count: usize,
}

impl GradleReader<'_> {
    fn peek(&self) -> Option<&GradleToken> {
        self.tokens.get(self.at)
    }

    fn line(&self) -> usize {
        self.peek().or_else(|| self.tokens.last()).map_or(1, |token| token.line)
    }

    fn is_at(&self, symbol: char) -> bool {
        self.peek().is_some_and(|token| token.kind == GradleTokenKind::Symbol(symbol))
    }

    fn take(&mut self, symbol: char) -> bool {
        let is_there = self.is_at(symbol);
        self.at += usize::from(is_there);
        is_there
    }

    fn pass_lines(&mut self) {
        while self
            .peek()
            .is_some_and(|token| matches!(token.kind, GradleTokenKind::Line | GradleTokenKind::Symbol(';')))
        {
            self.at += 1;
        }
    }

    /// A statement: a path of names, and a block or a value.
    fn statement(&mut self, depth: usize) -> Result<SettingNode, ImportError> {
        let line = self.line();
        self.count += 1;
        if depth > MAX_DEPTH || self.count > MAX_SETTINGS {
            return Err(ImportError::TooMuch {
                line,
                what: "settings",
                most: "20,000, and 64 within each other",
            });
        }
        let start = self.at;
        let mut path: Vec<String> = Vec::new();
        while let Some(GradleTokenKind::Word(name)) = self.peek().map(|token| &token.kind) {
            path.push(name.clone());
            self.at += 1;
            if path.len() > MAX_DEPTH || !self.take('.') {
                break;
            }
        }
        let is_control = path.first().is_some_and(|name| {
            ["if", "for", "while", "else", "switch", "when", "try", "def", "val", "var"]
                .contains(&name.as_str())
        });
        let value = if is_control || path.is_empty() {
            None
        } else if self.is_at('{') {
            self.at += 1;
            Some(SettingValue::Nodes(self.block(depth)?))
        } else if self.take('=') {
            self.value(depth)?
        } else if self.is_at('(') {
            self.setter(&mut path, depth)?
        } else {
            // `image 'a'`, as Groovy has it.
            self.value(depth)?
        };
        let ends = self.peek().is_none_or(|token| {
            matches!(token.kind, GradleTokenKind::Line | GradleTokenKind::Symbol(';' | '}'))
        });
        let value = match value.filter(|_| ends) {
            Some(value) => value,
            None => {
                self.pass_statement();
                SettingValue::Computed(self.shown(start))
            }
        };
        let mut node = SettingNode::new(path.pop().unwrap_or_default(), line, value);
        while let Some(name) = path.pop() {
            node = SettingNode::new(name, line, SettingValue::Nodes(vec![node]));
        }
        Ok(node)
    }

    /// The files that `apply` names, each with its line: `apply from: 'a'`, `apply(from = "a")`, or `from 'a'` in a block. The
    /// reader stands behind them then, else behind `apply`.
    fn applied(&mut self) -> Result<Vec<(usize, SettingValue)>, ImportError> {
        self.at += 1;
        let before = self.at;
        let mut files = Vec::new();
        if self.take('{') {
            while self.peek().is_some() && !self.is_at('}') {
                match self.from()? {
                    Some(file) => files.push(file),
                    None => self.at += 1,
                }
            }
        } else {
            self.take('(');
            self.pass_lines();
            files.extend(self.from()?);
        }
        if files.is_empty() {
            self.at = before;
        }
        Ok(files)
    }

    /// `from` and a path, if the reader stands before it. A path that goes on, such as `'a' + b`, is computed.
    fn from(&mut self) -> Result<Option<(usize, SettingValue)>, ImportError> {
        let line = self.line();
        if !self.peek().is_some_and(|token| token.is_word("from")) {
            return Ok(None);
        }
        self.at += 1;
        let _ = self.take(':') || self.take('=') || self.take('(');
        let start = self.at;
        let value = self.applied_path()?;
        let ends = self.peek().is_none_or(|token| {
            matches!(token.kind, GradleTokenKind::Line | GradleTokenKind::Symbol(';' | '}' | ')' | ','))
        });
        let value = match value.filter(|value| ends && matches!(value, SettingValue::Text(_))) {
            Some(value) => value,
            None => {
                self.pass_statement();
                SettingValue::Computed(self.shown(start))
            }
        };
        Ok(Some((line, value)))
    }

    /// A path as a text, which may begin with a directory that Gradle knows.
    fn applied_path(&mut self) -> Result<Option<SettingValue>, ImportError> {
        if let Some(GradleTokenKind::Text { text, is_plain: false }) =
            self.peek().map(|token| token.kind.clone())
        {
            self.at += 1;
            let named =
                DIRECTORIES.iter().find_map(|(words, place)| Some((*place, text.strip_prefix(words)?)));
            let (place, rest) = named.unwrap_or(("", &text));
            return Ok(self.interpolated(rest).map(|rest| SettingValue::Text(format!("{place}{rest}"))));
        }
        let next = self.tokens.get(self.at + 1).map(|token| &token.kind);
        let is_of_root = self.peek().is_some_and(|token| token.is_word("rootProject"))
            && next == Some(&GradleTokenKind::Symbol('.'));
        Ok(match self.value(0)? {
            Some(SettingValue::Text(path)) if is_of_root => {
                Some(SettingValue::Text(format!("{ROOT}/{path}")))
            }
            value => value,
        })
    }

    /// The statements up to the brace that ends them.
    fn block(&mut self, depth: usize) -> Result<Vec<SettingNode>, ImportError> {
        let mut outer = SettingNode::new("", self.line(), SettingValue::Nodes(Vec::new()));
        loop {
            self.pass_lines();
            if self.take('}') || self.peek().is_none() {
                break;
            }
            let before = self.at;
            let statement = self.statement(depth + 1)?;
            outer.add(statement);
            // A letter that begins no statement is passed by.
            self.at += usize::from(self.at == before);
        }
        Ok(outer.nodes().to_vec())
    }

    /// `.set(VALUE)` or `setNAME(VALUE)`; other calls are computed.
    fn setter(&mut self, path: &mut Vec<String>, depth: usize) -> Result<Option<SettingValue>, ImportError> {
        let Some(last) = path.pop() else { return Ok(None) };
        let own = last.strip_prefix("set").filter(|name| name.starts_with(char::is_uppercase));
        match own {
            Some(name) => {
                let mut letters = name.chars();
                let first = letters.next().map(|letter| letter.to_ascii_lowercase());
                path.push(first.into_iter().chain(letters).collect());
            }
            None if last == "set" && !path.is_empty() => {}
            None => {
                path.push(last);
                return Ok(None);
            }
        }
        self.at += 1;
        self.pass_lines();
        let value = self.value(depth)?;
        self.pass_lines();
        Ok(value.filter(|_| self.take(')')))
    }

    /// A literal, or `None` where it is none.
    fn value(&mut self, depth: usize) -> Result<Option<SettingValue>, ImportError> {
        self.count += 1;
        if depth > MAX_DEPTH || self.count > MAX_SETTINGS {
            return Err(ImportError::TooMuch {
                line: self.line(),
                what: "settings",
                most: "20,000, and 64 within each other",
            });
        }
        let Some(token) = self.peek() else { return Ok(None) };
        match token.kind.clone() {
            GradleTokenKind::Text { text, is_plain } => {
                self.at += 1;
                let text = if is_plain { Some(text) } else { self.interpolated(&text) };
                Ok(text.map(SettingValue::Text))
            }
            GradleTokenKind::Number(text) => {
                self.at += 1;
                Ok(Some(SettingValue::Text(text)))
            }
            GradleTokenKind::Symbol('[') => {
                self.at += 1;
                Ok(self.items(']', depth)?.map(SettingValue::Nodes))
            }
            GradleTokenKind::Word(word) => self.word(&word, depth),
            _ => Ok(None),
        }
    }

    fn word(&mut self, word: &str, depth: usize) -> Result<Option<SettingValue>, ImportError> {
        self.at += 1;
        match word {
            "true" | "false" => return Ok(Some(SettingValue::Text(word.to_owned()))),
            "project" | "rootProject" | "layout" if self.take('.') => {
                let GradleTokenKind::Word(next) =
                    self.peek().map_or(GradleTokenKind::Line, |token| token.kind.clone())
                else {
                    return Ok(None);
                };
                return match next.as_str() {
                    "file" | "files" | "version" => self.word(&next, depth),
                    _ => Ok(None),
                };
            }
            _ => {}
        }
        let is_call = self.is_at('(');
        match word {
            "listOf" | "setOf" | "mapOf" | "mutableListOf" | "mutableMapOf" | "arrayOf" | "files"
                if is_call =>
            {
                self.at += 1;
                Ok(self.items(')', depth)?.map(SettingValue::Nodes))
            }
            "file" if is_call => {
                self.at += 1;
                let value = self.value(depth + 1)?;
                Ok(value.filter(|_| self.take(')')))
            }
            _ if is_call || self.is_at('.') => Ok(None),
            name => Ok(self.variables.get(name).cloned().map(SettingValue::Text)),
        }
    }

    /// The items of a list, or the pairs of a table (`"a": 1`, `a: 1`, `"a" to 1`), up to their end.
    fn items(&mut self, end: char, depth: usize) -> Result<Option<Vec<SettingNode>>, ImportError> {
        let mut items = Vec::new();
        loop {
            self.pass_lines();
            if self.take(end) {
                return Ok(Some(items));
            }
            // `[:]` is a table without pairs.
            if self.take(':') {
                continue;
            }
            let line = self.line();
            let name = match (self.peek().map(|token| &token.kind), self.tokens.get(self.at + 1)) {
                (
                    Some(GradleTokenKind::Word(name) | GradleTokenKind::Text { text: name, is_plain: true }),
                    Some(next),
                ) if next.kind == GradleTokenKind::Symbol(':') || next.is_word("to") => {
                    let name = name.clone();
                    self.at += 2;
                    self.pass_lines();
                    name
                }
                _ => String::new(),
            };
            let start = self.at;
            let value = self.value(depth + 1)?;
            self.pass_lines();
            let ends = self.is_at(',') || self.is_at(end);
            let value = match value.filter(|_| ends) {
                Some(value) => value,
                None => {
                    self.pass_item(end);
                    SettingValue::Computed(self.shown(start))
                }
            };
            items.push(SettingNode::new(name, line, value));
            if !self.take(',') && !self.is_at(end) {
                return Ok(None);
            }
        }
    }

    /// A text with variables, where all of them are known.
    fn interpolated(&self, text: &str) -> Option<String> {
        let mut out = String::new();
        let mut rest = text;
        while let Some(start) = rest.find('$') {
            out.push_str(&rest[..start]);
            let (name, after) = match rest[start + 1..].strip_prefix('{') {
                Some(inner) => inner.split_once('}')?,
                None => {
                    let inner = &rest[start + 1..];
                    let end = inner.find(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_');
                    inner.split_at(end.unwrap_or(inner.len()))
                }
            };
            let name = name.strip_prefix("project.").unwrap_or(name);
            out.push_str(self.variables.get(name)?);
            rest = after;
        }
        Some(out + rest)
    }

    /// Passes the rest of a statement by, with all that is in brackets.
    fn pass_statement(&mut self) {
        self.pass_until(|kind| matches!(kind, GradleTokenKind::Line | GradleTokenKind::Symbol(';')));
    }

    fn pass_item(&mut self, end: char) {
        self.pass_until(|kind| {
            *kind == GradleTokenKind::Symbol(',') || *kind == GradleTokenKind::Symbol(end)
        });
    }

    fn pass_until(&mut self, is_end: impl Fn(&GradleTokenKind) -> bool) {
        let mut depth = 0usize;
        while let Some(token) = self.peek() {
            if depth == 0
                && (is_end(&token.kind) || matches!(token.kind, GradleTokenKind::Symbol('}' | ')' | ']')))
            {
                return;
            }
            match token.kind {
                GradleTokenKind::Symbol('{' | '(' | '[') => depth += 1,
                GradleTokenKind::Symbol('}' | ')' | ']') => depth = depth.saturating_sub(1),
                _ => {}
            }
            self.at += 1;
        }
    }

    /// The words from a place to here.
    fn shown(&self, start: usize) -> String {
        let tokens = self.tokens.get(start..self.at).unwrap_or_default().iter().take(30);
        tokens.map(GradleToken::shown).collect::<String>().trim().to_owned()
    }
}

impl SettingNode {
    /// Says of all of it in which file it is.
    fn set_file(&mut self, file: &Rc<str>) {
        self.file = Some(Rc::clone(file));
        if let SettingValue::Nodes(nodes) = &mut self.value {
            nodes.iter_mut().for_each(|node| node.set_file(file));
        }
    }

    /// Adds a statement: of one name, tables are merged and the later value wins; blocks such as `platform` are a list.
    fn add(&mut self, statement: Self) {
        let SettingValue::Nodes(nodes) = &mut self.value else { return };
        let is_item =
            ["platform", "path", "permission", "pluginExtension"].contains(&statement.name.as_str());
        let known = nodes
            .iter_mut()
            .find(|node| node.name == statement.name)
            .filter(|_| !is_item && !statement.name.is_empty());
        match known {
            Some(known)
                if matches!(
                    (&known.value, &statement.value),
                    (SettingValue::Nodes(_), SettingValue::Nodes(_))
                ) =>
            {
                known.merge_all(statement);
            }
            Some(known) => *known = statement,
            None => nodes.push(statement),
        }
    }

    /// Adds all settings of another table.
    fn merge_all(&mut self, other: Self) {
        if let SettingValue::Nodes(nodes) = other.value {
            nodes.into_iter().for_each(|node| self.add(node));
        } else {
            self.value = other.value;
        }
    }
}
