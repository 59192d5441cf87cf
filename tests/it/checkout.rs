//! Repositories around a project: facts, templates, and what a foreign checkout may not do.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex};

use crate::support::{
    Built, Project, Zip, chmod, copy_tree, files_below, is_root, settle, skipped, text, tree_on,
};

/// Runs git in a directory of the project, as its user would.
#[track_caller]
pub(crate) fn git_in(project: &Project, directory: &Path, arguments: &[&str]) -> String {
    let mut git = Command::new("git");
    git.current_dir(directory).env_clear().env("PATH", "/usr/local/bin:/usr/bin:/bin");
    git.env("HOME", project.beside("home")).env("GIT_CONFIG_NOSYSTEM", "1");
    for who in ["AUTHOR", "COMMITTER"] {
        git.env(format!("GIT_{who}_NAME"), "n").env(format!("GIT_{who}_EMAIL"), "n@example.com");
        git.env(format!("GIT_{who}_DATE"), "1700000000 +0000");
    }
    let output = git.args(arguments).output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

#[track_caller]
pub(crate) fn git(project: &Project, arguments: &str) -> String {
    git_in(project, &project.root(), &arguments.split_whitespace().collect::<Vec<_>>())
}

/// The smallest project, with the commit as its tag, in a repository with all of it committed.
fn committed() -> Project {
    let project = Project::small();
    let build_toml = fs::read_to_string(project.path("build.toml")).unwrap();
    project.write("build.toml", build_toml.replace("tags = [\"1\"]\n", ""));
    git(&project, "init -q -b main");
    git(&project, "add .");
    git(&project, "commit -q -m first");
    project
}

/// Gives a file times that no index knows.
fn touch(path: &Path) {
    let file = fs::File::options().write(true).open(path).unwrap();
    let time = std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_000_000_000);
    file.set_times(fs::FileTimes::new().set_modified(time)).unwrap();
}

/// A configuration with every key that names a program; each makes a file in `marks`.
fn hostile_config(marks: &Path) -> String {
    let run = |name: &str| format!("touch {}/{name}", marks.display());
    let mut config = String::from(
        "[core]\n\trepositoryformatversion = 1\n\tbare = false\n[extensions]\n\tpartialClone = evil\n[remote \"evil\"]\n\
         \turl = ssh://nobody@127.0.0.1:1/x\n\tpromisor = true\n\tpartialclonefilter = blob:none\n",
    );
    let mut key = |section: &str, key: &str, value: String| {
        config.push_str(&format!("[{section}]\n\t{key} = \"{value}\"\n"));
    };
    for name in ["fsmonitor", "sshCommand", "pager", "editor", "gitProxy", "askPass", "alternateRefsCommand"]
    {
        key("core", name, run(name));
    }
    key("core", "hooksPath", format!("{}/hooks", marks.display()));
    for filter in ["x", "lfs"] {
        let section = format!("filter \"{filter}\"");
        for name in ["clean", "smudge", "process"] {
            key(&section, name, run(&format!("{filter}-{name}")));
        }
        key(&section, "required", "true".to_owned());
    }
    key("diff", "external", run("external"));
    key("diff \"x\"", "textconv", run("textconv"));
    key("diff \"x\"", "command", run("command"));
    key("merge \"x\"", "driver", run("driver"));
    key("gpg", "program", run("gpg"));
    key("gpg.ssh", "program", run("gpg-ssh"));
    key("log", "showSignature", "true".to_owned());
    key("credential", "helper", format!("!{}", run("credential")));
    key("remote \"evil\"", "uploadpack", run("uploadpack"));
    key("remote \"evil\"", "vcs", "ext".to_owned());
    key("pager", "status", run("pager-status"));
    for name in ["status", "log", "cat-file", "ls-files", "check-attr", "diff-files"] {
        key("alias", name, format!("!{}", run(&format!("alias-{name}"))));
    }
    key("include", "path", format!("{}/included", marks.display()));
    key("status", "submoduleSummary", "true".to_owned());
    key("submodule", "recurse", "true".to_owned());
    key("protocol.ext", "allow", "always".to_owned());
    config
}

/// Puts such a configuration, and hooks, into a directory of a repository.
fn poison(git_directory: &Path, marks: &Path) {
    fs::create_dir_all(marks.join("hooks")).unwrap();
    fs::write(
        marks.join("included"),
        format!("[core]\n\tfsmonitor = touch {}/included-ran\n", marks.display()),
    )
    .unwrap();
    fs::write(git_directory.join("config"), hostile_config(marks)).unwrap();
    fs::create_dir_all(git_directory.join("hooks")).unwrap();
    for hook in ["post-index-change", "fsmonitor-watchman", "post-checkout", "reference-transaction"] {
        for directory in [git_directory.join("hooks"), marks.join("hooks")] {
            fs::write(directory.join(hook), format!("#!/bin/sh\ntouch {}/hook-{hook}\n", marks.display()))
                .unwrap();
            chmod(&directory.join(hook), 0o755);
        }
    }
}

/// The marks of programs that were run.
fn marks(marks: &Path) -> Vec<PathBuf> {
    let given = |path: &PathBuf| path.starts_with(marks.join("hooks")) || path.ends_with("included");
    files_below(marks).into_iter().filter(|path| !given(path)).collect()
}

#[test]
fn a_foreign_checkout_runs_nothing() {
    let project = committed();
    let marked = project.beside("marks");
    project.write(".gitattributes", "* filter=x diff=x merge=x\n*.bin filter=lfs\n");
    project.write("files/big.bin", "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n");
    git(&project, "add .");
    git(&project, "commit -q -m second");
    poison(&project.path(".git"), &marked);
    // Nothing of it is as the index knows it, and an object is missing that a remote would have.
    for file in ["files/a.txt", "files/sub/b.txt", "build.toml", "files/big.bin"] {
        touch(&project.path(file));
    }
    let object = git(&project, "rev-parse HEAD:files/big.bin");
    fs::remove_file(project.path(&format!(".git/objects/{}/{}", &object[..2], &object[2..]))).unwrap();
    project.write("files/big.bin", "another content");

    for command in ["plan", "build", "update", "plan --explain --json", "inspect localhost/tree:1", "images"]
    {
        project.pack(command).run();
        assert_eq!(marks(&marked), Vec::<PathBuf>::new(), "`pack {command}` ran a program of the repository");
    }
    project.pack("build --tag 1").ok();
    project
        .pack("plan --root /srv")
        .arg(project.path("files").display().to_string())
        .arg("--name")
        .arg("localhost/x")
        .ok();
    assert_eq!(marks(&marked), Vec::<PathBuf>::new());

    // The judge: git itself runs some of them.
    let mut git = Command::new("git");
    git.current_dir(project.root()).env("HOME", project.beside("home")).arg("status").output().unwrap();
    assert_ne!(marks(&marked), Vec::<PathBuf>::new(), "the repository is not hostile");
}

#[test]
fn a_directory_that_looks_like_a_repository_is_a_directory() {
    let project = committed();
    let clean = text(&project.build("").metadata["tags"][0]);
    let marked = project.beside("marks");
    // As a commit may bring it: an embedded bare repository whose working tree is the directory itself.
    let app = project.path("app");
    git_in(&project, &project.root(), &["init", "-q", "--bare", "app"]);
    fs::write(app.join("file"), "x").unwrap();
    poison(&app, &marked);
    let config = hostile_config(&marked).replace("bare = false", "bare = false\n\tworktree = .");
    fs::write(app.join("config"), config).unwrap();
    git(&project, "add -f .");
    git(&project, "commit -q -m second");
    for command in ["plan app --name localhost/app", "build app --name localhost/app --root /srv --tag 1"] {
        project.pack(command).run();
        assert_eq!(marks(&marked), Vec::<PathBuf>::new(), "`pack {command}`");
    }
    let commit = git(&project, "rev-parse HEAD");
    let inside = project.pack("plan --name localhost/app --json");
    inside.cwd(&app).arg(".").run();
    assert_eq!(marks(&marked), Vec::<PathBuf>::new());
    let now = text(&project.build("").metadata["tags"][0]);
    assert!(now != clean && commit.starts_with(&now), "{now} {commit}");
}

#[test]
fn submodules_run_nothing_either() {
    let (project, inner) = (committed(), committed());
    let marked = project.beside("marks");
    let from = inner.root().display().to_string();
    git_in(
        &project,
        &project.root(),
        &["-c", "protocol.file.allow=always", "submodule", "--quiet", "add", &from, "inner"],
    );
    git(&project, "commit -q -m second");
    let commit = git(&project, "rev-parse HEAD");
    assert!(commit.starts_with(&text(&project.build("").metadata["tags"][0])), "clean");
    project.write("inner/.gitattributes", "* filter=x\n");
    git_in(&project, &project.path("inner"), &["add", "."]);
    git_in(&project, &project.path("inner"), &["commit", "-q", "-m", "attributes"]);
    git(&project, "commit -q -a -m third");
    poison(&project.path(".git/modules/inner"), &marked);
    touch(&project.path("inner/files/a.txt"));
    project.build("--tag 1");
    assert_eq!(marks(&marked), Vec::<PathBuf>::new());
    project.append("inner/files/a.txt", "changed\n");
    let dirty = text(&project.build("").metadata["tags"][0]);
    assert!(dirty.contains("-dirty-"), "{dirty}");
    assert_eq!(marks(&marked), Vec::<PathBuf>::new());
}

#[test]
fn git_is_not_taken_from_the_working_directory() {
    let project = committed();
    let commit = git(&project, "rev-parse HEAD");
    let marked = project.beside("marked");
    project.write("bin/git", format!("#!/bin/sh\ntouch {}\n", marked.display()));
    fs::copy(project.path("bin/git"), project.path("git")).unwrap();
    for program in ["bin/git", "git"] {
        chmod(&project.path(program), 0o755);
    }
    for path in ["bin:/usr/bin:/bin", ".:/usr/bin:/bin", ":/usr/bin:/bin", "./bin:/usr/bin:/bin"] {
        let tag = text(&project.pack("build").env("PATH", path).built("").metadata["tags"][0]);
        assert!(tag.starts_with(&commit[..12]), "{path}: {tag}");
        assert!(!marked.exists(), "{path}");
    }
}

#[test]
fn the_lock_makes_no_tree_dirty() {
    let project = Project::bookstore();
    let build_toml = fs::read_to_string(project.path("build.toml")).unwrap();
    let without: String = build_toml
        .lines()
        .filter(|line| !line.starts_with("tags"))
        .fold(String::new(), |text, line| text + line + "\n");
    project.write("build.toml", without);
    fs::remove_file(project.path("build.lock")).unwrap();
    git(&project, "init -q -b main");
    git(&project, "add .");
    git(&project, "commit -q -m first");
    let commit = git(&project, "rev-parse HEAD");
    let first = project.build("");
    assert!(project.path("build.lock").exists());
    let second = project.build("");
    assert_eq!(first.digest(), second.digest(), "the lock that the first build wrote");
    assert_eq!(text(&second.metadata["tags"][0]), commit[..12]);
    git(&project, "add build.lock");
    assert_eq!(project.build("").digest(), first.digest(), "staged");
    git(&project, "commit -q -m lock");
    let lock = fs::read_to_string(project.path("build.lock")).unwrap();
    project.write("build.lock", format!("# a comment\n{lock}"));
    let commit = git(&project, "rev-parse HEAD");
    assert_eq!(text(&project.build("").metadata["tags"][0]), commit[..12], "changed");
    // The lock of `pack resolve --pin`, which is to be committed, too.
    project.write("images.lock", "version = 1\n");
    assert_eq!(text(&project.build("").metadata["tags"][0]), commit[..12], "images.lock");
    // A file of that name that belongs to no build file is anybody's.
    project.write("elsewhere/images.lock", "x");
    assert!(text(&project.build("").metadata["tags"][0]).contains("-dirty-"));
    fs::remove_file(project.path("elsewhere/images.lock")).unwrap();
    project.write("elsewhere/build.lock", "x");
    assert!(text(&project.build("").metadata["tags"][0]).contains("-dirty-"));
}

/// `images.lock` makes no tree dirty, so it must not be in an image either.
#[test]
fn the_lock_of_other_images_is_in_no_image() {
    let project = Project::with(
        "[image]\nname = \"localhost/a\"\nbase = \"scratch\"\n[app]\npath = \".\"\nkind = \"tree\"\nroot = \"/srv\"\n",
    );
    project.write("a.txt", "a").write("sub/images.lock", "other");
    let before = project.build("").digest();
    project.write("images.lock", "version = 1\n");
    assert_eq!(project.build("").digest(), before);
    project.pack("build").ok().says(&["`images.lock` is left out of `", "; `pack resolve --pin` keeps it"]);
    project.write("sub/images.lock", "another");
    assert_ne!(project.build("").digest(), before);
}

#[test]
fn without_git_a_repository_is_not_passed_over_in_silence() {
    let project = committed();
    let said = project.pack("build").env("PATH", "/nonexistent").ok();
    let said = said.says(&["warning: ", "is a git repository", "install git"]);
    assert!(said.stderr.contains(&project.root().display().to_string()), "{said:?}");
    project.pack("build --tag {git.short}").env("PATH", "/nonexistent").fails(1).hints();
    let outside = Project::small();
    let said = outside.pack("build").env("PATH", "/nonexistent").ok();
    assert!(said.warnings().is_empty(), "{said:?}");
}

#[test]
fn a_checkout_of_somebody_else_is_read() {
    if !is_root() {
        return skipped("a checkout of another owner", "only root can give files away");
    }
    let project = committed();
    let commit = git(&project, "rev-parse HEAD");
    let given = Command::new("chown").args(["-R", "65534:65534"]).arg(project.root()).status().unwrap();
    assert!(given.success());
    for environment in [
        &[][..],
        &[("SUDO_UID", "65534")],
        &[("GIT_CONFIG_COUNT", "1"), ("GIT_CONFIG_KEY_0", "safe.directory"), ("GIT_CONFIG_VALUE_0", "*")],
    ] {
        let mut run = project.pack("build");
        for (name, value) in environment {
            run = run.env(name, value);
        }
        let tag = text(&run.built("").metadata["tags"][0]);
        assert_eq!(tag, commit[..12], "{environment:?}");
    }
    let tag = text(
        &project.pack("build").nobody().cache(&project.beside("tmp/cache")).built("").metadata["tags"][0],
    );
    assert_eq!(tag, commit[..12]);
}

#[test]
fn a_repository_that_cannot_be_read_has_a_hint_that_works() {
    let project = committed();
    fs::write(project.path(".git/index"), "damaged").unwrap();
    let sub = project.pack("build --tag 1");
    let said = sub.fails(1).hints();
    let command = format!("git -C {} status", project.root().display());
    assert!(said.stderr.contains(&command), "{said:?}");
    fs::remove_file(project.path(".git/index")).unwrap();
    git(&project, "reset -q");
    project.pack("build --tag 1").ok();
    symlink("/dev/zero", project.path(".git/info/attributes")).unwrap();
    project.pack("build --tag 1").fails(1).says(&["info/attributes", "not a regular file"]);
}

/// A project whose build file comes from anyone, beside what it may not reach.
fn foreign(build_toml: &str) -> Project {
    let project = Project::with(build_toml);
    project.write("files/a.txt", "a\n");
    fs::create_dir(project.beside("secrets")).unwrap();
    fs::write(project.beside("secrets/key"), "hunter2").unwrap();
    project
}

#[test]
fn an_untrusted_build_file_decides_nothing_about_the_machine() {
    let app = "[app]\npath = \"files\"\nkind = \"tree\"\nroot = \"/srv\"\n";
    let layer = |files: &str| format!("{app}[[layer]]\nname = \"l\"\nfiles = [{files}]\n");
    let cases: [(&str, String, u32, &str); 15] = [
        (
            "the artifact",
            "[app]\npath = \"../secrets\"\nkind = \"tree\"\nroot = \"/srv\"\n".into(),
            2,
            "outside",
        ),
        ("files", layer("{ from = \"../secrets/key\", to = \"/key\" }"), 7, "outside"),
        ("files by a link", layer("{ from = \"out/key\", to = \"/key\" }"), 7, "outside"),
        ("an absolute path", layer("{ from = \"/etc/passwd\", to = \"/key\" }"), 7, "outside"),
        ("patterns by a link", layer("{ from = \"linked\", to = \"/x/\" }"), 7, "`.packignore`"),
        ("a base", format!("[image]\nbase = \"oci:../secrets\"\n{app}"), 2, "outside"),
        (
            "a base in an archive",
            format!("[image]\nbase = \"docker-archive:out/x.tar\"\n{app}"),
            2,
            "outside",
        ),
        ("a base in the store", format!("[image]\nbase = \"store:localhost/x:1\"\n{app}"), 2, "own store"),
        (
            "a label of the environment",
            format!("{app}[config]\nlabels = {{ x = \"{{env.TOKEN}}\" }}\n"),
            6,
            "environment",
        ),
        ("a tag of the environment", format!("[image]\ntags = [\"{{env.TOKEN}}\"]\n{app}"), 2, "environment"),
        (
            "a mirror",
            format!("{app}[registry.\"docker.io\"]\nmirrors = [\"https://evil.example\"]\n"),
            6,
            "mirrors",
        ),
        ("no TLS", format!("{app}[registry.\"r.example\"]\nplain-http = true\n"), 6, "plain-http"),
        (
            "no check",
            format!("{app}[registry.\"r.example\"]\nskip-tls-verify = true\n"),
            6,
            "skip-tls-verify",
        ),
        ("an authority", format!("{app}[registry.\"r.example\"]\nca-file = \"files/a.txt\"\n"), 6, "ca-file"),
        ("another cache", format!("{app}[cache]\nrepository = \"r.example/x\"\n"), 6, "cache"),
    ];
    for (what, build_toml, line, word) in cases {
        let project = foreign(&build_toml);
        symlink("../secrets", project.path("out")).unwrap();
        project.write("linked/x", "x");
        symlink("../../secrets/key", project.path("linked/.packignore")).unwrap();
        for command in ["build", "plan", "update"] {
            let said = project.pack(command).arg("--untrusted").env("TOKEN", "hunter2").fails(4).hints();
            let said = said.says(&[word, "`--untrusted` forbids", &format!("build.toml:{line}")]);
            assert!(!said.stderr.contains("hunter2"), "{what}: {said:?}");
        }
        let by_variable = project.pack("plan").env("PACK_UNTRUSTED", "1").env("TOKEN", "x").run();
        assert_eq!(by_variable.code, Some(4), "{what}: {by_variable:?}");
        assert!(!project.path("build.lock").exists(), "{what}");
    }
}

#[test]
fn what_the_user_types_is_trusted() {
    let project = foreign(&tree_on("scratch"));
    project.build("--untrusted");
    let key = project.beside("secrets").display().to_string();
    let set = format!("layer=[{{name=\"l\",files=[{{from=\"{key}\",to=\"/l/\"}}]}}]");
    project.pack("build --untrusted").arg("--set").arg(set).ok();
    project.pack("build --untrusted --tag v{env.TAG}").env("TAG", "1").ok();
    project
        .pack("build --untrusted")
        .arg(key)
        .arg("--root")
        .arg("/srv")
        .arg("--name")
        .arg("localhost/x")
        .ok();
}

#[test]
fn an_untrusted_build_file_takes_no_check_away() {
    let with = |check: &str| foreign(&format!("{}[check]\n{check}\n", tree_on("scratch")));
    for (check, word) in [
        ("allow = { secret = \"fine\" }", "`allow` of the rule `secret`"),
        ("levels = { secret = \"off\" }", "`off` as the level of the rule `secret`"),
        ("levels = { secret = \"warning\" }", "`warning` as the level"),
        ("levels = { build-path = \"note\" }", "`note` as the level"),
        ("levels = { runs-as-root = \"off\" }", "`off` as the level"),
        ("levels = { clobbers-base = \"note\" }", "`note` as the level"),
    ] {
        let project = with(check);
        for command in ["build", "plan", "check"] {
            let said = project.pack(command).arg("--untrusted").fails(4).hints();
            said.says(&[word, "`--untrusted` forbids", "`--allow RULE=WHY`"]);
        }
        project.pack("build").ok();
    }
    for check in [
        "runs-as-root = \"warning\"",
        "build-path = \"warning\"",
        "secret = \"error\"",
        "base-latest = \"note\"",
    ] {
        with(&format!("levels = {{ {check} }}")).pack("build --untrusted").ok();
    }
    // The user may.
    let project = foreign(&tree_on("scratch"));
    project.pack("build --untrusted").arg("--allow").arg("secret=fine").ok();
    project.pack("build --untrusted").arg("--set").arg("check.levels={ secret = \"off\" }").ok();
}

#[test]
fn an_untrusted_build_file_does_not_say_where_to_push() {
    let project = foreign(&tree_on("scratch"));
    // Refused before anything is asked: nothing listens there.
    project.pack("build --push --untrusted").fails(4).hints().says(&[
        "localhost/tree",
        "`--name`",
        "the tag `1`",
        "`--tag`",
        "build.toml:2",
        "build.toml:4",
    ]);
    let to = "127.0.0.1:1/trusted/app";
    project.pack("build --push --untrusted --tag 1").arg("--name").arg(to).fails(3);
    project.pack("build --push --untrusted").arg("--name").arg(to).fails(4).says(&["the tag `1`"]);
}

#[test]
fn files_of_an_untrusted_project_are_files_of_it() {
    for name in ["build.toml", "build.lock"] {
        let project = foreign(&tree_on("scratch"));
        let _ = fs::remove_file(project.path(name));
        symlink("../secrets/key", project.path(name)).unwrap();
        let said =
            project.pack("build --untrusted").fails(4).hints().says(&[name, "leads out of the project"]);
        assert!(!said.stderr.contains("hunter2"), "{said:?}");
    }
    let project = foreign("");
    symlink("../../secrets/key", project.path("files/.packignore")).unwrap();
    let said = project.pack("build files --untrusted --root /srv --name localhost/x").fails(4);
    assert!(!said.stderr.contains("hunter2"), "{said:?}");
}

/// A file of the machine, outside of the project, that says more than its author may learn; and how links name it.
fn secret(project: &Project, name: &str, text: &str) -> [PathBuf; 2] {
    fs::write(project.beside("secrets").join(name), text).unwrap();
    let root = project.root();
    let above = root.components().filter(|part| matches!(part, std::path::Component::Normal(_))).count();
    let absolute = project.beside("secrets").join(name);
    let up = "../".repeat(above + 4);
    [absolute.clone(), Path::new(&up).join(absolute.strip_prefix("/").unwrap())]
}

#[test]
fn the_parts_of_an_untrusted_layout_are_parts_of_the_project() {
    let parts = ["oci-layout", "index.json", "blobs", "blobs/sha256", "blobs/sha256/one"];
    for part in parts {
        let project = foreign(&format!(
            "[image]\nbase = \"oci:base\"\n{}",
            &tree_on("x")[tree_on("x").find("[app]").unwrap()..]
        ));
        let outside = foreign(&tree_on("scratch"));
        outside.build("-o oci:layout");
        copy_tree(&outside.path("layout"), &project.path("base"));
        project.pack("build --untrusted --name localhost/x --tag 1").ok();
        let from = match part {
            "blobs/sha256/one" => {
                let blobs = fs::read_dir(project.path("base/blobs/sha256")).unwrap();
                let name = blobs.map(|blob| blob.unwrap().file_name().into_string().unwrap()).min().unwrap();
                format!("blobs/sha256/{name}")
            }
            part => part.to_owned(),
        };
        let place = project.path("base").join(&from);
        fs::rename(&place, project.beside("secrets/part")).unwrap();
        symlink(project.beside("secrets/part"), &place).unwrap();
        for base in ["", "--base oci:base"] {
            let said =
                project.pack("build --untrusted --name localhost/x --tag 1").args(base).fails(4).hints();
            said.says(&[&format!("`{from}`"), "leads out of the project", "`--untrusted` forbids"]);
        }
        // It is a layout all the same, as build tools make them of links.
        project.pack("build --name localhost/x --tag 1").ok();
    }
}

#[test]
fn no_script_outside_of_an_artifact_starts_it() {
    const SCRIPT: &str = "#!/SECRETFILE\nexec java -Dp=SECRETVALUE -cp \"$APP_HOME/lib/a.jar\" a.Main\n";
    let app = "[image]\nname = \"localhost/x\"\nbase = \"scratch\"\ntags = [\"1\"]\n[app]\npath = \"w\"\n";
    for start in ["", "start = \"java\"\n", "kind = \"distribution\"\n"] {
        let project = foreign(&format!("{app}{start}"));
        project.write("w/lib/a.jar", "a library");
        fs::create_dir(project.path("w/bin")).unwrap();
        for target in secret(&project, "script", SCRIPT) {
            let _ = fs::remove_file(project.path("w/bin/w"));
            symlink(target, project.path("w/bin/w")).unwrap();
            for command in ["build --untrusted", "plan --untrusted", "check", "build"] {
                let said = project.pack(command).fails(1);
                assert!(!format!("{said:?}").contains("SECRET"), "{command}: {said:?}");
            }
        }
        // A link that stays in the artifact is the script that it leads to.
        fs::remove_file(project.path("w/bin/w")).unwrap();
        project.write("w/real", SCRIPT);
        symlink("../real", project.path("w/bin/w")).unwrap();
        project.pack("plan --untrusted").fails(1).says(&["the image lacks `java`"]);
    }
}

#[test]
fn no_account_of_this_machine_is_one_of_the_image() {
    let layer = "[image]\nname = \"localhost/x\"\nbase = \"scratch\"\ntags = [\"1\"]\n\
                 [[layer]]\nname = \"l\"\nfiles = [{ from = \"etc/\", to = \"/etc/\", owner = \"stranger\" }]\n";
    let project = foreign(layer);
    project.write("etc/hosts", "x");
    for target in secret(&project, "passwd", "stranger:x:1234:1234::/:/bin/sh\n") {
        let _ = fs::remove_file(project.path("etc/passwd"));
        symlink(target, project.path("etc/passwd")).unwrap();
        for command in ["build --untrusted", "plan", "build"] {
            let said = project.pack(command).fails(1).hints();
            said.says(&["etc/passwd", "leads out of the directory", "1000:1000"]);
        }
    }
    fs::remove_file(project.path("etc/passwd")).unwrap();
    project.write("etc/accounts/passwd", "stranger:x:77:78::/:/bin/sh\n");
    symlink("accounts/passwd", project.path("etc/passwd")).unwrap();
    // The name is listed there.
    project.pack("plan --untrusted").ok();
}

#[test]
fn a_time_in_milliseconds_is_refused_with_the_seconds() {
    let project = Project::small();
    let epoch = |value: &str| project.pack("build").env("SOURCE_DATE_EPOCH", value);
    let said = epoch("1700000000000").fails(2).hints().says(&["SOURCE_DATE_EPOCH", "milliseconds"]);
    assert!(said.stderr.contains("1700000000`"), "{said:?}");
    let built = epoch("1700000000").built("");
    let image = project.pack(&format!("inspect --json {}", built.name_and_tag())).ok();
    assert!(image.stdout.contains("2023-11-14T22:13:20Z"), "what the hint says: {}", image.stdout);
    epoch("253402300799").built("");
    epoch("253402300800").fails(2);
}

/// A registry that has nothing and takes nothing, and remembers what it was asked.
struct Listener {
    address: String,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Listener {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let asked: Arc<Mutex<Vec<String>>> = Arc::default();
        let shared = Arc::clone(&asked);
        // Ends with the test.
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let shared = Arc::clone(&shared);
                std::thread::spawn(move || {
                    let mut line = String::new();
                    let _ = BufReader::new(&stream).read_line(&mut line);
                    shared.lock().unwrap().push(line);
                    let _ = (&stream).write_all(
                        b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\nconnection: close\r\n\r\n",
                    );
                });
            }
        });
        Self { address, asked }
    }

    /// The requests that would send something.
    fn uploads(&self) -> Vec<String> {
        let asked = self.asked.lock().unwrap();
        asked
            .iter()
            .filter(|line| ["POST ", "PUT ", "PATCH "].iter().any(|method| line.starts_with(method)))
            .cloned()
            .collect()
    }
}

#[test]
fn templates_are_checked_before_anything_is_sent() {
    let registry = Listener::start();
    let project = Project::small();
    let name = format!("{}/shop/app", registry.address);
    let too_long = format!("--tag a{{content}}{}", "b".repeat(116));
    let cases = [
        ("a tag", "--tag {env.NOPE}", "NOPE"),
        ("the second tag", "--tag 1 --tag {version}", "does not say its own"),
        ("a tag that is none", &too_long, "not a tag"),
        ("a label", "--tag 1 --set config.labels.x={env.NOPE}", "NOPE"),
        ("an annotation", "--tag 1 --set image.annotations.x={git.branch}", "git"),
    ];
    for (what, arguments, word) in cases {
        let said = project.pack(&format!("build --push --name {name} {arguments}")).fails(1).hints();
        assert!(said.stderr.contains(word), "{what}: {said:?}");
        assert_eq!(registry.uploads(), Vec::<String>::new(), "{what}");
        // A plan says the same.
        project.pack(&format!("plan --name {name} {arguments}")).fails(1).says(&[word]);
    }
    project
        .pack(&format!("build --push --name {name} --tag 1 --set config.labels.x={{env.NOPE}}"))
        .env("NOPE", "y")
        .fails(3);
    assert_ne!(registry.uploads(), Vec::<String>::new(), "else it is sent");
}

#[test]
fn a_plan_shows_the_name_and_the_tags() {
    let project = committed();
    let commit = git(&project, "rev-parse HEAD")[..12].to_owned();
    let plan = project.pack("plan").ok().stdout;
    assert!(plan.contains(&format!("tags      {commit}\n")), "{plan}");
    let plan = project.pack("plan --json --tag v1 --tag {git.branch} --tag {content}").ok().json();
    assert_eq!(plan["name"], "localhost/tree");
    assert_eq!(plan["tags"], serde_json::json!(["v1", "main", "{content}"]), "nothing is built yet");
    project.append("files/a.txt", "changed\n");
    let plan = project.pack("plan --json").ok().json();
    assert_eq!(plan["tags"], serde_json::json!([format!("{commit}-dirty-{{content}}")]));
    let built = project.build("");
    let plan = project.pack("plan --json").ok().json();
    assert_eq!(plan["tags"], built.metadata["tags"], "all layers are known");
}

/// All that is known of an image that was built.
fn inspected(project: &Project, built: &Built) -> String {
    let image = project.pack(&format!("inspect --json {}", built.name_and_tag())).ok().json();
    image.to_string()
}

#[test]
fn the_version_comes_from_the_artifact() {
    let project = Project::with(
        "[image]\nname = \"localhost/shop\"\ntags = [\"v{version}\"]\n[app]\npath = \"shop.war\"\nroot = \"/app\"\n",
    );
    let war = |manifest: &str, more: &[(&str, &str)]| {
        let mut zip = Zip::default();
        zip.stored("META-INF/MANIFEST.MF", manifest.as_bytes());
        zip.stored("WEB-INF/web.xml", b"<web-app version=\"6.0\"></web-app>\n");
        for (name, text) in more {
            zip.deflated(name, text.as_bytes());
        }
        zip.finish()
    };
    let tag = |built: &Built| text(&built.metadata["tags"][0]);
    project.write("shop.war", war("Manifest-Version: 1.0\r\nImplementation-Version: 1.2\r\n\r\n", &[]));
    let built = project.build("");
    assert_eq!(tag(&built), "v1.2");
    let label = "\"org.opencontainers.image.version\":\"1.2\"";
    assert!(inspected(&project, &built).contains(label));
    assert!(project.pack("plan").ok().stdout.contains("version   1.2\n"));
    let pom = ("META-INF/maven/com.example/shop/pom.properties", "version=2.0-SNAPSHOT\n");
    project.write("shop.war", war("Manifest-Version: 1.0\r\n\r\n", &[pom]));
    assert_eq!(tag(&project.build("")), "v2.0-SNAPSHOT");
    assert_eq!(tag(&project.build("")), "v2.0-SNAPSHOT", "a build of which all is known");
    project.write("shop.war", war("Manifest-Version: 1.0\r\n\r\n", &[]));
    let said = project.pack("build").fails(1).hints();
    said.says(&["META-INF/MANIFEST.MF", "Implementation-Version", "pom.properties", "build.toml:3"]);

    // The version of an unpacked artifact may change without any file that goes into the image.
    let site = Project::with(
        "[image]\nname = \"localhost/site\"\ntags = [\"{version}\"]\n[app]\npath = \"dist\"\nroot = \"/www\"\nexclude = [\"package.json\"]\n",
    );
    site.write("dist/index.html", "x").write("dist/package.json", "{\"version\": \"1.0.0\"}");
    settle(&site.path("dist/package.json"));
    assert_eq!(tag(&site.build("")), "1.0.0");
    site.write("dist/package.json", "{\"version\": \"1.0.1\"}");
    assert_eq!(tag(&site.build("")), "1.0.1");
}

#[test]
fn an_artifact_may_be_named_by_a_pattern() {
    let project = Project::with(
        "[image]\ntags = [\"{version}\"]\n[app]\npath = \"target/shop-{version}.war\"\nroot = \"/app\"\nlayout = \"packaged\"\n",
    );
    let mut zip = Zip::default();
    let war = zip.stored("WEB-INF/web.xml", b"<web-app version=\"6.0\"></web-app>\n").finish();
    project.pack("build").fails(1).hints().says(&["nothing fits", "shop-{version}.war", "build.toml:4"]);
    project.write("target/shop-1.9.war", &war).write("target/shop-sources.war", "x");
    let built = project.build("");
    assert_eq!(built.name_and_tag(), "localhost/shop:1.9", "the name is the same for each version");
    project.write("target/shop-1.10.war", &war);
    let said = project.pack("build").fails(1).hints();
    assert!(
        said.stderr.find("shop-1.9.war").unwrap() < said.stderr.find("shop-1.10.war").unwrap(),
        "{said:?}"
    );
    fs::remove_file(project.path("target/shop-1.9.war")).unwrap();
    assert_eq!(project.build("").name_and_tag(), "localhost/shop:1.10");
    project.pack("build --tag 1").arg("--set").arg("app.path=target/shop-[0-9]*.war").ok();
    project.write("target/shop-[0-9]*.war", &war);
    project.pack("build --tag 1").arg("--set").arg("app.path=target/shop-[0-9]*.war").ok();

    let foreign = foreign("[app]\npath = \"../sec*/key\"\nkind = \"tree\"\nroot = \"/srv\"\n");
    let said = foreign.pack("build --untrusted").fails(4).says(&["outside"]);
    assert!(!said.stderr.contains("secrets"), "{said:?}");
}
