//! Which module may know which: read from the paths in `src/`, without what only tests use.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use crate::support::{REPOSITORY, files_below};

/// The folders of `src/`, from the ground up: each may know those before it, and no other.
const LEVELS: [&str; 16] = [
    "types",
    "runtime",
    "formats",
    "oci",
    "store",
    "registry",
    "transport",
    "layer",
    "project",
    "artifact",
    "plan",
    "engine",
    "inspect",
    "release",
    "cli",
    "fuzz",
];

/// What a folder or file does not know, though it lies higher, and why.
const NEVER: [(&str, &[&str], &str); 7] = [
    ("registry", &["store"], "what is sent comes as blobs, from anywhere"),
    ("layer", &["registry", "transport"], "a layer is a function of its entries"),
    ("project", &["store", "registry", "transport"], "settings are text"),
    ("artifact", &["store", "registry", "transport", "project"], "a proposal is a function of the artifact"),
    ("plan", &["store", "registry", "transport", "project"], "a plan is data"),
    ("inspect", &["engine", "layer", "plan"], "who checks shares no code with who writes"),
    ("formats/untar", &["oci"], "a tar is a tar"),
];

/// A source file without comments and modules that only tests have.
struct Source {
    module: String,
    path: String,
    text: String,
}

fn sources() -> Vec<Source> {
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

/// Without comments, and without items that are for tests: from the attribute to the brace that closes at the
/// same indentation, as rustfmt has it.
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
        kept.push_str(line.split("//").next().unwrap_or_default());
        kept.push('\n');
    }
    kept
}

/// Where `needle` is in `text` as a word of its own.
fn has_word(text: &str, needle: &str) -> bool {
    let is_word = |character: char| character.is_alphanumeric() || character == '_';
    text.match_indices(needle).any(|(at, _)| {
        let before = text[..at].chars().next_back().is_some_and(is_word);
        let after = text[at + needle.len()..].chars().next().is_some_and(is_word);
        let goes_on = after && needle.chars().next_back().is_some_and(is_word);
        !before && !goes_on
    })
}

/// The top-level modules that a text names.
fn known_to(text: &str) -> BTreeSet<String> {
    let names = text.split("crate::").skip(1);
    names
        .map(|rest| rest.chars().take_while(|character| character.is_alphanumeric() || *character == '_'))
        .map(Iterator::collect::<String>)
        .filter(|name| !name.is_empty())
        .collect()
}

#[test]
fn each_level_knows_those_below_it() {
    let level = |module: &str| LEVELS.iter().position(|known| *known == module);
    let mut wrong = Vec::new();
    for source in sources() {
        let Some(own) = level(&source.module) else {
            wrong.push(format!("{} is of no known level", source.path));
            continue;
        };
        assert!(!source.text.contains("crate::{"), "{}: name each module in a line of its own", source.path);
        for known in known_to(&source.text) {
            if level(&known).is_none_or(|level| level > own) {
                wrong.push(format!("{} uses crate::{known}", source.path));
            }
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
}

#[test]
fn some_never_meet() {
    let sources = sources();
    for (place, never, why) in NEVER {
        let files: Vec<&Source> = sources.iter().filter(|source| source.path.starts_with(place)).collect();
        assert_ne!(files.len(), 0, "{place} is not there: is the table right?");
        for source in files {
            for known in known_to(&source.text) {
                assert!(!never.contains(&known.as_str()), "{} uses crate::{known}; {why}", source.path);
            }
        }
    }
}

#[test]
fn no_folder_is_taken_for_output() {
    let root = Path::new(REPOSITORY).join("src");
    for path in files_below(&root) {
        let parts: Vec<_> = path.strip_prefix(&root).unwrap().iter().collect();
        let folders = &parts[..parts.len() - 1];
        assert!(!folders.iter().any(|part| *part == "build" || *part == "target"), "{}", path.display());
    }
}

/// Fails where one of `words` is used by a file that `allowed` does not begin the path of.
#[track_caller]
fn only(words: &[&str], allowed: &[&str]) {
    let sources = sources();
    let uses = |source: &&Source| words.iter().any(|word| has_word(&source.text, word));
    let (right, wrong): (Vec<&str>, Vec<&str>) = sources
        .iter()
        .filter(uses)
        .map(|source| source.path.as_str())
        .partition(|path| allowed.iter().any(|start| path.starts_with(start)));
    assert_eq!(wrong, Vec::<&str>::new(), "{words:?}");
    assert_ne!(right, Vec::<&str>::new(), "nobody uses {words:?}: is the test right?");
}

#[test]
fn only_the_registry_client_is_asynchronous() {
    only(&["tokio::", "reqwest::"], &["registry/"]);
}

#[test]
fn only_the_command_line_reads_the_environment_and_the_clock() {
    // Names of constants, such as that of the architecture, are not the environment.
    only(
        &["env::var", "env::var_os", "env::vars", "env::vars_os", "env::current_dir", "env::temp_dir"],
        &["cli/"],
    );
    // How long to wait until a date that a registry names.
    only(&["SystemTime::now"], &["cli/", "registry/retry.rs"]);
}

#[test]
fn only_the_command_line_writes_to_the_terminal() {
    let words = ["println!", "eprintln!", "print!", "eprint!", "io::stdout", "io::stderr"];
    only(&words, &["cli/"]);
}

#[test]
fn there_are_two_places_for_unsafe_code() {
    only(&["unsafe"], &["types/digest/sha256.rs", "formats/zip/inflate.rs"]);
}

#[test]
fn tests_are_taken_out() {
    let text = "use a;\n#[cfg(test)]\nmod tests {\n    mod inner {\n    }\n}\nuse b; // c\n#[cfg(test)]\nmod d;\nuse e;\n";
    assert_eq!(without_tests(text), "use a;\nuse b; \nuse e;\n");
    assert!(has_word("x = unsafe {", "unsafe") && !has_word("unsafe_code", "unsafe"));
}

/// Anybody can choose the name of a file, so a path in an error is shown like any other foreign text.
#[test]
fn no_error_shows_a_path_as_it_is() {
    let mut wrong = Vec::new();
    for source in sources() {
        for attribute in source.text.split("#[error(").skip(1) {
            let message = attribute.split_once(")]").map_or(attribute, |(message, _)| message);
            if message.contains(".display()") {
                wrong.push(format!("{}: {message}", source.path));
            }
        }
    }
    assert!(wrong.is_empty(), "use `shown_path`: {wrong:#?}");
}
