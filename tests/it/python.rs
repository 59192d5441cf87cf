//! Python applications, from an environment to an image.

use std::fs;

use crate::artifacts::{AMD64, ARM64, base, elf, layout, library};
use crate::node::{base_with, config_of, lay_out};
use crate::reproducible::check_golden;
use crate::support::{Built, Project, Zip, chmod};

/// Distributions of an application that serves a page and asks itself for it. `@` is the directory of packages.
const DISTRIBUTIONS: &[(&str, &str)] = &[
    ("@/hello/__init__.py", SERVER),
    (
        "@/hello-1.0.dist-info/METADATA",
        "Metadata-Version: 2.1\nName: hello\nVersion: 1.0\nRequires-Dist: greet\n",
    ),
    ("@/hello-1.0.dist-info/RECORD", "hello/__init__.py,,\nhello-1.0.dist-info/METADATA,,\n"),
    ("@/hello-1.0.dist-info/entry_points.txt", "[console_scripts]\nhello = hello:main\n"),
    ("@/greet/__init__.py", "from word import WORD\n\ndef greet(name):\n    return f'{WORD} {name}'\n"),
    (
        "@/greet-1.0.dist-info/METADATA",
        "Metadata-Version: 2.1\nName: greet\nVersion: 1.0\nRequires-Dist: word\n",
    ),
    ("@/greet-1.0.dist-info/RECORD", "greet/__init__.py,,\ngreet-1.0.dist-info/METADATA,,\n"),
    ("@/word.py", "WORD = 'hello'\n"),
    ("@/word-3.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: word\nVersion: 3.0\n"),
    ("@/word-3.0.dist-info/RECORD", "word.py,,\nword-3.0.dist-info/METADATA,,\n"),
];

const SERVER: &str = "import http.server, sys, threading, urllib.request
from greet import greet

class Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(greet('world').encode())

    def log_message(self, *_):
        pass

def main():
    server = http.server.HTTPServer(('127.0.0.1', 0), Page)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    with urllib.request.urlopen(f'http://127.0.0.1:{server.server_port}/') as page:
        print(page.read().decode(), sys.prefix)
";

/// The files of an environment that a tool makes, on a machine that is not the test's.
const ENVIRONMENT: &[(&str, &str)] = &[
    (
        "pyvenv.cfg",
        "home = /home/me/.pyenv/versions/3.11.7/bin\ninclude-system-site-packages = false\nversion = 3.11.7\n",
    ),
    ("bin/python", "-> /home/me/.pyenv/versions/3.11.7/bin/python3.11"),
    ("bin/python3", "-> python"),
    ("bin/activate", "VIRTUAL_ENV=/home/me/.venv\n"),
    ("lib64", "-> lib"),
];

/// The script that an installer writes.
const SCRIPT: &str = "#!/home/me/.venv/bin/python3\nimport sys\nfrom hello import main\nsys.exit(main())\n";

/// An environment below `at` with the application in it.
pub(crate) fn environment(at: &str) -> Vec<(String, String)> {
    let script = ("bin/hello", SCRIPT);
    let all = ENVIRONMENT.iter().chain([&script]).chain(DISTRIBUTIONS);
    let name = |name: &str| format!("{at}{}", name.replace('@', "lib/python3.11/site-packages"));
    all.map(|(file, text)| (name(file), (*text).to_owned())).collect()
}

/// The same, as `pip install --target` lays it out.
pub(crate) fn target() -> Vec<(String, String)> {
    let files = DISTRIBUTIONS.iter().chain([&("bin/hello", SCRIPT)]);
    files.map(|(name, text)| (name.trim_start_matches("@/").to_owned(), (*text).to_owned())).collect()
}

pub(crate) fn texts(files: &[(String, String)]) -> impl Iterator<Item = (&str, &str)> {
    files.iter().map(|(name, text)| (&**name, &**text))
}

/// A project of these files on a base with Python 3.11.
fn shop(files: &[(String, String)], more: &str) -> (Project, Project) {
    let (base, layout) = base_with("usr/bin/python3.11", "");
    let project = Project::with(&format!(
        "[image]\nname = \"localhost/shop\"\nbase = \"{layout}\"\ntags = [\"1\"]\n\n[app]\npath = \"app\"\n{more}"
    ));
    lay_out(&project.path("app"), texts(files));
    if project.path("app/bin/hello").is_file() {
        chmod(&project.path("app/bin/hello"), 0o755);
    }
    (base, project)
}

fn names(built: &Built) -> Vec<String> {
    built.layers().into_iter().map(|layer| layer.name).collect()
}

#[test]
fn an_environment_is_an_image() {
    let (_base, project) = shop(&environment(""), "");
    let built = project.build("-o oci:out");
    check_golden("python venv", &built);
    assert_eq!(names(&built), ["dependencies", "app"]);
    let config = config_of(&project);
    assert_eq!(config["Entrypoint"], serde_json::json!(["/app/.venv/bin/python", "/app/.venv/bin/hello"]));
    assert_eq!(config["WorkingDir"], "/app");
    project.pack("plan").ok().says(&["uses `/usr/bin/python3.11` of the base"]);

    // A change of the code sends the code alone, one of a package the packages alone.
    let site = "app/lib/python3.11/site-packages";
    project.write(&format!("{site}/hello/__init__.py"), SERVER.replace("world", "you"));
    assert_eq!(project.build("").built_layers(), ["app"]);
    project.write(&format!("{site}/word.py"), "WORD = 'bye'\n");
    assert_eq!(project.build("").built_layers(), ["dependencies"]);
    // Compiled modules and the place of the environment on this machine change nothing.
    let before = project.build("").digest();
    project.write(&format!("{site}/__pycache__/word.cpython-311.pyc"), b"\x70\x0d\x0d\x0a\0\0\0\0timesize");
    project.write("app/bin/activate", "VIRTUAL_ENV=/home/you/.venv\n");
    project.write("app/bin/hello", SCRIPT.replace("/home/me", "/home/you"));
    assert_eq!(project.build("").digest(), before);
}

#[test]
fn a_filled_directory_is_an_image() {
    let (_, project) = shop(&target(), "");
    let (_base, layout) = base_with("usr/bin/python3", "");
    let built = project.build(&format!("--base {layout} -o oci:out"));
    check_golden("python target", &built);
    let config = config_of(&project);
    assert_eq!(config["Entrypoint"], serde_json::json!(["python3", "/app/bin/hello"]));
    assert!(config["Env"].to_string().contains("PYTHONPATH=/app"), "{config}");
}

#[test]
fn a_base_needs_the_python_of_the_environment() {
    let (_base, project) = shop(&environment(""), "");
    let (_other, layout) = base_with("usr/bin/python3.12", "");
    let refused = project.pack("build").args(&format!("--base {layout}")).fails(1);
    refused
        .says(&["are for Python 3.11 (`lib/python3.11/site-packages`), and the base has Python 3.12"])
        .hints();
    // The Python that made the environment does not matter: any base with that version will do.
    let (_none, layout) = base_with("usr/bin/perl", "");
    let refused = project.pack("build").args(&format!("--base {layout}")).fails(1);
    let lacks = "lacks Python 3.11 at `/usr/bin/python3.11`, which starts";
    refused
        .says(&[lacks, "use a base with Python 3.11, such as `docker.io/library/python:3.11-slim`"])
        .hints();
    let (_official, layout) = base_with("usr/local/bin/python3.11", ", PYTHON_VERSION = \"3.11.9\"");
    project.build(&format!("--base {layout}"));
    let (_official, layout) = base_with("usr/local/bin/python3.12", ", PYTHON_VERSION = \"3.12.1\"");
    let refused = project.pack("build").args(&format!("--base {layout}")).fails(1);
    refused
        .says(&["are for Python 3.11 (`lib/python3.11/site-packages`), and the base has Python 3.12"])
        .hints();
}

/// A distribution's Python is not the one that a base such as conda's has on its `PATH`.
#[test]
fn a_python_elsewhere_on_the_path_is_no_other_version() {
    let on = |name: &str| {
        let files = ["/usr/bin/python3.11".to_owned(), format!("/opt/conda/bin/{name}")];
        let files = files.map(|to| format!("{{ from = \"files/program\", to = \"{to}\", mode = \"0755\" }}"));
        let config = format!(
            "env = {{ PATH = \"/opt/conda/bin:/usr/bin\" }}\n\n[[layer]]\nname = \"program\"\nfiles = [{}]\n",
            files.join(", ")
        );
        base(&["linux/amd64"], &config, &[("program", "program")])
    };
    let (_base, project) =
        shop(&target(), "[config]\nentrypoint = [\"/opt/conda/bin/python3\", \"-m\", \"hello\"]\n");
    project.write("app/_w.cpython-312-x86_64-linux-gnu.so", library(AMD64, &[]));
    let refused = project.pack("build").run();
    assert!(refused.stderr.contains("are for Python 3.12"), "{refused:?}");
    let conda = on("python3");
    let plan = project.pack("plan").arg("--base").arg(layout(&conda)).ok();
    assert!(plan.stderr.contains("has the Python 3.12 that"), "{plan:?}");
    let conda = on("python3.12");
    let entrypoint = "config.entrypoint=[\"python3.12\", \"-m\", \"hello\"]";
    let plan =
        project.pack("plan --json").arg("--base").arg(layout(&conda)).arg("--set").arg(entrypoint).ok();
    let json = plan.json();
    let found = json["findings"].as_array().unwrap().iter().find(|finding| finding["rule"] == "python-abi");
    assert_eq!(found.map(|finding| finding["answer"].clone()), Some("met".into()), "{json:#}");
}

#[test]
fn hints_work_when_they_are_followed() {
    let mut files = environment(".venv/");
    files.retain(|(name, _)| !name.ends_with("entry_points.txt"));
    let (_base, project) = shop(&files, "");
    project.pack("build").fails(1).says(&["no `__main__.py`", "--set 'config.entrypoint="]).hints();
    let given = "config.entrypoint=[\"/app/.venv/bin/python\", \"-m\", \"hello\"]";
    project.pack("build").arg("--set").arg(given).built("-o oci:out");
    assert_eq!(config_of(&project)["WorkingDir"], "/app");
    project.write("app/__main__.py", "import hello\nhello.main()\n");
    project.build("-o oci:out");
    assert_eq!(config_of(&project)["Entrypoint"], serde_json::json!(["/app/.venv/bin/python", "/app"]));
}

#[test]
fn modules_must_fit_the_image() {
    let (_base, project) = shop(&environment(""), "");
    let module = "app/lib/python3.11/site-packages/word_c.cpython-311-x86_64-linux-gnu.so";
    project.write(module, elf(AMD64, &["libshop.so.1"]));
    project.pack("build").fails(1).says(&["word_c", "`libshop.so.1`"]).hints();
    project.write(module, elf(ARM64, &[]));
    project
        .pack("build")
        .fails(1)
        .says(&["word_c", "is for linux/arm64, and the base for linux/amd64"])
        .hints();
    // A library that the application brings, such as wheels do in `NAME.libs`.
    project.write(module, elf(AMD64, &["libshop.so.1"]));
    project.write("app/lib/python3.11/site-packages/word.libs/libshop.so.1", library(AMD64, &[]));
    project.build("");
}

#[test]
fn an_archive_is_an_image() {
    let (_base, layout) = base_with("usr/bin/python3", "");
    let project = Project::new();
    let mut zip = Zip::default();
    project.write("dist/hello.pyz", zip.stored("__main__.py", b"print('zipped')\n").finish());
    let built = project.build(&format!("dist/hello.pyz --base {layout} --name localhost/x -t 1 -o oci:out"));
    check_golden("python zipapp", &built);
    assert_eq!(config_of(&project)["Entrypoint"], serde_json::json!(["python3", "/app/hello.pyz"]));
}

#[test]
fn init_finds_the_application() {
    let project = Project::new();
    lay_out(&project.root(), texts(&environment(".venv/")));
    project.write("pyproject.toml", "[project]\nname = \"hello\"\n");
    project.pack("init").ok().says(&["a Python application"]);
    let written = fs::read_to_string(project.path("build.toml")).unwrap();
    assert!(written.contains("path = \".\"") && written.contains("library/python"), "{written}");
    let (_base, layout) = base_with("usr/bin/python3.11", "");
    assert_eq!(names(&project.build(&format!("--base {layout}"))), ["dependencies", "app"]);
}

#[test]
fn what_python_is_to_run_is_there() {
    let (_base, project) = shop(&environment(".venv/"), "");
    let with = |words: &str| {
        let mut run = project.pack("build");
        run = run.arg("--set").arg(format!("config.entrypoint=[\"/app/.venv/bin/python\", {words}]"));
        run
    };
    with("\"app.py\"").fails(1).says(&["lacks `/app/app.py`, which `python` is to run"]).hints();
    with("\"-m\", \"shop.web\"")
        .fails(1)
        .says(&["lacks the module `shop.web`, which `python` is to run"])
        .hints();
    with("\"-m\", \"hello\"").ok();
    project.write("app/shop/web.py", "");
    with("\"-m\", \"shop.web\"").ok();
    with("\"-u\", \"shop/web.py\"").ok();
    with("\"-c\", \"1\"").ok();
    let missing = with("\"late.py\"").fails(1);
    assert!(!missing.stderr.contains("npm"), "{missing:?}");
    with("\"shop\"").fails(1).says(&["lacks `/app/shop/__main__.py`, which `python` is to run"]).hints();
    project.write("app/shop/__main__.py", "");
    with("\"shop\"").ok();
    // A mount may bring the file.
    let mounted = |set: &str| with("\"/data/late.py\"").arg("--set").arg(set.to_owned());
    mounted("config.volumes=[\"/data\"]").arg("--strict").ok();
    let said = mounted("config.volumes=[\"/data\"]").arg("--json").ok();
    assert!(said.stdout.contains("a container has in the volume `/data` what is mounted there"), "{said:?}");
    mounted("config.volumes=[\"/database\"]").fails(1);
    // The program of the environment has another path than its name.
    project.write("app/.venv/bin/gunicorn", "#!/app/.venv/bin/python\n");
    chmod(&project.path("app/.venv/bin/gunicorn"), 0o755);
    let named = |name: &str| {
        project.pack("build").arg("--set").arg(format!("config.entrypoint=[\"{name}\", \"hello:app\"]"))
    };
    named("gunicorn").fails(1).says(&["lacks `gunicorn`", "hint: write `/app/.venv/bin/gunicorn`"]);
    named("/app/.venv/bin/gunicorn").ok();
}
