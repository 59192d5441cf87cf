//! The strings of HCL, with the attribute and the block of each.
//!
//! Reads the grammar of bodies (attributes, blocks, their labels) and the tokens of expressions: strings with templates,
//! heredocs, comments, brackets. It does not know what an expression means, so it takes some that HashiCorp's parser
//! refuses; it refuses what does not end. One pass, no recursion, no copies: a parser that keeps all of a file takes
//! some hundred bytes for each attribute.

use super::error::DescriptorError;
use super::lines::positions;
use super::literals::{HclExpression, HclItem, HclLiteral};

/// Blocks, brackets and templates may be nested to this depth.
const MAX_DEPTH: usize = 255;

/// Gives each string and other value of `text` to `take`, which may stop the reading.
///
/// # Errors
/// When the text is no HCL, or `take` refused.
pub(super) fn items<'a>(
    text: &'a str,
    mut take: impl FnMut(HclItem<'a>) -> Result<(), DescriptorError>,
) -> Result<(), DescriptorError> {
    let start = if text.starts_with('\u{feff}') { '\u{feff}'.len_utf8() } else { 0 };
    let mut reader =
        HclReader { text, bytes: text.as_bytes(), at: start, blocks: Vec::new(), line: LineEnd::default() };
    reader.body(&mut take)
}

type Take<'t, 'a> = dyn FnMut(HclItem<'a>) -> Result<(), DescriptorError> + 't;

struct HclReader<'a> {
    text: &'a str,
    bytes: &'a [u8],
    at: usize,
    /// The types of the blocks that are open.
    blocks: Vec<&'a str>,
    line: LineEnd,
}

/// The end of the line that is read. A file may be one line with many attributes, so each line is measured once.
#[derive(Clone, Copy, Default)]
struct LineEnd {
    /// Where it ends.
    end: usize,
    /// Where its last character stands that is no blank.
    text: usize,
}

/// A bracket that is open in an expression.
struct OpenBracket<'a> {
    close: u8,
    /// The key that the brackets are the value of.
    key: &'a str,
    /// Conditions whose colon is still to come: it ends no key.
    questions: usize,
}

const fn is_identifier_start(byte: u8) -> bool {
    byte.is_ascii_alphabetic() || byte == b'_' || byte >= 0x80
}

const fn is_identifier(byte: u8) -> bool {
    is_identifier_start(byte) || byte.is_ascii_digit() || byte == b'-'
}

impl<'a> HclReader<'a> {
    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn starts_with(&self, what: &[u8]) -> bool {
        self.bytes.get(self.at..).is_some_and(|rest| rest.starts_with(what))
    }

    fn wrong(&self, at: usize, what: impl Into<String>) -> DescriptorError {
        let (line, column) = positions(self.text, &[at]).first().copied().unwrap_or((1, 1));
        DescriptorError::Syntax { format: "HCL", line, column, what: what.into() }
    }

    fn part(&self, start: usize, end: usize) -> &'a str {
        self.text.get(start..end).unwrap_or_default()
    }

    /// Skips blanks and comments of a line; with `lines`, line breaks too.
    fn space(&mut self, lines: bool) -> Result<(), DescriptorError> {
        loop {
            match self.peek() {
                Some(b' ' | b'\t' | b'\r') => self.at += 1,
                Some(b'\n') if lines => self.at += 1,
                Some(b'#') => self.skip_line(),
                Some(b'/') if self.starts_with(b"//") => self.skip_line(),
                Some(b'/') if self.starts_with(b"/*") => {
                    let start = self.at;
                    let end = memchr::memmem::find(&self.bytes[start + 2..], b"*/");
                    let end = end.ok_or_else(|| self.wrong(start, "the comment does not end"))?;
                    self.at = start + 2 + end + 2;
                }
                _ => return Ok(()),
            }
        }
    }

    /// To the end of the line, which is not skipped.
    fn skip_line(&mut self) {
        let rest = &self.bytes[self.at..];
        self.at += memchr::memchr(b'\n', rest).unwrap_or(rest.len());
    }

    /// The end of the text of the line that `start` is in, without the blanks behind it.
    fn end_of_line(&mut self, start: usize) -> usize {
        if start >= self.line.end {
            let end = memchr::memchr(b'\n', &self.bytes[start..]).map_or(self.bytes.len(), |end| start + end);
            self.line = LineEnd { end, text: start + self.part(start, end).trim_end().len() };
        }
        self.line.text.max(start)
    }

    fn identifier(&mut self) -> Option<&'a str> {
        let start = self.at;
        if !self.peek().is_some_and(is_identifier_start) {
            return None;
        }
        while self.peek().is_some_and(is_identifier) {
            self.at += 1;
        }
        Some(self.part(start, self.at))
    }

    /// Attributes and blocks to the end of the text.
    fn body(&mut self, take: &mut Take<'_, 'a>) -> Result<(), DescriptorError> {
        loop {
            self.space(true)?;
            match self.peek() {
                None => break,
                Some(b'}') if self.blocks.pop().is_some() => {
                    self.at += 1;
                    continue;
                }
                Some(_) => {}
            }
            let start = self.at;
            let Some(name) = self.identifier() else {
                return Err(self.wrong(start, "here should be an attribute, a block or its end"));
            };
            self.space(false)?;
            if self.peek() == Some(b'=') && !self.starts_with(b"==") {
                self.at += 1;
                self.expression(name, take)?;
            } else {
                self.block(name)?;
            }
        }
        match self.blocks.last() {
            Some(block) => Err(self.wrong(self.bytes.len(), format!("the block `{block}` does not end"))),
            None => Ok(()),
        }
    }

    /// The labels of a block, to its brace.
    fn block(&mut self, name: &'a str) -> Result<(), DescriptorError> {
        loop {
            self.space(false)?;
            match self.peek() {
                Some(b'{') => break self.at += 1,
                Some(b'"') => drop(self.string()?),
                _ if self.identifier().is_some() => {}
                _ => return Err(self.wrong(self.at, format!("behind `{name}` should be `=` or `{{`"))),
            }
        }
        if self.blocks.len() >= MAX_DEPTH {
            return Err(DescriptorError::TooMuch { most: MAX_DEPTH, what: "blocks within each other" });
        }
        self.blocks.push(name);
        Ok(())
    }

    /// The string at this place: whether a template is in it.
    fn string(&mut self) -> Result<bool, DescriptorError> {
        let start = self.at;
        let mut has_template = false;
        // Strings and templates within each other.
        let mut open = vec![b'"'];
        self.at += 1;
        while let Some(inner) = open.last().copied() {
            let Some(byte) = self.peek() else { return Err(self.wrong(start, "the string does not end")) };
            if open.len() > MAX_DEPTH {
                return Err(DescriptorError::TooMuch {
                    most: MAX_DEPTH,
                    what: "templates within each other",
                });
            }
            let is_string = inner == b'"';
            match byte {
                b'\\' if is_string => self.at += 1,
                b'\n' if is_string => return Err(self.wrong(start, "the string does not end on its line")),
                b'"' if is_string => drop(open.pop()),
                // `$${` and `%%{` are text.
                b'$' | b'%' if is_string && self.starts_with(&[byte, byte, b'{']) => self.at += 2,
                b'$' | b'%' if is_string && self.starts_with(&[byte, b'{']) => {
                    has_template = true;
                    self.at += 1;
                    open.push(b'}');
                }
                b'"' => open.push(b'"'),
                b'{' if !is_string => open.push(b'}'),
                b'}' if !is_string => drop(open.pop()),
                _ => {}
            }
            self.at += 1;
        }
        // An escape may have gone over the end.
        self.at = self.at.min(self.bytes.len());
        Ok(has_template)
    }

    /// The value of an attribute, to the end of its line or, in a block of one line, before its brace.
    fn expression(&mut self, name: &'a str, take: &mut Take<'_, 'a>) -> Result<(), DescriptorError> {
        self.space(false)?;
        let start = self.at;
        let block = self.blocks.last().copied().unwrap_or_default();
        if self.peek() != Some(b'"') {
            let end = self.end_of_line(start);
            let text = self.part(start, end);
            take(HclItem::Expression(HclExpression {
                range: start..start + text.len(),
                text,
                key: name,
                block,
            }))?;
        }
        let mut open: Vec<OpenBracket<'a>> = Vec::new();
        let mut key = name;
        // Whether a value may begin here, of which nothing stands before.
        let mut is_first = true;
        loop {
            self.space(false)?;
            let at = self.at;
            let Some(byte) = self.peek() else { break };
            let in_object = open.last().is_some_and(|bracket| bracket.close == b'}');
            match byte {
                b'\n' if open.is_empty() => break,
                b'\n' | b',' => {
                    self.at += 1;
                    if let Some(bracket) = open.last_mut() {
                        key = bracket.key;
                        is_first = bracket.close != b')' && (byte == b',' || is_first || in_object);
                        bracket.questions = 0;
                    }
                    continue;
                }
                b'"' => {
                    let has_template = self.string()?;
                    let range = at..self.at;
                    let text = self.part(at + 1, self.at.saturating_sub(1));
                    if in_object && self.takes_key(&open)? {
                        key = text;
                        is_first = true;
                        continue;
                    }
                    let is_alone = is_first && self.ends_value(open.is_empty())?;
                    take(HclItem::Literal(HclLiteral { range, text, key, block, has_template, is_alone }))?;
                    is_first = false;
                }
                b'{' | b'[' | b'(' => {
                    if open.len() >= MAX_DEPTH {
                        let what = "brackets within each other";
                        return Err(DescriptorError::TooMuch { most: MAX_DEPTH, what });
                    }
                    let close = match byte {
                        b'{' => b'}',
                        b'[' => b']',
                        _ => b')',
                    };
                    // An index or the arguments of a call are no values by themselves.
                    let is_value = is_first;
                    open.push(OpenBracket { close, key, questions: 0 });
                    is_first = is_value && close != b')';
                    self.at += 1;
                }
                b'}' | b']' | b')' => {
                    match open.pop() {
                        None if byte == b'}' && !self.blocks.is_empty() => break,
                        Some(bracket) if bracket.close == byte => key = bracket.key,
                        _ => return Err(self.wrong(at, format!("`{}` closes nothing", char::from(byte)))),
                    }
                    is_first = false;
                    self.at += 1;
                }
                b'<' if self.is_heredoc() => {
                    self.heredoc()?;
                    is_first = false;
                }
                _ if is_identifier_start(byte) => {
                    let word = self.identifier().unwrap_or_default();
                    if in_object && self.takes_key(&open)? {
                        key = word;
                        is_first = true;
                    } else {
                        is_first = false;
                    }
                }
                _ => {
                    if byte == b'?'
                        && let Some(bracket) = open.last_mut()
                    {
                        bracket.questions += 1;
                    }
                    if byte == b':'
                        && let Some(bracket) = open.last_mut()
                    {
                        bracket.questions = bracket.questions.saturating_sub(1);
                    }
                    is_first = false;
                    self.at += 1;
                }
            }
        }
        if self.at == start {
            return Err(self.wrong(start, format!("`{name}` has no value")));
        }
        match open.last() {
            Some(bracket) => {
                let close = char::from(bracket.close);
                Err(self.wrong(self.at, format!("`{close}` is missing in the value of `{name}`")))
            }
            None => Ok(()),
        }
    }

    /// Whether the word before this place is a key of an object; then goes behind the sign that says so.
    fn takes_key(&mut self, open: &[OpenBracket<'a>]) -> Result<bool, DescriptorError> {
        let before = self.at;
        self.space(false)?;
        let is_key = match self.peek() {
            Some(b'=') => !self.starts_with(b"==") && !self.starts_with(b"=>"),
            Some(b':') => open.last().is_some_and(|bracket| bracket.questions == 0),
            _ => false,
        };
        self.at = if is_key { self.at + 1 } else { before };
        Ok(is_key)
    }

    /// Whether nothing of the value follows; the place stays.
    fn ends_value(&mut self, is_outside: bool) -> Result<bool, DescriptorError> {
        let before = self.at;
        self.space(false)?;
        let next = self.peek();
        self.at = before;
        Ok(match next {
            None | Some(b'\n' | b'}') => true,
            Some(b',' | b']') => !is_outside,
            Some(_) => false,
        })
    }

    fn is_heredoc(&self) -> bool {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let Some(rest) = rest.strip_prefix(b"<<") else { return false };
        rest.strip_prefix(b"-").unwrap_or(rest).first().is_some_and(|byte| is_identifier_start(*byte))
    }

    /// Skips a heredoc to the end of its last line.
    fn heredoc(&mut self) -> Result<(), DescriptorError> {
        let start = self.at;
        self.at += if self.starts_with(b"<<-") { 3 } else { 2 };
        let end = self.identifier().unwrap_or_default();
        self.skip_line();
        while self.peek().is_some() {
            self.at += 1;
            let line = self.at;
            self.skip_line();
            if self.part(line, self.at).trim() == end {
                return Ok(());
            }
        }
        Err(self.wrong(start, format!("the text to `{end}` does not end")))
    }
}
