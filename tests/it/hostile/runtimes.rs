//! Packages of Node.js and Python that are not what their locks and lists say. The resolver of Node and the importer of
//! Python are the judges: what they find in the tree on disk they find in the image, at the same place.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::node::{NPM, base_with, lay_out, pnpm};
use crate::python::{environment, target, texts};
use crate::support::{Project, chmod, files_below, skipped};

/// A project of a directory `app` on a base that has `program`.
fn project(program: &str) -> (Project, Project) {
    let (base, layout) = base_with(program, "");
    let project = Project::with(&format!(
        "[image]\nname = \"localhost/shop\"\nbase = \"{layout}\"\ntags = [\"1\"]\n\n[app]\npath = \"app\"\n"
    ));
    (base, project)
}

/// The files of an image, as a root file system.
fn unpacked(project: &Project, arguments: &str) -> PathBuf {
    for place in ["out", "root"] {
        let _ = fs::remove_dir_all(project.path(place));
    }
    project.pack(&format!("build -o oci:out {arguments}")).ok();
    let root = project.path("root");
    for blob in files_below(&project.path("out/blobs/sha256")) {
        let bytes = fs::read(blob).unwrap();
        if bytes.starts_with(&[0x1f, 0x8b]) {
            tar::Archive::new(flate2::read::MultiGzDecoder::new(&bytes[..])).unpack(&root).unwrap();
        }
    }
    root
}

/// The output of a judge; nothing where it is not installed.
fn judged(program: &str, arguments: &[&str], directory: &Path) -> Option<String> {
    let said = Command::new(program).args(arguments).current_dir(directory).output();
    let Some(said) = said.ok() else {
        skipped(&format!("{program} as a judge"), "it is not installed");
        return None;
    };
    assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stderr));
    Some(String::from_utf8(said.stdout).unwrap())
}

/// From package to package, the file that Node finds for each dependency.
const RESOLVER: &str = "const { createRequire } = require('module'), fs = require('fs'), path = require('path');
const root = process.cwd(), seen = new Set(), open = [root];
while (open.length) {
  const from = open.pop(), manifest = JSON.parse(fs.readFileSync(path.join(from, 'package.json')));
  for (const name of Object.keys({ ...manifest.dependencies, ...manifest.optionalDependencies }).sort()) {
    let found;
    try { found = fs.realpathSync(createRequire(path.join(from, 'x.js')).resolve(name)); } catch { found = path.join(root, 'none'); }
    console.log(path.relative(root, from), name, path.relative(root, found));
    let above = path.dirname(found);
    while (above !== root && !fs.existsSync(path.join(above, 'package.json'))) above = path.dirname(above);
    if (above !== root && !seen.has(above)) { seen.add(above); open.push(above); }
  }
}";

/// Node finds the same in the image as in the tree.
fn resolves_alike(project: &Project, packages: usize) {
    let root = unpacked(project, "");
    let arguments = ["-e", RESOLVER];
    let Some(before) = judged("node", &arguments, &project.path("app")) else { return };
    let after = judged("node", &arguments, &root.join("app")).unwrap();
    assert_eq!(before, after);
    assert!(before.lines().count() >= packages && !before.contains(" none"), "{before}");
}

#[test]
fn node_finds_in_the_image_what_it_finds_on_disk() {
    let (_base, project) = project("usr/bin/node");
    lay_out(&project.path("app"), NPM);
    resolves_alike(&project, 3);
    fs::remove_dir_all(project.path("app")).unwrap();
    let files = pnpm();
    lay_out(&project.path("app"), files.iter().map(|(name, text)| (&**name, &**text)));
    resolves_alike(&project, 3);
}

/// Packages that npm itself installs, with two versions of one.
#[test]
fn node_finds_in_the_image_what_npm_installed() {
    let (_base, project) = project("usr/bin/node");
    let package = |name: &str, version: &str, needs: &str| {
        format!(r#"{{"name":"{name}","version":"{version}","main":"index.js","dependencies":{{{needs}}}}}"#)
    };
    for (directory, text) in [
        ("word1", package("word", "1.0.0", "")),
        ("word2", package("word", "2.0.0", "")),
        ("greet", package("greet", "1.0.0", r#""word":"file:../word1""#)),
        (
            "@say/what",
            package("@say/what", "1.0.0", r#""word":"file:../../word2","greet":"file:../../greet""#),
        ),
    ] {
        project.write(&format!("packages/{directory}/package.json"), text);
        project.write(&format!("packages/{directory}/index.js"), "module.exports = 1\n");
    }
    project.write(
        "app/package.json",
        r#"{"name":"hello","version":"1.0.0","scripts":{"start":"node server.js"},
           "dependencies":{"greet":"file:../packages/greet","word":"file:../packages/word2","@say/what":"file:../packages/@say/what"}}"#,
    );
    project.write("app/server.js", "require('greet')\n");
    let install =
        ["install", "--install-links", "--offline", "--no-audit", "--no-fund", "--no-update-notifier"];
    let said = Command::new("npm")
        .args(install)
        .current_dir(project.path("app"))
        .env("HOME", project.path("home"))
        .output();
    let Some(said) = said.ok().filter(|said| said.status.success()) else {
        skipped("packages of npm", "it is not installed, or has no `--install-links`");
        return;
    };
    drop(said);
    resolves_alike(&project, 6);
}

#[test]
fn packages_that_are_not_those_of_the_lock_are_named() {
    let (_base, project) = project("usr/bin/node");
    let anew = || {
        let _ = fs::remove_dir_all(project.path("app"));
        lay_out(&project.path("app"), NPM);
    };
    anew();
    project.write("app/node_modules/word/package.json", r#"{"name":"word","version":"3.0.1"}"#);
    project
        .pack("build")
        .fails(1)
        .says(&["`node_modules/word` is 3.0.1, not 3.0.0", "`package-lock.json`"])
        .hints();
    anew();
    fs::remove_dir_all(project.path("app/node_modules/word")).unwrap();
    project.pack("build").fails(1).says(&["`node_modules/word` is missing"]).hints();
    // A package that is in no lock could be used, and `npm ci` would remove it.
    anew();
    project.write("app/node_modules/extra/package.json", r#"{"name":"extra","version":"1.0.0"}"#);
    project.write("app/node_modules/@say/more/package.json", "{}");
    project
        .pack("build")
        .ok()
        .says(&["`node_modules/@say/more`, `node_modules/extra`", "not in `package-lock.json`"]);
    anew();
    assert!(!project.pack("build").ok().stderr.contains("not in `package-lock.json`"));
}

#[test]
fn links_of_packages_that_lead_nowhere_out_or_around_are_refused() {
    let (_base, project) = project("usr/bin/node");
    for (link, to, says) in [
        ("node_modules/gone", "nowhere", "`node_modules/gone` to `nowhere`"),
        ("node_modules/gone", "gone", "`node_modules/gone` to `gone`"),
        ("node_modules/@s/gone", "../x", "`node_modules/@s/gone` to `../x`"),
        ("node_modules/shared", "../../packages/shared", "`node_modules/shared` to `../../packages/shared`"),
        ("node_modules/etc", "/etc", "`node_modules/etc` to `/etc`"),
        (
            "node_modules/.pnpm/a@1/node_modules/up",
            "../../../../../up",
            "packages in `node_modules` are links out of it",
        ),
    ] {
        let _ = fs::remove_dir_all(project.path("app"));
        lay_out(&project.path("app"), NPM);
        let place = project.path("app").join(link);
        fs::create_dir_all(place.parent().unwrap()).unwrap();
        symlink(to, place).unwrap();
        project.pack("build").fails(1).says(&[says]).hints();
    }
    // Two links that lead to each other are none of a package.
    let _ = fs::remove_dir_all(project.path("app"));
    let files = pnpm();
    lay_out(&project.path("app"), files.iter().map(|(name, text)| (&**name, &**text)));
    symlink("two", project.path("app/node_modules/.pnpm/one")).unwrap();
    symlink("one", project.path("app/node_modules/.pnpm/two")).unwrap();
    project.pack("build").ok();
}

/// The place of every module below a directory, and the directories that `.pth` files add.
const IMPORTER: &str = "import importlib.machinery, os, pkgutil, site, sys
place = os.path.realpath(sys.argv[1])
before = list(sys.path)
site.addsitedir(place)
for added in sys.path:
    if added not in before and added != place:
        print('path', os.path.relpath(added, place))
for module in sorted(pkgutil.walk_packages([place]), key=lambda module: module.name):
    spec = importlib.machinery.PathFinder.find_spec(module.name, [place])
    print(module.name, os.path.relpath(spec.origin, place))
";

/// Python finds the same modules in the image as in the tree.
fn imports_alike(project: &Project, site: &str, in_image: &str, modules: &[&str]) {
    let root = unpacked(project, "");
    let look =
        |place: PathBuf| judged("python3", &["-I", "-c", IMPORTER, place.to_str().unwrap()], &project.root());
    let Some(before) = look(project.path("app").join(site)) else { return };
    assert_eq!(before, look(root.join(in_image)).unwrap());
    for module in modules {
        assert!(before.lines().any(|line| line.starts_with(module)), "{module} in {before}");
    }
}

#[test]
fn python_finds_in_the_image_what_it_finds_on_disk() {
    let packages = "lib/python3.11/site-packages";
    let modules = ["hello hello/__init__.py", "greet greet/__init__.py", "word word.py"];
    for (program, files, site, in_image) in [
        ("usr/bin/python3.11", environment(""), packages.to_owned(), format!("app/.venv/{packages}")),
        (
            "usr/bin/python3.11",
            environment(".venv/"),
            format!(".venv/{packages}"),
            format!("app/.venv/{packages}"),
        ),
        ("usr/bin/python3", target(), String::new(), "app".to_owned()),
    ] {
        let (_base, project) = project(program);
        lay_out(&project.path("app"), texts(&files));
        // A namespace, a module that a `.pth` file of a package adds, and compiled modules without a source.
        let site_of_app = if site.is_empty() { "app".to_owned() } else { format!("app/{site}") };
        project.write(&format!("{site_of_app}/space/part.py"), "");
        project.write(&format!("{site_of_app}/more.pth"), "# a remark\nadded\n");
        project.write(&format!("{site_of_app}/added/late.py"), "");
        project.write(
            &format!("{site_of_app}/greet/__pycache__/__init__.cpython-311.pyc"),
            b"\xa7\r\r\n\0\0\0\0\0\0\0\0\0\0\0\0",
        );
        imports_alike(&project, &site, &in_image, &modules);
    }
}

#[test]
fn every_form_of_an_editable_install_is_refused() {
    let (_base, project) = project("usr/bin/python3.11");
    let site = "lib/python3.11/site-packages";
    for (name, text) in [
        // setuptools, and its older `develop`
        ("__editable__.hello-1.0.pth", "import __editable___hello_finder\n"),
        ("easy-install.pth", "/home/me/hello\n"),
        // Hatch, Poetry, PDM, flit
        ("_hello.pth", "/home/me/hello/src\n"),
        ("hello.pth", "\n# a remark\n  /home/me/hello  \n"),
        ("hello.pth", "../../../../../hello/src\r\n"),
        // The word of pip on any of them.
        (
            "hello-1.0.dist-info/direct_url.json",
            r#"{"url":"file:///home/me/hello","dir_info":{"editable":true}}"#,
        ),
    ] {
        let _ = fs::remove_dir_all(project.path("app"));
        lay_out(&project.path("app"), texts(&environment("")));
        project.write(&format!("app/{site}/{name}"), text);
        project.pack("build").fails(1).says(&["is installed as editable"]).hints();
    }
}

/// Metadata that lies changes no more than the layer that a file is in.
#[test]
fn metadata_that_lies_changes_nothing_that_runs() {
    let (_base, project) = project("usr/bin/python3.11");
    lay_out(&project.path("app"), texts(&environment("")));
    chmod(&project.path("app/bin/hello"), 0o755);
    let site = "lib/python3.11/site-packages";
    let modules = ["hello", "greet", "word"];
    let in_image = format!("app/.venv/{site}");
    for (name, text) in [
        ("word-3.0.dist-info/WHEEL", "Wheel-Version: 9\nRoot-Is-Purelib: false\nTag: cp27-none-win32\n"),
        (
            "word-3.0.dist-info/RECORD",
            "gone.py,sha256=x,1\n/etc/passwd,,\n../../../../../../etc/shadow,,\n\"a\"\"b,\n",
        ),
        ("word-3.0.dist-info/METADATA", ""),
        ("greet-1.0.dist-info/METADATA", "Name\nName:\nRequires-Dist:\n\u{0}\n"),
        ("greet-1.0.dist-info/direct_url.json", "{"),
        ("greet-1.0.dist-info/entry_points.txt", "[console_scripts\n=\n[console_scripts]\n"),
    ] {
        project.write(&format!("app/{site}/{name}"), text);
        imports_alike(&project, site, &in_image, &modules);
    }
    for name in ["word-3.0.dist-info/METADATA", "word-3.0.dist-info/RECORD"] {
        fs::remove_file(project.path("app").join(site).join(name)).unwrap();
        imports_alike(&project, site, &in_image, &modules);
    }
    // An interpreter that is gone on this machine is that of the base in the image.
    assert_eq!(
        fs::read_link(project.path("root/app/.venv/bin/python")).unwrap(),
        Path::new("/usr/bin/python3.11")
    );
}

#[test]
fn an_environment_that_is_half_of_one_is_refused() {
    let (_base, project) = project("usr/bin/python3.11");
    let anew = |changes: &dyn Fn(&Path)| {
        let app = project.path("app");
        let _ = fs::remove_dir_all(&app);
        lay_out(&app, texts(&environment("")));
        changes(&app);
        project.pack("build").fails(1).hints()
    };
    anew(&|app| fs::remove_dir_all(app.join("lib")).unwrap()).says(&["no `lib/python3.N/site-packages`"]);
    anew(&|app| fs::remove_dir_all(app.join("bin")).unwrap()).says(&["has no `python`"]);
    anew(&|app| fs::create_dir_all(app.join("lib/python3.9/site-packages")).unwrap())
        .says(&["for Python 3.1", "for Python 3.9"]);
    anew(&|app| fs::write(app.join("pyvenv.cfg"), "version = 3.8.1\n").unwrap()).says(&["says Python 3.8"]);
}
