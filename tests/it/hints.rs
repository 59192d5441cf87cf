//! Hints: each works when it is followed, and names what the user wrote as it was written.

use std::fs;
use std::os::unix::fs::symlink;

use crate::artifacts::{AMD64, base, elf, layout, war};
use crate::registry::Served;
use crate::support::{Project, Zip, chmod, tree_on};
use crate::verdicts::TEN;
use crate::workspace::pushed::Pushed;

#[test]
fn flags_are_shown_as_they_were_written() {
    let project = Project::small();
    for (flag, value) in [("--root", "/a/../../b"), ("--layout", "packaged")] {
        let said = project.pack("build").args(flag).arg(value).run();
        assert!(matches!(said.code, Some(1 | 2)), "{said:?}");
        assert!(!said.stderr.contains("--set"), "{said:?}");
        said.says(&[&format!("{flag} {value}")]);
    }
    // The flag wins over `--set`.
    let built = project.pack("plan --json --set app.root=/wrong --root /right").ok().json();
    assert!(built["images"][0]["layers"][0]["why"].as_str().unwrap().contains("/right"), "{built}");
}

/// A flag in a hint is one of the command that was run, or has its command before it.
#[test]
fn a_hint_names_the_command_of_a_flag() {
    let project = Project::with(
        "[image]\nname = \"localhost/a\"\nbase = \"scratch\"\ntags = [\"{env.X}\"]\n[app]\npath = \"f\"\nkind = \"tree\"\nroot = \"/a\"\n",
    );
    project.write("f/a", "a");
    for (command, flag) in [("build", "`--tag`"), ("update", "`pack build --tag`")] {
        let said = project.pack(command).args("--untrusted").run().has_code(4);
        said.says(&["which `--untrusted` forbids", &format!("= hint: give its value by a flag: {flag}, or")]);
    }
    let registry = Pushed::start();
    let other = Project::small();
    let name = format!("{}/shop/app", registry.address);
    let push = format!("build --push --name {name} --tag");
    other.pack(&push).args("1").ok();
    other.write("files/a.txt", "changed").pack(&push).args("2").ok();
    let said = other.pack(&format!("tag {name}:2 1")).fails(4);
    assert!(!said.stderr.contains("build.toml"), "{said:?}");
    said.says(&["hint: choose another tag, or give `--allow-retag` to move this one"]);
    let said = other.write("files/a.txt", "again").pack(&push).args("2").fails(4);
    said.says(&["moves = true }` in `tags` is a tag that moves"]);
}

#[test]
fn a_platform_of_windows_is_replaced_by_that_of_linux() {
    let on = base(&["linux/amd64"], "", &[]);
    let project = Project::with(&tree_on(&layout(&on)));
    project.write("files/a", "a");
    project
        .pack("build --platform windows/amd64")
        .fails(1)
        .says(&["hint: build for linux: write `linux/amd64`"]);
    project.pack("build --platform linux/amd64").ok();
}

#[test]
fn one_table_and_several_become_several() {
    let project = Project::small();
    let toml = fs::read_to_string(project.path("build.toml")).unwrap();
    let more = "[[app]]\npath = \"more\"\nroot = \"/more\"\n";
    project.write("more/x", "x").write("build.toml", format!("{toml}\n{more}"));
    project.pack("build").fails(1).says(&["write `[[app]]` for each"]);
    project.write("build.toml", format!("{}\n{more}", toml.replace("[app]", "[[app]]")));
    project.pack("build").ok();
}

#[test]
fn a_lock_of_another_version_has_one_hint() {
    let project = Project::small();
    project.write("build.lock", "version = 9\n");
    let said = project.pack("build").fails(1);
    assert_eq!(said.stderr.matches("hint: ").count(), 1, "{said:?}");
    said.says(&["locks of version 9", "use a newer version of pack"]);
}

#[test]
fn a_digest_in_a_lock_that_leads_nowhere_is_the_locks_fault() {
    let on = base(&["linux/amd64"], "", &[]);
    let served = Served::start();
    served.add("base", &on.path("layout"));
    let project = Project::with(&tree_on(&served.name("base")));
    project.write("files/a", "a").pack("build").ok();
    let lock = fs::read_to_string(project.path("build.lock")).unwrap();
    let at = lock.find("digest = \"sha256:").unwrap() + "digest = \"sha256:".len();
    let wrong = format!("{}{}{}", &lock[..at], "0".repeat(64), &lock[at + 64..]);
    for (name, text) in [
        ("the digest alone", wrong.clone()),
        (
            "without facts",
            wrong
                .lines()
                .filter(|line| !line.starts_with("checksum"))
                .fold(String::new(), |all, line| all + line + "\n"),
        ),
    ] {
        project.write("build.lock", text);
        for command in ["plan", "build"] {
            let said = project.pack(command).run();
            assert_eq!(said.code, Some(3), "{name}: {said:?}");
            said.says(&[
                "is pinned at sha256:0000",
                "by `build.lock`",
                "hint: `pack update` locks the digest",
            ]);
        }
    }
    project.pack("update").ok();
    project.pack("build").ok();
}

#[test]
fn a_path_with_a_colon_is_told_of() {
    let project = Project::small();
    let on = Project::small();
    on.pack("build -o oci:out").ok();
    crate::support::copy_tree(&on.path("out"), &project.path("co:lon"));
    let said = project.pack("build --base oci:co:lon/b").fails(1);
    said.says(&["there is no directory `", "co`: a path ends at its first colon"]).hints();
    fs::rename(project.path("co:lon"), project.path("colon")).unwrap();
    project.pack("build --base oci:colon").ok();
    project
        .pack("inspect oci-archive:co:lon.tar")
        .fails(1)
        .says(&["hint: check the path, which ends at its first colon"]);
}

#[test]
fn help_is_where_the_hint_says() {
    let project = Project::new();
    for (line, hint) in [
        ("xyz", "`pack --help`"),
        ("help xyz", "`pack help`"),
        ("help build xyz", "`pack --help`"),
        ("cache xyz", "`pack cache --help`"),
    ] {
        project.pack(line).fails(2).says(&[&format!("hint: {hint} lists the commands")]);
    }
    for (line, same) in [
        ("help", "--help"),
        ("help build", "build --help"),
        ("help cache", "cache --help"),
        ("help cache prune", "cache prune --help"),
        ("cache help prune", "cache prune --help"),
    ] {
        let (said, same) = (project.pack(line).ok().stdout, project.pack(same).ok().stdout);
        assert_eq!(said, same, "{line}");
    }
    assert!(project.pack("--help").ok().stdout.contains("build"));
    assert!(project.pack("cache --help").ok().stdout.contains("prune"));
}

#[test]
fn a_program_that_was_cut_off_is_to_be_copied_again() {
    let project = Project::with(
        "[image]\nname = \"localhost/app\"\nbase = \"scratch\"\ntags = [\"1\"]\n\n[app]\npath = \"server\"\n",
    );
    let whole = elf(AMD64, &["libshop.so.1"]);
    for length in [5, 30, 63, 64, 100, whole.len() - 1] {
        project.write("server", &whole[..length]);
        let said = project.pack("build").fails(1);
        said.says(&["the file is truncated: ", "hint: build or copy it again"]);
    }
}

#[test]
fn what_was_looked_for_is_a_list_of_signs() {
    let project = Project::new();
    let mut zip = Zip::default();
    project.write("some.zip", zip.stored("a.txt", b"a").finish());
    let said = project.pack("build some.zip --base scratch").fails(1);
    assert!(!said.stderr.contains("or a Java"), "{said:?}");
    said.says(&["`WEB-INF/`", "`META-INF/MANIFEST.MF`", "Java classes,"]);
}

#[test]
fn the_place_of_a_directory_fits_its_base() {
    let tomcat = base(&["linux/amd64"], TEN, &[]);
    let project = Project::new();
    project
        .write("site/index.html", "a")
        .write("tree/a", "a")
        .write("shop.war", war(&[("WEB-INF/web.xml", b"<web-app/>")]));
    for path in ["site", "tree"] {
        let said = project.pack("build").args(path).arg("--base").arg(layout(&tomcat)).fails(1);
        assert!(!said.stderr.contains("nginx"), "{said:?}");
        said.says(&["hint: set `app.root` or `--root`, such as \"/srv/www\""]);
        project.pack("build --root /srv/www").args(path).arg("--base").arg(layout(&tomcat)).ok();
    }
}

/// A place would not help a project whose packages are not installed, or are left out.
#[test]
fn a_project_without_its_packages_is_to_be_installed() {
    let node = base(&["linux/amd64"], "", &[("usr/bin/node", "")]);
    let project = Project::new();
    let manifest = r#"{"main":"a.js","dependencies":{"greet":"1"}}"#;
    project.write("flask/requirements.txt", "flask").write("flask/wsgi.py", "");
    project.write("express/package.json", manifest).write("express/a.js", "");
    project
        .write("left/package.json", manifest)
        .write("left/a.js", "")
        .write("left/.packignore", "node_modules\n");
    project.write("left/node_modules/greet/package.json", r#"{"version":"1.0.0"}"#);
    for (path, says) in [
        ("flask", ["without its packages", "pip install -r requirements.txt"]),
        ("express", ["without its packages (`greet`)", "for a member of a workspace, install at the root"]),
        ("left", ["leaves out `node_modules`", "take `node_modules` out of `.packignore`"]),
    ] {
        let said = project.pack("build").args(path).arg("--base").arg(layout(&node)).fails(1);
        said.says(&says).hints();
    }
}

/// The hint for a member of a workspace of npm asks no registry for its siblings, and works.
#[test]
fn a_member_of_a_workspace_of_npm_is_built_from_the_root() {
    let node = base(&["linux/amd64"], "", &[("usr/bin/node", "")]);
    chmod(&node.path("files/usr/bin/node"), 0o755);
    node.pack("build -o oci:layout").ok();
    let project = Project::new();
    project
        .write("package.json", r#"{"private":true,"workspaces":["apps/*","packages/*"]}"#)
        .write("packages/a/package.json", r#"{"name":"@x/a","version":"1.0.0"}"#)
        .write("packages/a/index.js", "")
        .write("apps/web/package.json", r#"{"name":"web","main":"server.js","dependencies":{"@x/a":"*"}}"#)
        .write("apps/web/server.js", "require('@x/a')");
    fs::create_dir_all(project.path("node_modules/@x")).unwrap();
    symlink("../../packages/a", project.path("node_modules/@x/a")).unwrap();
    symlink("../apps/web", project.path("node_modules/web")).unwrap();
    let said = project.pack("build apps/web --base").arg(layout(&node)).fails(1);
    let said =
        said.says(&["install at the root", "--set 'config.entrypoint=[\"node\", \"MEMBER/server.js\"]'"]);
    assert!(!said.stderr.contains("--no-workspaces"), "{said:?}");
    let set = r#"config.entrypoint=["node", "apps/web/server.js"]"#;
    project.pack("build . --base").arg(layout(&node)).arg("--set").arg(set).ok();
}

/// A place in the image makes no tree of a project whose packages are not installed; the kind does.
#[test]
fn a_root_makes_no_tree_of_a_project_without_its_packages() {
    let node = base(&["linux/amd64"], "", &[("usr/bin/node", "")]);
    let project = Project::new();
    let manifest = r#"{"main":"a.js","dependencies":{"greet":"1"}}"#;
    project.write("express/package.json", manifest).write("express/a.js", "");
    project.write("flask/requirements.txt", "flask").write("flask/wsgi.py", "");
    project
        .write("poetry/pyproject.toml", "[tool.poetry.dependencies]\nflask = '3'\n")
        .write("poetry/a.py", "");
    project.write("damaged/package.json", "{,}").write("damaged/a.js", "");
    for (path, says) in [
        ("express", "without its packages (`greet`)"),
        ("flask", "project of Python (`requirements.txt`) without its packages"),
        ("poetry", "project of Python (`pyproject.toml`) without its packages"),
        ("damaged", "`package.json` is damaged"),
    ] {
        for root in ["/srv/app", "/"] {
            let toml = |more: &str| {
                let base = layout(&node);
                format!("[image]\nbase = \"{base}\"\n[app]\npath = \"{path}\"\nroot = \"{root}\"\n{more}")
            };
            project.write("build.toml", toml(""));
            project.pack("build").fails(1).says(&[says, "hint: ", "`app.kind = \"tree\"`"]);
            project.pack("check").fails(1).says(&[says]);
            project.write("build.toml", toml("kind = \"tree\"\n"));
            project.pack("build").ok();
        }
    }
    // Files of a project that is not itself in the image, and files that name no package.
    let rest = format!("[image]\nbase = \"{}\"\n[app]\nroot = \"/srv\"\n", layout(&node));
    project.write("build.toml", format!("{rest}path = \"express\"\nexclude = [\"package.json\"]\n"));
    project.pack("build").ok();
    project.write("tools/pyproject.toml", "[tool.ruff]\nline-length = 100\n").write("tools/a.py", "");
    project
        .write("tools/package.json", r#"{"devDependencies":{"x":"1"}}"#)
        .write("tools/requirements.txt", "# none\n");
    project.write("build.toml", format!("{rest}path = \"tools\"\n"));
    project.pack("build").ok();
    // Pages may have such a file of their own.
    project.write("express/index.html", "a");
    project.write("build.toml", format!("{rest}path = \"express\"\n"));
    project.pack("build").ok().says(&[
        "warning: ",
        "without its packages (`greet`)",
        "`app.kind = \"site\"`",
    ]);
    project.write("build.toml", format!("{rest}path = \"express\"\nkind = \"site\"\n"));
    let said = project.pack("build").ok();
    assert!(!said.stderr.contains("without its packages"), "{said:?}");
}

/// Patterns that leave out all of an artifact are no artifact that is not built.
#[test]
fn patterns_that_leave_out_all_are_named() {
    let project = Project::new();
    project.write("tree/a", "a").write("tree/b/c", "c").write("tree/.packignore", "*\n!b\n");
    let build = "build tree --base scratch --root /srv";
    let said = project.pack(build).fails(1);
    said.says(&[
        "`.packignore` leaves out all files of `",
        "hint: in `.packignore`, `*` matches at every depth",
    ]);
    project.write("tree/.packignore", "/*\n!/b\n");
    project.pack(build).ok();
    fs::remove_file(project.path("tree/.packignore")).unwrap();
    project
        .pack(build)
        .arg("--set")
        .arg("app.exclude=[\"*\"]")
        .fails(1)
        .says(&["`exclude` leaves out all files"]);
    // Of a layer, the directory stays, and that is told.
    project.write(
        "build.toml",
        "[image]\nbase = \"scratch\"\n[[layer]]\nname = \"l\"\nfiles = [{ from = \"tree/\", to = \"/x\", exclude = [\"*\"] }]\n",
    );
    project.pack("build").ok().says(&["note: `exclude` leaves out all files of `"]);
    // A directory without files has none left out.
    fs::create_dir_all(project.path("empty/sub")).unwrap();
    project.write("empty/.packignore", "*\n");
    project
        .pack("build empty --base scratch --root /srv")
        .fails(1)
        .says(&["has no files", "build the artifact first"]);
}

/// npm and Node.js pass over a byte order mark.
#[test]
fn a_package_json_with_a_byte_order_mark_is_read() {
    let node = base(&["linux/amd64"], "", &[("usr/bin/node", "")]);
    chmod(&node.path("files/usr/bin/node"), 0o755);
    node.pack("build -o oci:layout").ok();
    let project = Project::new();
    project
        .write("app/package.json", "\u{feff}{\"scripts\":{\"start\":\"node a.js\"}}")
        .write("app/a.js", "");
    project.pack("build app --base").arg(layout(&node)).ok();
}

#[test]
fn a_mode_without_quotes_gets_them() {
    let project = Project::small();
    let toml = fs::read_to_string(project.path("build.toml")).unwrap();
    for line in ["mode = 0660", "permissions = [{ path = \"*\", directory-mode=0750 }]"] {
        project.write("build.toml", format!("{toml}{line}\n"));
        let number = line.split(['=', ' ', '}']).find(|word| word.starts_with('0')).unwrap();
        let said = project.pack("build").fails(1);
        said.says(&[
            &format!("the number `{number}` begins with a zero"),
            &format!("hint: a mode is a string: write `\"{number}\"`"),
        ]);
        project.write("build.toml", format!("{toml}{}\n", line.replace(number, &format!("\"{number}\""))));
        project.pack("build").ok();
    }
    // Another number has no leading zero.
    project.write("build.toml", format!("{toml}[config]\nports = [080]\n"));
    project.pack("build").fails(1).says(&["the number `080` begins", "hint: write `80`, or `\"080\"`"]);
    project.write("build.toml", format!("{toml}[config]\nports = [80]\n"));
    project.pack("build").ok();
}
