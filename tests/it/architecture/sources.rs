//! The sources, as the tests of the structure read them.

use std::fs;
use std::path::Path;
use std::sync::LazyLock;

use crate::support::{REPOSITORY, files_below};

/// A source file without comments, texts of strings, and items that only tests have.
pub(crate) struct Source {
    /// The top-level module that it belongs to.
    pub(crate) module: String,
    /// Below `src/`.
    pub(crate) path: String,
    pub(crate) text: String,
}

/// All of them, read once.
pub(crate) fn sources() -> &'static [Source] {
    static SOURCES: LazyLock<Vec<Source>> = LazyLock::new(read);
    &SOURCES
}

fn read() -> Vec<Source> {
    let root = Path::new(REPOSITORY).join("src");
    let files = files_below(&root).into_iter().filter(|path| path.extension().is_some_and(|end| end == "rs"));
    let all: Vec<(String, String)> = files
        .map(|path| {
            let relative = path.strip_prefix(&root).unwrap().to_str().unwrap().to_owned();
            (relative, fs::read_to_string(&path).unwrap())
        })
        .collect();
    let test_files = test_files(&all);
    all.into_iter()
        .filter(|(path, _)| !test_files.iter().any(|test| path.starts_with(test.as_str())))
        .filter(|(path, _)| !["lib.rs", "main.rs"].contains(&path.as_str()))
        .map(|(path, text)| {
            let module = path.split('/').next().unwrap().trim_end_matches(".rs").to_owned();
            Source { module, text: without_tests(&text), path }
        })
        .collect()
}

/// Whether an attribute keeps an item from the program.
fn is_for_tests(line: &str) -> bool {
    let line = line.trim();
    line.starts_with("#[cfg(") && line.contains("test") && !line.contains("not(test")
}

/// The beginnings of the paths of modules that are declared for tests, in files of their own.
fn test_files(all: &[(String, String)]) -> Vec<String> {
    let mut found = Vec::new();
    for (path, text) in all {
        let folder = match path.as_str() {
            "lib.rs" => String::new(),
            path => {
                format!("{}/", path.trim_end_matches("mod.rs").trim_end_matches(".rs").trim_end_matches('/'))
            }
        };
        let lines: Vec<&str> = text.lines().collect();
        for (attribute, declaration) in lines.iter().zip(lines.iter().skip(1)) {
            let name = declaration.trim().strip_suffix(';').and_then(|line| line.rsplit_once("mod "));
            if let (true, Some((_, name))) = (is_for_tests(attribute), name) {
                found.extend([format!("{folder}{name}.rs"), format!("{folder}{name}/")]);
            }
        }
    }
    found
}

/// Without items that are for tests: from the attribute to the brace that closes at the same indentation, as
/// rustfmt has it. Then without comments, and with empty strings.
fn without_tests(text: &str) -> String {
    let mut kept = String::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        if is_for_tests(line) {
            let indentation = line.len() - line.trim_start().len();
            let end = format!("{}}}", " ".repeat(indentation));
            for skipped in lines.by_ref() {
                let one_line = skipped.trim_end().ends_with(';') && !skipped.starts_with(&format!("{end} "));
                let declaration = skipped.len() - skipped.trim_start().len() == indentation && one_line;
                if skipped == end || declaration {
                    break;
                }
            }
            continue;
        }
        kept.push_str(line);
        kept.push('\n');
    }
    code(&kept)
}

/// Without comments, and with empty strings.
fn code(text: &str) -> String {
    let mut kept = String::new();
    let mut rest = text;
    let mut before = ' ';
    while let Some(first) = rest.chars().next() {
        let (keep, length) = if rest.starts_with("//") {
            ("", rest.find('\n').unwrap_or(rest.len()))
        } else if let Some(hashes) = raw_string(rest).filter(|_| !is_word(before)) {
            let end = format!("\"{}", "#".repeat(hashes));
            let start = rest.find('"').unwrap() + 1;
            ("\"\"", rest[start..].find(&end).map_or(rest.len(), |at| start + at + end.len()))
        } else if first == '"' {
            ("\"\"", quoted(rest, '"'))
        } else if rest.starts_with("'\\") || (first == '\'' && rest.chars().nth(2) == Some('\'')) {
            ("' '", quoted(rest, '\''))
        } else {
            (&rest[..first.len_utf8()], first.len_utf8())
        };
        kept.push_str(keep);
        before = first;
        rest = &rest[length..];
    }
    kept
}

/// How many `#` a raw string has that begins here.
fn raw_string(text: &str) -> Option<usize> {
    let rest = text.strip_prefix("br").or(text.strip_prefix('r'))?;
    let hashes = rest.len() - rest.trim_start_matches('#').len();
    rest[hashes..].starts_with('"').then_some(hashes)
}

/// How long the text is from one quote to the next that is not escaped.
fn quoted(text: &str, quote: char) -> usize {
    let mut escaped = true;
    for (at, character) in text.char_indices() {
        match character {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            end if end == quote => return at + 1,
            _ => {}
        }
    }
    text.len()
}

fn is_word(character: char) -> bool {
    character.is_alphanumeric() || character == '_'
}

/// Whether `needle` is in `text` as a word of its own.
pub(crate) fn has_word(text: &str, needle: &str) -> bool {
    text.match_indices(needle).any(|(at, _)| {
        let before = text[..at].chars().next_back().is_some_and(is_word);
        let after = text[at + needle.len()..].chars().next().is_some_and(is_word);
        let goes_on = after && needle.chars().next_back().is_some_and(is_word);
        !before && !goes_on
    })
}

#[test]
fn tests_are_taken_out() {
    let text = "use a;\n#[cfg(test)]\nmod tests {\n    mod inner {\n    }\n}\nuse b; // c\n#[cfg(test)]\nmod d;\nuse e;\n";
    assert_eq!(without_tests(text), "use a;\nuse b; \nuse e;\n");
    assert!(has_word("x = unsafe {", "unsafe") && !has_word("unsafe_code", "unsafe"));
}

#[test]
fn comments_and_strings_are_taken_out() {
    let text = "a(\"http://x\\\"\", '\"', '\\'', r#\"\"crate::b\"#); // c \"\nfn d<'e>(f: &'e str)";
    assert_eq!(code(text), "a(\"\", ' ', ' ', \"\"); \nfn d<'e>(f: &'e str)");
}
