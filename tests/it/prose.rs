//! The words of sources, messages and documents (`docs/style.md`), and where documents point.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::{PACK, REPOSITORY, files_below};

/// Words that a sentence here does without.
const BANNED: [&str; 5] = ["whoever", "nobody", "no one", "whom", "whomever"];

/// The page that shows bad sentences beside good ones.
const STYLE: &str = "docs/style.md";

/// Folders and files with sentences of ours, from the root of the repository.
const PROSE: [&str; 8] =
    ["src", "docs", "tests", "fixtures", "benches", "fuzz/fuzz_targets", ".ci", "build.toml.example"];

fn root() -> &'static Path {
    Path::new(REPOSITORY)
}

/// The path from the root of the repository.
fn relative(path: &Path) -> String {
    path.strip_prefix(root()).unwrap().to_str().unwrap().to_owned()
}

/// The documents: Markdown at the root and in `docs/`.
fn documents() -> Vec<PathBuf> {
    let at_root = fs::read_dir(root()).unwrap().map(|entry| entry.unwrap().path());
    let all = at_root.chain(files_below(&root().join("docs")));
    let mut found: Vec<PathBuf> =
        all.filter(|path| path.extension().is_some_and(|end| end == "md")).collect();
    found.sort();
    found
}

/// All texts with sentences of ours, and their paths.
fn texts() -> Vec<(String, String)> {
    let below = PROSE.iter().flat_map(|name| {
        let path = root().join(name);
        if path.is_dir() { files_below(&path) } else { vec![path] }
    });
    let paths: BTreeSet<PathBuf> = below.chain(documents()).collect();
    let texts: Vec<(String, String)> = paths
        .into_iter()
        .filter_map(|path| Some((relative(&path), fs::read_to_string(&path).ok()?)))
        .filter(|(path, _)| path != STYLE && path != "tests/it/prose.rs")
        .collect();
    assert!(texts.len() > 200, "{} files: is the table right?", texts.len());
    texts
}

/// The words of a line, without what stands in backticks, in lower case.
fn words(line: &str) -> Vec<String> {
    let plain: String = line.split('`').step_by(2).collect::<Vec<_>>().join(" ");
    let is_end = |character: char| !(character.is_alphanumeric() || character == '_');
    plain.split(is_end).filter(|word| !word.is_empty()).map(str::to_lowercase).collect()
}

/// The banned word or pair of words in a line, if there is one.
fn banned(line: &str) -> Option<&'static str> {
    let words = words(line);
    BANNED.into_iter().find(|banned| {
        let parts: Vec<&str> = banned.split(' ').collect();
        words.windows(parts.len()).any(|window| window == parts.as_slice())
    })
}

/// The texts of a line: of a document all of it, of a source its comment or else its strings, of a script its comment.
/// Strings of tests do not count: they also hold the words of others.
fn prose<'a>(path: &str, line: &'a str) -> Vec<&'a str> {
    let line = line.trim();
    if path.ends_with(".md") {
        return vec![line.trim_start_matches(['-', '>', ' '])];
    }
    if !path.ends_with(".rs") {
        return line.strip_prefix('#').map(str::trim).into_iter().collect();
    }
    let comment = line.match_indices("//").find(|(at, _)| !line[..*at].ends_with(':'));
    match comment.map(|(at, _)| &line[at + 2..]) {
        Some(comment) => vec![comment.trim_start_matches(['/', '!']).trim()],
        None if path.starts_with("tests/") => Vec::new(),
        None => line.split('"').skip(1).step_by(2).collect(),
    }
}

/// The banned word in a line, if there is one.
fn bad_word(path: &str, line: &str) -> Option<&'static str> {
    prose(path, line).into_iter().find_map(banned)
}

fn has_bad_beginning(path: &str, line: &str) -> bool {
    prose(path, line).into_iter().any(begins_with_what)
}

/// Whether a sentence begins with "What", and is neither a question nor a heading.
fn begins_with_what(text: &str) -> bool {
    let starts = [". ", ": ", "| ", "**"]
        .iter()
        .flat_map(|mark| text.match_indices(mark).map(|(at, _)| at + mark.len()));
    let is_subject = |rest: &str| {
        let end = rest.find(['.', '|', ':']).unwrap_or(rest.len());
        rest.starts_with("What ") && !rest[..end].contains('?')
    };
    std::iter::once(0).chain(starts).any(|start| is_subject(&text[start..]))
}

#[test]
fn no_sentence_has_a_banned_word() {
    let mut wrong = Vec::new();
    for (path, text) in texts() {
        for (number, line) in text.lines().enumerate() {
            if let Some(word) = bad_word(&path, line) {
                wrong.push(format!("{path}:{}: `{word}`: {}", number + 1, line.trim()));
            }
        }
    }
    assert!(wrong.is_empty(), "say who does what ({STYLE}):\n{}", wrong.join("\n"));
}

#[test]
fn no_sentence_has_a_clause_with_what_for_a_subject() {
    let mut wrong = Vec::new();
    for (path, text) in texts() {
        for (number, line) in text.lines().enumerate() {
            if has_bad_beginning(&path, line) {
                wrong.push(format!("{path}:{}: {}", number + 1, line.trim()));
            }
        }
    }
    assert!(wrong.is_empty(), "begin with a noun ({STYLE}):\n{}", wrong.join("\n"));
}

#[test]
fn sentences_are_told_apart() {
    for line in ["Whoever reads it.", "for no one else", "by whom?", "NOBODY", "// nobody's"] {
        assert!(banned(line).is_some(), "{line}");
    }
    for line in ["no `nobody` here", "let nobody_there = 1;", "no ones", "one, or no", "somebody"] {
        assert_eq!(banned(line), None, "{line}");
    }
    for line in [
        "What it is.",
        "Done. What is left goes",
        "| `x` | What it is |",
        "a: What is b",
        "**What counts.** x",
    ] {
        assert!(begins_with_what(line), "{line}");
    }
    for line in ["# What is reproducible", "What is this?", "It says what it is.", "Whatever"] {
        assert!(!begins_with_what(line), "{line}");
    }
    assert_eq!(prose("a.rs", "    /// What it is."), ["What it is."]);
    assert_eq!(prose("a.rs", "let a = 1; // why"), ["why"]);
    assert_eq!(prose("a.rs", "a(\"b\", \"c\")"), ["b", "c"]);
    assert_eq!(prose("a.rs", "a(\"b://c\")"), ["b://c"]);
    assert_eq!(prose("tests/a.rs", "a(\"b\", \"c\") // d"), ["d"]);
    assert_eq!(prose("run", "# why"), ["why"]);
}

/// The anchor that hosting sites give a heading.
fn anchor(heading: &str) -> String {
    let kept = heading.chars().filter(|character| character.is_alphanumeric() || " -_".contains(*character));
    kept.collect::<String>().trim().to_lowercase().replace(' ', "-")
}

/// The anchors of all headings of a document, without those in blocks of code.
fn anchors(text: &str) -> BTreeSet<String> {
    let outside = text.split("\n```").step_by(2).collect::<Vec<_>>().join("\n");
    outside
        .lines()
        .filter(|line| line.starts_with('#'))
        .map(|line| anchor(line.trim_start_matches('#')))
        .collect()
}

/// The targets of the links of a document that lie in this repository.
fn links(text: &str) -> Vec<&str> {
    let targets = text.split("](").skip(1).filter_map(|rest| rest.split_once(')')).map(|(target, _)| target);
    targets.filter(|target| !target.contains("://") && !target.contains(' ')).collect()
}

/// The paths in backticks that begin with a folder of this repository, up to the first placeholder.
fn named_paths(text: &str) -> Vec<String> {
    let folders = ["src/", "tests/", "docs/", "benches/", "fuzz/", "fixtures/", ".ci/"];
    let outside = text.split("\n```").step_by(2);
    let spans = outside.flat_map(|part| part.split('`').skip(1).step_by(2));
    let first = spans.filter_map(|span| span.split_whitespace().next());
    first
        .filter(|path| folders.iter().any(|folder| path.starts_with(folder)))
        .map(|path| {
            let parts = path.split('/');
            let is_name = |part: &&str| {
                !part.contains(['*', '{', '…']) && (part.is_empty() || *part != part.to_uppercase())
            };
            parts.take_while(is_name).collect::<Vec<_>>().join("/")
        })
        .collect()
}

#[test]
fn links_of_documents_lead_somewhere() {
    let mut wrong = Vec::new();
    let mut seen = 0;
    for path in documents() {
        let text = fs::read_to_string(&path).unwrap();
        for link in links(&text) {
            seen += 1;
            let (file, place) = link.split_once('#').unwrap_or((link, ""));
            let target = if file.is_empty() { path.clone() } else { path.parent().unwrap().join(file) };
            let anchors = || anchors(&fs::read_to_string(&target).unwrap_or_default());
            if !target.exists() || !(place.is_empty() || anchors().contains(place)) {
                wrong.push(format!("{}: {link}", relative(&path)));
            }
        }
    }
    assert!(seen > 40, "{seen} links: is the search right?");
    assert_eq!(wrong, Vec::<String>::new());
}

#[test]
fn paths_that_documents_name_exist() {
    let mut wrong = Vec::new();
    let mut seen = 0;
    for path in documents() {
        for named in named_paths(&fs::read_to_string(&path).unwrap()) {
            seen += 1;
            if !root().join(&named).exists() {
                wrong.push(format!("{}: {named}", relative(&path)));
            }
        }
    }
    assert!(seen > 40, "{seen} paths: is the search right?");
    assert_eq!(wrong, Vec::<String>::new());
}

/// The tests that documents name: words of at least four parts in backticks.
fn named_tests(text: &str) -> Vec<&str> {
    let is_name = |span: &&str| {
        let is_part = |character: char| {
            character.is_ascii_lowercase() || character.is_ascii_digit() || character == '_'
        };
        span.chars().all(is_part) && span.matches('_').count() > 2
    };
    let outside = text.split("\n```").step_by(2);
    outside.flat_map(|part| part.split('`').skip(1).step_by(2)).filter(is_name).collect()
}

#[test]
fn tests_that_documents_name_exist() {
    let sources: String =
        texts().into_iter().filter(|(path, _)| path.ends_with(".rs")).map(|(_, text)| text).collect();
    let mut wrong = Vec::new();
    let mut seen = 0;
    for path in documents() {
        for name in named_tests(&fs::read_to_string(&path).unwrap()) {
            seen += 1;
            if !sources.contains(&format!("fn {name}(")) {
                wrong.push(format!("{}: {name}", relative(&path)));
            }
        }
    }
    assert!(seen > 100, "{seen} names: is the search right?");
    assert_eq!(wrong, Vec::<String>::new());
}

/// The words of a line for a shell, up to a comment, a pipe or a redirection; quotes hold words together.
pub(crate) fn shell_words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word = String::new();
    let mut quote = None;
    for character in line.chars().chain([' ']) {
        match (quote, character) {
            (None, '\'' | '"') => quote = Some(character),
            (Some(open), close) if open == close => quote = None,
            (None, ' ') if !word.is_empty() => words.push(std::mem::take(&mut word)),
            (None, ' ') => {}
            _ => word.push(character),
        }
    }
    let is_end = |word: &String| ["|", "#", ">", ">>", "&&", "<"].contains(&word.as_str());
    words.into_iter().take_while(|word| !is_end(word)).collect()
}

/// The lines of code blocks that run `pack`, without the prompt.
fn command_lines(text: &str) -> Vec<&str> {
    let blocks = text.split("\n```").skip(1).step_by(2);
    let lines = blocks.flat_map(str::lines).map(|line| line.strip_prefix("$ ").unwrap_or(line));
    lines.filter(|line| line.starts_with("pack ") && !line.contains(['[', '…'])).collect()
}

#[test]
fn command_lines_of_documents_are_understood() {
    let mut wrong = Vec::new();
    let mut seen = 0;
    for path in documents() {
        for line in command_lines(&fs::read_to_string(&path).unwrap()) {
            seen += 1;
            let words = shell_words(line);
            let output = Command::new(PACK).args(&words[1..]).arg("--help").output().unwrap();
            if !output.status.success() {
                wrong.push(format!(
                    "{}: {line}: {}",
                    relative(&path),
                    String::from_utf8_lossy(&output.stderr)
                ));
            }
        }
    }
    assert!(seen > 15, "{seen} lines: is the search right?");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_readme_lists_every_document() {
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    for path in documents() {
        let name = relative(&path);
        assert!(
            name == "README.md" || name == "SECURITY.md" || readme.contains(&format!("]({name})")),
            "{name}"
        );
    }
}

#[test]
fn documents_name_every_kind_of_artifact() {
    let help = Command::new(PACK).args(["build", "--help"]).output().unwrap().stdout;
    let help = String::from_utf8(help).unwrap().split_whitespace().collect::<Vec<_>>().join(" ");
    let (_, kinds) = help.split_once("KIND is a kind of artifact: ").unwrap();
    let kinds: Vec<&str> = kinds.split('.').next().unwrap().split(", ").collect();
    assert!(kinds.len() > 10, "{kinds:?}");
    let text = |name: &str| fs::read_to_string(root().join(name)).unwrap();
    let readme = text("README.md");
    let (_, limits) = readme.split_once("## Limits").unwrap();
    for kind in kinds {
        assert!(limits.contains(&format!("`{kind}`")), "README.md, Limits: {kind}");
        assert!(text("docs/artifacts.md").contains(&format!("\n| `{kind}` |")), "docs/artifacts.md: {kind}");
        assert!(text("build.toml.example").contains(kind), "build.toml.example: {kind}");
    }
}

#[test]
fn the_architecture_is_two_pages() {
    let text = fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap();
    assert!(text.lines().count() <= 120, "{} lines", text.lines().count());
    for line in text.lines() {
        assert!(line.chars().count() <= 140, "{line}");
    }
}

#[test]
fn documents_are_searched_rightly() {
    let text = "# A `b` c\n[x](docs/a.md#y) [z](https://e.example/) `src/a/b.rs` `tests/T/x` `fuzz/run [N]` `a/src/`\n```\n# no\n`src/no`\n```\n";
    assert_eq!(links(text), ["docs/a.md#y"]);
    assert_eq!(named_tests("`a_b_c_d` `a_b_c` `A_b_c_d` `x`\n```\n`e_f_g_h`\n```\n"), ["a_b_c_d"]);
    assert_eq!(named_paths(text), ["src/a/b.rs", "tests", "fuzz/run"]);
    assert_eq!(anchors(text), BTreeSet::from(["a-b-c".to_owned()]));
    assert_eq!(command_lines("x\n```\n$ pack a\npack b\nc\npack [d]\n```\npack e\n"), ["pack a", "pack b"]);
    assert_eq!(shell_words("pack a 'b c' # d"), ["pack", "a", "b c"]);
}
