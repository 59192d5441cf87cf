//! `build.gradle` and `build.gradle.kts`: what the block `jib` says in literals.
//!
//! Both are programs, and none is run. A value is taken where it is a literal, a list or a table of literals, a file by a
//! literal, or a variable that the file sets once to a literal. Anything else is computed, and is left out with its line.

use std::collections::BTreeMap;

use super::super::error::ImportError;
use super::super::setting::{MAX_DEPTH, MAX_SETTINGS, SettingNode, SettingValue};
use super::tokens::{GradleToken, GradleTokenKind, tokens};

/// Reads the settings of Jib in a file.
pub(super) fn read(text: &str) -> Result<SettingNode, ImportError> {
    let tokens = tokens(text)?;
    let mut settings = SettingNode::new("jib", 1, SettingValue::Nodes(Vec::new()));
    let variables = variables(&tokens);
    let mut reader = GradleReader { tokens: &tokens, at: 0, variables: &variables, count: 0 };
    let mut is_there = false;
    while let Some(token) = reader.peek() {
        let after_dot = reader.at > 0 && tokens[reader.at - 1].kind == GradleTokenKind::Symbol('.');
        let begins = token.is_word("jib") && !after_dot;
        let next = tokens.get(reader.at + 1).map(|token| &token.kind);
        if begins && matches!(next, Some(GradleTokenKind::Symbol('{' | '.'))) {
            is_there = true;
            let statement = reader.statement(0)?;
            settings.merge_all(statement);
        } else {
            reader.at += 1;
        }
    }
    if is_there { Ok(settings) } else { Err(ImportError::NoSettings("a block `jib`")) }
}

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
