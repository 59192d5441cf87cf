//! `docs/schema/`: the schemas that `pack schema` prints, and the documents that must fit them.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use pack_test_registry::Fake;
use pack_test_schema::Schema;
use serde_json::Value;

use crate::check::schema_errors;
use crate::real::peers::peer;
use crate::support::{PACK, Project, REPOSITORY, files_below};

/// A schema of `docs/schema/`, which is what the program prints.
fn schema(name: &str) -> &'static Schema {
    static ALL: OnceLock<BTreeMap<String, Schema>> = OnceLock::new();
    let all = ALL.get_or_init(|| {
        let read = |path: PathBuf| {
            let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
            (name, Schema::parse(&fs::read_to_string(path).unwrap()))
        };
        files_below(&Path::new(REPOSITORY).join("docs/schema")).into_iter().map(read).collect()
    });
    all.get(&name.replace(' ', "-")).unwrap_or_else(|| panic!("there is no schema of `{name}`"))
}

/// Holds the document that a run printed to the schema of its command: for every run of every test.
#[track_caller]
pub(crate) fn hold(arguments: &[String], stdout: &str) {
    let is_json = arguments.iter().any(|argument| argument == "--json" || argument == "--format=json")
        || arguments.windows(2).any(|pair| pair == ["--format", "json"]);
    if !is_json || arguments.iter().any(|argument| argument.contains("sarif")) {
        return;
    }
    let mut words = arguments.iter().filter(|argument| !argument.starts_with('-'));
    let command = words.next().map(String::as_str).unwrap_or_default();
    let name = match command {
        "cache" | "events" | "key" => format!("{command} {}", words.next().unwrap()),
        other => other.to_owned(),
    };
    // A run that failed, and one that was stopped, have printed nothing, or not all of it.
    let Ok(document) = serde_json::from_str::<Value>(stdout) else { return };
    let faults: Vec<String> = schema(&name).faults(&document).iter().map(ToString::to_string).collect();
    assert!(
        faults.is_empty(),
        "`pack {}`: by its schema:\n{}\n{stdout}",
        arguments.join(" "),
        faults.join("\n")
    );
}

/// A file of TOML as editors judge it: dates are strings.
fn toml_as_json(text: &str) -> Value {
    let table: toml::Table = text.parse().unwrap_or_else(|error| panic!("{error}: {text}"));
    fn convert(value: toml::Value) -> Value {
        match value {
            toml::Value::Datetime(datetime) => datetime.to_string().into(),
            toml::Value::Array(values) => values.into_iter().map(convert).collect(),
            toml::Value::Table(table) => {
                table.into_iter().map(|(key, value)| (key, convert(value))).collect()
            }
            other => serde_json::to_value(other).unwrap(),
        }
    }
    convert(toml::Value::Table(table))
}

/// The build files of this repository, and the examples of its documents, each with its place.
fn build_files() -> Vec<(String, String)> {
    let root = Path::new(REPOSITORY);
    let mut found = Vec::new();
    let all = |path: PathBuf| {
        let text = fs::read_to_string(&path).unwrap();
        (path.strip_prefix(root).unwrap().display().to_string(), text)
    };
    for folder in ["fixtures", "packaging"] {
        let files = files_below(&root.join(folder));
        found.extend(files.into_iter().filter(|path| path.ends_with("build.toml")).map(all));
    }
    let (_, example) = all(root.join("build.toml.example"));
    let whole: Vec<&str> = example.lines().map(|line| line.strip_prefix("#: ").unwrap_or(line)).collect();
    found.push(("build.toml.example, whole".to_owned(), whole.join("\n")));
    found.push(("build.toml.example".to_owned(), example));
    let pages = files_below(&root.join("docs")).into_iter().chain([root.join("README.md")]);
    for (page, text) in pages.filter(|path| path.extension().is_some_and(|end| end == "md")).map(all) {
        for block in text.split("\n```toml\n").skip(1) {
            let block = block.split("\n```").next().unwrap().to_owned();
            // Files of `pack listen`, and `images.lock`.
            if !["[[source]]", "[[action]]", "[[image]]"].iter().any(|table| block.contains(table)) {
                found.push((page.clone(), block));
            }
        }
    }
    assert!(found.len() > 14, "{}", found.len());
    found
}

#[test]
fn every_build_file_of_this_repository_fits_the_schema() {
    let schema = schema("build.toml");
    for (place, text) in build_files() {
        let faults: Vec<String> =
            schema.faults(&toml_as_json(&text)).iter().map(ToString::to_string).collect();
        assert!(faults.is_empty(), "{place}: {}\n{text}", faults.join("\n"));
    }
}

#[test]
fn what_is_printed_is_the_file_of_the_documents() {
    let project = Project::new();
    let names = project.pack("schema").ok().stdout;
    let mut files = BTreeSet::new();
    for name in names.lines() {
        let file = format!("{}.json", name.replace(' ', "-"));
        let written = fs::read_to_string(Path::new(REPOSITORY).join("docs/schema").join(&file)).unwrap();
        assert_eq!(project.pack(&format!("schema {name}")).ok().stdout, written, "{name}");
        files.insert(file);
    }
    let there = fs::read_dir(Path::new(REPOSITORY).join("docs/schema")).unwrap();
    let there: BTreeSet<String> =
        there.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    assert_eq!(files, there);
    project.pack("schema build.tml").fails(2).says(&["hint: did you mean `pack schema build.toml`?"]);
    project.pack("schema xyz").fails(2).says(&["hint: `pack schema` lists the names"]);
}

/// The kinds are a list of their own in the schema, since the settings do not know them.
#[test]
fn the_schema_has_the_kinds_of_artifacts() {
    let help = Command::new(PACK).args(["build", "--help"]).output().unwrap().stdout;
    let help = String::from_utf8(help).unwrap().split_whitespace().collect::<Vec<_>>().join(" ");
    let (_, kinds) = help.split_once("KIND is a kind of artifact: ").unwrap();
    let kinds: BTreeSet<&str> = kinds.split('.').next().unwrap().split(", ").collect();
    let schema =
        serde_json::from_str::<Value>(&Project::new().pack("schema build.toml").ok().stdout).unwrap();
    let listed = schema["properties"]["app"]["anyOf"][0]["properties"]["kind"]["enum"].as_array().unwrap();
    assert_eq!(listed.iter().map(|kind| kind.as_str().unwrap()).collect::<BTreeSet<_>>(), kinds);
}

/// Each command with `--json` once, from an image of a registry of this process.
#[test]
fn every_command_with_json_prints_a_document_that_fits() {
    let fake = Fake::start().unwrap();
    let name = format!("{}/shop/app", fake.address());
    let project = Project::with(&format!(
        "[image]\nname = \"{name}\"\nbase = \"scratch\"\nplatforms = [\"linux/amd64\"]\ntags = [\"1\"]\n\n\
         [app]\npath = \"files\"\nkind = \"tree\"\nroot = \"/srv\"\n"
    ));
    project.write("files/page.txt", "1").write("note.txt", "a note").write("password", "secret");
    project.write("pod.yaml", "image: pack://app\n").write("other.yaml", "image: nginx:1\n");
    project.write("all/build.toml", "[workspace]\nmembers = [\"one\"]\n").write("all/one/files/a", "a");
    project.write("all/one/build.toml", crate::support::tree_on("scratch"));
    let lines = [
        "build --push --explain --json",
        "plan --push --explain --json",
        "check --json",
        "check --rules --json",
        "deps --json",
        "build all --workspace --shard 1/1 --results results.json --json",
        "plan all --workspace --json",
        "check all --workspace --json",
        "merge results.json --json",
        "update --json",
        "update --check --json",
        "build --json --tag 2 -o oci:out:2",
        "build --json --tag 2",
        "inspect --json NAME:1",
        "inspect --json oci:out:2",
        "inspect --json NAME",
        "history --json NAME:1",
        "key generate --json --output shop --password-file password",
        "key public --json shop.pub",
        "sign --json NAME:1 --key shop.key --password-file password",
        "verify --json NAME:1 --key shop.pub",
        "verify --rebuild --json",
        "images --json",
        "copy --json --referrers NAME:1 NAME:copy",
        "tag --json NAME:1 more",
        "attach --json NAME:1 note.txt --type text/plain",
        "referrers --json NAME:1",
        "promote --json NAME:1 --to dev",
        "promote --json @dev --to prod",
        "rollback --json prod --to 1",
        "releases --json prod --files",
        "resolve --json -f pod.yaml",
        "resolve --json --check -f other.yaml",
        "render --json dev -f pod.yaml",
        "events list --json",
        "events flush --json",
        "login --json HOST -u a -p b",
        "logout --json HOST",
        "doctor --json NAME",
        "diff --json NAME:1 oci:out:2",
        "build --json -o oci:old",
        "build --json -o oci:new --set config.labels.a=b",
        "build --json --push --base oci:old --root /opt --tag based",
        "rebase --json NAME:based --base oci:new --old-base oci:old -t rebased",
        "rm --json NAME:2",
        "cache verify --json",
        "cache info --json",
        "cache prune --json",
    ];
    let mut seen = BTreeSet::new();
    for line in lines {
        let words = line.replace("NAME", &name).replace("HOST", &fake.address().to_string());
        let outcome = project.pack(&words).run();
        assert!(serde_json::from_str::<Value>(&outcome.stdout).is_ok(), "{outcome:?}");
        let count = if line.starts_with("cache") || line.starts_with("key") || line.starts_with("events") {
            2
        } else {
            1
        };
        seen.insert(line.split(' ').take(count).collect::<Vec<_>>().join(" "));
    }
    let names = project.pack("schema").ok().stdout;
    let named: BTreeSet<String> =
        names.lines().filter(|name| *name != "build.toml").map(str::to_owned).collect();
    assert_eq!(seen, named);
}

/// A document with a key too many, or one too few, does not fit.
#[test]
fn the_schemas_are_strict() {
    let project = Project::small();
    let built = project.pack("build --json").ok().json();
    assert!(schema("build").accepts(&built));
    for (pointer, key) in [("", "digest"), ("/images/0", "platform"), ("/images/0/layers/0", "state")] {
        let mut less = built.clone();
        less.pointer_mut(pointer).unwrap().as_object_mut().unwrap().remove(key).unwrap();
        assert!(!schema("build").accepts(&less), "{pointer}/{key}");
        let mut more = built.clone();
        more.pointer_mut(pointer).unwrap()["colour"] = "red".into();
        assert!(!schema("build").accepts(&more), "{pointer}");
    }
}

/// taplo, which editors use (Even Better TOML), takes every build file of this repository, and shows faults in a wrong one.
#[test]
fn editors_show_what_is_wrong_in_a_build_file() {
    let Some(taplo) = peer("taplo/taplo") else { return };
    let project = Project::new();
    let judged = |text: &str| {
        project.write("build.toml", text);
        let mut lint = Command::new(&taplo);
        lint.args(["lint", "--no-auto-config", "--colors", "never", "--schema"]);
        lint.arg(format!("file://{REPOSITORY}/docs/schema/build.toml.json")).arg("build.toml");
        lint.current_dir(project.root()).output().unwrap()
    };
    for (place, text) in build_files() {
        let said = judged(&text);
        assert!(said.status.success(), "{place}: {}", String::from_utf8_lossy(&said.stderr));
    }
    for wrong in WRONG {
        let said = judged(wrong);
        assert!(!said.status.success(), "{wrong}");
        let stderr = String::from_utf8_lossy(&said.stderr);
        assert!(stderr.contains("build.toml:1") || stderr.contains("build.toml:2"), "{wrong}: {stderr}");
    }
}

/// Build files that a schema refuses.
const WRONG: [&str; 4] =
    ["[image]\nnmae = \"a\"", "config.ports = [0]", "[[layer]]\nfiles = []", "app.path = []"];

/// Another reader of schemas agrees: the schemas are well formed, right files are right and wrong ones wrong.
#[test]
fn another_judge_of_schemas_agrees() {
    let Some(python) = peer("sarif/python") else { return };
    let path = Path::new(REPOSITORY).join("docs/schema/build.toml.json");
    for (place, text) in build_files() {
        assert_eq!(schema_errors(&python, &path, &toml_as_json(&text)), "", "{place}");
    }
    // Each schema is well formed, whatever it accepts.
    for path in files_below(&path.with_file_name("")) {
        let said = Command::new("python3")
            .args(["-c", "import json, sys\nsys.path.insert(0, sys.argv[1])\nfrom jsonschema import Draft7Validator\nDraft7Validator.check_schema(json.load(open(sys.argv[2])))"])
            .arg(&python)
            .arg(&path)
            .output()
            .unwrap();
        assert!(said.status.success(), "{}: {said:?}", path.display());
    }
    for wrong in WRONG {
        assert_ne!(schema_errors(&python, &path, &toml_as_json(wrong)), "", "{wrong}");
    }
}
