use std::os::unix::fs::{PermissionsExt as _, symlink};

use super::*;
use crate::artifact::fixture::detect;
use crate::artifact::{Artifact, propose, requirements};
use crate::layer::EntryKind;
use crate::oci::RunConfig;
use crate::runtime::interrupt::Interrupt;
use crate::types::error::{Explain as _, Kind};

/// A directory with files, links (`->`) and directories.
struct App(tempfile::TempDir);

impl App {
    fn new(files: &[(&str, &str)]) -> Self {
        let app = Self(tempfile::tempdir().expect("a directory"));
        files.iter().for_each(|(name, text)| app.write(name, text));
        app
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
        assert_eq!(artifact.kind.name(), "node");
        artifact
    }

    fn proposed(&self) -> Proposal {
        self.with(&AppOptions::default()).expect("proposed")
    }

    fn with(&self, options: &AppOptions) -> Result<Proposal, ArtifactError> {
        propose(&self.artifact(), options, None, &Scanner::default())
    }

    /// The reason and the hint of a refusal.
    fn refused(&self) -> (String, String) {
        let error = self.with(&AppOptions::default()).expect_err("refused");
        (error.to_string(), error.hint().expect("a hint"))
    }
}

/// The paths of a layer that are no directories.
fn files(proposal: &Proposal, layer: &str) -> Vec<String> {
    let layer = proposal.layers.iter().find(|found| found.name == layer);
    let entries = layer.map(|layer| &layer.entries[..]).unwrap_or_default();
    assert!(entries.is_sorted_by(|a, b| a.path < b.path), "{entries:?}");
    let files = entries.iter().filter(|entry| !entry.is_directory());
    files.map(|entry| entry.path.to_string()).collect()
}

const PACKAGE: &str = r#"{"name":"shop","version":"1.0.0","scripts":{"start":"node server.js"},
    "dependencies":{"a":"1","@s/b":"1"},"devDependencies":{"t":"1"}}"#;

/// The files that npm leaves on disk: `a` needs `c`, `t` is for development and needs `u`.
fn npm() -> Vec<(&'static str, &'static str)> {
    vec![
        ("package.json", PACKAGE),
        ("server.js", "require('a')"),
        ("node_modules/a/package.json", r#"{"version":"1.2.0","bin":"cli.js","dependencies":{"c":"1"}}"#),
        ("node_modules/a/index.js", ""),
        ("node_modules/a/cli.js", ""),
        ("node_modules/@s/b/package.json", r#"{"version":"2.0.0"}"#),
        ("node_modules/c/package.json", r#"{"version":"3.0.0"}"#),
        ("node_modules/t/package.json", r#"{"version":"4.0.0","dependencies":{"u":"1"}}"#),
        ("node_modules/u/package.json", r#"{"version":"5.0.0"}"#),
        ("node_modules/.bin/a", "-> ../a/cli.js"),
        ("node_modules/.bin/t", "-> ../t/cli.js"),
        ("node_modules/t/cli.js", ""),
    ]
}

const LOCK: &str = r#"{"lockfileVersion":3,"packages":{"":{"name":"shop"},"node_modules/a":{"version":"1.2.0"},
    "node_modules/@s/b":{"version":"2.0.0"},"node_modules/c":{"version":"3.0.0"},
    "node_modules/t":{"version":"4.0.0","dev":true},"node_modules/u":{"version":"5.0.0","dev":true},
    "node_modules/o":{"version":"1.0.0","optional":true}}}"#;

const OLD_LOCK: &str = r#"{"lockfileVersion":1,"dependencies":{"a":{"version":"1.2.0"},"@s/b":{"version":"2.0.0"},
    "c":{"version":"3.0.0"},"t":{"version":"4.0.0","dev":true},"u":{"version":"5.0.0","dev":true}}}"#;

const KEPT: [&str; 6] = [
    "/app/node_modules/.bin/a",
    "/app/node_modules/@s/b/package.json",
    "/app/node_modules/a/cli.js",
    "/app/node_modules/a/index.js",
    "/app/node_modules/a/package.json",
    "/app/node_modules/c/package.json",
];

#[test]
fn scripts_are_those_that_npm_reads() {
    let directory = tempfile::tempdir().expect("a directory");
    for (text, expected) in [
        (r#"{"scripts":{"start":"node ."}}"#, true),
        (r#"{"scripts":{"start":"node .","Start":""},"Scripts":{}}"#, true),
        (r#"{"scripts":{"st\u0061rt":"node ."}}"#, true),
        (r#"{"scripts":{"Start":"node ."}}"#, false),
        (r#"{"Scripts":{"start":"node ."}}"#, false),
        (r#"{"scripts":{"start":"a"},"scripts":{}}"#, false),
        (r#"{"scripts":["start"]}"#, false),
        (r#"{"scripts":null}"#, false),
        (r#"{"$serde_json::private::RawValue":"{\"scripts\":{\"start\":1}}"}"#, false),
        ("no JSON", false),
    ] {
        std::fs::write(directory.path().join("package.json"), text).expect("written");
        assert_eq!(
            NodeApp
                .detect(&Glimpse::at(directory.path(), directory.path()).expect("looked at"))
                .expect("read")
                .is_some(),
            expected,
            "{text}"
        );
    }
}

#[test]
fn packages_go_below_the_application_without_those_for_development() {
    for (name, lock) in [
        ("package-lock.json", LOCK),
        ("npm-shrinkwrap.json", LOCK),
        ("package-lock.json", OLD_LOCK),
        ("node_modules/.package-lock.json", LOCK),
        ("yarn.lock", "# yarn lockfile v1"),
    ] {
        let app = App::new(&npm());
        app.write(name, lock);
        app.write("node_modules/.cache/x", "");
        app.write(".git/HEAD", "");
        std::fs::set_permissions(
            app.0.path().join("node_modules/a/cli.js"),
            std::fs::Permissions::from_mode(0o755),
        )
        .expect("set");
        let proposal = app.proposed();
        assert_eq!(files(&proposal, "dependencies"), KEPT, "{name}");
        let names: Vec<&str> = proposal.layers.iter().map(|layer| &*layer.name).collect();
        assert_eq!(names, ["dependencies", "app"]);
        assert!(proposal.layers[0].is_divisible);
        let own = files(&proposal, "app");
        assert!(
            own.contains(&"/app/server.js".to_owned()) && !own.iter().any(|path| path.contains(".git")),
            "{own:?}"
        );
        let entry = |path: &str| {
            let mut entries = proposal.layers.iter().flat_map(|layer| &layer.entries);
            entries.find(|entry| entry.path.to_string() == path).expect("there").clone()
        };
        assert_eq!(entry("/app/node_modules/a/cli.js").metadata.mode, 0o755);
        assert_eq!(entry("/app/node_modules/a/index.js").metadata.mode, 0o644);
        let link = entry("/app/node_modules/.bin/a");
        assert!(matches!(&link.kind, EntryKind::Symlink(target) if target == b"../a/cli.js"));
        let notes = proposal.notes.join("\n");
        assert!(
            notes.contains("2 development dependencies are left out: `t`, and what only they need"),
            "{notes}"
        );
        assert!(notes.contains("`.git`, `node_modules/.cache`"), "{notes}");
        assert_eq!(proposal.entrypoint.expect("a command"), ["node", "/app/server.js"]);
        assert_eq!(proposal.workdir.expect("a directory").to_string(), "/app");
        assert_eq!(proposal.env["NODE_ENV"], "production");
    }
}

#[test]
fn a_lock_that_disagrees_with_the_packages_is_refused() {
    for (from, to, said) in [
        ("3.0.0", "3.0.1", "`node_modules/c` is 3.0.0, not 3.0.1"),
        ("node_modules/c", "node_modules/a/node_modules/c", "`node_modules/a/node_modules/c` is missing"),
    ] {
        let app = App::new(&npm());
        app.write("package-lock.json", &LOCK.replace(from, to));
        let (why, hint) = app.refused();
        assert!(why.contains("is not what `package-lock.json` says") && why.contains(said), "{why}");
        assert!(hint.contains("npm ci"), "{hint}");
    }
    // Packages for development may be missing, and those that are optional.
    let app = App::new(&npm());
    app.write("package-lock.json", &LOCK.replace("node_modules/u", "node_modules/v"));
    app.proposed();
    // A lock of 8 MB whose paths have 160 MB.
    let nested = (0..40).fold("{}".to_owned(), |inner, _| {
        format!(r#"{{"dependencies":{{"{}":{inner}}}}}"#, "x".repeat(200_000))
    });
    let app = App::new(&npm());
    app.write("package-lock.json", &nested);
    let (why, hint) = app.refused();
    assert!(why.contains("the paths in `package-lock.json` have more than"), "{why}");
    assert!(hint.contains("npm install"), "{hint}");
    let app = App::new(&npm());
    app.write("package-lock.json", "{");
    assert!(app.refused().0.contains("`package-lock.json` is damaged"));
}

#[test]
fn packages_that_are_not_installed_are_named() {
    let app = App::new(&[("package.json", PACKAGE), ("server.js", "")]);
    let (why, hint) = app.refused();
    assert!(why.contains("`@s/b`, `a` of its `dependencies` are not in `node_modules`"), "{why}");
    assert!(hint.contains("`npm install`"), "{hint}");
    let app = App::new(&[("package.json", PACKAGE), ("server.js", ""), ("package-lock.json", "{}")]);
    assert!(app.refused().1.contains("`npm ci`"), "it has a lock");
    let damaged = App::new(&[("package.json", "{,}"), ("node_modules/x/index.js", "")]);
    assert!(damaged.refused().0.contains("`package.json` is damaged"));
    // A package of a package that is missing need not be used.
    let mut all = npm();
    all.retain(|(name, _)| !name.starts_with("node_modules/c/"));
    let app = App::new(&all);
    let warnings = app.proposed().warnings;
    assert!(warnings.iter().any(|warning| warning.contains("`c` of `node_modules/a`")), "{warnings:?}");
}

/// The files that pnpm leaves on disk.
fn pnpm() -> Vec<(&'static str, &'static str)> {
    vec![
        ("package.json", PACKAGE),
        ("server.js", ""),
        ("pnpm-lock.yaml", ""),
        ("node_modules/.modules.yaml", "storeDir: /home/me/store"),
        ("node_modules/.pnpm/lock.yaml", ""),
        (
            "node_modules/.pnpm/a@1.2.0/node_modules/a/package.json",
            r#"{"version":"1.2.0","dependencies":{"c":"1"}}"#,
        ),
        ("node_modules/.pnpm/a@1.2.0/node_modules/a/cli.js", ""),
        ("node_modules/.pnpm/a@1.2.0/node_modules/c", "-> ../../c@3.0.0/node_modules/c"),
        ("node_modules/.pnpm/c@3.0.0/node_modules/c/package.json", "{}"),
        ("node_modules/.pnpm/@s+b@2.0.0/node_modules/@s/b/package.json", "{}"),
        ("node_modules/.pnpm/t@4.0.0/node_modules/t/package.json", r#"{"dependencies":{"u":"1","c":"1"}}"#),
        ("node_modules/.pnpm/t@4.0.0/node_modules/u", "-> ../../u@5.0.0/node_modules/u"),
        ("node_modules/.pnpm/t@4.0.0/node_modules/c", "-> ../../c@3.0.0/node_modules/c"),
        ("node_modules/.pnpm/u@5.0.0/node_modules/u/package.json", "{}"),
        ("node_modules/.pnpm/node_modules/c", "-> ../c@3.0.0/node_modules/c"),
        ("node_modules/.pnpm/node_modules/u", "-> ../u@5.0.0/node_modules/u"),
        ("node_modules/.pnpm/node_modules/shop", "-> ../../../packages/shop"),
        ("node_modules/a", "-> .pnpm/a@1.2.0/node_modules/a"),
        ("node_modules/@s/b", "-> ../.pnpm/@s+b@2.0.0/node_modules/@s/b"),
        ("node_modules/t", "-> .pnpm/t@4.0.0/node_modules/t"),
        ("node_modules/.bin/a", "#!/bin/sh\nexport NODE_PATH=\"/home/me/shop/node_modules\"\n"),
    ]
}

#[test]
fn links_of_pnpm_are_kept() {
    let proposal = App::new(&pnpm()).proposed();
    assert_eq!(
        files(&proposal, "dependencies"),
        [
            "/app/node_modules/.pnpm/@s+b@2.0.0/node_modules/@s/b/package.json",
            "/app/node_modules/.pnpm/a@1.2.0/node_modules/a/cli.js",
            "/app/node_modules/.pnpm/a@1.2.0/node_modules/a/package.json",
            "/app/node_modules/.pnpm/a@1.2.0/node_modules/c",
            "/app/node_modules/.pnpm/c@3.0.0/node_modules/c/package.json",
            "/app/node_modules/.pnpm/node_modules/c",
            "/app/node_modules/.pnpm/node_modules/shop",
            "/app/node_modules/@s/b",
            "/app/node_modules/a",
        ]
    );
    let notes = proposal.notes.join("\n");
    assert!(notes.contains("1 script in `.bin` that pnpm wrote"), "{notes}");
    assert!(notes.contains("`node_modules/.modules.yaml`, `node_modules/.pnpm/lock.yaml`"), "{notes}");
    assert!(notes.contains("2 development dependencies are left out: `t`"), "{notes}");
    assert!(proposal.warnings.is_empty(), "{:?}", proposal.warnings);
}

/// The same package of a store is one inode on one machine and several on another.
#[test]
fn hard_links_of_a_store_do_not_count() {
    let app = App::new(&npm());
    let at = |name: &str| app.0.path().join("node_modules").join(name);
    std::fs::hard_link(at("a/index.js"), at("a/same.js")).expect("linked");
    std::fs::hard_link(at("a/index.js"), app.0.path().join("copy.js")).expect("linked");
    let proposal = app.proposed();
    let mut entries = proposal.layers.iter().flat_map(|layer| &layer.entries);
    assert!(!entries.any(|entry| matches!(entry.kind, EntryKind::Hardlink(_))));
}

#[test]
fn layouts_that_leave_the_tree_are_refused_with_the_remedy() {
    let refused = |files: &[(&str, &str)], more: &[(&str, &str)]| {
        let app = App::new(files);
        more.iter().for_each(|(name, text)| app.write(name, text));
        app.refused()
    };
    let (why, hint) = refused(&npm(), &[("node_modules/w", "-> ../../packages/w")]);
    assert!(why.contains("links out of it: `node_modules/w` to `../../packages/w`"), "{why}");
    assert!(hint.contains("npm install --install-links"), "{hint}");
    let (_, hint) = refused(&pnpm(), &[("node_modules/w", "-> ../../packages/w")]);
    assert!(hint.contains("pnpm --filter NAME deploy --prod DIR"), "{hint}");
    let (why, _) = refused(&pnpm(), &[("node_modules/g", "-> /home/me/store/links/g/node_modules/g")]);
    assert!(why.contains("`/home/me/store/links/g/node_modules/g`"), "{why}");
    let (why, hint) = refused(&npm(), &[("node_modules/gone", "-> .store/gone")]);
    assert!(why.contains("lead nowhere: `node_modules/gone`") && hint.contains("again"), "{why}");
    let (why, hint) = refused(&[("package.json", "{}"), (".pnp.cjs", ""), ("server.js", "")], &[]);
    assert!(why.contains("Plug'n'Play") && hint.contains("nodeLinker: node-modules"), "{why}");
    // A workspace whose packages lie in the tree is whole.
    let app = App::new(&npm());
    app.write("packages/w/index.js", "");
    app.write("node_modules/w", "-> ../packages/w");
    app.write("package-lock.json", LOCK);
    assert!(files(&app.proposed(), "dependencies").contains(&"/app/node_modules/w".to_owned()));
}

#[test]
fn an_application_without_a_plain_command_needs_an_entrypoint() {
    let app = App::new(&npm());
    app.write("package.json", &PACKAGE.replace("node server.js", "next start -p 80"));
    let (why, hint) = app.refused();
    assert!(
        why.contains("its start script `next start -p 80` starts `next`, which no package of it has"),
        "{why}"
    );
    assert!(hint.contains("config.entrypoint"), "{hint}");
    let options = AppOptions { has_entrypoint: true, ..AppOptions::default() };
    let proposal = app.with(&options).expect("proposed");
    assert_eq!((proposal.entrypoint, proposal.cmd), (None, None));
    app.write(".next/BUILD_ID", "");
    assert!(app.refused().1.contains("output: \"standalone\""));
    let app = App::new(&npm());
    app.write("package.json", &PACKAGE.replace("\"start\"", "\"prestart\":\"npm run build\",\"start\""));
    let warnings = app.proposed().warnings;
    assert!(warnings.iter().any(|warning| warning.contains("`prestart` (`npm run build`)")), "{warnings:?}");
}

#[test]
fn a_standalone_next_application_has_what_was_traced() {
    let app = App::new(&[
        ("package.json", r#"{"scripts":{"start":"next start"},"dependencies":{"react":"1","unused":"1"}}"#),
        ("server.js", ""),
        (".next/server/pages.js", ""),
        (".next/static/a.css", ""),
        ("public/logo.svg", ""),
        ("node_modules/react/package.json", "{}"),
    ]);
    let proposal = app.proposed();
    assert_eq!(
        proposal.entrypoint.as_deref().map(<[_]>::to_vec),
        Some(vec!["node".to_owned(), "/app/server.js".to_owned()])
    );
    assert_eq!(proposal.env["HOSTNAME"], "0.0.0.0");
    assert!(proposal.warnings.is_empty());
    assert!(files(&proposal, "app").contains(&"/app/.next/static/a.css".to_owned()));
    std::fs::remove_dir_all(app.0.path().join(".next/static")).expect("removed");
    assert!(app.proposed().warnings[0].contains("cp -r .next/static"));
}

#[test]
fn one_bundled_file_is_started() {
    let directory = tempfile::tempdir().expect("a directory");
    let detected = |name: &str, bytes: &[u8]| {
        let path = directory.path().join(name);
        std::fs::write(&path, bytes).expect("written");
        detect(&path)
    };
    let artifact = detected("server.mjs", b"console.log(1)").expect("detected");
    assert_eq!(artifact.kind.name(), "node");
    let proposal = propose(&artifact, &AppOptions::default(), None, &Scanner::default()).expect("proposed");
    assert_eq!(proposal.entrypoint.expect("a command"), ["node", "/app/server.mjs"]);
    assert_eq!(
        files(&Proposal { layers: proposal.layers, ..Proposal::default() }, "app"),
        ["/app/server.mjs"]
    );
    let at = |root: &str, into_root| {
        let root = Some(root.parse().expect("a root"));
        let options = AppOptions { root, into_root, ..AppOptions::default() };
        propose(&artifact, &options, None, &Scanner::default())
            .map(|proposal| proposal.entrypoint.expect("one")[1].clone())
    };
    assert_eq!(at("/srv/x.mjs", false).expect("placed"), "/srv/x.mjs");
    assert_eq!(at("/srv/", true).expect("placed"), "/srv/server.mjs");
    assert!(matches!(at("/", false), Err(ArtifactError::FileAsRoot { .. })));
    assert!(
        detected("a.ts", b"x").is_err()
            && detected("b.js", b"\0\x01").is_err()
            && detected("c.js", b"").is_err()
    );
}

#[test]
fn the_program_is_that_of_the_base() {
    let base = |entrypoint: &[&str]| {
        let entrypoint = Some(entrypoint.iter().map(|word| (*word).to_owned()).collect());
        ConfigFile { config: Some(RunConfig { entrypoint, ..RunConfig::default() }), ..ConfigFile::default() }
    };
    let program = |base: Option<&ConfigFile>| node(Search::on(base).interpreter);
    assert_eq!(program(None), "node");
    assert_eq!(program(Some(&base(&["/nodejs/bin/node"]))), "/nodejs/bin/node");
    assert_eq!(program(Some(&base(&["docker-entrypoint.sh"]))), "node");
}

/// A shared library of nothing, for a machine, that needs others.
fn module(machine: u16) -> Vec<u8> {
    let mut bytes = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x03\0".to_vec();
    bytes.extend(machine.to_le_bytes());
    bytes.extend([1, 0, 0, 0]);
    bytes.resize(64, 0);
    (bytes[52], bytes[54]) = (64, 56);
    bytes
}

fn required(app: &App) -> Vec<Requirement> {
    let search = Search::on(None);
    let all = requirements(&app.artifact(), &AppOptions::default(), search, &Scanner::default());
    let all = all.expect("read").all;
    assert_eq!(all[0], Requirement::Executable { name: "node".to_owned(), home: None });
    let own = all[1..].iter().filter(|requirement| !matches!(requirement, Requirement::NodeModules(_)));
    own.cloned().collect()
}

#[test]
fn native_modules_are_checked_like_programs() {
    let platform = |name: &str| Requirement::Platform(name.parse().expect("a platform"));
    let write = |app: &App, name: &str, bytes: &[u8]| {
        app.write(name, "");
        std::fs::write(app.0.path().join(name), bytes).expect("written");
    };
    let base =
        ConfigFile { os: "linux".to_owned(), architecture: "amd64".to_owned(), ..ConfigFile::default() };
    let on_amd64 =
        |app: &App| propose(&app.artifact(), &AppOptions::default(), Some(&base), &Scanner::default());
    let app = App::new(&npm());
    write(&app, "node_modules/t/build/Release/t.node", &module(183));
    write(&app, "node_modules/a/build/Release/a.node", &module(62));
    app.write("package-lock.json", LOCK);
    assert_eq!(required(&app), [platform("linux/amd64")], "not those for development");
    on_amd64(&app).expect("fits");
    write(&app, "node_modules/a/build/Release/a.node", &module(183));
    let error = on_amd64(&app).expect_err("refused").to_string();
    assert!(
        error.contains(
            "`node_modules/a/build/Release/a.node` is for linux/arm64, and the base for linux/amd64"
        ),
        "{error}"
    );
    // One of several counts.
    let app = App::new(&npm());
    write(&app, "node_modules/@s/b/prebuilds/linux-arm64/b.node", &module(183));
    write(&app, "node_modules/@s/b/prebuilds/linux-x64/b.node", &module(62));
    write(&app, "node_modules/@s/b/prebuilds/darwin-x64/b.node", b"\xcf\xfa\xed\xfe");
    assert_eq!(required(&app), []);
    on_amd64(&app).expect("fits");
    // One that is for no Linux at all.
    let app = App::new(&npm());
    write(&app, "node_modules/a/build/Release/a.node", b"\xcf\xfa\xed\xfe");
    assert!(app.refused().0.contains("`node_modules/a/build/Release/a.node` is for another system"));
    app.write("node_modules/a/package.json", r#"{"os":["darwin"]}"#);
    app.proposed();
    // One that was cut off.
    let app = App::new(&npm());
    write(&app, "node_modules/a/build/Release/a.node", b"\x7fELF");
    let error = app.with(&AppOptions::default()).expect_err("refused").to_string();
    assert!(error.contains("is not a program for Linux"), "{error}");
}

/// Proposing looks at all addons, and so do the requirements.
#[test]
fn an_addon_is_read_once_in_a_build() {
    let app = App::new(&npm());
    app.write("node_modules/a/a.node", "");
    let addon = app.0.path().join("node_modules/a/a.node");
    std::fs::write(&addon, module(62)).expect("written");
    let (artifact, options, scanner) = (app.artifact(), AppOptions::default(), Scanner::default());
    propose(&artifact, &options, None, &scanner).expect("proposed");
    let platforms = |scanner: &Scanner| {
        let all = requirements(&artifact, &options, Search::on(None), scanner).expect("read").all;
        all.iter().filter(|requirement| matches!(requirement, Requirement::Platform(_))).count()
    };
    std::fs::write(&addon, "no machine code").expect("written");
    assert_eq!(platforms(&scanner), 1, "as it was when the build began");
    assert_eq!(platforms(&Scanner::default()), 0, "another build");
}

/// As `bun install --linker isolated` leaves it.
#[test]
fn packages_of_bun_lie_in_a_store() {
    let package =
        r#"{"scripts":{"start":"node server.js"},"dependencies":{"a":"1"},"devDependencies":{"t":"1"}}"#;
    let app = App::new(&[
        ("package.json", package),
        ("bun.lock", "{}"),
        ("server.js", ""),
        ("node_modules/.bun/a@1.0.0/node_modules/a/package.json", r#"{"dependencies":{"c":"1"}}"#),
        ("node_modules/.bun/a@1.0.0/node_modules/c", "-> ../../c@1.0.0/node_modules/c"),
        ("node_modules/.bun/c@1.0.0/node_modules/c/package.json", "{}"),
        ("node_modules/.bun/t@1.0.0/node_modules/t/package.json", "{}"),
        ("node_modules/a", "-> .bun/a@1.0.0/node_modules/a"),
        ("node_modules/t", "-> .bun/t@1.0.0/node_modules/t"),
    ]);
    let kept = files(&app.proposed(), "dependencies");
    assert!(kept.contains(&"/app/node_modules/a".to_owned()), "{kept:?}");
    assert!(
        kept.contains(&"/app/node_modules/.bun/c@1.0.0/node_modules/c/package.json".to_owned()),
        "{kept:?}"
    );
    assert!(!kept.iter().any(|path| path.contains("/t")), "{kept:?}");
    app.write("node_modules/own", "-> ../../packages/own");
    let (why, hint) = app.refused();
    assert!(why.contains("`node_modules/own` to `../../packages/own`"), "{why}");
    assert!(hint.contains("bun install"), "{hint}");
}

/// As `nuxt build` leaves it in `.output`.
#[test]
fn nitro_starts_by_its_server() {
    let app = App::new(&[
        ("nitro.json", "{}"),
        ("public/index.html", ""),
        ("server/index.mjs", ""),
        ("server/package.json", "{}"),
        ("server/node_modules/.nitro/vue@3.5/package.json", "{}"),
        ("server/node_modules/vue", "-> .nitro/vue@3.5"),
    ]);
    let proposal = app.proposed();
    assert_eq!(
        proposal.entrypoint.as_deref(),
        Some(&["node".to_owned(), "/app/server/index.mjs".to_owned()][..])
    );
    assert!(files(&proposal, "dependencies").contains(&"/app/server/node_modules/vue".to_owned()));
    assert!(files(&proposal, "app").contains(&"/app/public/index.html".to_owned()));
}

/// Ctrl-C ends the walk from package to package.
#[test]
fn the_user_can_interrupt() {
    let app =
        App::new(&[("package.json", PACKAGE), ("server.js", ""), ("node_modules/a/package.json", "{}")]);
    let interrupt = Interrupt::default();
    let scanner = Scanner::default().until(&interrupt);
    let (artifact, options) = (app.artifact(), AppOptions::default());
    interrupt.trigger();
    let error = propose(&artifact, &options, None, &scanner).expect_err("interrupted");
    assert_eq!(error.kind(), Kind::Interrupted, "{error}");
}
