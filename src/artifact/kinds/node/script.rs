//! A start script as npm runs it: `PORT=80 server --flag 'a b'`, where `server` may be a program of a package.

use super::super::super::found_tree::{FoundTree, PathEnd, read_item};
use super::super::super::package_json::{member, package};
use crate::layer::scan::FoundKind;
use crate::runtime::input::MAX_TEXT;

/// Characters that mean something to a shell, besides quotes.
const OF_SHELL: &str = "&|;<>()$`\\*?[]{}~#!%\n";

/// Those that mean something between double quotes.
const IN_QUOTES: &str = "$`\\!%\n";

/// A program of a package is looked at no further.
const MAX_PROGRAM: u64 = 8 << 20;

/// A script that is one command.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct PlainScript {
    /// The variables in front of it.
    pub(super) variables: Vec<(String, String)>,
    /// Its words, at least one.
    pub(super) words: Vec<String>,
}

/// The program of a package.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum PackageProgram {
    /// A script that `node` runs: its path below the application's root.
    Script(String),
    /// Another program.
    Other(String),
    /// Only packages for development have it.
    ForDevelopment,
}

impl PlainScript {
    /// Reads a script; `None` where a shell would do more than split it into words.
    pub(super) fn parse(script: &str) -> Option<Self> {
        let mut words = words(script)?.into_iter().peekable();
        let mut plain = Self::default();
        // `cross-env` does what a shell does.
        words.next_if(|(word, _)| word == "cross-env");
        while let Some((word, _)) = words.next_if(|(word, name)| *name > 0 && is_name(&word[..*name])) {
            let (name, value) = word.split_once('=')?;
            plain.variables.push((name.to_owned(), value.to_owned()));
        }
        plain.words = words.map(|(word, _)| word).collect();
        (!plain.words.is_empty()).then_some(plain)
    }
}

fn is_name(text: &str) -> bool {
    !text.starts_with(|first: char| first.is_ascii_digit())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// The words of a script without their quotes, each with the length of what stands before an `=` that is not quoted.
fn words(script: &str) -> Option<Vec<(String, usize)>> {
    let mut all = Vec::new();
    let mut word: Option<(String, usize)> = None;
    let mut characters = script.chars();
    let mut is_quoted = false;
    while let Some(character) = characters.next() {
        if character == ' ' || character == '\t' {
            all.extend(word.take());
            is_quoted = false;
            continue;
        }
        let (text, name) = word.get_or_insert_default();
        match character {
            '\'' | '"' => {
                is_quoted = true;
                loop {
                    match characters.next()? {
                        end if end == character => break,
                        inner if character == '"' && IN_QUOTES.contains(inner) => return None,
                        inner => text.push(inner),
                    }
                }
            }
            _ if OF_SHELL.contains(character) => return None,
            _ => {
                if character == '=' && *name == 0 && !is_quoted {
                    *name = text.len();
                }
                text.push(character);
            }
        }
    }
    all.extend(word);
    Some(all)
}

/// The program `name` of the installed packages, as `node_modules/.bin` has it, else one of the packages `packages`; a name
/// with a slash is a path. `is_kept` tells what goes into the image.
pub(super) fn program<'a>(
    name: &str,
    tree: &FoundTree,
    packages: impl Iterator<Item = &'a String>,
    is_kept: impl Fn(&[u8]) -> bool,
) -> Option<PackageProgram> {
    let path = if name.contains('/') { normal(name)? } else { format!("node_modules/.bin/{name}") };
    let mut left_out = false;
    let mut other = None;
    if let PathEnd::Here(real, item) = tree.follow(path.as_bytes())
        && matches!(item.kind, FoundKind::File { .. })
    {
        if !is_kept(&real) {
            left_out = true;
        } else if starts_with_node(tree, &path) {
            return Some(PackageProgram::Script(if is_kept(path.as_bytes()) {
                path
            } else {
                String::from_utf8(real).ok()?
            }));
        } else if is_kept(path.as_bytes()) {
            other = Some(PackageProgram::Other(path));
        }
    }
    // pnpm leaves scripts of a shell there, with paths of this machine.
    let of_packages = packages.filter_map(|package| bin_of(tree, package, name));
    for file in of_packages {
        if !is_kept(file.as_bytes()) {
            left_out = true;
        } else if starts_with_node(tree, &file) {
            return Some(PackageProgram::Script(file));
        }
    }
    other.or_else(|| left_out.then_some(PackageProgram::ForDevelopment))
}

/// Whether the first line of a file says that `node` runs it.
fn starts_with_node(tree: &FoundTree, path: &str) -> bool {
    let PathEnd::Here(_, item) = tree.follow(path.as_bytes()) else { return false };
    let Ok(bytes) = read_item(item, MAX_PROGRAM) else { return false };
    let line = bytes.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let line = line.strip_suffix(b"\r").unwrap_or(line).trim_ascii();
    line.starts_with(b"#!") && (line.ends_with(b"/node") || line.ends_with(b" node"))
}

/// The file of the program `name` of a package, as its `bin` says.
fn bin_of(tree: &FoundTree, of: &str, name: &str) -> Option<String> {
    let bytes = tree.read(format!("node_modules/{of}/package.json").as_bytes(), MAX_TEXT).ok()??;
    let bin = member(package(&bytes).ok()?, "bin")?;
    let file = match bin.as_str() {
        Some(file) if of.rsplit('/').next() == Some(name) => file.into_owned(),
        Some(_) => return None,
        None => member(bin, name)?.as_str()?.into_owned(),
    };
    let file = normal(&file)?;
    Some(format!("node_modules/{of}/{file}"))
}

/// A relative path without `.` and `..`; nothing for the root itself. `None` for one that leaves it.
pub(super) fn normal(path: &str) -> Option<String> {
    if path.starts_with('/') {
        return None;
    }
    let mut parts = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()?),
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_those_of_a_shell() {
        let of = |script: &str| PlainScript::parse(script).map(|plain| (plain.variables, plain.words));
        let words = |all: &[&str]| all.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
        for (script, variables, expected) in [
            ("node a.js", &[][..], &["node", "a.js"][..]),
            (
                "PORT=80 A='b c' node \"my file.js\" x=1",
                &[("PORT", "80"), ("A", "b c")],
                &["node", "my file.js", "x=1"],
            ),
            ("cross-env A=b next start", &[("A", "b")], &["next", "start"]),
            (" serve  './pub'lic \t''", &[], &["serve", "./public", ""]),
            ("'A=b' c", &[], &["A=b", "c"]),
        ] {
            let variables: Vec<_> =
                variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
            assert_eq!(of(script), Some((variables, words(expected))), "{script}");
        }
        for script in ["", "A=b", "a && b", "a $B", "a \"$B\"", "a 'b", "a > b", "a *", "a \\b", "(a)"] {
            assert_eq!(of(script), None, "{script}");
        }
    }

    /// A shell itself splits words.
    #[test]
    fn a_shell_splits_the_same_words() {
        for script in ["a 'b c' \"d\"e  f=g", "x ''", "serve ./a -l 'tcp://h:80' \"a'b\""] {
            let plain = PlainScript::parse(script).expect("plain");
            let shell = format!("set -- {script}; for w; do printf '%s\\n' \"[$w]\"; done");
            let output = std::process::Command::new("/bin/sh").args(["-c", &shell]).output().expect("run");
            let ours: Vec<String> = plain.words.iter().map(|word| format!("[{word}]")).collect();
            let said = String::from_utf8(output.stdout).expect("text");
            assert_eq!(ours, said.lines().collect::<Vec<_>>(), "{script}");
        }
    }
}
