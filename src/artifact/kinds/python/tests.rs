use std::os::unix::fs::symlink;

use super::*;
use crate::artifact::fixture::detect;
use crate::artifact::{Artifact, propose, requirements};
use crate::formats::zip::fixture::{Item, write};
use crate::layer::EntryKind;
use crate::oci::RunConfig;
use crate::runtime::interrupt::Interrupt;
use crate::types::error::{Explain as _, Kind};

/// A directory with files and links (`->`).
struct App(tempfile::TempDir);

const SITE: &str = "lib/python3.11/site-packages";

impl App {
    /// Files as they are.
    fn new(files: &[(&str, &str)]) -> Self {
        let app = Self(tempfile::tempdir().expect("a directory"));
        files.iter().for_each(|(name, text)| app.write(name, text));
        app
    }

    /// An environment at a path, with distributions, where `@` at the beginning of a name is the directory of packages.
    fn environment(at: &str, files: &[(&str, &str)]) -> Self {
        let app = Self(tempfile::tempdir().expect("a directory"));
        for (name, text) in ENVIRONMENT.iter().chain(DISTRIBUTIONS).chain(files) {
            app.write_in(at, name, text);
        }
        app
    }

    fn write_in(&self, at: &str, name: &str, text: &str) {
        let name = name.replace('@', SITE);
        self.write(if at.is_empty() { name } else { format!("{at}/{name}") }.as_str(), text);
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.0.path().join(name);
        std::fs::create_dir_all(path.parent().expect("a parent")).expect("made");
        match text.strip_prefix("-> ") {
            Some(target) => symlink(target, &path).expect("linked"),
            None => std::fs::write(&path, text).expect("written"),
        }
    }

    fn artifact(&self) -> Artifact {
        let artifact = detect(self.0.path()).expect("detected");
        assert_eq!(artifact.kind.name(), "python");
        artifact
    }

    fn on(&self, env: &[&str]) -> Result<Proposal, ArtifactError> {
        propose(&self.artifact(), &AppOptions::default(), Some(&base(env)), &Scanner::default())
    }

    fn proposed(&self) -> Proposal {
        self.on(&[]).expect("proposed")
    }

    /// The reason and the hint of a refusal.
    fn refused(&self) -> (String, String) {
        let error = self.on(&[]).expect_err("refused");
        (error.to_string(), error.hint().expect("a hint"))
    }
}

fn base(env: &[&str]) -> ConfigFile {
    let env = env.iter().map(|variable| (*variable).to_owned()).collect();
    let run = RunConfig { env, ..RunConfig::default() };
    ConfigFile {
        os: "linux".to_owned(),
        architecture: "amd64".to_owned(),
        config: Some(run),
        ..ConfigFile::default()
    }
}

/// The files that `python3 -m venv` makes.
const ENVIRONMENT: &[(&str, &str)] = &[
    (
        "pyvenv.cfg",
        "home = /home/me/.pyenv/versions/3.11.7/bin\ninclude-system-site-packages = false\nversion = 3.11.7\nexecutable = /home/me/x\ncommand = /home/me/x -m venv /home/me/.venv\n",
    ),
    ("bin/python", "-> /home/me/.pyenv/versions/3.11.7/bin/python3"),
    ("bin/python3", "-> python"),
    ("bin/python3.11", "-> python"),
    ("bin/activate", "VIRTUAL_ENV=/home/me/.venv"),
    ("bin/Activate.ps1", ""),
    ("lib64", "-> lib"),
    (".gitignore", "*"),
];

/// An application, and a package that it needs.
const DISTRIBUTIONS: &[(&str, &str)] = &[
    ("bin/shop", "#!/home/me/.venv/bin/python3.11\nfrom shop import main\nmain()\n"),
    ("@/shop/__init__.py", "def main(): pass\n"),
    (
        "@/shop-1.0.dist-info/METADATA",
        "Metadata-Version: 2.1\nName: shop\nVersion: 1.0\nRequires-Dist: greet>=1\n\nRequires-Dist: body\n",
    ),
    (
        "@/shop-1.0.dist-info/RECORD",
        "shop/__init__.py,sha256=x,1\n../../../bin/shop,sha256=x,1\nshop/__pycache__/__init__.cpython-311.pyc,,\n",
    ),
    ("@/shop-1.0.dist-info/entry_points.txt", "[console_scripts]\nshop = shop:main\n"),
    ("@/shop/__pycache__/__init__.cpython-311.pyc", "\x70\x0d\x0d\x0a\0\0\0\0time"),
    ("@/greet.py", ""),
    ("@/__pycache__/greet.cpython-311.pyc", "\x70\x0d\x0d\x0a\x01\0\0\0hash"),
    ("@/greet-1.2.dist-info/METADATA", "Name: Greet\n"),
    ("@/greet-1.2.dist-info/RECORD", "greet.py,sha256=x,1\n"),
    ("@/distutils-precedence.pth", "import os; x = 1\n"),
];

/// The paths of a layer that are no directories.
fn files(proposal: &Proposal, layer: &str) -> Vec<String> {
    let layer = proposal.layers.iter().find(|found| found.name == layer);
    let entries = layer.map(|layer| &layer.entries[..]).unwrap_or_default();
    assert!(entries.is_sorted_by(|a, b| a.path < b.path), "{entries:?}");
    let files = entries.iter().filter(|entry| !entry.is_directory());
    files.map(|entry| entry.path.to_string()).collect()
}

fn kind(proposal: &Proposal, path: &str) -> EntryKind {
    let mut entries = proposal.layers.iter().flat_map(|layer| &layer.entries);
    entries
        .find(|entry| entry.path.to_string() == path)
        .unwrap_or_else(|| panic!("{path} is missing"))
        .kind
        .clone()
}

fn text_of(proposal: &Proposal, path: &str) -> String {
    let EntryKind::File(content) = kind(proposal, path) else { panic!("{path} is no file") };
    let crate::layer::ContentSource::Bytes(bytes) = &content.source else { panic!("{path} is as it was") };
    String::from_utf8(bytes.to_vec()).expect("text")
}

#[test]
fn an_environment_uses_the_python_of_the_base() {
    let proposal = App::environment("", &[]).proposed();
    let site = format!("/app/.venv/{SITE}");
    let of = |names: &[&str]| names.iter().map(|name| name.replace('@', &site)).collect::<Vec<_>>();
    assert_eq!(
        files(&proposal, "dependencies"),
        of(&[
            "/app/.venv/bin/python",
            "/app/.venv/bin/python3",
            "/app/.venv/bin/python3.11",
            "@/__pycache__/greet.cpython-311.pyc",
            "@/distutils-precedence.pth",
            "@/greet-1.2.dist-info/METADATA",
            "@/greet-1.2.dist-info/RECORD",
            "@/greet.py",
            "/app/.venv/lib64",
            "/app/.venv/pyvenv.cfg",
        ])
    );
    assert_eq!(
        files(&proposal, "app"),
        of(&[
            "/app/.venv/bin/shop",
            "@/shop-1.0.dist-info/METADATA",
            "@/shop-1.0.dist-info/RECORD",
            "@/shop-1.0.dist-info/entry_points.txt",
            "@/shop/__init__.py",
        ])
    );
    for link in ["python", "python3", "python3.11"] {
        let link = kind(&proposal, &format!("/app/.venv/bin/{link}"));
        assert!(matches!(&link, EntryKind::Symlink(target) if target == b"/usr/bin/python3.11"), "{link:?}");
    }
    assert_eq!(
        text_of(&proposal, "/app/.venv/pyvenv.cfg"),
        "home = /usr/bin\ninclude-system-site-packages = false\nversion = 3.11\n"
    );
    assert!(text_of(&proposal, "/app/.venv/bin/shop").starts_with("#!/app/.venv/bin/python\nfrom shop"));
    assert_eq!(proposal.entrypoint.expect("a command"), ["/app/.venv/bin/python", "/app/.venv/bin/shop"]);
    assert_eq!(proposal.workdir.expect("a directory").to_string(), "/app");
    let notes = proposal.notes.join("\n");
    assert!(
        notes.contains("1 compiled module is left out") && notes.contains("PYTHONPYCACHEPREFIX"),
        "{notes}"
    );
    assert!(notes.contains("`.gitignore`, `bin/Activate.ps1`, `bin/activate`"), "{notes}");
    let official = App::environment("", &[]).on(&["PYTHON_VERSION=3.11.9"]).expect("proposed");
    assert!(text_of(&official, "/app/.venv/pyvenv.cfg").starts_with("home = /usr/local/bin\n"));
}

#[test]
fn a_project_keeps_its_environment_in_its_place() {
    let app = App::environment(".venv", &[]);
    app.write("config.ini", "");
    app.write(".git/HEAD", "");
    let proposal = app.proposed();
    assert_eq!(
        proposal.entrypoint.as_deref().map(|words| words[1].clone()).as_deref(),
        Some("/app/.venv/bin/shop")
    );
    assert!(files(&proposal, "app").contains(&"/app/config.ini".to_owned()));
    assert!(!files(&proposal, "app").iter().any(|path| path.contains(".git")));
    assert!(files(&proposal, "dependencies").contains(&format!("/app/.venv/{SITE}/greet.py")));
    app.write("__main__.py", "");
    assert_eq!(app.proposed().entrypoint.expect("a command"), ["/app/.venv/bin/python", "/app"]);
    let needed = requirements(&app.artifact(), &AppOptions::default(), Search::on(None), &Scanner::default());
    let python = Requirement::Executable { name: "/usr/bin/python3.11".to_owned(), home: None };
    let version = Requirement::Python {
        version: "3.11".to_owned(),
        shown_by: format!("`.venv/{SITE}`"),
        is_compiled: false,
    };
    assert_eq!(needed.expect("read").all, [version, python]);
}

/// The same environment, installed elsewhere by another tool, is the same image.
#[test]
fn the_machine_that_installed_does_not_count() {
    let layers = |app: &App| {
        let mut all = Vec::new();
        for entry in app.proposed().layers.iter().flat_map(|layer| layer.entries.clone()) {
            let content = match &entry.kind {
                EntryKind::File(content) => match &content.source {
                    crate::layer::ContentSource::Bytes(bytes) => String::from_utf8_lossy(bytes).into_owned(),
                    _ => content.size.to_string(),
                },
                kind => format!("{kind:?}"),
            };
            all.push((entry.path.to_string(), entry.metadata.mode, content));
        }
        all
    };
    let uv = App::environment(
        "",
        &[
            (".lock", ""),
            ("CACHEDIR.TAG", ""),
            ("bin/activate.fish", ""),
            ("@/greet-1.2.dist-info/uv_cache.json", "{}"),
        ],
    );
    uv.write("pyvenv.cfg", "home = /opt/python/bin\nimplementation = CPython\nuv = 0.9\nversion_info = 3.11.2\ninclude-system-site-packages = false\n");
    uv.write("bin/shop", "#!/bin/sh\n'''exec' \"/home/my user/.venv/bin/python\" \"$0\" \"$@\"\n' '''\nfrom shop import main\nmain()\n");
    assert_eq!(layers(&uv), layers(&App::environment("", &[])));
}

#[test]
fn a_filled_directory_has_packages_and_the_application_beside_them() {
    let app = App::new(&[
        ("greet.py", ""),
        ("greet-1.2.dist-info/METADATA", "Name: greet\n"),
        ("greet-1.2.dist-info/RECORD", "greet.py,sha256=x,1\n../../bin/greet,,\n"),
        ("greet-1.2.dist-info/entry_points.txt", "[console_scripts]\ngreet = greet:main\n"),
        ("bin/greet", "#!/usr/bin/python3\nimport greet\n"),
        ("word/__init__.py", ""),
        ("word-1.dist-info/RECORD", "word/__init__.py,,\n"),
        ("server/main.py", ""),
    ]);
    let proposal = app.proposed();
    assert_eq!(files(&proposal, "dependencies"), ["/app/word-1.dist-info/RECORD", "/app/word/__init__.py"]);
    assert!(files(&proposal, "app").contains(&"/app/server/main.py".to_owned()));
    assert_eq!(proposal.entrypoint.as_deref(), Some(&["python3", "/app/bin/greet"].map(String::from)[..]));
    assert_eq!(proposal.env["PYTHONPATH"], "/app");
    std::fs::remove_file(app.0.path().join("bin/greet")).expect("removed");
    let code = "import sys; from greet import main; sys.exit(main())";
    assert_eq!(app.proposed().entrypoint.as_deref(), Some(&["python3", "-c", code].map(String::from)[..]));
    app.write("__main__.py", "");
    assert_eq!(app.proposed().entrypoint.as_deref(), Some(&["python3", "/app"].map(String::from)[..]));
}

#[test]
fn without_one_program_an_entrypoint_is_asked_for() {
    let more = [
        ("@/other-1.dist-info/METADATA", "Name: other\n"),
        ("@/other-1.dist-info/entry_points.txt", "[console_scripts]\nother = o:f\n"),
    ];
    let (why, hint) = App::environment("", &more).refused();
    assert!(why.contains("no `__main__.py`"), "{why}");
    assert!(hint.contains("config.entrypoint=[\"/app/.venv/bin/python\", \"-m\", \"MODULE\"]"), "{hint}");
    let options = AppOptions { has_entrypoint: true, ..AppOptions::default() };
    let app = App::environment("", &more);
    assert_eq!(
        propose(&app.artifact(), &options, None, &Scanner::default()).expect("proposed").entrypoint,
        None
    );
}

#[test]
fn editable_installs_are_refused_with_the_way_out() {
    let url = r#"{"url":"file:///home/me/shop","dir_info":{"editable":true}}"#;
    for (name, text, said) in [
        ("@/shop-1.0.dist-info/direct_url.json", url, "`shop-1.0`, which leads to `file:///home/me/shop`"),
        ("@/__editable__.shop-1.0.pth", "import x", "`__editable__.shop-1.0.pth`"),
        ("@/shop.pth", "# ours\n/home/me/shop/src\n", "`shop.pth`, which adds `/home/me/shop/src`"),
        ("@/easy-install.pth", "../../../../src\n", "`easy-install.pth`, which adds `../../../../src`"),
    ] {
        let (why, hint) = App::environment("", &[(name, text)]).refused();
        assert!(why.contains(said) && why.contains("is installed as editable"), "{why}");
        assert!(hint.contains("uv sync --no-editable"), "{hint}");
    }
    let installed = r#"{"url":"file:///home/me/shop","dir_info":{}}"#;
    App::environment("", &[("@/shop-1.0.dist-info/direct_url.json", installed), ("@/a.pth", "a/b\n")])
        .proposed();
}

#[test]
fn broken_environments_are_refused() {
    let again = |app: &App, said: &str| {
        let (why, hint) = app.refused();
        assert!(why.contains(said), "{why}");
        assert!(!hint.is_empty());
    };
    again(
        &App::new(&[("pyvenv.cfg", "home = /usr/bin\n"), ("bin/python", "")]),
        "no `lib/python3.N/site-packages`",
    );
    again(
        &App::environment("", &[("lib/python3.12/site-packages/x.py", "")]),
        "packages for Python 3.11 and for Python 3.12",
    );
    let other = App::environment("", &[]);
    other.write("pyvenv.cfg", "home = /usr/bin\nversion = 3.12.1\n");
    again(&other, "says Python 3.12, and its packages are for Python 3.11");
    let gone = App::environment("", &[]);
    for name in ["python", "python3", "python3.11"] {
        std::fs::remove_file(gone.0.path().join("bin").join(name)).expect("removed");
    }
    again(&gone, "`bin` has no `python`");
    again(&App::environment("", &[("@/x", "-> /home/me/store/x")]), "is a link to `/home/me/store/x`");
    again(
        &App::environment("", &[("@/_x.cpython-312-x86_64-linux-gnu.so", "")]),
        "is for Python 3.12, and the environment is for Python 3.11",
    );
    let app = App::environment("", &[]);
    let root = |root: &str| AppOptions { root: Some(root.parse().expect("a root")), ..AppOptions::default() };
    let error =
        propose(&app.artifact(), &root("/a b"), None, &Scanner::default()).expect_err("refused").to_string();
    assert!(error.contains("scripts cannot name `/a b/bin/python`"), "{error}");
}

#[test]
fn archives_that_python_runs_are_told_apart() {
    let directory = tempfile::tempdir().expect("a directory");
    let archive = |name: &str, items: &[Item]| {
        let path = directory.path().join(name);
        std::fs::write(&path, [&b"#!/usr/bin/env python3\n"[..], &write(items)].concat()).expect("written");
        let artifact = detect(&path).expect("detected");
        assert_eq!(artifact.kind.name(), "python");
        let proposal =
            propose(&artifact, &AppOptions::default(), None, &Scanner::default()).expect("proposed");
        (artifact.why[0].clone(), proposal)
    };
    let main = || Item::stored("__main__.py", b"print(1)");
    let (why, proposal) = archive("shop.pyz", &[main()]);
    assert!(why.contains("zipapp") && proposal.notes.is_empty(), "{why}");
    assert_eq!(proposal.entrypoint.expect("a command"), ["python3", "/app/shop.pyz"]);
    assert_eq!(proposal.layers[0].entries[0].metadata.mode, 0o755);
    let module = Item::stored("x/_x.cpython-312-x86_64-linux-gnu.so", b"");
    let (why, proposal) = archive("shop.pex", &[main(), Item::stored("PEX-INFO", b"{}"), module]);
    assert!(why.contains("PEX") && proposal.notes[0].contains("PEX_ROOT"), "{why}");
    assert_eq!(proposal.entrypoint.expect("a command")[0], "python3.12");
    let parts =
        [main(), Item::stored("environment.json", b"{}"), Item::stored("_bootstrap/__init__.py", b"")];
    assert!(archive("s.pyz", &parts).0.contains("shiv"));
    let old = base(&["PYTHON_VERSION=3.11.1"]);
    let artifact = detect(&directory.path().join("shop.pex")).expect("detected");
    let stated = requirements(&artifact, &AppOptions::default(), Search::on(Some(&old)), &Scanner::default());
    let python = stated.expect("read").all.into_iter().next();
    assert!(matches!(python, Some(Requirement::Python { version, .. }) if version == "3.12"));
}

#[test]
fn modules_that_are_missing_are_named() {
    let whole = App::environment("", &[]);
    assert_eq!(whole.proposed().warnings, Vec::<String>::new());
    let record =
        "greet.py,sha256=x,1\ngreet/deep.py,,\ngreet/fast.so,,\ngreet/data.txt,,\n../../../../etc/x.py,,\n";
    let broken = App::environment("", &[("@/greet-1.2.dist-info/RECORD", record)]);
    assert_eq!(
        broken.proposed().warnings,
        [
            "modules are missing that `RECORD` names: `lib/python3.11/site-packages/greet/deep.py` of `greet`, \
          `lib/python3.11/site-packages/greet/fast.so` of `greet`; install the packages again"
        ]
    );
    // A file that the user leaves out is there.
    broken.write_in("", "@/greet/deep.py", "");
    broken.write_in("", "@/greet/fast.so", "");
    broken.write(".packignore", "deep.py\nfast.so\n");
    assert_eq!(broken.proposed().warnings, Vec::<String>::new());
}

#[test]
fn an_environment_of_conda_is_refused_with_the_way_out() {
    let app =
        App::new(&[("conda-meta/history", ""), ("bin/python3.11", "\x7fELF"), ("lib/libpython3.11.so", "")]);
    let (why, hint) = app.refused();
    assert!(why.contains("an environment of conda"), "{why}");
    assert!(hint.contains("python3 -m venv") && hint.contains("kind = \"tree\""), "{hint}");
}

#[test]
fn the_version_is_that_of_the_applications_distribution() {
    let of = |app: &App| crate::artifact::version(&app.artifact()).expect("read");
    for at in ["", ".venv"] {
        assert_eq!(of(&App::environment(at, &[])).value.as_deref(), Some("1.0"), "{at}");
    }
    let target = App::new(&[
        ("shop-2.1.dist-info/METADATA", "Name: shop\nVersion: 2.1\n"),
        ("shop-2.1.dist-info/entry_points.txt", "[console_scripts]\nshop = shop:main\n"),
        ("greet-3.dist-info/METADATA", "Name: greet\nVersion: 3\n"),
    ]);
    assert_eq!(of(&target).value.as_deref(), Some("2.1"));
    let none = of(&App::new(&[("greet-3.dist-info/METADATA", "Name: greet\nVersion: 3\n")]));
    assert_eq!(none.value, None);
    assert!(none.looked_at.iter().any(|place| place.contains("METADATA")), "{none:?}");
}

/// The names that the requirements of an application say are missing, and whether it is on its own.
fn missing(app: &App) -> Option<(Vec<String>, bool)> {
    let needed = requirements(&app.artifact(), &AppOptions::default(), Search::on(None), &Scanner::default());
    needed.expect("read").all.into_iter().find_map(|requirement| match requirement {
        Requirement::PythonPackages(needs) => {
            Some((needs.missing.into_iter().map(|(name, _)| name).collect(), needs.is_isolated))
        }
        _ => None,
    })
}

#[test]
fn distributions_that_others_need_are_missing() {
    assert_eq!(missing(&App::environment(".venv", &[])), None);
    let needs = "Name: more\nRequires-Dist: Wer_k.zeug (>=1)\nRequires-Dist: win; sys_platform == 'win32'\n\
                 Requires-Dist: extra; extra == 'x'\nRequires-Dist: old; python_version < '3.8'\n\
                 Requires-Dist: perhaps; platform_machine == 'x86_64'\nRequires-Dist: egg\nRequires-Dist: put\n";
    let app = App::environment(
        ".venv",
        &[
            ("@/more-1.dist-info/METADATA", needs),
            ("@/egg-1.egg-info/PKG-INFO", ""),
            ("@/a.pth", "added\n"),
            ("@/added/put-2.dist-info/RECORD", ""),
        ],
    );
    assert_eq!(missing(&app), Some((vec!["wer-k-zeug".to_owned()], true)));
    app.write(".venv/pyvenv.cfg", "home = /usr/bin\ninclude-system-site-packages = True\nversion = 3.11.7\n");
    assert_eq!(missing(&app), Some((vec!["wer-k-zeug".to_owned()], false)));
    app.write_in(".venv", "@/wer.k_zeug-1.dist-info/RECORD", "");
    assert_eq!(missing(&app), None);
}

/// `pip check` says the same, where there is a pip.
#[test]
fn pip_misses_the_same_distributions() {
    let mut files = vec![("__main__.py".to_owned(), String::new())];
    let requirements = [
        "b>=1",
        "c ; python_version >= '3'",
        "d ; sys_platform == 'win32'",
        "e[x]>2,<3 ; sys_platform == 'linux' and extra == 'y'",
        "F.g_h",
        "i ; os_name == 'posix'",
        "j ; (sys_platform == 'linux' or platform_machine == 'none')",
        "k ; sys_platform != 'linux' and platform_machine == 'x86_64'",
    ];
    let needs: String = requirements.iter().map(|needed| format!("Requires-Dist: {needed}\n")).collect();
    for (name, about) in [
        ("a", format!("Metadata-Version: 2.1\nName: a\nVersion: 1\n{needs}")),
        ("b", "Metadata-Version: 2.1\nName: b\nVersion: 1\n".to_owned()),
    ] {
        files.push((format!("{name}-1.dist-info/METADATA"), about));
        files.push((format!("{name}-1.dist-info/RECORD"), String::new()));
    }
    let texts: Vec<(&str, &str)> = files.iter().map(|(name, text)| (&**name, &**text)).collect();
    let app = App::new(&texts);
    let output = std::process::Command::new("/usr/bin/python3")
        .args(["-S", "-m", "pip", "check"])
        .env("PYTHONPATH", format!("{}:/usr/lib/python3/dist-packages", app.0.path().display()))
        .output();
    let Ok(output) = output else { return };
    let said = String::from_utf8_lossy(&output.stdout);
    let ours = missing(&app).expect("some are missing").0;
    assert_eq!(ours, ["f-g-h", "i", "j"], "without a version of Python, `c` is not certain");
    if said.contains("which is not installed") {
        let mut theirs: Vec<String> = said
            .lines()
            .filter_map(|line| line.strip_prefix("a 1 requires ")?.split(',').next())
            .map(environment::normalised)
            .collect();
        theirs.sort();
        theirs.retain(|name| name != "c");
        assert_eq!(ours, theirs, "{said}");
    }
}

#[test]
fn a_program_of_the_project_starts_and_not_that_of_a_package() {
    let flask = [
        ("@/flask-3.1.dist-info/METADATA", "Name: flask\nVersion: 3.1\nRequires-Dist: click\n"),
        ("@/flask-3.1.dist-info/RECORD", "flask.py,,\n"),
        ("@/flask-3.1.dist-info/entry_points.txt", "[console_scripts]\nflask = flask:main\n"),
        ("@/click-1.dist-info/METADATA", "Name: click\nVersion: 8\n"),
        ("bin/flask", "#!/usr/bin/python3\n"),
    ];
    let version = |app: &App| Python.version(app.artifact().material()).expect("read").expect("a place").0;
    let bare = |at: &str| {
        let app = App::new(&[]);
        ENVIRONMENT.iter().chain(&flask).for_each(|(name, text)| app.write_in(at, name, text));
        app
    };
    // Packages alone are the application.
    let app = bare("");
    assert_eq!(app.proposed().entrypoint.expect("a command")[1], "/app/.venv/bin/flask");
    assert_eq!(version(&app).as_deref(), Some("3.1"));
    let app = bare(".venv");
    app.write("app.py", "");
    let proposal = app.proposed();
    assert_eq!(proposal.entrypoint.as_deref().expect("a command"), ["/app/.venv/bin/python", "/app/app.py"]);
    assert!(files(&proposal, "dependencies").contains(&"/app/.venv/bin/flask".to_owned()));
    assert_eq!(version(&app), None);
    app.write("pyproject.toml", "[project]\nname = \"shop\"\nversion = \"2.5\"\n");
    assert_eq!(version(&app).as_deref(), Some("2.5"));
    app.write("main.py", "");
    let (why, hint) = app.refused();
    assert!(why.contains("which program of the project starts it: it has `app.py`, `main.py`"), "{why}");
    assert!(hint.contains("config.entrypoint=[\"/app/.venv/bin/python\", \"/app/app.py\"]"), "{hint}");
    // Its own distribution has the program.
    for (name, text) in [
        ("@/shop-2.5.dist-info/METADATA", "Name: Shop\nVersion: 2.5\nRequires-Dist: flask\n"),
        ("@/shop-2.5.dist-info/entry_points.txt", "[console_scripts]\nserve = shop:main\n"),
        ("bin/serve", "#!/usr/bin/python3\n"),
    ] {
        app.write_in(".venv", name, text);
    }
    assert_eq!(app.proposed().entrypoint.expect("a command")[1], "/app/.venv/bin/serve");
    // A filled directory, where a module at the top may be one of a distribution.
    let filled = App::new(&[]);
    for (name, text) in flask {
        filled.write(name.trim_start_matches("@/"), text);
    }
    filled.write("main.py", "");
    assert_eq!(filled.proposed().entrypoint.expect("a command"), ["python3", "/app/main.py"]);
    filled.write("flask-3.1.dist-info/RECORD", "main.py,,\n");
    assert_eq!(filled.proposed().entrypoint.expect("a command")[1], "/app/bin/flask");
}

/// The cost for each distribution does not grow with their number.
#[test]
fn many_distributions_cost_no_more_each() {
    let cost = |count: usize| {
        let app = App::new(&[("__main__.py", "")]);
        for number in 0..count {
            app.write(&format!("a{number}-1.dist-info/METADATA"), "Name: a\n");
        }
        let artifact = app.artifact();
        let once = || {
            let start = std::time::Instant::now();
            propose(&artifact, &AppOptions::default(), None, &Scanner::default()).expect("proposed");
            start.elapsed()
        };
        (0..3).map(|_| once()).min().expect("some")
    };
    let (few, many) = (cost(250), cost(2000));
    assert!(many < few * 24, "8 times as many took {many:?} instead of {few:?}");
}

/// Ctrl-C ends the walk over distributions.
#[test]
fn the_user_can_interrupt() {
    let app = App::environment("", &[]);
    let interrupt = Interrupt::default();
    let scanner = Scanner::default().until(&interrupt);
    let (artifact, options) = (app.artifact(), AppOptions::default());
    interrupt.trigger();
    let error = propose(&artifact, &options, None, &scanner).expect_err("interrupted");
    assert_eq!(error.kind(), Kind::Interrupted, "{error}");
}
