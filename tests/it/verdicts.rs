//! The matrix of verdicts: whatever the store holds, wherever the base is, with and without a lock, `build`, `plan` and
//! `rebase` say the same of each requirement.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use crate::apps::{hello_jar, hello_jar_with};
use crate::artifacts::{
    AMD64, ARM64, JAKARTA, base, elf, elf_of, elf_with, layout, library, library_defining, war,
};
use crate::registry::Served;
use crate::support::{Outcome, Project, REPOSITORY, Run, Zip, chmod, copy_tree, files_below};

/// The states of a store when a command begins.
pub(crate) const STORES: [&str; 4] = ["cold", "warm", "foreign", "damaged"];
pub(crate) const GLIBC: (&str, &str) = ("lib64/ld-linux-x86-64.so.2", "");
const MUSL: (&str, &str) = ("lib/ld-musl-x86_64.so.1", "");
const NINE: &str =
    "env = { CATALINA_HOME = \"/usr/local/tomcat\", TOMCAT_VERSION = \"9.0.80\", JAVA_VERSION = \"21\" }\n";
pub(crate) const TEN: &str =
    "env = { CATALINA_HOME = \"/usr/local/tomcat\", TOMCAT_VERSION = \"10.1.24\", JAVA_VERSION = \"21\" }\n";

/// The verdict of a command about a base that does not meet a requirement.
#[derive(Clone, Copy, PartialEq)]
enum Verdict {
    Refused,
    /// Nothing at hand tells.
    Unknown,
}

/// A requirement, an artifact that has it, a base that meets it, and one that does not.
struct Row {
    /// The variant of `Requirement`.
    requirement: &'static str,
    artifact: fn() -> Vec<u8>,
    name: &'static str,
    /// More of `[app]` and `[config]`.
    settings: &'static str,
    good: fn() -> Project,
    bad: fn() -> Project,
    says: &'static str,
    /// With a lock that was written for another artifact, on a base in a registry: no layer is read then.
    with_lock: Verdict,
}

fn with(files: &[(&str, &str)]) -> Project {
    base(&["linux/amd64"], "", files)
}

/// A base of these files and the loader, in a layout.
fn with_libraries(files: &[(&str, Vec<u8>)]) -> Project {
    let project = Project::with(
        "[image]\nname = \"localhost/base\"\nbase = \"scratch\"\ntags = [\"1\"]\nplatforms = [\"linux/amd64\"]\n\n\
         [app]\npath = \"files\"\nkind = \"tree\"\nroot = \"/\"\n",
    );
    project.write("files/lib64/ld-linux-x86-64.so.2", library(AMD64, &[]));
    chmod(&project.path("files/lib64/ld-linux-x86-64.so.2"), 0o755);
    for (name, content) in files {
        project.write(&format!("files/{name}"), content);
    }
    project.pack("build -o oci:layout").ok();
    project
}

/// A library that needs `libdeep.so.1`.
fn shop_library() -> Vec<u8> {
    library(AMD64, &["libdeep.so.1"])
}

/// A base with a program of this name on its path.
fn launcher(name: &str) -> Project {
    let program = format!(
        "\n[[layer]]\nname = \"program\"\nfiles = [{{ from = \"files/program\", to = \"/usr/bin/{name}\", mode = \"0755\" }}]\n"
    );
    base(&["linux/amd64"], &program, &[("program", "program")])
}

/// A base that says this Java version, with a `java` that may be run, or without one.
fn java(version: &str, has_program: bool) -> Project {
    let program = if has_program {
        "\n[[layer]]\nname = \"jdk\"\nfiles = [{ from = \"files/jdk/java\", to = \"/usr/bin/java\", mode = \"0755\" }]\n"
    } else {
        ""
    };
    let config = format!("env = {{ JAVA_VERSION = \"{version}\" }}\n{program}");
    base(&["linux/amd64"], &config, &[("jdk/java", "java")])
}

/// A base with Java and the programs that a start script calls, with or without the shell.
fn shell(has_shell: bool) -> Project {
    let program = |path: &str| format!("{{ from = \"files/program\", to = \"{path}\", mode = \"0755\" }}");
    let all = ["/usr/bin/java", "/usr/bin/uname", "/usr/bin/dirname", "/bin/sh"];
    let programs: Vec<String> = all[..3 + usize::from(has_shell)].iter().map(|path| program(path)).collect();
    let config = format!(
        "env = {{ JAVA_VERSION = \"21\" }}\n\n[[layer]]\nname = \"programs\"\nfiles = [{}]\n",
        programs.join(", ")
    );
    base(&["linux/amd64"], &config, &[("program", "program")])
}

/// A base with this variable, and a program of this name.
fn interpreter(variable: &str, name: &str) -> Project {
    let program = format!(
        "env = {{ {variable} }}\n\n[[layer]]\nname = \"program\"\n\
         files = [{{ from = \"files/program\", to = \"/usr/bin/{name}\", mode = \"0755\" }}]\n"
    );
    base(&["linux/amd64"], &program, &[("program", "program")])
}

/// A base with a program of this name, and a file.
fn interpreter_and(name: &str, file: &str) -> Project {
    let program = format!(
        "\n[[layer]]\nname = \"program\"\n\
         files = [{{ from = \"files/program\", to = \"/usr/bin/{name}\", mode = \"0755\" }}]\n"
    );
    base(&["linux/amd64"], &program, &[("program", "program"), (file, "")])
}

/// An application of Node.js that says on which it runs, one with an addon for Node.js 20, and one of Python that lacks a
/// distribution.
const APPS: [(&str, &[(&str, &str)]); 3] = [
    (
        "packages",
        &[
            ("__main__.py", ""),
            ("shop-1.dist-info/METADATA", "Name: shop\nRequires-Dist: greet>=1\n"),
            ("shop-1.dist-info/RECORD", ""),
        ],
    ),
    (
        "node",
        &[
            ("package.json", r#"{"scripts":{"start":"node a.js"},"engines":{"node":"^20.9 || >=22"}}"#),
            ("a.js", ""),
        ],
    ),
    (
        "addon",
        &[
            ("package.json", r#"{"scripts":{"start":"node a.js"},"dependencies":{"w":"1"}}"#),
            ("a.js", ""),
            ("node_modules/w/package.json", r#"{"name":"w","version":"1.0.0"}"#),
        ],
    ),
];

/// Writes the artifact of a row.
fn write_artifact(project: &Project, row: &Row) {
    let Some((name, files)) = APPS.iter().find(|(name, _)| *name == row.name) else {
        project.write(row.name, (row.artifact)());
        return;
    };
    for (file, text) in *files {
        project.write(&format!("{name}/{file}"), text);
    }
    if *name == "addon" {
        let addon = library(AMD64, &[]);
        project.write("addon/node_modules/w/prebuilds/linux-x64/node.abi115.node", &addon);
        project.write("addon/node_modules/w/prebuilds/linux-x64/electron.abi121.node", &addon);
    }
}

fn rows() -> Vec<Row> {
    let program = |row: Row| Row { name: "server", ..row };
    let one = || Row {
        requirement: "",
        artifact: || elf(AMD64, &["libshop.so.1"]),
        name: "",
        settings: "",
        good: || with(&[GLIBC, ("usr/lib/libshop.so.1", "")]),
        bad: || with(&[GLIBC]),
        says: "",
        with_lock: Verdict::Refused,
    };
    vec![
        program(Row {
            requirement: "Platform",
            artifact: || elf(AMD64, &[]),
            good: || with(&[]),
            bad: || base(&["linux/arm64"], "", &[]),
            says: "linux/arm64",
            ..one()
        }),
        program(Row { requirement: "Loader", bad: || with(&[]), says: "lacks `/lib64/ld-linux", ..one() }),
        program(Row {
            requirement: "Libc",
            bad: || with(&[MUSL, ("usr/lib/libshop.so.1", "")]),
            says: "is linked with glibc, and the image has musl",
            ..one()
        }),
        program(Row {
            requirement: "Libraries",
            says: "`libshop.so.1`",
            with_lock: Verdict::Unknown,
            ..one()
        }),
        // A library of a library.
        program(Row {
            requirement: "Libraries",
            good: || {
                with_libraries(&[
                    ("usr/lib/libshop.so.1", shop_library()),
                    ("usr/lib/libdeep.so.1", library(AMD64, &["libshop.so.1"])),
                ])
            },
            bad: || with_libraries(&[("usr/lib/libshop.so.1", shop_library())]),
            says: ".so.1`",
            with_lock: Verdict::Unknown,
            ..one()
        }),
        // The versions of symbols of a library.
        program(Row {
            requirement: "Libraries",
            artifact: || {
                let needs: &[(&str, &[&str])] = &[("libshop.so.1", &["SHOP_1", "SHOP_2.10"])];
                elf_of(AMD64, &["libshop.so.1"], None, needs, &[])
            },
            good: || {
                let shop = library_defining(AMD64, &["libshop.so.1", "SHOP_1", "SHOP_2.10"]);
                with_libraries(&[("usr/lib/libshop.so.1", shop)])
            },
            bad: || {
                let shop = library_defining(AMD64, &["libshop.so.1", "SHOP_1", "SHOP_2.9"]);
                with_libraries(&[("usr/lib/libshop.so.1", shop)])
            },
            says: "`libshop.so.1`",
            with_lock: Verdict::Unknown,
            ..one()
        }),
        Row {
            requirement: "Servlet",
            artifact: || war(&[("WEB-INF/classes/A.class", JAKARTA), ("WEB-INF/web.xml", b"<web-app/>")]),
            name: "shop.war",
            good: || base(&["linux/amd64"], TEN, &[]),
            bad: || base(&["linux/amd64"], NINE, &[]),
            says: "jakarta.servlet",
            ..one()
        },
        Row {
            requirement: "Java",
            artifact: || war(&[("WEB-INF/classes/A.class", JAKARTA), ("WEB-INF/web.xml", b"<web-app/>")]),
            name: "shop.war",
            good: || base(&["linux/amd64"], TEN, &[]),
            bad: || base(&["linux/amd64"], &TEN.replace("\"21\"", "\"11.0.2\""), &[]),
            says: "needs Java 17 (`WEB-INF/classes/A.class`), and the base has Java 11",
            ..one()
        },
        // The entrypoint of the settings.
        Row {
            requirement: "Executable",
            artifact: || elf(AMD64, &[]),
            name: "server",
            settings: "\n[config]\nentrypoint = [\"launch\"]\n",
            good: || launcher("launch"),
            bad: || launcher("lunch"),
            says: "`launch`, the program that starts it",
            with_lock: Verdict::Unknown,
        },
        Row {
            requirement: "Executable",
            artifact: || hello_jar(""),
            name: "app.jar",
            good: || java("21", true),
            bad: || java("21", false),
            says: "`java`",
            with_lock: Verdict::Unknown,
            ..one()
        },
        Row {
            requirement: "ScriptProgram",
            artifact: || crate::java::distribution_zip(&crate::java::Classes::sketch()),
            name: "shop-1.2.zip",
            good: || shell(true),
            bad: || shell(false),
            says: "`/bin/sh`, the interpreter of the start script",
            with_lock: Verdict::Unknown,
            ..one()
        },
        Row {
            requirement: "Java",
            artifact: || hello_jar(""),
            name: "app.jar",
            good: || java("21", true),
            bad: || java("1.5", true),
            says: "and the base has Java 5",
            ..one()
        },
        Row {
            requirement: "Python",
            artifact: || {
                Zip::default()
                    .stored("__main__.py", b"")
                    .stored("_w.cpython-311-x86_64-linux-gnu.so", b"")
                    .finish()
            },
            name: "app.pyz",
            good: || interpreter("PYTHON_VERSION = \"3.11.9\"", "python3.11"),
            bad: || interpreter("PYTHON_VERSION = \"3.12.1\"", "python3.11"),
            says: "are for Python 3.11 (by the names of compiled modules), and the base has Python 3.12 (`PYTHON_VERSION`)",
            ..one()
        },
        Row {
            requirement: "Node",
            artifact: Vec::new,
            name: "node",
            good: || interpreter("NODE_VERSION = \"20.11.0\"", "node"),
            bad: || interpreter("NODE_VERSION = \"18.19.0\"", "node"),
            says: "runs on Node.js `^20.9 || >=22` (`engines.node` in `package.json`), and the base has 18.19.0",
            ..one()
        },
        Row {
            requirement: "NodeModules",
            artifact: || b"const x = require('express')\n".to_vec(),
            name: "shop.js",
            good: || interpreter_and("node", "app/node_modules/express/index.js"),
            bad: || interpreter_and("node", "app/node_modules/fastify/index.js"),
            says: "`express`",
            ..one()
        },
        Row {
            requirement: "NodeSyntax",
            artifact: || b"import fs from 'fs'\n".to_vec(),
            name: "shop.js",
            good: || interpreter("NODE_VERSION = \"22.12.0\"", "node"),
            bad: || interpreter("NODE_VERSION = \"18.19.0\"", "node"),
            says: "`/app/shop.js` has `import` or `export`",
            ..one()
        },
        Row {
            requirement: "PythonPackages",
            artifact: Vec::new,
            name: "packages",
            settings: "\n[check]\nlevels = { module-missing = \"error\" }\n",
            good: || interpreter_and("python3", "usr/lib/python3/dist-packages/greet.py"),
            bad: || interpreter_and("python3", "usr/lib/python3/dist-packages/meet.py"),
            says: "need `greet` (of `shop`), which is not installed",
            ..one()
        },
        Row {
            requirement: "NodeAbi",
            artifact: Vec::new,
            name: "addon",
            good: || interpreter("NODE_VERSION = \"20.11.0\"", "node"),
            bad: || interpreter("NODE_VERSION = \"22.1.0\"", "node"),
            says: "is for Node.js 20, and the base has Node.js 22.1.0",
            ..one()
        },
        program(Row {
            requirement: "Account",
            artifact: || elf(AMD64, &[]),
            settings: "\n[config]\nuser = \"web\"\n",
            good: || with(&[("etc/passwd", "web:x:1000:1000::/:/bin/sh\n")]),
            bad: || with(&[]),
            says: "the user web",
            with_lock: Verdict::Unknown,
            ..one()
        }),
    ]
}

/// The requirements that any kind of artifact states, or the settings.
fn stated() -> BTreeSet<String> {
    let mut stated = BTreeSet::new();
    for folder in ["src/artifact", "src/engine/check/planned.rs"] {
        let path = Path::new(REPOSITORY).join(folder);
        let files = if path.is_dir() { files_below(&path) } else { vec![path] };
        for file in files.iter().filter(|file| !file.ends_with("requirement.rs")) {
            let text = fs::read_to_string(file).unwrap();
            for rest in text.split("Requirement::").skip(1) {
                stated.insert(rest.chars().take_while(char::is_ascii_alphanumeric).collect());
            }
        }
    }
    stated
}

#[test]
fn every_requirement_that_is_stated_has_a_row() {
    let rows: BTreeSet<String> = rows().iter().map(|row| row.requirement.to_owned()).collect();
    let missing: Vec<String> = stated().difference(&rows).cloned().collect();
    assert_eq!(missing, Vec::<String>::new(), "add a row to `rows` for each");
    assert_eq!(rows.difference(&stated()).count(), 0, "rows of requirements that nothing states");
}

fn project_of(row: &Row, base: &str) -> Project {
    let project = Project::new();
    write_build_file(&project, row, base);
    write_artifact(&project, row);
    project
}

fn write_build_file(project: &Project, row: &Row, base: &str) {
    project.write(
        "build.toml",
        format!(
            "[image]\nname = \"localhost/app\"\nbase = \"{base}\"\ntags = [\"1\"]\n\n[app]\npath = \"{}\"\n{}",
            row.name, row.settings
        ),
    );
}

/// Damages everything in a store.
pub(crate) fn damage(store: &Path) {
    for file in files_below(store) {
        let mut bytes = fs::read(&file).unwrap();
        if let Some(byte) = bytes.last_mut() {
            *byte ^= 0xff;
        }
        // A layout may have the same file.
        fs::remove_file(&file).unwrap();
        fs::write(&file, bytes).unwrap();
    }
}

/// The sentence of the verdict: an error, or a warning of what is not known.
fn verdict(outcome: &Outcome) -> String {
    let error = outcome.stderr.find("error[").map(|at| outcome.stderr[at..].to_owned());
    error.unwrap_or_else(|| {
        let lines = outcome.stderr.lines().filter(|line| line.contains("cannot be known here"));
        lines.collect::<Vec<_>>().join("\n")
    })
}

#[track_caller]
fn says(run: &Run<'_>, expected: Verdict, code: i32, text: &str, what: &str) -> String {
    let outcome = run.run();
    match expected {
        Verdict::Refused => {
            assert_eq!(outcome.code, Some(code), "{what}: {outcome:?}");
            assert!(outcome.stdout.is_empty(), "{what}: {outcome:?}");
        }
        Verdict::Unknown => {
            assert_eq!(outcome.code, Some(0), "{what}: {outcome:?}");
            assert!(outcome.stderr.contains("cannot be known here"), "{what}: {outcome:?}");
        }
    }
    assert!(outcome.stderr.contains(text), "{what}: {outcome:?}");
    verdict(&outcome)
}

/// A lock of `base` that a build of a harmless directory wrote.
pub(crate) fn lock_of(base: &str) -> String {
    // In the place of the program, so that placing that asks for nothing new.
    let other = Project::with(&crate::support::tree_on(base).replace("\"/srv\"", "\"/app\""));
    other.write("files/a.txt", "a\n");
    other.pack("update").ok();
    fs::read_to_string(other.path("build.lock")).unwrap()
}

#[test]
fn build_and_plan_say_the_same_whatever_the_store_holds() {
    for row in rows() {
        let (good, bad) = ((row.good)(), (row.bad)());
        let served = Served::start();
        served.add("good", &good.path("layout"));
        served.add("bad", &bad.path("layout"));
        let places =
            [("layout", layout(&good), layout(&bad)), ("registry", served.name("good"), served.name("bad"))];
        for (place, good, bad) in places {
            let project = project_of(&row, &bad);
            let lock = project.path("build.lock");
            let elsewhere = project_of(&row, &good);
            elsewhere.pack("build").ok();
            for has_lock in [false, true] {
                let expected = if has_lock && place == "registry" { row.with_lock } else { Verdict::Refused };
                let written = has_lock.then(|| lock_of(&bad));
                let mut said = BTreeSet::new();
                for store in STORES {
                    let _ = fs::remove_dir_all(project.cache());
                    match store {
                        "cold" => {}
                        "foreign" => copy_tree(&elsewhere.cache(), &project.cache()),
                        _ => {
                            // It knows the layers of the artifact, and all of both bases.
                            let _ = fs::remove_file(&lock);
                            project.pack("build").args("--base").arg(&good).ok();
                            let _ = fs::remove_file(&lock);
                            project.pack("plan").run();
                        }
                    }
                    if store == "damaged" {
                        damage(&project.cache());
                    }
                    for command in ["plan", "build"] {
                        let _ = fs::remove_file(&lock);
                        if let Some(written) = &written {
                            fs::write(&lock, written).unwrap();
                        }
                        let what = format!(
                            "{} on a {place}, {command}, {store} store, lock: {has_lock}",
                            row.requirement
                        );
                        said.insert(says(&project.pack(command), expected, 1, row.says, &what));
                    }
                }
                assert_eq!(said.len(), 1, "one verdict, in the same words: {said:#?}");
            }
            let _ = fs::remove_file(&lock);
            project.pack("build").args("--base").arg(&good).ok();
        }
    }
}

/// The lock of the artifact itself tells a cold machine all, and no layer is read.
#[test]
fn a_lock_of_the_same_artifact_tells_a_cold_machine() {
    for row in rows() {
        let good = (row.good)();
        let served = Served::start();
        served.add("good", &good.path("layout"));
        let project = project_of(&row, &served.name("good"));
        project.pack("plan").ok();
        project.pack("update").ok();
        fs::remove_dir_all(project.cache()).unwrap();
        served.take_log();
        let plan = project.pack("plan --json --locked").ok();
        assert!(!plan.stderr.contains("cannot be known here"), "{}: {plan:?}", row.requirement);
        let blobs: Vec<String> =
            served.take_log().into_iter().filter(|line| line.contains("/blobs/")).collect();
        assert_eq!(blobs, Vec::<String>::new(), "{}", row.requirement);
        let findings = plan.json()["findings"].as_array().unwrap().clone();
        assert!(!findings.is_empty(), "{}: {plan:?}", row.requirement);
        // Advice about the configuration needs no file.
        let is_known = |finding: &serde_json::Value| {
            finding["answer"] == "met" || finding["level"] == "note" || finding["rule"] == "no-entrypoint"
        };
        assert!(findings.iter().all(is_known), "{findings:#?}");
    }
}

/// The verdict about another base: old, new, and the facts that exclude them.
struct Rebase {
    /// Whether the image's own layer has a program that needs `libshop.so.1`.
    has_program: bool,
    old: fn() -> Project,
    new: fn() -> Project,
    says: &'static str,
    /// Where both are in a registry.
    in_registry: Verdict,
}

fn rebases() -> Vec<Rebase> {
    vec![
        Rebase {
            has_program: false,
            old: || with(&[MUSL]),
            new: || with(&[GLIBC]),
            says: "the old base has musl, the new one glibc",
            in_registry: Verdict::Unknown,
        },
        Rebase {
            has_program: false,
            old: || with(&[GLIBC]),
            new: || with(&[MUSL]),
            says: "the old base has glibc, the new one musl",
            in_registry: Verdict::Unknown,
        },
        Rebase {
            has_program: false,
            old: || base(&["linux/amd64"], "env = { JAVA_VERSION = \"21\" }\n", &[GLIBC]),
            new: || base(&["linux/amd64"], "env = { JAVA_VERSION = \"17\" }\n", &[GLIBC]),
            says: "the old base has Java 21, the new one Java 17",
            in_registry: Verdict::Refused,
        },
        Rebase {
            has_program: false,
            old: || with(&[GLIBC, ("opt/jdk/release", "JAVA_VERSION=\"21.0.1\"\n")]),
            new: || with(&[GLIBC, ("opt/jdk/release", "JAVA_VERSION=\"17.0.1\"\n")]),
            says: "the old base has Java 21, the new one Java 17",
            in_registry: Verdict::Unknown,
        },
        Rebase {
            has_program: false,
            old: || base(&["linux/amd64"], NINE, &[]),
            new: || base(&["linux/amd64"], TEN, &[]),
            says: "Tomcat 10",
            in_registry: Verdict::Refused,
        },
        Rebase {
            has_program: true,
            old: || with(&[GLIBC, ("usr/lib/libshop.so.1", "")]),
            new: || with(&[GLIBC]),
            says: "the new base lacks `libshop.so.1`, which `/app/server` is linked with",
            in_registry: Verdict::Unknown,
        },
    ]
}

#[test]
fn a_rebase_says_the_same_whatever_the_store_holds() {
    for row in rebases() {
        let (old, new) = ((row.old)(), (row.new)());
        let served = Served::start();
        served.add("old", &old.path("layout"));
        served.add("new", &new.path("layout"));
        let project = if row.has_program {
            let project = Project::with(&format!(
                "[image]\nname = \"localhost/app\"\nbase = \"{}\"\ntags = [\"1\"]\n\n[app]\npath = \"server\"\n",
                layout(&old)
            ));
            project.write("server", elf(AMD64, &["libshop.so.1"]));
            project
        } else {
            let project = Project::with(&crate::support::tree_on(&layout(&old)));
            project.write("files/a.txt", "a\n");
            project
        };
        project.pack("build -o oci:image").ok();
        let places =
            [("layout", layout(&old), layout(&new)), ("registry", served.name("old"), served.name("new"))];
        for (place, old, new) in places {
            for reads in [false, true] {
                let is_near = place == "layout" || reads;
                let expected = if is_near { Verdict::Refused } else { row.in_registry };
                let mut said = BTreeSet::new();
                for store in STORES {
                    let _ = fs::remove_dir_all(project.cache());
                    if store != "cold" {
                        for base in [&old, &new] {
                            let other = Project::with(&crate::support::tree_on(base));
                            other.write("files/a.txt", store);
                            other.pack("build").cache(&project.cache()).ok();
                        }
                    }
                    if store == "damaged" {
                        damage(&project.cache());
                    }
                    let mut run = project.pack("rebase oci:image:1 -t 2");
                    run = run.arg("--base").arg(&new).arg("--old-base").arg(&old);
                    if reads {
                        run = run.arg("--read-bases");
                    }
                    let text = if expected == Verdict::Refused { row.says } else { "--read-bases" };
                    let what = format!("{} in a {place}, {store} store, reads: {reads}", row.says);
                    said.insert(says(&run, expected, 4, text, &what));
                }
                assert_eq!(said.len(), 1, "one verdict, in the same words: {said:#?}");
            }
        }
    }
}

/// A base without the program that starts the image: a warning where no layer is read, else a refusal.
#[test]
fn a_rebase_needs_the_program_that_starts_the_image() {
    let bare = with(&[GLIBC]);
    for (program, entrypoint) in [
        ("java", "[\"java\", \"-jar\", \"/srv/a.jar\"]"),
        ("node", "[\"node\", \"/srv/a.js\"]"),
        ("python3", "[\"/usr/bin/python3\", \"/srv/a.py\"]"),
    ] {
        let old = launcher(program);
        let served = Served::start();
        served.add("bare", &bare.path("layout"));
        served.add("old", &old.path("layout"));
        served.add("same", &launcher(program).path("layout"));
        let app = Project::with(&crate::support::tree_on(&served.name("old")));
        app.write("files/a.txt", "a\n").write("run", "#!/srv/run\n");
        app.write("files/a.js", "console.log(1);\n")
            .write("files/a.py", "print(1)\n")
            .write("files/a.jar", "");
        app.pack("build -o oci:image").arg("--set").arg(format!("config.entrypoint={entrypoint}")).ok();
        let rebase = |base: &str, more: &str| {
            let run = app.pack(&format!("rebase oci:image:1 -t 2{more}"));
            run.arg("--base").arg(served.name(base)).arg("--old-base").arg(served.name("old"))
        };
        let lacks = format!("{program}`, which starts");
        rebase("bare", "").ok().says(&["warning", "whether the new base has `", &lacks, "`--read-bases`"]);
        rebase("bare", " --strict").fails(4).says(&[&lacks]);
        rebase("bare", " --read-bases").fails(4).says(&[
            "the new base lacks `",
            &lacks,
            "[entrypoint-missing]",
        ]);
        let sound = rebase("same", " --read-bases").ok();
        assert!(!sound.stderr.contains(&lacks), "{sound:?}");
        // A base on this machine is read, and only the image's own layers are not.
        served.add("app", &app.path("image"));
        let far = |base: &str| {
            let run = app.pack(&format!("rebase {} -t 2 --strict", served.name("app")));
            run.arg("--base").arg(base).arg("--old-base").arg(served.name("old"))
        };
        let said = far(&crate::artifacts::layout(&bare)).fails(4);
        said.says(&[
            "the new base lacks `",
            &lacks,
            "whether the image's own layers have it cannot be known here",
        ]);
        far("scratch").fails(2).says(&["`scratch` is nothing that an image could be moved to"]).hints();
        // A file of the image itself is not asked of a base.
        app.write("files/run", "#!/usr/bin/env x\n");
        let build = app.pack("build -o oci:own").arg("--set").arg("config.entrypoint=[\"/srv/run\"]");
        let allowed = ["entrypoint-not-executable", "entrypoint-no-shell"];
        allowed.iter().fold(build, |run, rule| run.arg("--allow").arg(format!("{rule}=a test"))).ok();
        served.add("own", &app.path("own"));
        let own = app.pack(&format!("rebase {} -t 2 --strict", served.name("own")));
        let said = own.arg("--base").arg(served.name("bare")).arg("--old-base").arg(served.name("old")).run();
        assert!(!said.stderr.contains("/srv/run"), "{said:?}");
    }
}

#[test]
fn a_rebase_knows_the_volumes_of_the_image() {
    let old = base(&["linux/amd64"], "", &[("usr/share/a", "")]);
    let new = base(&["linux/amd64"], "", &[("usr/share/b", "")]);
    let bases = [&old, &new].map(layout);
    let app = Project::with(&crate::support::tree_on(&bases[0]));
    app.write("files/a.txt", "a\n");
    for (volumes, says) in [
        ("[\"/data\"]", "a container has in the volume `/data` what is mounted there"),
        ("[\"/other\"]", "lacks `/data/run`, which starts"),
    ] {
        let build = app.pack("build -o oci:image --allow").arg("entrypoint-missing=a test");
        let build = build.arg("--set").arg("config.entrypoint=[\"/data/run\"]");
        build.arg("--set").arg(format!("config.volumes={volumes}")).ok();
        let rebase = app.pack("rebase oci:image:1 -t 2 --strict");
        let said = rebase.arg("--base").arg(&bases[1]).arg("--old-base").arg(&bases[0]).ok();
        assert!(said.stderr.contains(says), "{volumes}: {said:?}");
        assert_eq!(said.stderr.contains("lacks `/data/run`"), volumes.contains("other"), "{said:?}");
    }
}

#[test]
fn libraries_are_found_where_a_loader_looks() {
    let own = "\n[[layer]]\nname = \"libraries\"\nfiles = [{ from = \"lib/\", to = \"/opt/shop/lib/\" }]\n";
    let variable = format!("{own}\n[config]\nenv = {{ LD_LIBRARY_PATH = \"/opt/shop/lib\" }}\n");
    let beside = "\n[[layer]]\nname = \"libraries\"\nfiles = [{ from = \"lib/\", to = \"/app/lib/\" }]\n";
    let empty: &[(&str, &str)] = &[GLIBC];
    let configured: &[(&str, &str)] = &[
        GLIBC,
        ("etc/ld.so.conf", "include /etc/ld.so.conf.d/*.conf\n"),
        ("etc/ld.so.conf.d/shop.conf", "/opt/base/lib\n"),
        ("opt/base/lib/libshop.so.1", ""),
    ];
    let of_base = "env = { LD_LIBRARY_PATH = \"/opt/base/lib\" }\n";
    for (what, run_path, layers, files, config, is_built) in [
        ("nowhere", None, own, empty, "", false),
        ("$ORIGIN/lib", Some("$ORIGIN/lib"), beside, empty, "", true),
        ("an absolute run path", Some("/opt/shop/lib"), own, empty, "", true),
        ("LD_LIBRARY_PATH of the settings", None, &*variable, empty, "", true),
        ("ld.so.conf.d of the base", None, "", configured, "", true),
        ("LD_LIBRARY_PATH of the base", None, "", &configured[3..], of_base, false),
        ("LD_LIBRARY_PATH of the base", None, "", &[GLIBC, configured[3]], of_base, true),
    ] {
        let on = base(&["linux/amd64"], config, files);
        let project = Project::with(&format!(
            "[image]\nname = \"localhost/app\"\nbase = \"{}\"\ntags = [\"1\"]\n\n[app]\npath = \"server\"\n{layers}",
            layout(&on)
        ));
        project.write("server", elf_with(AMD64, &["libshop.so.1"], run_path));
        project.write("lib/libshop.so.1", library(AMD64, &[]));
        let outcome = project.pack("build").run();
        assert_eq!(outcome.code, Some(i32::from(!is_built)), "{what}: {outcome:?}");
    }
}

#[test]
fn a_library_that_only_the_cache_of_the_loader_would_find_is_told() {
    let on = base(&["linux/amd64"], "", &[GLIBC, ("etc/ld.so.conf", "/opt/base/lib\n")]);
    let project = Project::with(&format!(
        "[image]\nname = \"localhost/app\"\nbase = \"{}\"\ntags = [\"1\"]\n\n[app]\npath = \"server\"\n\n\
         [[layer]]\nname = \"libraries\"\nfiles = [{{ from = \"lib/\", to = \"/opt/base/lib/\" }}]\n",
        layout(&on)
    ));
    project.write("server", elf_with(AMD64, &["libshop.so.1"], None));
    project.write("lib/libshop.so.1", library(AMD64, &[]));
    let said = project.pack("check").ok();
    assert!(said.stdout.contains("warning[elf-library]: the loader of"), "{said:?}");
    let strict = project.pack("check --strict").run();
    assert!(strict.code == Some(1) && strict.stdout.contains("error[elf-library]"), "{strict:?}");
}

#[test]
fn an_addon_for_another_c_library_is_named_with_what_npm_can_do() {
    let on = with(&[GLIBC]);
    let project = Project::with(&format!(
        "[image]\nname = \"localhost/app\"\nbase = \"{}\"\ntags = [\"1\"]\n\n[app]\npath = \"shop\"\n",
        layout(&on)
    ));
    project.write(
        "shop/package.json",
        "{\"name\":\"shop\",\"version\":\"1.0.0\",\"main\":\"server.js\",\"dependencies\":{\"a\":\"1\"}}",
    );
    project.write("shop/server.js", "require('a')\n");
    project.write("shop/node_modules/a/package.json", "{\"name\":\"a\",\"version\":\"1.0.0\"}");
    project.write("shop/node_modules/a/a.node", library(AMD64, &["libc.musl-x86_64.so.1"]));
    let said = project.pack("check").run();
    let message = "`/app/node_modules/a/a.node` is linked with musl, and the image has glibc";
    assert!(said.stdout.contains(message), "{said:?}");
    assert!(said.stdout.contains("`npm install --libc=glibc --os=linux --cpu=x64`"), "{said:?}");
}

/// A program without a loader that has the path of certificates in its data.
fn static_client() -> Vec<u8> {
    let path = b"/etc/ssl/certs/ca-certificates.crt";
    let mut program = vec![0; 120];
    program[..7].copy_from_slice(b"\x7fELF\x02\x01\x01");
    let length = (program.len() + path.len()) as u64;
    for (at, value) in [(16, 2), (18, AMD64), (20, 1), (52, 64), (54, 56), (56, 1), (64, 1), (68, 5)] {
        program[at..at + 2].copy_from_slice(&u16::to_le_bytes(value));
    }
    for (at, value) in [
        (24, 0x40_0078),
        (32, 64),
        (80, 0x40_0000),
        (88, 0x40_0000),
        (96, length),
        (104, length),
        (112, 4096),
    ] {
        program[at..at + 8].copy_from_slice(&u64::to_le_bytes(value));
    }
    program.extend(path);
    program
}

#[test]
fn certificates_in_a_layer_are_enough() {
    let project = Project::with(
        "[image]\nname = \"localhost/app\"\nbase = \"scratch\"\ntags = [\"1\"]\n\n[app]\npath = \"client\"\n",
    );
    project.write("client", static_client());
    let said = project.pack("check").ok();
    assert!(said.stdout.contains("warning[ca-certificates]"), "{said:?}");
    let strict = project.pack("check --strict").run();
    assert!(strict.code == Some(1) && strict.stdout.contains("error[ca-certificates]"), "{strict:?}");
    project.write("certificates", "certificates\n").append(
        "build.toml",
        "\n[[layer]]\nname = \"tls\"\nfiles = [{ from = \"certificates\", to = \"/etc/ssl/certs/ca-certificates.crt\" }]\n",
    );
    let met = project.pack("check --strict").ok();
    assert!(!met.stdout.contains("ca-certificates"), "{met:?}");
}

#[test]
fn libraries_of_libraries_are_found_where_a_loader_looks() {
    let deep = || library(AMD64, &["libshop.so.1"]);
    let library = |run_path| {
        let mut library = elf_with(AMD64, &["libdeep.so.1"], run_path);
        library[16] = 3;
        library
    };
    let lacks = "lacks `libdeep.so.1`, which `/usr/lib/libshop.so.1` needs, a library of `";
    let own = "\n[[layer]]\nname = \"libraries\"\nfiles = [{ from = \"lib/\", to = \"/usr/lib/\" }]\n";
    for (what, program, base, layers, text) in [
        ("nowhere", None, vec![("usr/lib/libshop.so.1", library(None))], "", lacks),
        (
            "beside it",
            None,
            vec![("usr/lib/libshop.so.1", library(None)), ("usr/lib/libdeep.so.1", deep())],
            "",
            "",
        ),
        (
            "where the library says",
            None,
            vec![("usr/lib/libshop.so.1", library(Some("/opt/deep"))), ("opt/deep/libdeep.so.1", deep())],
            "",
            "",
        ),
        (
            "where only the program says, which does not count for libraries",
            Some("/opt/deep"),
            vec![("usr/lib/libshop.so.1", library(None)), ("opt/deep/libdeep.so.1", deep())],
            "",
            lacks,
        ),
        ("a library of a planned layer", None, vec![], own, lacks),
    ] {
        let base = with_libraries(&base);
        let project = Project::with(&format!(
            "[image]\nname = \"localhost/app\"\nbase = \"{}\"\ntags = [\"1\"]\n\n[app]\npath = \"server\"\n{layers}",
            layout(&base)
        ));
        project.write("server", elf_with(AMD64, &["libshop.so.1"], program));
        project.write("lib/libshop.so.1", library(None));
        let outcome = project.pack("build").run();
        assert_eq!(outcome.code, Some(i32::from(!text.is_empty())), "{what}: {outcome:?}");
        assert!(outcome.stderr.contains(text), "{what}: {outcome:?}");
    }
}

/// Files that no loader loads as a library, and the reason in the message.
fn no_libraries() -> Vec<(&'static str, Vec<u8>, &'static str)> {
    let whole = library(AMD64, &["libdeep.so.1"]);
    let mut pie = elf(AMD64, &["libdeep.so.1"]);
    pie[16] = 3;
    // `DF_1_PIE`, in the place of the end of the table.
    let flags = [0x6fff_fffb_u64.to_le_bytes(), 0x0800_0000_u64.to_le_bytes()].concat();
    let last = pie.len() - 16;
    pie[last..].copy_from_slice(&flags);
    vec![
        ("text", b"version https://git-lfs.github.com/spec/v1\n".to_vec(), "is no ELF file"),
        ("nothing", Vec::new(), "is no ELF file"),
        ("the start", whole[..whole.len() - 1].to_vec(), "is truncated"),
        ("the head", whole[..40].to_vec(), "is truncated"),
        ("a program", elf(AMD64, &[]), "is a program, not a library"),
        ("a position-independent program", pie, "is a program, not a library"),
    ]
}

#[test]
fn a_file_that_no_loader_loads_is_no_library() {
    let needs = elf(AMD64, &["libshop.so.1"]);
    let layer = "\n[[layer]]\nname = \"own\"\nfiles = [{ from = \"lib/\", to = \"/usr/lib/\" }]\n";
    for (what, content, reason) in no_libraries() {
        let bases =
            [(with(&[GLIBC]), layer), (with_libraries(&[("usr/lib/libshop.so.1", content.clone())]), "")];
        for (base, layers) in bases {
            let project = Project::with(&format!(
                "[image]\nname = \"localhost/app\"\nbase = \"{}\"\ntags = [\"1\"]\n\n[app]\npath = \"server\"\n{layers}",
                layout(&base)
            ));
            project.write("server", &needs).write("lib/libshop.so.1", &content);
            let refused = project.pack("build").run();
            assert_eq!(refused.code, Some(1), "{what}: {refused:?}");
            refused.says(&["lacks `libshop.so.1`", "`/usr/lib/libshop.so.1`", reason]).hints();
        }
    }
}

/// A text file in the place of the loader or the C library, in a planned layer over a whole one.
#[test]
fn a_loader_or_c_library_may_be_replaced_by_text() {
    let base = with_libraries(&[("usr/lib/libc.so.6", library(AMD64, &[]))]);
    for (place, reason) in [
        ("/lib64/ld-linux-x86-64.so.2", "`/lib64/ld-linux-x86-64.so.2` is no ELF file"),
        ("/usr/lib/libc.so.6", "`/usr/lib/libc.so.6` is no ELF file"),
    ] {
        let text = format!(
            "[image]\nname = \"localhost/app\"\nbase = \"{}\"\ntags = [\"1\"]\n\n[app]\npath = \"server\"\n",
            layout(&base)
        );
        let layer =
            format!("\n[[layer]]\nname = \"own\"\nfiles = [{{ from = \"text\", to = \"{place}\" }}]\n");
        let project = Project::with(&text);
        project.write("server", elf(AMD64, &["libc.so.6"])).write("text", "a pointer");
        project.pack("build").ok();
        project.write("build.toml", text + &layer);
        project.pack("build").fails(1).says(&[reason]).hints();
    }
}

/// The program that starts an image, by what is wrong with it.
#[test]
fn the_program_that_starts_an_image_can() {
    let base = with(&[GLIBC]);
    let layer = |mode: &str| {
        format!(
            "\n[[layer]]\nname = \"own\"\nfiles = [{{ from = \"run\", to = \"/opt/run\", mode = \"{mode}\" }}]\n"
        )
    };
    let entrypoint = "\n[config]\nentrypoint = [\"/opt/run\"]\n";
    let started = |mode: &str| format!("{}{entrypoint}", layer(mode));
    let program = || elf(AMD64, &[]);
    let script = |line: &str| format!("#!{line}\nexit\n").into_bytes();
    for (settings, run, text) in [
        (started("0755"), program(), ""),
        (started("0644"), program(), "is not executable for root"),
        (started("0500"), program(), ""),
        (format!("{}user = \"1000\"\n", started("0500")), program(), "is not executable for the user `1000`"),
        (format!("{}user = \"1000\"\n", started("0555")), program(), ""),
        (entrypoint.replace("/opt/run", "/opt/rum") + &layer("0755"), program(), "lacks `/opt/rum`"),
        (entrypoint.replace("/opt/run", "/opt") + &layer("0755"), program(), "is a directory"),
        (entrypoint.replace("/opt/run", "run") + &layer("0755"), program(), "lacks `run`"),
        (
            entrypoint.replace("/opt/run", "run") + "env = { PATH = \"/bin:/opt\" }\n" + &layer("0755"),
            program(),
            "",
        ),
        (started("0755"), elf(ARM64, &[]), "`/opt/run` is for linux/arm64"),
        (
            started("0755"),
            elf(AMD64, &["libshop.so.1"]),
            "lacks `libshop.so.1`, which `/opt/run` is linked with",
        ),
        (started("0755"), program()[..100].to_vec(), "is truncated"),
        (started("0755"), script("/opt/run"), ""),
        (format!("{}user = \"1000\"\n", started("0755")), script("/opt/run"), ""),
        (format!("{}user = \"0\"\n", started("0711")), script("/opt/run"), ""),
        (
            format!("{}user = \"1000\"\n", started("0711")),
            script("/opt/run"),
            "the interpreter of `/opt/run` cannot read it as the user `1000`",
        ),
        (started("0755"), script("/bin/sh -e"), "lacks `/bin/sh`, the interpreter of `/opt/run`"),
        (started("0755"), script("/opt/run\r"), "the interpreter of `/opt/run`"),
        ("mode = \"0644\"\n".to_owned(), program(), "is not executable"),
    ] {
        let project = Project::with(&format!(
            "[image]\nname = \"localhost/app\"\nbase = \"{}\"\ntags = [\"1\"]\n\n[app]\npath = \"server\"\n{settings}",
            layout(&base)
        ));
        project.write("server", elf(AMD64, &[])).write("run", run);
        let outcome = project.pack("build").run();
        assert_eq!(outcome.code, Some(i32::from(!text.is_empty())), "{settings}: {outcome:?}");
        assert!(outcome.stderr.contains(text), "{settings}: {outcome:?}");
        if !text.is_empty() {
            outcome.hints();
        }
    }
}

/// A `cmd` is a default that a container may be started without.
#[test]
fn a_default_program_that_is_not_there_is_a_warning() {
    let base = with(&[]);
    let project = Project::with(&crate::support::tree_on(&layout(&base)));
    project.write("files/a.txt", "a");
    let built = project.pack("build").arg("--set").arg("config.cmd=[\"none\"]").ok();
    built.says(&["warning:", "lacks `none`, the program that starts it"]);
}

#[test]
fn a_rebase_in_a_registry_fetches_no_layer() {
    let (old, new) = (with(&[GLIBC]), with(&[GLIBC, ("etc/new", "new")]));
    let project = Project::with(&crate::support::tree_on(&layout(&old)));
    project.write("files/a.txt", "a");
    project.pack("build -o oci:image").ok();
    let served = Served::start();
    for (name, layout) in
        [("app", project.path("image")), ("old", old.path("layout")), ("new", new.path("layout"))]
    {
        served.add(name, &layout);
    }
    let layers = |log: Vec<String>| -> Vec<String> {
        let fetched = log.into_iter().filter(|line| line.starts_with("GET ") && line.contains("/blobs/"));
        let is_layer = |line: &String| {
            let hex = line.rsplit(':').next().unwrap();
            let blob = ["image", "old", "new"].iter().map(|name| match *name {
                "image" => project.path("image"),
                "old" => old.path("layout"),
                _ => new.path("layout"),
            });
            let mut blobs =
                blob.map(|layout| layout.join("blobs/sha256").join(hex)).filter(|path| path.exists());
            blobs.next().is_some_and(|path| !fs::read(path).unwrap().starts_with(b"{"))
        };
        fetched.filter(is_layer).collect()
    };
    for (image, before, after) in [
        (served.name("app"), served.name("old"), served.name("new")),
        (
            format!("docker://{}", served.name("app")),
            format!("docker://{}", served.name("old")),
            format!("docker://{}", served.name("new")),
        ),
    ] {
        let _ = fs::remove_dir_all(project.cache());
        served.take_log();
        let mut run = project.pack("rebase -t 2");
        run = run.arg(&image).arg("--base").arg(&after).arg("--old-base").arg(&before);
        // The fake registry takes no image.
        let outcome = run.run();
        let log = served.take_log();
        assert_eq!(outcome.code, Some(3), "{outcome:?}");
        assert!(
            log.iter().any(|line| line.contains("/manifests/pack-cache")),
            "the shared facts are asked: {log:?}"
        );
        assert!(log.iter().any(|line| line.contains("new/manifests/")), "{log:?}");
        assert_eq!(layers(log), Vec::<String>::new(), "{image}");
    }
}

/// The facts of a base are written even where they show that the image cannot run.
#[test]
fn an_update_writes_the_facts_that_show_a_fault() {
    let base = with(&[GLIBC]);
    let served = Served::start();
    served.add("base", &base.path("layout"));
    let name = served.name("base");
    let project = Project::with(&format!(
        "[image]\nname = \"localhost/app\"\nbase = \"{name}\"\ntags = [\"1\"]\n\n[app]\npath = \"server\"\n"
    ));
    project.write("server", elf(AMD64, &["libshop.so.1"])).write("build.lock", lock_of(&name));
    project.pack("plan").ok().says(&["cannot be known here", "`pack update`"]);
    project.pack("update").fails(1).says(&["lacks `libshop.so.1`", "`build.lock` is written"]);
    let known = project.pack("plan").fails(1).says(&["lacks `libshop.so.1`"]);
    assert!(!known.stderr.contains("cannot be known here"), "{known:?}");
    project.write("server", elf(AMD64, &[]));
    project.pack("update").ok();
}

/// Hints name the place where a loader looks, and the file that is nearly right.
#[test]
fn a_library_that_is_nearly_there_is_named() {
    let base = with(&[GLIBC]);
    let text = format!(
        "[image]\nname = \"localhost/app\"\nbase = \"{}\"\ntags = [\"1\"]\n\n[app]\npath = \"server\"\n\n\
         [[layer]]\nname = \"own\"\nfiles = [{{ from = \"lib/\", to = \"/usr/lib/\" }}]\n",
        layout(&base)
    );
    let project = Project::with(&text);
    project.write("server", elf(AMD64, &["libshop.so.1"])).write("lib/libshop.so.1.2", library(AMD64, &[]));
    let refused = project.pack("build").fails(1);
    refused.says(&["`/usr/lib/libshop.so.1.2` lacks a link `libshop.so.1` beside it"]);
    project.write("server", elf(AMD64, &["/opt/x/libshop.so.1"]));
    project.pack("build").fails(1).says(&["add them at these paths in a `[[layer]]`"]);
}

/// A layer of these files, without an entry for any directory.
fn layer_without_directories(files: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (name, content) in files {
        let mut header = tar::Header::new_ustar();
        header.set_mode(0o755);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(1);
        header.set_size(content.len() as u64);
        builder.append_data(&mut header, name, &content[..]).unwrap();
    }
    builder.into_inner().unwrap()
}

#[test]
fn a_base_without_entries_for_its_directories_has_what_is_in_them() {
    let layer = layer_without_directories(&[
        (GLIBC.0, library(AMD64, &[])),
        ("usr/lib/x86_64-linux-gnu/libshop.so.1", library(AMD64, &[])),
    ]);
    let base = Project::new();
    fs::create_dir_all(base.path("layout")).unwrap();
    crate::hostile::layout(&base.path("layout"), &[layer]);
    let served = Served::start();
    served.add("bare", &base.path("layout"));
    for base in [layout(&base), served.name("bare")] {
        let project = Project::with(&format!(
            "[image]\nname = \"localhost/app\"\nbase = \"{base}\"\ntags = [\"1\"]\n\n\
             [app]\npath = \"server\"\nroot = \"/usr/app\"\n"
        ));
        project.write("server", elf(AMD64, &["libshop.so.1"]));
        project.pack("update").ok();
        let first = project.pack("build --json").ok().json();
        fs::remove_dir_all(project.cache()).unwrap();
        let plan = project.pack("plan --json --locked").ok();
        assert!(!plan.stderr.contains("cannot be known here"), "{plan:?}");
        assert_eq!(project.pack("build --json --locked").ok().json()["digest"], first["digest"]);
        if base.starts_with("oci:") {
            project.write("server", elf(AMD64, &["libother.so.1"]));
            project.pack("build").fails(1).says(&["lacks `libother.so.1`, which"]);
        }
    }
}

/// A file or directory of a base, with its mode and owner.
type BaseEntry = (&'static str, u32, (u64, u64), Vec<u8>);

fn layer_of(entries: &[BaseEntry]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (name, mode, (uid, gid), content) in entries {
        let mut header = tar::Header::new_ustar();
        let is_directory = name.ends_with('/');
        header.set_entry_type(if is_directory { tar::EntryType::Directory } else { tar::EntryType::Regular });
        header.set_mode(*mode);
        header.set_uid(*uid);
        header.set_gid(*gid);
        header.set_mtime(1);
        header.set_size(content.len() as u64);
        builder.append_data(&mut header, name, &content[..]).unwrap();
    }
    builder.into_inner().unwrap()
}

/// Owners, modes and directories of a base decide, read off its layers or out of the lock.
#[test]
fn the_user_must_reach_what_a_base_has() {
    const ROOT: (u64, u64) = (0, 0);
    let served = Served::start();
    for (number, (name, mode, owner, user, says)) in [
        ("opt/run", 0o755, ROOT, "1000", ""),
        ("opt/run", 0o700, ROOT, "1000", "is not executable for the user `1000`"),
        ("opt/run", 0o700, ROOT, "0", ""),
        ("opt/run", 0o700, (1000, 0), "1000", ""),
        ("opt/run", 0o750, (0, 50), "1000:50", ""),
        ("opt/run", 0o750, (0, 50), "1000:60", "is not executable for the user `1000:60`"),
        ("opt/", 0o700, ROOT, "1000", "is out of reach for the user `1000`"),
        ("opt/", 0o700, ROOT, "0", ""),
        ("opt/", 0o700, (1000, 0), "1000", ""),
        (GLIBC.0, 0o700, ROOT, "1000", "not executable for the user `1000`"),
        (GLIBC.0, 0o700, (1000, 0), "1000", ""),
        ("lib64/", 0o710, ROOT, "1000:5", "closed to the user `1000:5`"),
        ("lib64/", 0o710, ROOT, "0:5", ""),
    ]
    .into_iter()
    .enumerate()
    {
        let mut entries: Vec<BaseEntry> = vec![
            ("lib64/", 0o755, ROOT, Vec::new()),
            (GLIBC.0, 0o755, ROOT, library(AMD64, &[])),
            ("usr/lib/libshop.so.1", 0o755, ROOT, library(AMD64, &[])),
            ("opt/", 0o755, ROOT, Vec::new()),
            ("opt/run", 0o755, ROOT, elf(AMD64, &[])),
        ];
        for entry in entries.iter_mut().filter(|entry| entry.0 == name) {
            (entry.1, entry.2) = (mode, owner);
        }
        let made = Project::new();
        fs::create_dir_all(made.path("layout")).unwrap();
        crate::hostile::layout(&made.path("layout"), &[layer_of(&entries)]);
        let far = format!("base{number}");
        served.add(&far, &made.path("layout"));
        // A program of the base, or one of the image that the base has the loader of.
        let start = if name.starts_with("opt") { "entrypoint = [\"/opt/run\"]\n" } else { "" };
        for base in [layout(&made), served.name(&far)] {
            let project = Project::with(&format!(
                "[image]\nname = \"localhost/app\"\nbase = \"{base}\"\ntags = [\"1\"]\n\n[app]\npath = \"server\"\n\n\
                 [config]\nuser = \"{user}\"\n{start}"
            ));
            project.write("server", elf(AMD64, &["libshop.so.1"]));
            // It may refuse what cannot start, when the lock is written.
            project.pack("update").run();
            for more in ["", " --locked"] {
                let said = project.pack(&format!("build{more}")).run();
                let what = format!("{name} {mode:o} {owner:?} `{user}` on {base}{more}: {said:?}");
                assert_eq!(said.code, Some(i32::from(!says.is_empty())), "{what}");
                assert!(said.stderr.contains(says), "{what}");
                if !says.is_empty() {
                    said.hints();
                }
                // The lock alone says the same.
                let _ = fs::remove_dir_all(project.cache());
            }
        }
    }
}

#[test]
fn a_library_for_another_machine_is_none() {
    let mut foreign = elf(ARM64, &[]);
    foreign.resize(4096, 0);
    let files = Project::with(
        "[image]\nname = \"localhost/base\"\nbase = \"scratch\"\ntags = [\"1\"]\nplatforms = [\"linux/amd64\"]\n\n\
         [app]\npath = \"files\"\nkind = \"tree\"\nroot = \"/\"\n",
    );
    files
        .write("files/lib64/ld-linux-x86-64.so.2", library(AMD64, &[]))
        .write("files/usr/lib/libshop.so.1", foreign);
    chmod(&files.path("files/lib64/ld-linux-x86-64.so.2"), 0o755);
    files.pack("build -o oci:layout").ok();
    let project = Project::with(&format!(
        "[image]\nname = \"localhost/app\"\nbase = \"{}\"\ntags = [\"1\"]\n\n[app]\npath = \"server\"\n",
        layout(&files)
    ));
    project.write("server", elf(AMD64, &["libshop.so.1"]));
    project.pack("build").fails(1).says(&["lacks `libshop.so.1`", "is for arm64"]);
}

#[test]
fn a_program_that_was_cut_off_is_refused() {
    let project = Project::with(
        "[image]\nname = \"localhost/app\"\nbase = \"scratch\"\ntags = [\"1\"]\n\n[app]\npath = \"server\"\n",
    );
    let whole = elf(AMD64, &["libshop.so.1"]);
    project.write("server", &whole[..whole.len() - 1]);
    for command in ["build", "plan"] {
        project.pack(command).fails(1).says(&["server", "truncated"]).hints();
    }
}

/// Classes of libraries in one jar, and those that another Java reads, do not count.
#[test]
fn the_newest_class_of_an_application_decides() {
    let on = java("17", true);
    let class = |major: u8| [&[0xca, 0xfe, 0xba, 0xbe, 0, 0, 0, major][..], &[0; 64]].concat();
    for (name, major, is_refused) in [
        ("Other.class", 65, true),
        ("Other.class", 61, false),
        ("org/library/Newer.class", 65, false),
        ("META-INF/versions/21/Hello.class", 65, false),
        ("module-info.class", 65, false),
    ] {
        let project = Project::with(&format!(
            "[image]\nname = \"localhost/app\"\nbase = \"{}\"\ntags = [\"1\"]\n\n[app]\npath = \"app.jar\"\n",
            layout(&on)
        ));
        project.write("app.jar", hello_jar_with("", &[(name, &class(major))]));
        let plan = project.pack("plan").run();
        assert_eq!(plan.code, Some(i32::from(is_refused)), "{name} {major}: {plan:?}");
        let says = "needs Java 21 (`Other.class` in `app.jar`), and the base has Java 17";
        assert_eq!(plan.stderr.contains(says), is_refused, "{plan:?}");
    }
}

#[test]
fn a_base_without_java_is_named_with_one_that_has_it() {
    let on = java("21", false);
    let project = Project::with(&format!(
        "[image]\nname = \"localhost/app\"\nbase = \"{}\"\ntags = [\"1\"]\n\n[app]\npath = \"app.jar\"\n",
        layout(&on)
    ));
    project.write("app.jar", hello_jar(""));
    let plan = project.pack("plan").run();
    assert_eq!(plan.code, Some(1), "{plan:?}");
    assert!(plan.stderr.contains("lacks `java`, which starts"), "{plan:?}");
    assert!(plan.stderr.contains("such as `docker.io/library/eclipse-temurin:21-jre`"), "{plan:?}");
    let on = java("21", true);
    project.pack("plan").arg("--base").arg(layout(&on)).ok();
}

/// As a lock of an older version is: it has the library, and not its versions.
#[test]
fn a_lock_without_versions_of_symbols_is_no_pass() {
    let shop = library_defining(AMD64, &["SHOP_1"]);
    let base = with_libraries(&[("usr/lib/libshop.so.1", shop)]);
    let served = Served::start();
    served.add("base", &base.path("layout"));
    let project = Project::with(&format!(
        "[image]\nname = \"localhost/app\"\nbase = \"{}\"\ntags = [\"1\"]\n\n[app]\npath = \"server\"\n",
        served.name("base")
    ));
    project.write("server", elf(AMD64, &["libshop.so.1"]));
    project.pack("update").ok();
    let lock = fs::read_to_string(project.path("build.lock")).unwrap();
    assert!(lock.contains("/usr/lib/libshop.so.1") && !lock.contains("defines"), "{lock}");
    let needs: &[(&str, &[&str])] = &[("libshop.so.1", &["SHOP_1"])];
    project.write("server", elf_of(AMD64, &["libshop.so.1"], None, needs, &[]));
    let what = "whether `/usr/lib/libshop.so.1` has the versions of symbols that `/app/server` needs cannot be known here";
    for _ in 0..2 {
        let plan = project.pack("plan").ok();
        assert!(plan.stderr.contains(what), "{plan:?}");
        fs::remove_dir_all(project.cache()).unwrap();
    }
    project.pack("update").ok();
    let lock = fs::read_to_string(project.path("build.lock")).unwrap();
    assert!(lock.contains("defines = [\"SHOP_ 1\"]"), "{lock}");
    let plan = project.pack("plan --locked").ok();
    assert!(!plan.stderr.contains("cannot be known"), "{plan:?}");
}
