//! Words of an instruction, and the variables in them.
//!
//! The rules are those of Docker's reference, "Environment replacement": `$name`, `${name}`, `${name:-word}` and
//! `${name:+word}` outside of single quotes; quotes and the escape character go.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

/// The bytes that the values of variables may take in all places of a file together. Each value may have others in it, so
/// that some lines could name more than any memory has.
const MAX_VALUES: usize = 1 << 20;
/// So deep values may lie in each other, as in `${a:-${b:-c}}`.
const MAX_DEPTH: usize = 16;

/// The variables of a stage.
#[derive(Clone, Debug)]
pub(super) struct StageVariables {
    known: BTreeMap<String, StageVariable>,
    /// The bytes that are left for values. All stages share it.
    room: Rc<Cell<usize>>,
    /// Arguments without a value in whose place another one was taken.
    defaults: RefCell<BTreeSet<String>>,
}

impl Default for StageVariables {
    fn default() -> Self {
        Self { known: BTreeMap::new(), room: Rc::new(Cell::new(MAX_VALUES)), defaults: RefCell::default() }
    }
}

#[derive(Clone, Debug)]
struct StageVariable {
    /// `None` where it is not known here.
    value: Option<String>,
    /// Whether it is an argument, which ends with its stage.
    is_argument: bool,
    /// Whether it is an argument that has a value only where the builder is given one.
    is_absent: bool,
}

impl StageVariables {
    pub(super) fn set(&mut self, name: &str, value: Option<String>) {
        self.known.insert(name.to_owned(), StageVariable { value, is_argument: false, is_absent: false });
    }

    pub(super) fn set_argument(&mut self, name: &str, value: Option<String>) {
        self.known.insert(name.to_owned(), StageVariable { value, is_argument: true, is_absent: false });
    }

    /// An argument without a value of its own.
    pub(super) fn set_absent(&mut self, name: &str) {
        self.known.insert(name.to_owned(), StageVariable { value: None, is_argument: true, is_absent: true });
    }

    /// Whether a text may have another value in place of this argument, which is noted.
    fn takes_default(&self, name: &str) -> bool {
        let is_absent = self.known.get(name).is_some_and(|variable| variable.is_absent);
        is_absent && {
            self.defaults.borrow_mut().insert(name.to_owned());
            true
        }
    }

    /// The arguments without a value in whose place another one was taken since the last call.
    pub(super) fn defaults_taken(&self) -> BTreeSet<String> {
        self.defaults.take()
    }

    /// Those that a stage has which begins with this one.
    pub(super) fn without_arguments(mut self) -> Self {
        self.known.retain(|_, variable| !variable.is_argument);
        self
    }

    /// None yet, with the same room.
    pub(super) fn empty(&self) -> Self {
        Self { known: BTreeMap::new(), room: Rc::clone(&self.room), defaults: RefCell::default() }
    }

    /// Takes room for a value; whether there was enough.
    fn take(&self, bytes: usize) -> bool {
        let left = self.room.get().checked_sub(bytes);
        self.room.set(left.unwrap_or(0));
        left.is_some()
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.known.contains_key(name)
    }

    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.known.get(name)?.value.as_deref()
    }
}

/// A variable whose value is not known, or for whose value there is no room.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct UnknownVariable(pub(super) String);

/// The words of a text, with their quotes.
pub(super) fn words(text: &str, escape: char) -> Vec<String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        if quote.is_none() && letter.is_whitespace() {
            words.extend(word.take());
            continue;
        }
        let word = word.get_or_insert_default();
        word.push(letter);
        match quote {
            Some(open) if letter == open => quote = None,
            _ if letter == escape && quote != Some('\'') => word.extend(letters.next()),
            None if letter == '"' || letter == '\'' => quote = Some(letter),
            _ => {}
        }
    }
    words.extend(word);
    words
}

/// A word without its quotes and with the values of its variables.
pub(super) fn expand(
    word: &str,
    escape: char,
    variables: &StageVariables,
) -> Result<String, UnknownVariable> {
    expand_at(word, escape, variables, 0)
}

fn expand_at(
    word: &str,
    escape: char,
    variables: &StageVariables,
    depth: usize,
) -> Result<String, UnknownVariable> {
    let mut out = String::new();
    let mut quote = None;
    let letters: Vec<char> = word.chars().collect();
    let mut at = 0;
    while let Some(letter) = letters.get(at).copied() {
        at += 1;
        match (quote, letter) {
            (Some(open), letter) if letter == open => quote = None,
            (Some('\''), letter) => out.push(letter),
            (None, '"' | '\'') => quote = Some(letter),
            (_, letter) if letter == escape => {
                // Within double quotes it escapes only what means something there.
                match letters.get(at).copied() {
                    Some(next) if quote.is_none() || next == '"' || next == '$' || next == escape => {
                        out.push(next);
                        at += 1;
                    }
                    _ => out.push(letter),
                }
            }
            (_, '$') => {
                let (value, next) = variable(&letters, at, escape, variables, depth)?;
                if !variables.take(value.len()) {
                    let name: String = letters[at..next].iter().collect();
                    return Err(UnknownVariable(name.trim_matches(['{', '}']).to_owned()));
                }
                out.push_str(&value);
                at = next;
            }
            (_, letter) => out.push(letter),
        }
    }
    Ok(out)
}

/// The value of the variable whose name begins at `at`, and where it ends.
fn variable(
    letters: &[char],
    at: usize,
    escape: char,
    variables: &StageVariables,
    depth: usize,
) -> Result<(String, usize), UnknownVariable> {
    let is_name = |letter: &char| letter.is_ascii_alphanumeric() || *letter == '_';
    let name_at = |at: usize| letters[at..].iter().take_while(|letter| is_name(letter)).collect::<String>();
    let value = |name: &str| match variables.has(name) {
        true => variables.get(name).map(str::to_owned).ok_or(()),
        false => Err(()),
    };
    if letters.get(at) != Some(&'{') {
        let name = name_at(at);
        if name.is_empty() {
            return Ok(("$".to_owned(), at));
        }
        let end = at + name.chars().count();
        return Ok((value(&name).map_err(|()| UnknownVariable(name))?, end));
    }
    let name = name_at(at + 1);
    let Some(length) = closing(&letters[at..]).filter(|_| depth < MAX_DEPTH) else {
        return Err(UnknownVariable(name));
    };
    let (end, inner) = (at + length + 1, &letters[at + 1 + name.chars().count()..at + length]);
    let inner: String = inner.iter().collect();
    let found = value(&name).ok().filter(|found| !found.is_empty());
    let fallback = |word: &str| expand_at(word, escape, variables, depth + 1);
    let text = match (inner.as_str(), found) {
        ("", _) => value(&name).map_err(|()| UnknownVariable(name))?,
        (inner, found) => match (inner.get(..2), inner.get(..1), found) {
            (Some(":-"), _, Some(found)) | (_, Some("-"), Some(found)) => found,
            // The base may have set it.
            (Some(":-"), _, None)
                if !variables.has(&name)
                    || variables.get(&name).is_some()
                    || variables.takes_default(&name) =>
            {
                fallback(&inner[2..])?
            }
            (_, Some("-"), None) if !variables.has(&name) || variables.takes_default(&name) => {
                fallback(&inner[1..])?
            }
            (Some(":+"), _, Some(_)) => fallback(&inner[2..])?,
            (Some(":+"), _, None) if variables.get(&name).is_some() || variables.takes_default(&name) => {
                String::new()
            }
            _ => return Err(UnknownVariable(name)),
        },
    };
    Ok((text, end))
}

/// Where the brace that opens at the beginning closes.
fn closing(letters: &[char]) -> Option<usize> {
    let mut depth = 0usize;
    for (place, letter) in letters.iter().enumerate() {
        match letter {
            '{' => depth += 1,
            '}' if depth == 1 => return Some(place),
            '}' => depth -= 1,
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known() -> StageVariables {
        let mut variables = StageVariables::default();
        variables.set("A", Some("one".to_owned()));
        variables.set("EMPTY", Some(String::new()));
        variables.set("PATH", None);
        variables
    }

    #[test]
    fn words_keep_their_quotes() {
        assert_eq!(words(r#"a "b c" d\ e 'f\' g"#, '\\'), ["a", "\"b c\"", r"d\ e", r"'f\'", "g"]);
        assert_eq!(words("", '\\'), [""; 0]);
        assert_eq!(words("\"open a", '\\'), ["\"open a"]);
    }

    #[test]
    fn variables_have_values_as_in_the_reference() {
        for (word, expected) in [
            ("$A", "one"),
            ("${A}x", "onex"),
            ("$A.$A", "one.one"),
            ("'$A'", "$A"),
            ("\"$A b\"", "one b"),
            ("\\$A", "$A"),
            ("\"\\$A\"", "$A"),
            ("\"a\\b\"", "a\\b"),
            ("${NONE:-x$A}", "xone"),
            ("${EMPTY:-x}", "x"),
            ("${A:-x}", "one"),
            ("${A:+y}", "y"),
            ("${EMPTY:+y}", ""),
            ("$EMPTY", ""),
            ("5$", "5$"),
            ("${NONE:-${A}}", "one"),
        ] {
            assert_eq!(expand(word, '\\', &known()).as_deref(), Ok(expected), "{word}");
        }
    }

    #[test]
    fn values_that_would_fill_memory_are_not_known() {
        let mut variables = known();
        let mut value = Ok("x".repeat(1000));
        while let Ok(known) = value {
            assert!(known.len() < MAX_VALUES);
            variables.set("A", Some(known));
            value = expand("$A$A", '\\', &variables);
        }
        assert_eq!(value, Err(UnknownVariable("A".to_owned())));
        let deep = format!("{}{}", "${B:-".repeat(100_000), "}".repeat(100_000));
        assert_eq!(expand(&deep, '\\', &known()), Err(UnknownVariable("B".to_owned())));
    }

    #[test]
    fn what_is_not_known_is_named() {
        for (word, name) in
            [("/x:$PATH", "PATH"), ("${NONE}", "NONE"), ("$NONE", "NONE"), ("${A", "A"), ("${A#o}", "A")]
        {
            assert_eq!(expand(word, '\\', &known()), Err(UnknownVariable(name.to_owned())), "{word}");
        }
    }
}
