//! The words of a build file of Gradle, in Groovy or Kotlin: names, texts, numbers, symbols and line ends.

use super::super::error::ImportError;

/// The most tokens of a file.
const MAX_TOKENS: usize = 1_000_000;

/// A word and its line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct GradleToken {
    pub(super) kind: GradleTokenKind,
    pub(super) line: usize,
}

/// The sort of a word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum GradleTokenKind {
    /// A name.
    Word(String),
    /// A text between quotes; not plain if variables are in it.
    Text { text: String, is_plain: bool },
    /// A number.
    Number(String),
    /// Any other letter.
    Symbol(char),
    /// The end of a line.
    Line,
}

impl GradleToken {
    pub(super) fn is_word(&self, word: &str) -> bool {
        matches!(&self.kind, GradleTokenKind::Word(own) if own == word)
    }

    /// It as it may have been written.
    pub(super) fn shown(&self) -> String {
        match &self.kind {
            GradleTokenKind::Word(word) => format!("{word} "),
            GradleTokenKind::Number(text) => text.clone(),
            GradleTokenKind::Text { text, .. } => format!("'{text}'"),
            GradleTokenKind::Symbol(symbol) => symbol.to_string(),
            GradleTokenKind::Line => " ".to_owned(),
        }
    }
}

/// Splits a file. Comments are passed by.
pub(super) fn tokens(text: &str) -> Result<Vec<GradleToken>, ImportError> {
    let mut all = Vec::new();
    let mut letters = LetterReader { rest: text, line: 1 };
    while let Some(letter) = letters.rest.chars().next() {
        let line = letters.line;
        if all.len() > MAX_TOKENS {
            return Err(ImportError::TooMuch { line, what: "words", most: "1,000,000" });
        }
        let kind = if letters.take("//") {
            letters.take_while(|letter| letter != '\n');
            continue;
        } else if letters.take("/*") {
            letters.take_to("*/");
            continue;
        } else if letter == '\n' {
            letters.take("\n");
            GradleTokenKind::Line
        } else if letter.is_whitespace() || letter == '\\' {
            letters.skip(letter);
            continue;
        } else if letter == '"' || letter == '\'' {
            letters.text(letter)
        } else if letter.is_ascii_digit() {
            GradleTokenKind::Number(
                letters.take_while(|letter| letter.is_ascii_alphanumeric() || letter == '_').replace('_', ""),
            )
        } else if letter.is_alphabetic() || letter == '_' {
            GradleTokenKind::Word(
                letters.take_while(|letter| letter.is_alphanumeric() || letter == '_').to_owned(),
            )
        } else {
            letters.skip(letter);
            GradleTokenKind::Symbol(letter)
        };
        all.push(GradleToken { kind, line });
    }
    Ok(all)
}

/// The letters that are not read yet.
struct LetterReader<'a> {
    rest: &'a str,
    line: usize,
}

impl<'a> LetterReader<'a> {
    fn skip(&mut self, letter: char) {
        self.line += usize::from(letter == '\n');
        self.rest = &self.rest[letter.len_utf8()..];
    }

    fn take(&mut self, start: &str) -> bool {
        let is_there = self.rest.starts_with(start);
        if is_there {
            start.chars().for_each(|letter| self.skip(letter));
        }
        is_there
    }

    fn take_while(&mut self, is_part: impl Fn(char) -> bool) -> &'a str {
        let end = self.rest.find(|letter| !is_part(letter)).unwrap_or(self.rest.len());
        let (taken, rest) = self.rest.split_at(end);
        self.rest = rest;
        taken
    }

    fn take_to(&mut self, end: &str) {
        let length = self.rest.find(end).map_or(self.rest.len(), |place| place + end.len());
        let (taken, rest) = self.rest.split_at(length);
        self.line += taken.matches('\n').count();
        self.rest = rest;
    }

    /// A text from its first quote to its last.
    fn text(&mut self, quote: char) -> GradleTokenKind {
        let three = quote.to_string().repeat(3);
        let is_long = self.take(&three);
        if !is_long {
            self.skip(quote);
        }
        let (mut text, mut is_plain) = (String::new(), true);
        while let Some(letter) = self.rest.chars().next() {
            if is_long && self.take(&three) || !is_long && letter == quote {
                if !is_long {
                    self.skip(quote);
                }
                break;
            }
            if !is_long && letter == '\n' {
                break;
            }
            self.skip(letter);
            match letter {
                '\\' => {
                    let Some(next) = self.rest.chars().next() else { break };
                    self.skip(next);
                    match next {
                        'n' => text.push('\n'),
                        't' => text.push('\t'),
                        // A dollar sign that is a letter must not look like a variable.
                        '$' if is_plain => text.push('$'),
                        next => text.push(next),
                    }
                }
                '$' if quote == '"' => {
                    is_plain = false;
                    text.push('$');
                }
                letter => text.push(letter),
            }
        }
        GradleTokenKind::Text { text, is_plain }
    }
}
