//! Node.js applications, from installed packages to an image.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use serde_json::Value;

use crate::artifacts::{AMD64, ARM64, library};
use crate::reproducible::check_golden;
use crate::support::{Built, Project, chmod, noise, text};

/// An application of three packages, as npm installs them, which prints what they say.
pub(crate) const NPM: [(&str, &str); 13] = [
    (
        "package.json",
        r#"{"name":"hello","version":"1.4.0","scripts":{"start":"node server.js twice"},
           "dependencies":{"@say/what":"1","greet":"1"},"devDependencies":{"check":"1"}}"#,
    ),
    ("server.js", SERVER),
    ("page.txt", "a page"),
    (
        "package-lock.json",
        r#"{"lockfileVersion":3,"packages":{"":{"name":"hello"},"node_modules/greet":{"version":"1.0.0"},
           "node_modules/@say/what":{"version":"2.0.0"},"node_modules/word":{"version":"3.0.0"},
           "node_modules/check":{"version":"4.0.0","dev":true}}}"#,
    ),
    ("node_modules/greet/package.json", r#"{"name":"greet","version":"1.0.0","dependencies":{"word":"3"}}"#),
    ("node_modules/greet/index.js", "module.exports = name => `${require('word')} ${name}`\n"),
    ("node_modules/greet/cli.js", "#!/usr/bin/env node\nconsole.log(require('./index')('you'))\n"),
    ("node_modules/.bin/greet", "-> ../greet/cli.js"),
    ("node_modules/@say/what/package.json", r#"{"name":"@say/what","version":"2.0.0","main":"lib/what"}"#),
    ("node_modules/@say/what/lib/what.js", "module.exports = 'world'\n"),
    ("node_modules/word/package.json", r#"{"name":"word","version":"3.0.0","main":"w.js"}"#),
    ("node_modules/word/w.js", "module.exports = 'hello'\n"),
    ("node_modules/check/package.json", r#"{"name":"check","version":"4.0.0"}"#),
];

/// It asks itself for a page, so that it needs no network but that of its container.
const SERVER: &str = "const http = require('http'), fs = require('fs');
const text = `${require('greet')(require('@say/what'))}, ${fs.readFileSync('page.txt')}, ${process.env.NODE_ENV}, ${process.argv[2]}`;
const server = http.createServer((_, answer) => answer.end(text)).listen(0, '127.0.0.1', () =>
  http.get(`http://127.0.0.1:${server.address().port}/`, answer => {
    answer.setEncoding('utf8').on('data', part => console.log(part)).on('end', () => server.close());
  }));
";

/// The answer of its server.
pub(crate) const ANSWER: &str = "hello world, a page, production, twice";

/// The same packages as pnpm installs them.
pub(crate) fn pnpm() -> Vec<(String, String)> {
    let mut all: Vec<(String, String)> = Vec::new();
    let store = |name: &str| format!("node_modules/.pnpm/{}@1/node_modules/{name}", name.replace('/', "+"));
    for (name, text) in NPM {
        let parts: Vec<&str> = name.split('/').collect();
        let path = match parts[..] {
            ["node_modules", ".bin", ..] | ["package-lock.json"] => continue,
            ["node_modules", scope, package, ..] if scope.starts_with('@') => name.replacen(
                &format!("node_modules/{scope}/{package}"),
                &store(&format!("{scope}/{package}")),
                1,
            ),
            ["node_modules", package, ..] => {
                name.replacen(&format!("node_modules/{package}"), &store(package), 1)
            }
            _ => name.to_owned(),
        };
        all.push((path, text.to_owned()));
    }
    let mut link =
        |name: &str, target: &str| all.push((format!("node_modules/{name}"), format!("-> {target}")));
    link("greet", ".pnpm/greet@1/node_modules/greet");
    link("check", ".pnpm/check@1/node_modules/check");
    link("@say/what", "../.pnpm/@say+what@1/node_modules/@say/what");
    link(".pnpm/greet@1/node_modules/word", "../../word@1/node_modules/word");
    link(".pnpm/node_modules/word", "../word@1/node_modules/word");
    link(".pnpm/node_modules/hello", "../../../packages/hello");
    all.push(("node_modules/.modules.yaml".to_owned(), "storeDir: /home/me/store".to_owned()));
    all
}

/// Writes files, and links from texts that begin with an arrow.
pub(crate) fn lay_out<'a>(root: &Path, files: impl IntoIterator<Item = (&'a str, &'a str)>) {
    for (name, text) in files {
        let path = root.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        match text.strip_prefix("-> ") {
            Some(target) => symlink(target, &path).unwrap(),
            None => fs::write(&path, text).unwrap(),
        }
        if name.ends_with("cli.js") {
            chmod(&path, 0o755);
        }
    }
}

fn texts(files: &[(String, String)]) -> impl Iterator<Item = (&str, &str)> {
    files.iter().map(|(name, text)| (&**name, &**text))
}

/// A base in a layout that has a program of this path.
pub(crate) fn base_with(program: &str, env: &str) -> (Project, String) {
    let project = Project::with(&format!(
        "[image]\nname = \"localhost/base\"\nbase = \"scratch\"\ntags = [\"1\"]\nplatforms = [\"linux/amd64\"]\n\n\
         [app]\npath = \"files\"\nkind = \"tree\"\nroot = \"/\"\n\n\
         [config]\nenv = {{ PATH = \"/usr/local/bin:/usr/bin\"{env} }}\n"
    ));
    project.write(&format!("files/{program}"), "a program");
    chmod(&project.path(&format!("files/{program}")), 0o755);
    project.pack("build -o oci:layout").ok();
    let layout = format!("oci:{}", project.path("layout").display());
    (project, layout)
}

/// A project of the application on a base with Node.js.
fn shop(more: &str) -> (Project, Project) {
    let (base, layout) = base_with("usr/bin/node", "");
    let project = Project::with(&format!(
        "[image]\nname = \"localhost/shop\"\nbase = \"{layout}\"\ntags = [\"1\"]\n\n[app]\npath = \"app\"\n{more}"
    ));
    lay_out(&project.path("app"), NPM);
    (base, project)
}

/// The configuration of an image in the layout `out`.
pub(crate) fn config_of(project: &Project) -> Value {
    let blob = |digest: &Value| -> Value {
        let hex = text(digest);
        let path = project.path("out/blobs/sha256").join(hex.strip_prefix("sha256:").unwrap());
        serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
    };
    let index: Value = serde_json::from_slice(&fs::read(project.path("out/index.json")).unwrap()).unwrap();
    let manifest = blob(&index["manifests"][0]["digest"]);
    blob(&manifest["config"]["digest"])["config"].clone()
}

fn names(built: &Built) -> Vec<String> {
    built.layers().into_iter().map(|layer| layer.name).collect()
}

/// The start of a base is replaced by the application's: a note says so, but for starts that only run an interpreter.
#[test]
fn a_start_of_the_base_that_is_replaced_is_told() {
    let (base, project) = shop("");
    let config = fs::read_to_string(base.path("build.toml")).unwrap();
    for (start, note) in [
        ("entrypoint = [\"/init\", \"--\"]", Some("in place of the base's entrypoint `/init --`")),
        (
            "cmd = [\"/usr/bin/node\", \"/other.js\"]",
            Some("in place of the base's command `/usr/bin/node /other.js`"),
        ),
        ("entrypoint = [\"docker-entrypoint.sh\"]\ncmd = [\"node\"]", None),
        ("entrypoint = [\"/usr/bin/node\"]", None),
        ("cmd = [\"bash\"]", None),
    ] {
        base.write("build.toml", format!("{config}{start}\n"));
        fs::remove_dir_all(base.path("layout")).unwrap();
        base.pack(
            "build -o oci:layout --allow entrypoint-missing=test --allow entrypoint-not-executable=test",
        )
        .ok();
        let _ = fs::remove_file(project.path("build.lock"));
        for command in ["plan", "build -o oci:out"] {
            let said = project.pack(command).ok();
            match note {
                Some(note) => drop(said.says(&["note: `node` starts the image", note])),
                None => assert!(!said.stderr.contains("in place of"), "{start}: {}", said.stderr),
            }
        }
        let own =
            project.pack("plan").arg("--set").arg("config.entrypoint=[\"node\", \"/app/server.js\"]").ok();
        assert!(!own.stderr.contains("in place of"), "{}", own.stderr);
    }
}

#[test]
fn an_application_of_npm_is_an_image() {
    let (_base, project) = shop("");
    let built = project.build("-o oci:out");
    check_golden("node npm", &built);
    assert_eq!(names(&built), ["dependencies", "app"]);
    let config = config_of(&project);
    assert_eq!(config["Entrypoint"], serde_json::json!(["node", "/app/server.js", "twice"]));
    assert_eq!(config["WorkingDir"], "/app");
    assert_eq!(config["Env"], serde_json::json!(["PATH=/usr/local/bin:/usr/bin", "NODE_ENV=production"]));
    let plan = project.pack("plan").ok();
    assert!(plan.stdout.contains("a Node.js application"), "{plan:?}");
    plan.says(&["1 development dependency is left out: `check`", "it starts by the start script"]);
    assert_eq!(text(&project.pack("plan --json").ok().json()["version"]), "1.4.0");

    // A change of the code sends the code alone, one of a package the packages alone.
    project.write("app/page.txt", "another page");
    assert_eq!(project.build("").built_layers(), ["app"]);
    project.write("app/node_modules/word/w.js", "module.exports = 'bye'\n");
    assert_eq!(project.build("").built_layers(), ["dependencies"]);
    // Packages for development, and files that the package manager writes for itself, change nothing.
    let before = project.build("").digest();
    project.write("app/node_modules/check/index.js", "").write("app/node_modules/.cache/x", "1");
    assert_eq!(project.build("").digest(), before);
}

#[test]
fn an_application_of_pnpm_is_an_image() {
    let (_base, project) = shop("");
    fs::remove_dir_all(project.path("app")).unwrap();
    lay_out(&project.path("app"), texts(&pnpm()));
    let built = project.build("");
    check_golden("node pnpm", &built);
    assert_eq!(names(&built), ["dependencies", "app"]);
    // Another place on disk, another store: the same image.
    project.write("app/node_modules/.modules.yaml", "storeDir: /home/you/store");
    assert_eq!(project.build("").digest(), built.digest());
}

#[test]
fn one_bumped_package_sends_its_bucket() {
    let (_base, project) = shop("buckets = 4\n");
    for number in 0u64..24 {
        let at = format!("app/node_modules/p{number}");
        project.write(&format!("{at}/package.json"), r#"{"version":"1.0.0"}"#);
        project.write(&format!("{at}/index.js"), noise(number, 4000));
    }
    let built = project.build("");
    assert!(names(&built).len() == 5 && names(&built)[0].starts_with("dependencies 1/4"), "{built:?}");
    project.write("app/node_modules/p7/index.js", noise(99, 4000));
    assert_eq!(project.build("").built_layers().len(), 1);
}

#[test]
fn settings_win_over_what_the_application_wants() {
    let (_base, project) = shop(
        "\n[config]\nworkdir = \"/srv\"\nenv = { NODE_ENV = \"test\" }\nentrypoint = [\"/usr/bin/node\", \"/app/server\"]\n",
    );
    project.build("-o oci:out");
    let config = config_of(&project);
    assert_eq!(config["Entrypoint"], serde_json::json!(["/usr/bin/node", "/app/server"]));
    assert_eq!(config["WorkingDir"], "/srv");
    assert!(config["Env"].to_string().contains("NODE_ENV=test"), "{config}");
    let (_base, project) = shop("\n[config]\nunset-env = [\"NODE_ENV\"]\n");
    project.build("-o oci:out");
    assert!(!config_of(&project)["Env"].to_string().contains("NODE_ENV"));
    // The base's own value stays.
    let (_other, layout) = base_with("usr/bin/node", ", NODE_ENV = \"staging\"");
    let (_base, project) = shop("");
    project.build(&format!("--base {layout} -o oci:out"));
    let env = config_of(&project)["Env"].to_string();
    assert!(env.contains("staging") && !env.contains("production"), "{env}");
}

#[test]
fn hints_work_when_they_are_followed() {
    let (base, project) = shop("");
    let layout = format!("oci:{}", base.path("layout").display());
    let manifest = fs::read_to_string(project.path("app/package.json")).unwrap();
    project.write("app/package.json", manifest.replace("node server.js", "tsx server.ts"));
    project
        .pack("build")
        .fails(1)
        .says(&["its start script `tsx server.ts twice` starts `tsx`", "--set 'config.entrypoint="])
        .hints();
    project.pack("build").arg("--set").arg("config.entrypoint=[\"node\", \"server.js\"]").built("-o oci:out");
    assert_eq!(config_of(&project)["Entrypoint"], serde_json::json!(["node", "server.js"]));
    // `kind` says what it is, where nothing shows it; a tree has no say in the start.
    project.pack("build --set app.kind=tree --set app.root=/app").ok();
    project.write("plain/server.js", "1");
    project.build(&format!("plain --base {layout} --set app.kind=node --name localhost/x -t 1 -o oci:out2"));
    project.pack("build --base scratch").arg("--set").arg("app.kind=site").fails(1);
}

#[test]
fn a_base_without_node_is_refused() {
    let (_base, project) = shop("");
    let (_other, layout) = base_with("usr/bin/java", "");
    project.pack("build").args(&format!("--base {layout}")).fails(1).says(&["lacks `node`"]).hints();
    // With an entrypoint of one's own, the hint's other way.
    let run = project.pack("build").args(&format!("--base {layout}"));
    run.arg("--set").arg("config.entrypoint=[\"/usr/bin/java\"]").ok();
}

#[test]
fn native_modules_must_fit_the_image() {
    let (_base, project) = shop("");
    let module = "app/node_modules/word/build/Release/word.node";
    project.write(module, library(AMD64, &["libshop.so.1"]));
    project.pack("build").fails(1).says(&["word.node", "`libshop.so.1`"]).hints();
    project.write(module, library(ARM64, &[]));
    project
        .pack("build")
        .fails(1)
        .says(&["word.node` is for linux/arm64, and the base for linux/amd64"])
        .hints();
    project.write(module, library(AMD64, &[]));
    project.build("");
}

#[test]
fn init_finds_the_application() {
    let project = Project::new();
    lay_out(&project.root(), NPM);
    project.pack("init").ok().says(&["a Node.js application"]);
    let written = fs::read_to_string(project.path("build.toml")).unwrap();
    assert!(written.contains("path = \".\"") && written.contains("node:22-slim"), "{written}");
    let (_base, layout) = base_with("usr/bin/node", "");
    let built = project.build(&format!("--base {layout}"));
    assert_eq!(names(&built), ["dependencies", "app"]);
    // A directory that nothing shows to be more than that is a part of the application.
    project.write("dist/server.js", "1");
    project.pack("init --force").ok();
    assert!(fs::read_to_string(project.path("build.toml")).unwrap().contains("path = \".\""));
}

#[test]
fn one_bundled_file_is_an_image() {
    let (_base, layout) = base_with("usr/bin/node", "");
    let project = Project::new();
    project.write("dist/server.cjs", "console.log('bundled')\n");
    let built = project.build(&format!("dist/server.cjs --base {layout} --name localhost/x -t 1 -o oci:out"));
    check_golden("node bundle", &built);
    assert_eq!(config_of(&project)["Entrypoint"], serde_json::json!(["node", "/app/server.cjs"]));
}

/// The rules of the findings of a file alone that are neither met nor advice.
fn rules_of(project: &Project, layout: &str, file: &str) -> Vec<String> {
    let check =
        project.pack("check --json").args(&format!("{file} --base {layout} --name localhost/x")).run();
    let findings = check.json()["findings"].as_array().unwrap().clone();
    let told = findings.iter().filter(|finding| {
        ["error", "warning"].contains(&finding["level"].as_str().unwrap()) && finding["answer"] != "met"
    });
    told.map(|finding| finding["rule"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_file_alone_has_what_it_loads() {
    let (_base, layout) = base_with("usr/bin/node", ", NODE_VERSION = \"18.19.0\"");
    let project = Project::new();
    for (name, text, expected) in [
        ("a.js", "const x = require('express')", &["module-missing"][..]),
        ("b.mjs", "import { x } from '@a/b/c'", &["module-missing"]),
        ("c.cjs", "require('./lib/other')", &["module-missing"]),
        ("d.js", "import fs from 'node:fs'", &["node-version"]),
        ("e.mjs", "import fs from 'node:fs'", &[]),
        ("f.cjs", "const fs = require('fs/promises'), x = require('worker_threads')", &[]),
    ] {
        project.write(name, text);
        assert_eq!(rules_of(&project, &layout, name), expected, "{name}");
    }
    let refused = project.pack("build").args(&format!("a.js --base {layout} --name localhost/x -t 1"));
    refused.fails(1).says(&["`/app/a.js` loads `express`, which the image lacks", "bundle it"]).hints();
    // Other files of the image may have it, or say what it is.
    project.write("lib/x", "");
    project.write(
        "build.toml",
        format!(
            "[image]\nname = \"localhost/x\"\nbase = \"{layout}\"\ntags = [\"1\"]\n\n[app]\npath = \"d.js\"\n\n\
             [[layer]]\nname = \"more\"\nfiles = [{{ from = \"package.json\", to = \"/app/package.json\" }}]\n"
        ),
    );
    project.write("package.json", r#"{"type":"module"}"#);
    project.pack("build").built("");
}

/// Bundlers leave calls of packages in the code that only some environments have.
#[test]
fn what_a_bundle_loads_only_now_and_then_is_not_asked_for() {
    let (_base, layout) = base_with("usr/bin/node", "");
    let project = Project::new();
    project.write(
        "bundle.js",
        "var a=(e,t)=>()=>(t||e((t={exports:{}}).exports,t),t.exports);var b=a((e,t)=>{try{t.exports=require('bufferutil')}\
         catch{t.exports=null}});if(process.env.X)require('fsevents');function c(){return require('pg-native')}\
         const d=process.env.Y?require('encoding'):null;console.log(b(),/[/'\"{]/.test(`${d}`))\n",
    );
    assert_eq!(rules_of(&project, &layout, "bundle.js"), Vec::<String>::new());
}

/// The file of an entrypoint, and what the file that starts an application loads.
#[test]
fn what_node_is_to_run_is_there() {
    let (_base, project) = shop("");
    let missing =
        project.pack("build").arg("--set").arg("config.entrypoint=[\"node\", \"dist/main.js\"]").fails(1);
    missing.says(&["lacks `/app/dist/main.js`, which `node` is to run", "npm run build"]).hints();
    for good in
        ["[\"node\", \"server\"]", "[\"node\", \"/app/server.js\", \"x.js\"]", "[\"node\", \"-e\", \"1\"]"]
    {
        project.pack("build").arg("--set").arg(format!("config.entrypoint={good}")).ok();
    }
    project.write("app/tool/a.js", "").write("app/tool/package.json", "{}");
    let started = |words: &str| {
        project.pack("build").arg("--set").arg(format!("config.entrypoint=[\"node\", {words}]"))
    };
    for directory in ["tool", "./tool/", "/app/tool/."] {
        let missing = started(&format!("\"{directory}\"")).fails(1);
        missing.says(&["lacks a file to start with in the directory `/app/", "[entrypoint-missing]"]).hints();
    }
    project.write("app/tool/package.json", "{\"main\": \"a\"}");
    started("\"tool\"").ok();
    project.write("app/tool/package.json", "{\"main\": \"gone.js\"}");
    started("\"tool\"").fails(1);
    project.write("app/tool/index.js", "");
    started("\"./tool\"").ok();
    started("\"/data/run.js\"").fails(1);
    started("\"/data/run.js\"").arg("--set").arg("config.volumes=[\"/data\"]").ok();
    project.write("app/server.js", "const x = require('greet'), y = require('nothing')\n");
    let missing = project.pack("build").fails(1);
    missing.says(&["`/app/server.js` loads `nothing`, which the image lacks"]).hints();
    project.pack("build").arg("--allow").arg("module-missing=a layer of the cluster has it").ok();
}

/// `npm start` finds the programs of packages, splits words and sets variables in the same way.
#[test]
fn a_start_script_of_a_package_starts_as_npm_does() {
    const PROGRAM: &str =
        "#!/usr/bin/env node\nconsole.log('is', process.env.PORT, JSON.stringify(process.argv.slice(2)))\n";
    let (_base, project) = shop("");
    let manifest = |script: &str| {
        serde_json::json!({"name": "hello", "scripts": {"start": script, "build": "tsc"},
            "dependencies": {"greet": "1", "@say/what": "1"}, "devDependencies": {"check": "1"}})
        .to_string()
    };
    let greet = r#"{"name":"greet","version":"1.0.0","dependencies":{"word":"3"},"bin":{"hail":"./cli.js"}}"#;
    project.write("app/node_modules/greet/package.json", greet);
    project.write("app/node_modules/greet/cli.js", PROGRAM);
    chmod(&project.path("app/node_modules/greet/cli.js"), 0o755);
    let script = "PORT=80 greet ./public 'a b' \"c\"";
    project.write("app/package.json", manifest(script));
    project.build("-o oci:out");
    let config = config_of(&project);
    let words = ["node", "/app/node_modules/.bin/greet", "./public", "a b", "c"];
    assert_eq!(config["Entrypoint"], serde_json::json!(words));
    assert!(config["Env"].to_string().contains("PORT=80"), "{config}");
    if let Ok(said) = std::process::Command::new("npm").arg("start").current_dir(project.path("app")).output()
    {
        let said = String::from_utf8_lossy(&said.stdout).into_owned();
        assert!(said.contains("is 80 [\"./public\",\"a b\",\"c\"]"), "{said}");
    }
    // pnpm leaves no link to the program there, but the package tells its file.
    project.write("app/package.json", manifest("hail"));
    project.build("-o oci:out");
    assert_eq!(
        config_of(&project)["Entrypoint"],
        serde_json::json!(["node", "/app/node_modules/greet/cli.js"])
    );
    for script in ["npx hail", "npx --no-install hail", "exec hail"] {
        project.write("app/package.json", manifest(script));
        project.build("-o oci:out");
        let words = ["node", "/app/node_modules/greet/cli.js"];
        assert_eq!(config_of(&project)["Entrypoint"], serde_json::json!(words), "{script}");
    }
    // A program that only developers have, and a file that a build makes.
    project
        .write("app/node_modules/check/package.json", r#"{"name":"check","version":"4.0.0","bin":"c.js"}"#);
    project.write("app/node_modules/check/c.js", PROGRAM);
    project.write("app/package.json", manifest("check server.js"));
    project
        .pack("build")
        .fails(1)
        .says(&["starts `check`", "those for development", "npm install NAME"])
        .hints();
    let with_production =
        manifest("check start").replace(r#""build":"#, r#""start:prod":"node dist/main","build":"#);
    project.write("app/package.json", with_production);
    project.pack("build").fails(1).says(&["`start:prod` (`node dist/main`)"]).hints();
    project.write("app/package.json", manifest("node dist/main.js"));
    project
        .pack("build")
        .fails(1)
        .says(&["names `dist/main.js`, which is not in it", "npm run build"])
        .hints();
}

/// Node.js itself says which of these applications run: those are built, and the others are refused.
#[test]
fn applications_that_node_runs_are_taken() {
    const ALIAS: &str = "const m = require('module'), r = m._resolveFilename;\n\
        m._resolveFilename = (x, ...a) => r.call(m, x.replace('@lib', __dirname + '/lib'), ...a)\n";
    let (_base, layout) = base_with("usr/bin/node", "");
    let loads = ("server.js", "require('./lib/x')\n");
    let x = ("lib/x.js", "");
    let main = (
        "package.json",
        r##"{"name":"shop","main":"./server.js","imports":{"#x":"./lib/x.js"},
        "exports":{".":"./server.js","./x":"./lib/x.js"}}"##,
    );

    let link = ("node_modules/linked", "-> ../packages/linked");
    let inner = ("packages/linked/node_modules/y/index.js", "");
    let upper = ALIAS.replace("/lib", "/../lib");
    let of_package = ALIAS.replace("/lib", "/../../lib");
    let own = ALIAS.to_owned() + "require('@lib/x')";
    let alias = ("node_modules/module-alias/register.js", of_package.as_str());
    type Files<'a> = &'a [(&'a str, &'a str)];
    let rows: &[(&str, Files<'_>)] = &[
        ("node .", &[main, loads, x]),
        ("node ./lib/..", &[main, loads, x]),
        ("node ./", &[("index.js", "")]),
        ("node lib", &[("lib/index.js", "")]),
        ("node lib", &[("lib/package.json", r#"{"main":"../server"}"#), ("server.js", "")]),
        ("node .", &[("other.js", "")]),
        ("node lib", &[("lib/package.json", r#"{"main":"gone"}"#)]),
        ("node --title shop server.js", &[loads, x]),
        ("node --disable-warning DEP0040 server.js", &[loads, x]),
        ("node -C dev --no-warnings server.js", &[loads, x]),
        (
            "node -r ./hook.js server.js",
            &[("hook.js", "global.x = 1"), ("server.js", "require('./lib/x')"), x],
        ),
        ("node --require ./hook.js server.js", &[("hook.js", ALIAS), ("server.js", "require('@lib/x')"), x]),
        ("node --import ./hook.mjs server.js", &[("hook.mjs", ""), loads, x]),
        ("node --env-file f server.js", &[("f", "A=b"), loads, x]),
        ("node -- server.js", &[loads, x]),
        ("node server.js", &[("server.js", "require('module-alias/register'); require('@lib/x')"), alias, x]),
        ("node server.js", &[("server.js", own.as_str()), x]),
        ("node server.js", &[("hook.js", ALIAS), ("server.js", "require('./hook'); require('@lib/x')"), x]),
        (
            "node server.js",
            &[
                ("a/hook.js", upper.as_str()),
                ("b.js", "require('./a/hook')"),
                ("server.js", "require('./b'); const x = require('@lib/x')"),
                x,
            ],
        ),
        (
            "node server.js",
            &[
                ("node_modules/start/index.js", of_package.as_str()),
                ("server.js", "require('start'); require('@lib/x')"),
                x,
            ],
        ),
        ("node server.js", &[("server.js", "require('@lib/x')"), x]),
        (
            "node server.js",
            &[
                (
                    "server.js",
                    "process.env.NODE_PATH = __dirname + '/lib'; require('module')._initPaths(); require('x')",
                ),
                x,
            ],
        ),
        ("NODE_PATH=lib node server.js", &[("server.js", "require('x')"), x]),
        (
            "NODE_OPTIONS='-r ./hook.js' node server.js",
            &[("hook.js", ALIAS), ("server.js", "require('@lib/x')"), x],
        ),
        (
            "node server.js",
            &[
                (
                    "server.js",
                    "const require2 = require('module').createRequire(__dirname + '/lib/y'); require2('./x')",
                ),
                x,
            ],
        ),
        (
            "node server.mjs",
            &[
                (
                    "server.mjs",
                    "import { createRequire } from 'node:module'; const require = createRequire(new URL('lib/y', import.meta.url)); require('./x')",
                ),
                x,
            ],
        ),
        ("node server.js", &[main, ("server.js", "require('#x'); require('shop/x')"), x]),
        (
            "node server.js",
            &[
                (
                    "server.js",
                    "require('node:test'); require('fs/promises'); require('./a'); require('./b'); require('./c')",
                ),
                ("a.json", "{}"),
                ("b/index.json", "{}"),
                ("c/package.json", r#"{"main":"d.cjs"}"#),
                ("c/d.cjs", ""),
            ],
        ),
        ("node server.js", &[("server.js", "require('./a')"), ("a.cjs", "")]),
        (
            "node server.js",
            &[
                ("server.js", "require('linked')"),
                link,
                inner,
                ("packages/linked/index.js", "require('y')"),
                ("packages/linked/package.json", "{}"),
            ],
        ),
        ("node server.js", &[("server.js", "if (true) process.exit(0)\nrequire('gone')")]),
        ("node server.js", &[("server.js", "if (true) { return }\nrequire('gone')")]),
        (
            "node server.js",
            &[("server.js", "const a = require('m')"), ("node_modules/m/package.json", r#"{"main":"x.js"}"#)],
        ),
        (
            "node server.js",
            &[
                ("server.js", "const a = require('m')"),
                ("node_modules/m/package.json", r#"{"main":"x.js"}"#),
                ("node_modules/m/index.js", ""),
            ],
        ),
        (
            "node server.js",
            &[
                ("server.js", "const a = require('m')"),
                ("node_modules/m/package.json", r#"{"exports":"./x.js"}"#),
                ("node_modules/m/x.js", ""),
            ],
        ),
        (
            "node server.mjs",
            &[
                ("server.mjs", "import 'm'"),
                ("node_modules/m/package.json", r#"{"main":"./x"}"#),
                ("node_modules/m/x.js", ""),
            ],
        ),
        ("node server.mjs", &[("server.mjs", "import 'm'"), ("node_modules/m/package.json", "{}")]),
    ];
    for (number, (script, files)) in rows.iter().enumerate() {
        let project = Project::new();
        let app = project.path("app");
        fs::create_dir_all(&app).unwrap();
        lay_out(&app, files.iter().copied());
        let Ok(ran) = std::process::Command::new("sh").args(["-c", script]).current_dir(&app).output() else {
            return;
        };
        if ran.status.code() == Some(127) {
            return;
        }
        let manifest = fs::read_to_string(app.join("package.json")).unwrap_or_else(|_| "{}".to_owned());
        let mut manifest: Value = serde_json::from_str(&manifest).unwrap();
        manifest["scripts"] = serde_json::json!({"start": script});
        project.write("app/package.json", manifest.to_string());
        let run = project
            .pack("build")
            .args(&format!("app --base {layout} --name localhost/x -t 1 -o oci:out"))
            .run();
        let told =
            format!("{number}: {script}: {files:?}\n{}\n{run:?}", String::from_utf8_lossy(&ran.stderr));
        assert_eq!(run.code == Some(0), ran.status.success(), "{told}");
    }
}

/// The file that the settings have `node` run is looked into like that of a start script.
#[test]
fn what_the_file_of_an_entrypoint_loads_is_there() {
    let (_base, layout) = base_with("usr/bin/node", ", NODE_VERSION = \"18.19.0\"");
    let project = Project::new();
    project.write("app/package.json", r#"{"name":"shop","scripts":{"start":"node server.js"}}"#);
    project.write("app/server.js", "").write("app/lib/x.js", "require('express')");
    project.write("app/u.js", "import fs from 'node:fs'").write("app/i.mjs", "import './d.mjs'");
    for (words, expected) in [
        (r#"["node", "server.js"]"#, &[][..]),
        (r#"["node", "lib/x"]"#, &["module-missing"]),
        (r#"["tini", "--", "node", "/app/lib/x.js"]"#, &["entrypoint-missing", "module-missing"]),
        (r#"["node", "u.js"]"#, &["node-version"]),
        (r#"["/usr/bin/node", "./i.mjs"]"#, &["module-missing"]),
        (r#"["node", "-r", "./server", "lib/x.js"]"#, &[]),
        (r#"["node", "--new-flag", "x", "lib/x.js"]"#, &[]),
    ] {
        let check = project.pack("check --json").args(&format!("app --base {layout} --name localhost/x"));
        let check = check.arg("--set").arg(format!("config.entrypoint={words}")).run();
        let findings = check.json()["findings"].as_array().unwrap().clone();
        let told =
            findings.iter().filter(|finding| finding["level"] == "error" && finding["answer"] != "met");
        let rules: Vec<&str> = told.map(|finding| finding["rule"].as_str().unwrap()).collect();
        let mut rules: Vec<&str> = rules.into_iter().collect();
        rules.sort_unstable();
        assert_eq!(rules, expected, "{words}");
    }
    // `cmd` behind an entrypoint that starts nothing else, and another directory to start in.
    let run = project.pack("build").args(&format!("app --base {layout} --name localhost/x -t 1 -o oci:out"));
    let run = run.arg("--set").arg("config.entrypoint=[]").arg("--set").arg("config.workdir=\"/app/lib\"");
    run.arg("--set")
        .arg("config.cmd=[\"node\", \"x.js\"]")
        .fails(1)
        .says(&["`/app/lib/x.js` loads `express`"]);
}
