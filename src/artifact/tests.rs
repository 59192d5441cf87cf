use std::os::unix::fs::symlink;

use std::path::{Path, PathBuf};

use super::error::ArtifactError;
use super::fixture::{detect, detect_as};
use super::glimpse::Glimpse;
use super::*;
use crate::bases::{Libc, Servlet};
use crate::formats::zip::fixture::{Item, write};
use crate::layer::scan::Scanner;
use crate::layer::{ContentSource, EntryKind, EntryPath};
use crate::oci::{ConfigFile, RunConfig};
use crate::types::error::Explain as _;
use crate::types::platform::Platform;

fn propose(
    artifact: &Artifact,
    options: &AppOptions,
    base: Option<&ConfigFile>,
) -> Result<Proposal, ArtifactError> {
    super::propose(artifact, options, base, &Scanner::default())
}

/// The requirements of `artifact` on a base.
fn required(artifact: &Artifact, base: Option<&ConfigFile>) -> Vec<Requirement> {
    super::requirements(artifact, &AppOptions::default(), Search::on(base), &Scanner::default())
        .expect("requirements")
        .all
}

struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("temporary directory"))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn file(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().expect("a parent")).expect("directories");
        std::fs::write(&path, content).expect("written");
        path
    }

    fn zip(&self, name: &str, items: &[Item]) -> PathBuf {
        self.file(name, write(items))
    }
}

fn base(env: &[&str]) -> ConfigFile {
    let env = env.iter().map(|variable| (*variable).to_owned()).collect();
    let (os, architecture) = ("linux".to_owned(), "amd64".to_owned());
    let config = Some(RunConfig { env, ..RunConfig::default() });
    ConfigFile { os, architecture, config, ..ConfigFile::default() }
}

fn tomcat(version: &str) -> ConfigFile {
    base(&["CATALINA_HOME=/usr/local/tomcat", &format!("TOMCAT_VERSION={version}")])
}

fn at(root: &str) -> AppOptions {
    AppOptions { root: Some(root.parse().expect("a root")), ..AppOptions::default() }
}

/// `name: path path/ …` of each layer.
fn outline(proposal: &Proposal) -> Vec<String> {
    let layers = proposal.layers.iter().map(|layer| {
        assert!(layer.entries.is_sorted_by(|a, b| a.path < b.path), "{} is sorted", layer.name);
        let paths = layer.entries.iter().map(|entry| {
            let slash = if entry.is_directory() { "/" } else { "" };
            format!(" {}{slash}", entry.path)
        });
        format!("{}:{}", layer.name, paths.collect::<String>())
    });
    layers.collect()
}

const SERVLET: &[u8] =
    b"\xca\xfe\xba\xbe\0\0\0\x3d Ljakarta/servlet/http/HttpServlet; jakarta/servlet/Servlet";
const OLD_SERVLET: &[u8] = b"\xca\xfe\xba\xbe\0\0\0\x34 javax/servlet/http/HttpServlet";
const PLAIN: &[u8] = b"\xca\xfe\xba\xbe\0\0\0\x34 java/lang/Object";

fn war_items() -> Vec<Item> {
    vec![
        Item::stored("META-INF/", b""),
        Item::deflated("META-INF/MANIFEST.MF", b"Manifest-Version: 1.0\n"),
        Item::deflated("WEB-INF/classes/app/Main.class", SERVLET),
        Item::deflated("WEB-INF/classes/app/app.properties", b"a=b"),
        Item::stored("WEB-INF/lib/util-1.0.jar", b"jar"),
        Item::stored("WEB-INF/lib/own-1.0-SNAPSHOT.jar", b"jar"),
        Item::stored("WEB-INF/lib/deep/x.jar", b"jar"),
        Item::stored("WEB-INF/", b""),
        Item::deflated("org/springframework/boot/loader/Launcher.class", PLAIN),
        Item::deflated("run.sh", b"#!/bin/sh").unix(0o100_755),
        Item::stored("empty/", b""),
        Item::deflated("index.html", b"<html>"),
    ]
}

const WAR_OUTLINE: [&str; 4] = [
    "dependencies: /r/ /r/WEB-INF/ /r/WEB-INF/lib/ /r/WEB-INF/lib/util-1.0.jar",
    "snapshots: /r/ /r/WEB-INF/ /r/WEB-INF/lib/ /r/WEB-INF/lib/own-1.0-SNAPSHOT.jar",
    "resources: /r/ /r/META-INF/ /r/META-INF/MANIFEST.MF /r/WEB-INF/ /r/WEB-INF/classes/ /r/WEB-INF/classes/app/ \
     /r/WEB-INF/classes/app/app.properties /r/WEB-INF/lib/ /r/WEB-INF/lib/deep/ /r/WEB-INF/lib/deep/x.jar \
     /r/empty/ /r/index.html /r/org/ /r/org/springframework/ /r/org/springframework/boot/ \
     /r/org/springframework/boot/loader/ /r/org/springframework/boot/loader/Launcher.class /r/run.sh",
    "classes: /r/ /r/WEB-INF/ /r/WEB-INF/classes/ /r/WEB-INF/classes/app/ /r/WEB-INF/classes/app/Main.class",
];

#[test]
fn a_war_becomes_layers_by_change() {
    let place = Place::new();
    let artifact = detect(&place.zip("app.war", &war_items())).expect("detected");
    assert_eq!(artifact.kind.name(), "war");
    let proposal = propose(&artifact, &at("/r"), None).expect("proposed");
    assert_eq!(outline(&proposal), WAR_OUTLINE);
    assert_eq!(proposal.app_root, Some(EntryPath::new(b"r").expect("a path")));
    assert!(proposal.entrypoint.is_none() && proposal.cmd.is_none() && proposal.platform.is_none());
    let resources = &proposal.layers[2].entries;
    let mode = |name: &[u8]| {
        let entry = resources.iter().find(|entry| entry.path.file_name() == name).expect("an entry");
        entry.metadata.mode
    };
    assert_eq!((mode(b"run.sh"), mode(b"index.html"), mode(b"empty")), (0o755, 0o644, 0o755));
}

#[test]
fn packed_in_any_order_or_unpacked_a_war_is_the_same() {
    let place = Place::new();
    let mut items = war_items();
    let unpacked = place.path("unpacked");
    for item in &items {
        let path = unpacked.join(String::from_utf8_lossy(&item.name).as_ref());
        if item.name.ends_with(b"/") {
            std::fs::create_dir_all(path).expect("made");
        } else {
            std::fs::create_dir_all(path.parent().expect("a parent")).expect("made");
            std::fs::write(&path, b"").expect("written");
            if item.attributes != 0 {
                let mode = std::os::unix::fs::PermissionsExt::from_mode(item.attributes >> 16);
                std::fs::set_permissions(&path, mode).expect("mode set");
            }
        }
    }
    items.reverse();
    items.retain(|item| item.name != b"META-INF/");
    for path in [place.zip("reversed.zip", &items), unpacked] {
        let artifact = detect(&path).expect("detected");
        assert_eq!(artifact.kind.name(), "war");
        let proposal = propose(&artifact, &at("/r"), None).expect("proposed");
        assert_eq!(outline(&proposal), WAR_OUTLINE);
        let run = proposal.layers[2].entries.last().expect("an entry");
        assert_eq!(run.metadata.mode, 0o755);
    }
}

#[test]
fn the_base_says_where_a_war_goes() {
    let place = Place::new();
    let artifact = detect(&place.zip("app.war", &war_items())).expect("detected");
    let root = |base: &ConfigFile, layout| {
        let options = AppOptions { layout, ..AppOptions::default() };
        let proposal = propose(&artifact, &options, Some(base)).expect("proposed");
        (proposal.app_root.expect("a root").to_string(), proposal.warnings.len(), proposal.layers.len())
    };
    let (exploded, packaged) = (None, Some(ArtifactLayout::Packaged));
    assert_eq!(root(&tomcat("10.1.24"), exploded), ("/usr/local/tomcat/webapps/ROOT".into(), 0, 4));
    assert_eq!(root(&tomcat("10.1.24"), packaged), ("/usr/local/tomcat/webapps/ROOT.war".into(), 0, 1));
    assert_eq!(root(&base(&["JETTY_BASE=/srv/jetty"]), exploded), ("/srv/jetty/webapps/ROOT".into(), 0, 4));
    let debian = base(&["CATALINA_BASE=/var/lib/tomcat10"]);
    assert_eq!(root(&debian, exploded), ("/var/lib/tomcat10/webapps/ROOT".into(), 0, 4));

    for base in [None, Some(&base(&["PATH=/bin"]))] {
        let error = propose(&artifact, &AppOptions::default(), base).expect_err("nowhere");
        assert!(matches!(error, ArtifactError::NoRoot { .. }));
        assert!(error.hint().is_some_and(|hint| hint.contains("app.root")));
    }
}

#[test]
fn a_packaged_war_is_one_file() {
    let place = Place::new();
    let path = place.zip("app.war", &war_items());
    let artifact = detect(&path).expect("detected");
    let options =
        AppOptions { layout: Some(ArtifactLayout::Packaged), name: Some("shop".to_owned()), ..at("/w/ROOT") };
    let proposal = propose(&artifact, &options, None).expect("proposed");
    assert_eq!(outline(&proposal), ["app: /w/shop.war"]);
    let EntryKind::File(content) = &proposal.layers[0].entries[0].kind else { panic!("a file") };
    assert_eq!(content.size, std::fs::metadata(&path).expect("metadata").len());
    assert!(matches!(&content.source, ContentSource::File(from, _) if **from == *path));
    let bad = AppOptions { name: Some("../x".to_owned()), ..options };
    assert!(matches!(propose(&artifact, &bad, None), Err(ArtifactError::BadName { .. })));
    place.file("unpacked/WEB-INF/web.xml", "<web-app/>");
    let unpacked = detect(&place.path("unpacked")).expect("detected");
    let options = AppOptions { layout: Some(ArtifactLayout::Packaged), ..at("/w/ROOT") };
    assert!(matches!(propose(&unpacked, &options, None), Err(ArtifactError::NotPacked { .. })));
}

#[test]
fn links_and_deletions_in_a_war() {
    let place = Place::new();
    let with = |item: Item| {
        let artifact =
            detect(&place.zip("app.war", &[Item::stored("WEB-INF/", b""), item])).expect("detected");
        propose(&artifact, &at("/r"), None)
    };
    let link = |target: &[u8]| Item::deflated("a/l", target).unix(0o120_777);
    let proposal = with(link(b"../b")).expect("inside");
    assert!(matches!(&proposal.layers[0].entries[3].kind, EntryKind::Symlink(target) if target == b"../b"));
    for target in [&b"../../b"[..], b"/etc/passwd", b""] {
        assert!(matches!(with(link(target)), Err(ArtifactError::LinksLeave { .. })));
    }
    let chain =
        [Item::stored("WEB-INF/", b""), link(b".."), Item::deflated("e", b"a/l/../etc").unix(0o120_777)];
    let artifact = detect(&place.zip("chain.war", &chain)).expect("detected");
    let error = propose(&artifact, &at("/r"), None).expect_err("one through the other");
    assert!(matches!(&error, ArtifactError::LinksLeave { links, .. } if links.len() == 1), "{error}");
    assert!(with(link(&[b'x'; 5000])).is_err());
    assert!(matches!(with(Item::stored("a/.wh.b", b"")), Err(ArtifactError::Whiteout { .. })));
    assert!(matches!(with(Item::stored(".wh.d/b", b"")), Err(ArtifactError::Whiteout { .. })));
    assert!(matches!(with(Item::stored("d/", b"")), Err(ArtifactError::Empty { .. })));
}

#[test]
fn servlet_generations() {
    let place = Place::new();
    let usage_of = |path: &Path, base: &ConfigFile| {
        let mut all = required(&detect(path).expect("detected"), Some(base)).into_iter();
        match all.next() {
            Some(Requirement::Servlet(usage)) => usage,
            other => panic!("{other:?}"),
        }
    };
    let usage = |items: &[Item], base: &ConfigFile| {
        let items = [&[Item::stored("WEB-INF/", b"")], items].concat();
        usage_of(&place.zip("app.war", &items), base)
    };
    let uses = |usage: &ServletUse| match usage {
        ServletUse::Uses { servlet, .. } => Some(*servlet),
        _ => None,
    };
    let class = |name: &str, bytes: &[u8]| Item::deflated(format!("WEB-INF/classes/{name}.class"), bytes);
    let (new, old) = (class("New", SERVLET), class("Old", OLD_SERVLET));
    let (nine, ten) = (tomcat("9.0.80"), tomcat("10.1.24"));

    for base in [&nine, &ten] {
        assert_eq!(uses(&usage(std::slice::from_ref(&new), base)), Some(Servlet::Jakarta));
        assert_eq!(uses(&usage(std::slice::from_ref(&old), base)), Some(Servlet::Javax));
    }
    let both = [old.clone(), new];
    assert_eq!(uses(&usage(&both, &ten)), Some(Servlet::Jakarta), "classes for both run on either");
    assert_eq!(uses(&usage(&both, &nine)), Some(Servlet::Javax), "classes for both run on either");
    let ServletUse::Uses { shown_by, .. } = usage(&[class("Plain", PLAIN), old.clone()], &ten) else {
        panic!("javax is used")
    };
    assert_eq!(shown_by, "`WEB-INF/classes/Old.class`");

    // Libraries count only by the classes that the descriptor names.
    let jar = write(&[Item::deflated("lib/Front.class", OLD_SERVLET)]);
    let library = Item::deflated("WEB-INF/lib/a.jar", &jar);
    let descriptor = |class: &str| {
        let text = format!(
            "<web-app xmlns='http://java.sun.com/xml/ns/javaee' version='3.0'><servlet>\
             <servlet-class>{class}</servlet-class></servlet></web-app>"
        );
        Item::deflated("WEB-INF/web.xml", text.as_bytes())
    };
    let ServletUse::Uses { shown_by, servlet, descriptor: version } =
        usage(&[library.clone(), descriptor("lib.Front")], &ten)
    else {
        panic!("javax is used")
    };
    assert_eq!((servlet, version.as_deref()), (Servlet::Javax, Some("3.0")));
    assert_eq!(shown_by, "`lib/Front.class` of `WEB-INF/lib/a.jar`");
    let declared = usage(&[library.clone(), descriptor("lib.Other")], &ten);
    assert_eq!(declared, ServletUse::Declares(Servlet::Javax));
    let broken = Item::stored("WEB-INF/lib/b.jar", b"no zip");
    assert_eq!(usage(&[library, broken], &ten), ServletUse::Unseen);
    assert_eq!(usage(std::slice::from_ref(&old), &base(&[])), ServletUse::NotSearched);

    place.file("unpacked/WEB-INF/classes/A.class", OLD_SERVLET);
    assert_eq!(uses(&usage_of(&place.path("unpacked"), &ten)), Some(Servlet::Javax));
}

/// A migrated application keeps its old descriptor, and a container takes it: what runs decides on every server.
#[test]
fn classes_tell_the_servlet_generation_before_the_descriptor_on_every_server() {
    const OLD: &[u8] = b"<web-app xmlns='http://java.sun.com/xml/ns/j2ee' version='2.4'/>";
    const NEW: &[u8] = b"<web-app xmlns='https://jakarta.ee/xml/ns/jakartaee' version='6.0'/>";
    let place = Place::new();
    let jar = write(&[Item::stored("META-INF/services/jakarta.servlet.ServletContainerInitializer", b"a.B")]);
    let shown = |path: &Path, base: &ConfigFile| match required(&detect(path).expect("detected"), Some(base))
        .into_iter()
        .next()
    {
        Some(Requirement::Servlet(ServletUse::Uses { servlet, shown_by, .. })) => (servlet, shown_by),
        other => panic!("{other:?}"),
    };
    let servers = [
        tomcat("10.1.24"),
        base(&["TOMEE_VER=10.0.0"]),
        base(&["JETTY_BASE=/var/lib/jetty", "JETTY_VERSION=12.0.5"]),
        base(&["JETTY_BASE=/var/lib/jetty"]),
        base(&["PAYARA_HOME=/opt/payara", "DEPLOY_DIR=/opt/payara/deployments"]),
    ];
    type Case<'a> = (&'a str, &'a [u8], &'a str, &'a [u8], Servlet, &'a str);
    let cases: [Case<'_>; 3] = [
        ("classes", OLD, "WEB-INF/classes/A.class", SERVLET, Servlet::Jakarta, "`WEB-INF/classes/A.class`"),
        ("again", NEW, "WEB-INF/classes/A.class", OLD_SERVLET, Servlet::Javax, "`WEB-INF/classes/A.class`"),
        ("library", OLD, "WEB-INF/lib/a.jar", &jar, Servlet::Jakarta, "of `WEB-INF/lib/a.jar`"),
    ];
    for (name, descriptor, file, bytes, servlet, evidence) in cases {
        place.file(&format!("{name}/WEB-INF/web.xml"), descriptor);
        place.file(&format!("{name}/{file}"), bytes);
        let items = [Item::deflated("WEB-INF/web.xml", descriptor), Item::deflated(file, bytes)];
        let packed = place.zip(&format!("{name}.war"), &items);
        for base in &servers {
            for path in [&packed, &place.path(name)] {
                let (found, shown_by) = shown(path, base);
                assert!(found == servlet && shown_by.ends_with(evidence), "{name}: {found:?} {shown_by}");
            }
        }
    }
    // Where both run, the descriptor says which is meant; where nothing runs, it is all that there is.
    let [_, _, jetty, ..] = &servers;
    let both = |descriptor: &[u8]| {
        let class = |name: &str, bytes: &[u8]| Item::deflated(format!("WEB-INF/classes/{name}.class"), bytes);
        let items =
            [Item::deflated("WEB-INF/web.xml", descriptor), class("A", OLD_SERVLET), class("B", SERVLET)];
        shown(&place.zip("both.war", &items), jetty)
    };
    assert_eq!(both(NEW), (Servlet::Jakarta, "`WEB-INF/classes/B.class`".to_owned()));
    assert_eq!(both(OLD), (Servlet::Javax, "`WEB-INF/classes/A.class`".to_owned()));
    let bare = place.zip("bare.war", &[Item::deflated("WEB-INF/web.xml", OLD)]);
    assert_eq!(shown(&bare, jetty), (Servlet::Javax, "`WEB-INF/web.xml`".to_owned()));
}

#[test]
fn kinds_are_told_by_content() {
    let place = Place::new();
    let boot = b"Manifest-Version: 1.0\nSpring-Boot-Classes: BOOT-INF/classes/\nStart-Class: a.B\n";
    let manifest = |bytes: &[u8]| Item::deflated("META-INF/MANIFEST.MF", bytes);
    let web = Item::stored("WEB-INF/web.xml", b"<web-app/>");
    place.file("venv/pyvenv.cfg", "home = /usr");
    place.file("target/flask-1.0.dist-info/METADATA", "");
    place.file("modules/package.json", "{}");
    place.file("modules/node_modules/x/index.js", "");
    place.file("started/package.json", r#"{"scripts":{"start":"node ."}}"#);
    place.file("dist/package.json", r#"{"main":"x.js"}"#);
    place.file("dist/index.html", "");
    place.file("site/index.html", "");
    place.file("other/file", "");
    place.file("boot/META-INF/MANIFEST.MF", boot);
    place.file("web/WEB-INF/web.xml", "");
    let expected = [
        (place.zip("a.zip", std::slice::from_ref(&web)), "war"),
        (place.zip("b.jar", &[web, manifest(boot)]), "war"),
        (place.zip("c.war", &[Item::stored("index.jsp", b"")]), "war"),
        (place.zip("d.bin", &[manifest(boot)]), "spring-boot"),
        (place.zip("e.jar", &[manifest(b"Main-Class: a.B\n")]), "executable-jar"),
        (place.zip("g.jar", &[manifest(b"Manifest-Version: 1.0\n")]), "jar"),
        (place.zip("f", &[Item::stored("a/B.class", PLAIN)]), "jar"),
        (place.path("venv"), "python"),
        (place.path("target"), "python"),
        (place.path("modules"), "node"),
        (place.path("started"), "node"),
        (place.path("dist"), "site"),
        (place.path("site"), "site"),
        (place.path("other"), "tree"),
        (place.path("boot"), "spring-boot"),
        (place.path("web"), "war"),
    ];
    for (path, kind) in expected {
        let artifact = detect(&path).expect("detected");
        assert_eq!(artifact.kind.name(), kind, "{}", path.display());
        assert!(!artifact.why.is_empty());
    }
}

/// The row of `app.kind` in the reference, and its comment in the example, name exactly the kinds of the table.
#[test]
fn documents_name_the_kinds_of_the_table() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let read = |name: &str| std::fs::read_to_string(root.join(name)).expect("read");
    let names: Vec<&str> = KINDS.iter().map(|kind| kind.name()).collect();
    let mut sorted = names.clone();
    sorted.sort_unstable();
    sorted.dedup();
    assert_eq!(sorted.len(), KINDS.len(), "names are unique");

    let reference = read("docs/build-toml.md");
    let row = reference.lines().find(|line| line.starts_with("| `kind` |")).expect("a row");
    let cell = row.split('|').nth(4).expect("a cell");
    let mut documented: Vec<&str> = cell.split('`').skip(1).step_by(2).collect();
    documented.sort_unstable();
    assert_eq!(documented, sorted, "docs/build-toml.md");

    let example = read("build.toml.example");
    let line = example.lines().find(|line| line.ends_with(". Default: detected.")).expect("a line");
    let words = line.trim_start_matches("# ").trim_end_matches(". Default: detected.");
    let mut documented: Vec<&str> =
        words.split([',', ' ']).filter(|word| !["", "or"].contains(word)).collect();
    documented.sort_unstable();
    assert_eq!(documented, sorted, "build.toml.example");
}

#[test]
fn every_kind_says_what_it_is() {
    let place = Place::new();
    place.file("tree/x", "x");
    for kind in KINDS.iter().copied() {
        assert_eq!(kind_named(kind.name()), Some(kind));
        assert!(!kind.forms().is_empty() && !kind.root_hint().is_empty(), "{kind:?}");
        assert!(kind.describe().starts_with('a'), "{}", kind.describe());
        let signs = [Form::Directory, Form::Archive, Form::File].map(|form| kind.sign(form).map(|_| form));
        for form in signs.into_iter().flatten() {
            assert!(kind.forms().contains(&form), "{kind:?} has a sign in what it cannot be");
        }
        if let Ok(artifact) = detect_as(&place.path("tree"), kind) {
            let refused = propose(&artifact, &at("/app"), None);
            let is_refused = matches!(refused, Err(ArtifactError::NotSupported { .. }));
            assert!(!is_refused, "{kind:?}");
        }
    }
    assert_eq!(kind_named("Tree"), None);
}

#[test]
fn what_is_no_artifact() {
    let place = Place::new();
    std::fs::create_dir(place.path("empty")).expect("made");
    assert!(matches!(detect(&place.path("empty")), Err(ArtifactError::Empty { .. })));
    for (content, is) in [
        (&b""[..], "an empty file"),
        (b"MZ\x90\0\xff", "a program for Windows"),
        (b"\xcf\xfa\xed\xfe\x07\0\0\x01", "a program for macOS"),
        (b"\xca\xfe\xba\xbe\0\0\0\x34", "a Java class file"),
        (b"\x1f\x8b\x08\0", "a gzip file"),
        (b"#!/bin/sh\n", "a script"),
        (b"hello", "a text file"),
        (b"\xff\xfe\xfd", "a file of unknown format"),
    ] {
        let error = detect(&place.file("app.bin", content)).expect_err("no artifact");
        assert!(error.to_string().contains(is), "{error}");
        assert!(error.hint().is_some());
    }
    place.file("bookstore.war", "no zip");
    assert!(matches!(detect(&place.path("bookstore.war")), Err(ArtifactError::Zip(_))));
    let error = detect(&place.path("bookstor.war")).expect_err("missing");
    assert!(error.hint().is_some_and(|hint| hint.contains("bookstore.war")));
    let error = detect(&place.zip("pages.zip", &[Item::stored("index.html", b"")])).expect_err("no artifact");
    assert!(error.to_string().contains("without `WEB-INF/`"), "{error}");
}

#[test]
fn trees_and_sites() {
    let place = Place::new();
    place.file("site/index.html", "hello");
    place.file("site/css/a.css", "");
    place.file("site/.packignore", "*.map\n");
    place.file("site/css/a.map", "");
    let site = detect(&place.path("site")).expect("detected");
    let mut options = AppOptions::default();
    options.rules.mtime = 1_700_000_000;
    let proposal = propose(&site, &options, Some(&base(&["NGINX_VERSION=1.27"]))).expect("proposed");
    let html = "/usr/share/nginx/html";
    let expected = format!("site: {html}/ {html}/css/ {html}/css/a.css {html}/index.html");
    assert_eq!(outline(&proposal), [expected]);
    assert!(proposal.layers[0].entries.iter().all(|entry| entry.metadata.mtime == 1_700_000_000));
    assert!(matches!(propose(&site, &options, Some(&base(&[]))), Err(ArtifactError::NoRoot { .. })));

    place.file("root/bin/su", "");
    symlink("/etc/x", place.path("root/l")).expect("linked");
    let tree = detect(&place.path("root")).expect("detected");
    let proposal = propose(&tree, &at("/"), None).expect("proposed");
    assert_eq!(outline(&proposal), ["app: /bin/ /bin/su /l"]);
    assert_eq!(proposal.app_root, None);
}

/// A small ELF file: 64 bits, little endian, with an interpreter and libraries if any.
fn elf(machine: u16, kind: u16, interpreter: Option<&str>, needed: &[&str]) -> Vec<u8> {
    let mut strings = vec![0];
    let mut dynamic: Vec<(u64, u64)> = Vec::new();
    for name in needed {
        dynamic.push((1, strings.len() as u64));
        strings.extend(name.as_bytes());
        strings.push(0);
    }
    let interpreter = interpreter.map(|name| [name.as_bytes(), &[0]].concat()).unwrap_or_default();
    let headers = 64 + 3 * 56;
    let (at_interpreter, at_strings) = (headers, headers + interpreter.len());
    let at_dynamic = (at_strings + strings.len()).next_multiple_of(8);
    dynamic.push((5, 0x1000 + at_strings as u64));
    dynamic.push((0, 0));
    let total = at_dynamic + dynamic.len() * 16;

    let mut out = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0".to_vec();
    out.extend(kind.to_le_bytes());
    out.extend(machine.to_le_bytes());
    out.extend(1u32.to_le_bytes());
    out.extend(0x1040u64.to_le_bytes());
    out.extend(64u64.to_le_bytes());
    out.extend(0u64.to_le_bytes());
    out.extend(0u32.to_le_bytes());
    for half in [64u16, 56, 3, 0, 0, 0] {
        out.extend(half.to_le_bytes());
    }
    let mut segment = |kind: u32, offset: usize, size: usize| {
        out.extend(kind.to_le_bytes());
        out.extend(4u32.to_le_bytes());
        for value in [offset as u64, 0x1000 + offset as u64, 0, size as u64, size as u64, 8] {
            out.extend(value.to_le_bytes());
        }
    };
    segment(1, 0, total);
    segment(if interpreter.is_empty() { 0 } else { 3 }, at_interpreter, interpreter.len());
    segment(if needed.is_empty() { 0 } else { 2 }, at_dynamic, dynamic.len() * 16);
    out.extend(&interpreter);
    out.extend(&strings);
    out.resize(at_dynamic, 0);
    for (tag, value) in dynamic {
        out.extend(tag.to_le_bytes());
        out.extend(value.to_le_bytes());
    }
    out
}

const LOADER: &str = "/lib64/ld-linux-x86-64.so.2";

#[test]
fn static_programs_run_anywhere() {
    let place = Place::new();
    let artifact = detect(&place.file("server", elf(62, 2, None, &[]))).expect("detected");
    assert_eq!(artifact.kind.name(), "elf");
    let proposal = propose(&artifact, &AppOptions::default(), None).expect("proposed");
    assert_eq!(outline(&proposal), ["app: /app/server"]);
    assert_eq!(proposal.layers[0].entries[0].metadata.mode, 0o555);
    assert_eq!(proposal.entrypoint, Some(vec!["/app/server".to_owned()]));
    assert_eq!(proposal.platform, Some(Platform::linux_amd64()));
    let named = propose(&artifact, &at("/usr/bin/x"), None).expect("proposed");
    assert_eq!(outline(&named), ["app: /usr/bin/x"]);
    assert!(matches!(propose(&artifact, &at("/"), None), Err(ArtifactError::FileAsRoot { .. })));
    for (machine, platform) in [(183, "linux/arm64"), (243, "linux/riscv64"), (3, "linux/386")] {
        let other = detect(&place.file("other", elf(machine, 3, None, &[]))).expect("detected");
        assert_eq!(other.material().elf().expect("facts").platform, platform.parse().expect("a platform"));
        let required = required(&other, Some(&base(&[])));
        assert_eq!(required, [Requirement::Platform(platform.parse().expect("a platform"))]);
    }
}

#[test]
fn dynamic_programs_need_their_libraries() {
    let place = Place::new();
    let path = place.file("server", elf(62, 3, Some(LOADER), &["libc.so.6", "libz.so.1"]));
    let artifact = detect(&path).expect("detected");
    let facts = artifact.material().elf().expect("facts");
    assert_eq!(facts.dynamic.interpreter.as_deref(), Some(LOADER));
    assert_eq!(facts.dynamic.needed, ["libc.so.6", "libz.so.1"]);
    assert!(!facts.is_static);
    assert!(propose(&artifact, &AppOptions::default(), None).is_ok(), "a `[[layer]]` may have them");
    let libraries = |names: &[&str], libc, loader: &str| {
        Requirement::Libraries(Libraries {
            names: names.iter().map(|name| (*name).to_owned()).collect(),
            run_path: Vec::new(),
            is_inherited: false,
            loader: Some(loader.to_owned()),
            program: EntryPath::new(b"app/server").expect("a path"),
            platform: Platform::linux_amd64(),
            libc: Some(libc),
            versions: Some(Vec::new()),
        })
    };
    let loader = |path: &str| Requirement::Loader { path: path.to_owned() };
    let platform = || Requirement::Platform(Platform::linux_amd64());
    assert_eq!(
        required(&artifact, None),
        [
            platform(),
            loader(LOADER),
            Requirement::Libc(Libc::Glibc),
            libraries(&["libc.so.6", "libz.so.1"], Libc::Glibc, LOADER)
        ]
    );
    // musl's library is its loader.
    let musl = "/lib/ld-musl-x86_64.so.1";
    let path = place.file("musl", elf(62, 3, Some(musl), &["libc.musl-x86_64.so.1"]));
    let required_of = |path: &Path| required(&detect(path).expect("detected"), None);
    assert_eq!(required_of(&path), [platform(), loader(musl), Requirement::Libc(Libc::Musl)]);
    // A loader in a place of its own comes with its library.
    let nix = "/nix/store/x-glibc/lib/ld-linux-x86-64.so.2";
    std::fs::create_dir(place.path("nix")).expect("a directory");
    let path = place.file("nix/server", elf(62, 3, Some(nix), &["libz.so.1"]));
    assert_eq!(required_of(&path), [platform(), loader(nix), libraries(&["libz.so.1"], Libc::Glibc, nix)]);
}

#[test]
fn broken_programs() {
    let place = Place::new();
    let whole = elf(62, 3, Some(LOADER), &["libc.so.6"]);
    for length in 4..whole.len() {
        let cut = detect(&place.file("cut", &whole[..length]));
        assert!(matches!(cut, Err(ArtifactError::NotAProgram { .. })), "{length} of {} bytes", whole.len());
    }
    // Section headers beyond the end, in a file whose segments are whole.
    let mut cut = elf(62, 2, None, &[]);
    let end = cut.len() as u64;
    cut[40..48].copy_from_slice(&end.to_le_bytes());
    (cut[58], cut[60]) = (64, 1);
    let error = detect(&place.file("cut", cut)).expect_err("no section headers");
    assert!(error.to_string().contains("section headers are beyond its end"), "{error}");
    // As many program headers as no kernel reads, and two of what there is one of.
    let mut many = elf(62, 3, Some(LOADER), &["libc.so.6"]);
    many[56..58].copy_from_slice(&1_200_u16.to_le_bytes());
    many.resize(1_200 * 56 + 64, 0);
    let error = detect(&place.file("many", &many)).expect_err("too many");
    assert!(error.to_string().contains("its program headers have 67200 bytes"), "{error}");
    let mut twice = elf(62, 3, Some(LOADER), &["libc.so.6"]);
    twice[64 + 2 * 56] = 3;
    let error = detect(&place.file("twice", &twice)).expect_err("two loaders");
    assert!(error.to_string().contains("two interpreters or two dynamic sections"), "{error}");
    let mut foreign = elf(62, 2, None, &[]);
    foreign[7] = 9;
    assert!(matches!(detect(&place.file("bsd", foreign)), Err(ArtifactError::NotAProgram { .. })));
    let object = elf(62, 1, None, &[]);
    assert!(matches!(detect(&place.file("a.o", object)), Err(ArtifactError::NotAProgram { .. })));
    let mut library = elf(62, 3, None, &["libc.so.6"]);
    library[24..32].fill(0);
    let error = detect(&place.file("a.so", library)).expect_err("a library");
    assert!(error.to_string().ends_with("it is a shared library"), "{error}");
}

#[test]
fn a_client_without_certificates_is_warned_of() {
    let place = Place::new();
    let mut program = elf(62, 2, None, &[]);
    // Across the border of two pieces.
    program.resize((1 << 20) + 4, 0);
    program.extend(b"/etc/ssl/certs/ca-certificates.crt");
    let artifact = detect(&place.file("client", program)).expect("detected");
    assert_eq!(findings(&artifact, Search::on(None)).expect("read").len(), 1);
    assert!(findings(&artifact, Search::on(Some(&base(&[])))).expect("read").is_empty());
    let artifact = detect(&place.file("plain", elf(62, 2, None, &[]))).expect("detected");
    assert!(findings(&artifact, Search::on(None)).expect("read").is_empty());
}

/// Files that show a kind, or nothing.
const SIGNS: [(&str, &str); 9] = [
    ("WEB-INF/web.xml", ""),
    ("META-INF/MANIFEST.MF", "Main-Class: a.B\nSpring-Boot-Lib: BOOT-INF/lib/\n"),
    ("META-INF/MANIFEST.MF", "Main-Class: a.B\n"),
    ("pyvenv.cfg", ""),
    ("a-1.dist-info/METADATA", ""),
    ("package.json", r#"{"scripts":{"start":"node ."}}"#),
    ("node_modules/x/index.js", ""),
    ("index.html", ""),
    ("a/B.class", ""),
];

/// Whether detection is that of the table, for a directory and for an archive of the same files.
#[track_caller]
fn is_the_first_of_the_table(path: &Path) {
    let Ok(glimpse) = Glimpse::at(path, Path::new("/tmp")) else { return };
    let recognised = |kind: &&dyn ArtifactKind| {
        kind.forms().contains(&glimpse.form()) && kind.detect(&glimpse).expect("read").is_some()
    };
    let first = KINDS.iter().copied().find(recognised);
    for _ in 0..2 {
        assert_eq!(detect(path).ok().map(|artifact| artifact.kind), first);
    }
    for kind in KINDS.iter().copied() {
        let named = detect_as(path, kind);
        assert_eq!(named.is_ok(), kind.forms().contains(&glimpse.form()), "{kind:?}");
    }
}

proptest::proptest! {
    #[test]
    fn any_file_is_detected_or_refused(bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..200), magic in 0usize..4) {
        let place = Place::new();
        let start: &[u8] = [&b""[..], b"\x7fELF\x02\x01\x01\0", b"PK\x03\x04", b"\x7fELF\x01\x02\x01\0"][magic];
        let _ = detect(&place.file("f", [start, &bytes].concat()));
    }

    #[test]
    fn the_first_kind_that_recognises_a_path_is_its_kind(signs in proptest::collection::vec(0..SIGNS.len(), 1..5)) {
        let place = Place::new();
        let mut items = Vec::new();
        for sign in signs {
            place.file(&format!("dir/{}", SIGNS[sign].0), SIGNS[sign].1);
            items.retain(|item: &Item| item.name != SIGNS[sign].0.as_bytes());
            items.push(Item::stored(SIGNS[sign].0, SIGNS[sign].1.as_bytes()));
        }
        place.zip("packed", &items);
        is_the_first_of_the_table(&place.path("dir"));
        is_the_first_of_the_table(&place.path("packed"));
    }

    #[test]
    fn damaged_programs_never_panic(changes in proptest::collection::vec((proptest::prelude::any::<proptest::sample::Index>(), proptest::prelude::any::<u8>()), 1..5)) {
        let mut bytes = elf(62, 3, Some(LOADER), &["libc.so.6"]);
        for (at, value) in changes {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        let place = Place::new();
        let _ = detect(&place.file("f", bytes));
    }
}
