//! Which module may know which: read from the paths in `src/`, without what only tests use.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use crate::support::{REPOSITORY, files_below};

/// Modules that know no other, or only `error`, which is the traits that messages are made of.
const VALUES: [&str; 17] = [
    "budget",
    "deflate",
    "digest",
    "error",
    "git",
    "input",
    "interrupt",
    // Documents of images, logins, answers of registries.
    "json",
    "location",
    "observer",
    "platform",
    "reference",
    "shown",
    "stamp",
    "workers",
    "time",
    // The headers of a foreign tar: of a base layer, an archive, an image to verify or to compare.
    "untar",
];

/// What each module may know besides the values. Whatever is not here may not be known.
const ALLOWED: [(&str, &[&str]); 17] = [
    // Values of the standard: manifest, index, configuration.
    ("image", &[]),
    ("zip", &[]),
    // A layer's content may lie in an archive; its bodies go to the store as they are made; its descriptor
    // and media type are those of an image; and who wants it may read along.
    ("layer", &["zip", "store", "image", "blob"]),
    // Names of media types, and paths, modes and owners in their own types.
    ("config", &["image", "layer"]),
    // Written in TOML with the spans and errors of the build file.
    ("lock", &["config", "image", "layer"]),
    ("blob", &["image"]),
    ("store", &["blob", "image"]),
    ("registry", &["blob", "image"]),
    ("transport", &["blob", "image", "store", "registry"]),
    // Whose error it was that something could not be read.
    ("verify", &["image", "registry", "transport"]),
    ("diff", &["image", "transport"]),
    // The name of the tag that stands in for the referrers API.
    ("copy", &["image", "registry", "transport"]),
    ("artifact", &["image", "layer", "zip"]),
    ("plan", &["image", "layer"]),
    // The one that walks the whole flow.
    (
        "build",
        &["artifact", "config", "image", "layer", "lock", "plan", "registry", "store", "transport", "zip"],
    ),
    // What a build knows of bases and of what runs on them, for an image that was built before.
    ("rebase", &["artifact", "build", "copy", "image", "layer", "store", "transport"]),
    (
        "cli",
        &[
            "artifact",
            "build",
            "config",
            "copy",
            "diff",
            "image",
            "layer",
            "lock",
            "plan",
            "rebase",
            "registry",
            "store",
            "transport",
            "verify",
        ],
    ),
];

/// What values know of each other.
const ALLOWED_VALUES: [(&str, &[&str]); 10] = [
    ("digest", &["shown"]),
    ("git", &["digest", "error", "input", "shown", "time"]),
    ("interrupt", &["error"]),
    ("json", &["shown"]),
    ("location", &["error", "reference", "shown"]),
    ("platform", &["shown"]),
    ("reference", &["digest", "shown"]),
    ("time", &["error"]),
    ("untar", &["shown"]),
    ("workers", &["error"]),
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
fn dependencies_point_one_way() {
    let mut allowed: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for (module, known) in ALLOWED {
        allowed.entry(module).or_default().extend(known.iter().chain(&VALUES));
    }
    for value in VALUES {
        allowed.entry(value).or_default();
    }
    for (module, known) in ALLOWED_VALUES {
        allowed.entry(module).or_default().extend(known);
    }
    let mut wrong = Vec::new();
    for source in sources() {
        let Some(may) = allowed.get(source.module.as_str()) else {
            wrong.push(format!("{} is of no known module", source.path));
            continue;
        };
        assert!(!source.text.contains("crate::{"), "{}: name each module in a line of its own", source.path);
        for known in known_to(&source.text) {
            if known != source.module && !may.contains(known.as_str()) {
                wrong.push(format!("{} uses crate::{known}", source.path));
            }
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
}

#[test]
fn what_is_allowed_is_used() {
    let sources = sources();
    for (module, known) in ALLOWED.into_iter().chain(ALLOWED_VALUES) {
        for name in known {
            let used = sources
                .iter()
                .any(|source| source.module == module && known_to(&source.text).contains(*name));
            assert!(used, "{module} may use {name} and does not: take it off the list");
        }
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
    only(&["unsafe"], &["digest/sha256.rs", "zip/inflate.rs"]);
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
