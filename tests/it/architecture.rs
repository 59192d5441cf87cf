//! Which module may know which: read from the paths in `src/`, without what only tests use.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use crate::support::{REPOSITORY, files_below};

mod circles;
mod sources;

use circles::circles;
use sources::{Source, has_word, sources};

/// The folders of `src/`, from the ground up: each may know those before it, and no other.
const LEVELS: [&str; 27] = [
    "types",
    "runtime",
    "formats",
    "oci",
    "attest",
    "store",
    "registry",
    "transport",
    "attach",
    "layer",
    "project",
    "import",
    "bases",
    "artifact",
    "plan",
    "sbom",
    "policy",
    "engine",
    "inspect",
    "descriptors",
    "release",
    "notify",
    "serve",
    "listen",
    "cli",
    "fuzz",
    "testing",
];

/// Modules that a folder or file must not know, though they lie below it, and the reason.
const NEVER: [(&str, &[&str], &str); 8] = [
    ("registry", &["store"], "what is sent comes as blobs, from anywhere"),
    ("layer", &["registry", "transport"], "a layer is a function of its entries"),
    ("project", &["store", "registry", "transport"], "settings are text"),
    ("artifact", &["store", "registry", "transport", "project"], "a proposal is a function of the artifact"),
    ("plan", &["store", "registry", "transport", "project"], "a plan is data"),
    (
        "descriptors",
        &["store", "registry", "transport", "layer", "project", "artifact", "plan", "engine", "inspect"],
        "a descriptor is text",
    ),
    ("inspect", &["engine", "layer", "plan"], "who checks shares no code with who writes"),
    ("formats/untar", &["oci"], "a tar is a tar"),
];

/// Folders that have levels of their own, from the ground up.
const INNER_LEVELS: [(&str, &[&str]); 1] = [("registry", &["wire", "auth", "client"])];

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
fn each_inner_level_knows_those_below_it() {
    let sources = sources();
    for (folder, levels) in INNER_LEVELS {
        for (own, level) in levels.iter().enumerate() {
            let place = format!("{folder}/{level}/");
            let files: Vec<&Source> =
                sources.iter().filter(|source| source.path.starts_with(&place)).collect();
            assert_ne!(files.len(), 0, "{place} is not there: is the table right?");
            for source in files {
                assert!(
                    !source.text.contains("super::{"),
                    "{}: name each module in a line of its own",
                    source.path
                );
                for above in &levels[own + 1..] {
                    let known = [format!("super::{above}::"), format!("{folder}::{above}::")];
                    let word = known.iter().find(|word| has_word(&source.text, word));
                    assert_eq!(word, None, "{} is below {above}", source.path);
                }
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
fn only_the_registry_client_and_a_server_are_asynchronous() {
    only(&["reqwest::"], &["registry/"]);
    only(&["tokio::"], &["registry/", "serve/connections.rs", "serve/server.rs", "listen/server.rs"]);
}

#[test]
fn only_the_command_line_reads_the_environment_and_the_clock() {
    // Names of constants, such as that of the architecture, are not the environment.
    only(
        &["env::var", "env::var_os", "env::vars", "env::vars_os", "env::current_dir", "env::temp_dir"],
        &["cli/"],
    );
    // How long to wait until a date that a registry names.
    only(&["SystemTime::now"], &["cli/", "registry/wire/retry.rs"]);
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

/// The files that open or read a path of the disk themselves, below the engine, and the reason.
///
/// Anybody can put a link into an artifact, a layer's source or a checkout, which this machine would follow to its own
/// files. Everything below such a directory is read by `runtime::tree_reader` or found by a scan, which follows none.
const READ_THEMSELVES: [(&str, &str); 28] = [
    ("artifact/elf.rs", "the program itself, and libraries that a scan found"),
    ("artifact/find.rs", "what the user named"),
    ("artifact/found_tree.rs", "regular files that a scan found"),
    ("artifact/glimpse.rs", "what the user named"),
    ("artifact/jar_surroundings.rs", "the name of the directory of what the user named"),
    ("artifact/kinds/distribution.rs", "the name of what the user named"),
    ("artifact/kinds/elf.rs", "libraries that a tree reader found"),
    ("artifact/kinds/node/modules.rs", "what the user named, or a regular file that a scan found"),
    ("artifact/kinds/python/layout.rs", "regular files that a scan found"),
    ("artifact/kinds/war/members.rs", "regular files that a scan found"),
    ("bases/content.rs", "regular files of a plan"),
    ("engine/declared.rs", "what the user named"),
    ("engine/inputs.rs", "stamps of what the user named"),
    ("engine/own.rs", "where outputs lie"),
    ("engine/owners.rs", "a file that the user named"),
    ("engine/provenance.rs", "the inputs that the user named"),
    ("engine/request.rs", "the directory of the project"),
    ("engine/siblings.rs", "the store"),
    ("engine/untrusted.rs", "where links of a project lead"),
    ("formats/zip/archive.rs", "a path that its caller resolved"),
    ("formats/zip/tarball.rs", "what the user named"),
    ("layer/", "what a scan found, and its root"),
    ("project/config/document.rs", "the build file, checked before"),
    ("project/git/", "the repository, which has checks of its own"),
    ("project/lock/file.rs", "the lock, checked before"),
    ("project/workspace/", "the directories that the patterns of a workspace name"),
    ("transport/archive/", "what the user named"),
    ("transport/layout.rs", "what the user named, checked before"),
];

#[test]
fn what_lies_below_a_directory_of_others_is_read_by_one_reader() {
    const WORDS: [&str; 11] = [
        "File::open",
        "OpenOptions",
        "fs::read",
        "fs::read_to_string",
        "fs::read_dir",
        "fs::read_link",
        "fs::metadata",
        "fs::canonicalize",
        "input::open",
        "input::read",
        "input::read_text",
    ];
    const FOLDERS: [&str; 8] =
        ["formats/", "transport/", "layer/", "project/", "bases/", "artifact/", "plan/", "engine/"];
    let reads = |source: &&Source| WORDS.iter().any(|word| has_word(&source.text, word));
    let below = |source: &&Source| FOLDERS.iter().any(|folder| source.path.starts_with(folder));
    let found: BTreeSet<&str> =
        sources().iter().filter(below).filter(reads).map(|source| source.path.as_str()).collect();
    let known = |path: &&str| READ_THEMSELVES.iter().any(|(start, _)| path.starts_with(start));
    let others: Vec<&&str> = found.iter().filter(|path| !known(path)).collect();
    assert!(others.is_empty(), "read by `TreeReader`, or say here why not: {others:?}");
    for (start, why) in READ_THEMSELVES {
        assert!(found.iter().any(|path| path.starts_with(start)), "{start} ({why}) reads nothing itself");
    }
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

/// The types that a file declares for all of its items: those of no function, and those that a macro declares.
fn types(text: &str) -> impl Iterator<Item = &str> {
    let mut is_in_macro = false;
    text.lines().filter_map(move |line| {
        let item = match line.strip_prefix("    ") {
            Some(inner) if is_in_macro => inner,
            Some(_) => return None,
            None => line,
        };
        if item.len() == line.len() && !line.is_empty() {
            is_in_macro = line.ends_with("! {") && !line.starts_with("macro_rules!");
        }
        let item = match item.strip_prefix("pub(").and_then(|rest| rest.split_once(") ")) {
            Some((_, bare)) => bare,
            None => item.strip_prefix("pub ").unwrap_or(item),
        };
        let mut words = item.split(' ').skip_while(|word| *word == "unsafe");
        let is_type = ["struct", "enum", "trait", "type", "union"].contains(&words.next()?);
        let name = words.next().filter(|_| is_type)?;
        Some(name.split(|end: char| !end.is_alphanumeric() && end != '_').next().unwrap_or(name))
    })
}

#[test]
fn types_are_found_where_they_are_declared() {
    let text = "pub(crate) struct A<T>(T);\nenum B {\n    C,\n}\ntable! {\n    pub struct D {\n        struct: E,\n    }\n}\n\
        fn f() {\n    struct G;\n}\npub(in crate::x) trait H: I {\n    type J;\n}\ntype K<'a> = &'a str;\n";
    assert_eq!(types(text).collect::<Vec<_>>(), ["A", "B", "D", "H", "K"]);
}

/// A reader or a search that meets the name of a type need not know which file it is in.
#[test]
fn the_name_of_a_type_has_one_meaning() {
    let mut homes: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for source in sources() {
        for name in types(&source.text) {
            homes.entry(name).or_default().push(&source.path);
        }
    }
    assert!(homes.contains_key("Digest") && homes.contains_key("ImageSettings"), "is the search right?");
    homes.retain(|_, homes| homes.len() > 1);
    assert!(homes.is_empty(), "give each its own name: {homes:#?}");
}

#[test]
fn no_files_use_each_other_in_a_circle() {
    let sources = sources();
    let files: Vec<(&str, &str)> =
        sources.iter().map(|source| (source.path.as_str(), source.text.as_str())).collect();
    let mut message = String::new();
    for circle in circles(&files) {
        message += &format!("a circle: {:#?}\n", circle.files);
        for ((user, used), items) in &circle.uses {
            message += &format!("{user} uses {used}: {items:?}\n");
        }
    }
    assert!(message.is_empty(), "{message}");
}
