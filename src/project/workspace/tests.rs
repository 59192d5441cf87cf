use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use super::*;
use crate::project::config::{Overrides, Settings};
use crate::types::error::Explain as _;

/// A directory with these files; a text of `->` and a path is a link to it.
fn tree(files: &[(&str, &str)]) -> tempfile::TempDir {
    let directory = tempfile::tempdir().expect("a directory");
    for (path, text) in files {
        let path = directory.path().join(path);
        fs::create_dir_all(path.parent().expect("below")).expect("made");
        match text.strip_prefix("->") {
            Some(target) => symlink(target, path).expect("linked"),
            None => fs::write(path, text).expect("written"),
        }
    }
    directory
}

fn names(workspace: &Workspace) -> Vec<&str> {
    workspace.members().iter().map(Member::name).collect()
}

fn places(files: &[(&str, &str)]) -> Vec<String> {
    let directory = tree(files);
    let workspace =
        Workspace::open(directory.path()).map_err(|error| error.to_string()).expect("a workspace");
    workspace.members().iter().map(|member| member.place().to_owned()).collect()
}

/// The message and the hint of what is wrong.
fn wrong(files: &[(&str, &str)]) -> String {
    let directory = tree(files);
    let error = Workspace::open(directory.path()).expect_err("wrong");
    let real = fs::canonicalize(directory.path()).expect("there");
    let text = format!("{error}\n{}", error.hint().unwrap_or_default());
    text.replace(&*real.to_string_lossy(), "ROOT")
}

fn settings(member: &Member) -> Settings {
    let none = Overrides::default();
    Settings::resolve(member.document().clone(), &none, &none).expect("valid")
}

/// Each member takes a copy of the tables that the root gives.
#[test]
fn build_files_that_fill_memory_together_are_refused() {
    let env: String = (0..20_000).map(|number| format!("a{number} = \"1\"\n")).collect();
    let root = format!("[workspace]\nmembers = ['*']\n[workspace.config.env]\n{env}");
    let names: Vec<String> = (0..40).map(|number| format!("m{number}/build.toml")).collect();
    let mut files = vec![("build.toml", &*root)];
    files.extend(names.iter().map(|name| (&**name, "")));
    let text = wrong(&files);
    assert!(text.contains("more than 201 MB of memory") && text.contains("write less there"), "{text}");
    assert_eq!(places(&files[..4]).len(), 3);
    let alone = wrong(&[("build.toml", &"a.b.c.d = 1\n".repeat(40_000))]);
    assert!(alone.contains("more than 201 MB of memory"), "{alone}");
}

#[test]
fn members_are_found_by_patterns_in_the_order_of_their_paths() {
    let root =
        "[workspace]\nmembers = ['z/*', 'a', 'deep/**', 'z/b', 'q/{x,y}']\nexclude = ['z/off', 'deep/old']\n";
    let found = places(&[
        ("build.toml", root),
        ("z/c/build.toml", ""),
        ("z/b/build.toml", ""),
        ("z/off/x", "no build file, and excluded"),
        ("z/.hidden/x", "no build file, and hidden"),
        ("z/README.md", "a file"),
        ("a/build.toml", ""),
        ("deep/one/two/build.toml", ""),
        ("deep/one/build.toml", "# below which lies another\n"),
        ("deep/old/dead/build.toml", ""),
        ("deep/one/node_modules/p/build.toml", ""),
        ("q/x/build.toml", ""),
        ("q/y/build.toml", ""),
        ("q/z/nothing", ""),
    ]);
    assert_eq!(found, ["a", "deep/one", "deep/one/two", "q/x", "q/y", "z/b", "z/c"]);
}

#[test]
fn a_member_knows_its_root_and_is_the_same_from_there() {
    let directory = tree(&[
        (
            "build.toml",
            "[workspace]\nmembers = ['s/*']\nexclude = ['s/c']\n[workspace.image]\nname = 'h:1/shop'\nbase = 'oci:base'\n[registry.'h:1']\nplain-http = true\n[check]\nlevels = { case-clash = 'off' }\n",
        ),
        ("s/a/build.toml", "[image]\ntags = ['1']\n"),
        ("s/b/build.toml", "[image]\nname = 'h:1/own'\n"),
        ("s/c/build.toml", ""),
        ("other/build.toml", ""),
        ("s/a/deep/x", ""),
    ]);
    let root = fs::canonicalize(directory.path()).expect("there");
    let workspace =
        Workspace::open(&root.join("s/a/deep")).map_err(|error| error.to_string()).expect("found above");
    assert_eq!(workspace.root().directory(), root);
    assert_eq!(names(&workspace), ["a", "b"]);
    let of = |path: &str| WorkspaceRoot::of_member(&root.join(path).join("build.toml"));
    for member in workspace.members() {
        let (_, alone) = of(member.place()).expect("read").expect("a member");
        assert_eq!(alone.name(), member.name());
        assert_eq!(format!("{:?}", settings(&alone)), format!("{:?}", settings(member)));
    }
    let (a, b) = (settings(&workspace.members()[0]), settings(&workspace.members()[1]));
    assert_eq!(a.name.expect("given").to_string(), "h:1/shop/a", "below the name of the workspace");
    assert_eq!(b.name.expect("given").to_string(), "h:1/own");
    assert_eq!((a.registries.len(), a.check.levels.len()), (1, 1));
    assert!(a.base.is_some() && a.workspace.is_none());
    assert!(of("s/c").expect("read").is_none(), "it is excluded");
    let unlisted = of("other").expect_err("not listed");
    assert!(unlisted.hint().expect("a hint").contains("add `\"other\"` to `members`"));
}

#[test]
fn a_selection_keeps_the_order_and_names_what_there_is() {
    let directory = tree(&[
        ("build.toml", "[workspace]\nmembers = ['*/*']\n"),
        ("web/shop/build.toml", ""),
        ("api/billing/build.toml", ""),
        ("api/orders/build.toml", ""),
    ]);
    let workspace =
        Workspace::open(directory.path()).map_err(|error| error.to_string()).expect("a workspace");
    let select = |patterns: &[&str]| {
        let patterns: Vec<String> = patterns.iter().map(|&pattern| pattern.to_owned()).collect();
        let chosen = workspace.select(&patterns);
        chosen.map(|chosen| chosen.into_iter().map(Member::name).collect::<Vec<_>>())
    };
    let ok = |patterns: &[&str]| select(patterns).map_err(|error| error.to_string()).expect("chosen");
    assert_eq!(ok(&["shop", "*ing", "shop"]), ["billing", "shop"]);
    assert_eq!(ok(&["api/*"]), ["billing", "orders"]);
    assert_eq!(ok(&["./web/shop/"]), ["shop"]);
    assert_eq!(workspace.member("orders").expect("there").place(), "api/orders");
    let error = select(&["shop", "bilings"]).expect_err("not there");
    assert_eq!(error.to_string(), "no member of the workspace is called `bilings`");
    assert_eq!(error.hint().as_deref(), Some("did you mean `billing`?"));
    let error = workspace.member("q").expect_err("not there");
    assert_eq!(error.hint().as_deref(), Some("its members are `billing`, `orders`, `shop`"));
    assert!(select(&["[a"]).is_err());
}

/// A text that selects nothing is answered with the reason, and with a pattern that selects what was meant.
#[test]
fn a_selection_of_nothing_says_why() {
    let directory = tree(&[
        (
            "build.toml",
            "[workspace]\nmembers = ['services/*', 'deep/**']\nexclude = ['services/gate', 'deep/old']\n",
        ),
        ("services/api/build.toml", ""),
        ("services/gate/build.toml", ""),
        ("deep/a/b/build.toml", ""),
        ("deep/old/dead/build.toml", ""),
    ]);
    let workspace =
        Workspace::open(directory.path()).map_err(|error| error.to_string()).expect("a workspace");
    let said = |pattern: &str| {
        let error = workspace.select(&[pattern.to_owned()]).expect_err(pattern);
        (error.to_string(), error.hint().expect("a hint"))
    };
    for pattern in ["gate", "services/gate", "./services/gate/", "g*"] {
        let (message, hint) = said(pattern);
        assert_eq!(message, "`services/gate` is no member of the workspace: `exclude` leaves it out");
        assert!(hint.ends_with("; `pack build services/gate` at the root builds it by itself"), "{hint}");
    }
    assert!(said("dead").0.starts_with("`deep/old/dead` is no member"));
    assert!(workspace.member("gate").expect_err("excluded").to_string().contains("`exclude` leaves it out"));
    for (pattern, better) in [
        ("services/", "services/*"),
        ("services", "services/*"),
        ("./services/", "services/*"),
        ("deep", "deep/**"),
    ] {
        let (message, hint) = said(pattern);
        assert_eq!(message, format!("`{pattern}` is a directory with members in it, and no member itself"));
        assert_eq!(hint, format!("`{better}` matches the members in it"));
        assert!(workspace.select(&[better.to_owned()]).is_ok_and(|chosen| chosen.len() == 1), "{better}");
    }
    for pattern in [".", "./"] {
        assert_eq!(said(pattern).0, format!("`{pattern}` is the root of the workspace, and no member of it"));
    }
    assert_eq!(workspace.select(&["*".to_owned()]).map(|all| all.len()).ok(), Some(2));
    let (message, hint) = said("n*x");
    assert_eq!(message, "the pattern `n*x` matches no member of the workspace");
    assert_eq!(hint, "its members are `b`, `api`");
}

#[test]
fn what_is_wrong_with_a_workspace_is_told_with_its_line() {
    let root = |members: &str| format!("[workspace]\nmembers = [{members}]\n");
    let said = wrong(&[("build.toml", &root("'none/*'"))]);
    assert!(said.contains("the pattern `none/*` matches no directory") && said.contains("2 |"), "{said}");
    let said = wrong(&[("build.toml", &root("'a/*'")), ("a/x/readme", "")]);
    assert!(
        said.contains("the member `a/x` has no `build.toml`") && said.contains("exclude = [\"a/x\"]"),
        "{said}"
    );
    let said = wrong(&[("build.toml", &root("'a'"))]);
    assert!(said.contains("there is no directory `ROOT/a`"), "{said}");
    let said = wrong(&[("build.toml", &root("'../x'"))]);
    assert!(said.contains("leads out of the workspace"), "{said}");
    let said = wrong(&[("build.toml", &root("'a', 'b'")), ("a/build.toml", ""), ("b", "->a")]);
    assert!(said.contains("the member `b` is behind a link") && said.contains("name `a` itself"), "{said}");
    let said = wrong(&[("build.toml", &root("'b'")), ("b", "->/")]);
    assert!(said.contains("the member `b` has no"), "{said}");
    let outside = tree(&[("build.toml", "")]);
    let said = wrong(&[("build.toml", &root("'*'")), ("b", &format!("->{}", outside.path().display()))]);
    assert!(said.contains("put the directory itself there"), "{said}");
    let said = wrong(&[("build.toml", &root("'a'")), ("a", "->.")]);
    assert!(said.contains("a workspace is no member of itself"), "{said}");
    let said = wrong(&[("build.toml", &root("'*/x'")), ("a/x/build.toml", ""), ("b/x/build.toml", "")]);
    assert!(
        said.contains("two members are called `x`: `ROOT/a/x/build.toml` and `ROOT/b/x/build.toml`"),
        "{said}"
    );
    let named = "[image]\nname = 'h/one'\n";
    let said = wrong(&[("build.toml", &root("'*'")), ("a/build.toml", named), ("b/build.toml", named)]);
    assert!(said.contains("at ROOT/a/build.toml:2:8 and at ROOT/b/build.toml:2:8"), "{said}");
    let said = wrong(&[("build.toml", &root("'a'")), ("a/build.toml", &root("'b'"))]);
    assert!(said.contains("the member `a` is the root of a workspace itself"), "{said}");
    let said =
        wrong(&[("build.toml", &format!("{}[image]\nbase = 'x'\n", root("'a'"))), ("a/build.toml", "")]);
    assert!(said.contains("write `[workspace.image]`"), "{said}");
    let alone = tree(&[("build.toml", "")]);
    let error = Workspace::open(alone.path()).expect_err("no root");
    assert!(matches!(error, WorkspaceError::NoRoot(_)), "{error}");
}

#[test]
fn an_empty_list_of_members_is_a_workspace_without_any() {
    let directory = tree(&[("build.toml", "[workspace]\n")]);
    let workspace =
        Workspace::open(directory.path()).map_err(|error| error.to_string()).expect("a workspace");
    assert!(workspace.members().is_empty());
    assert_eq!(workspace.lock_path().file_name(), Some(Path::new("build.lock").as_os_str()));
}
