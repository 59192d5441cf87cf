//! Repositories that git made, and what is said of them.

use std::ffi::OsString;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use super::error::GitError;
use super::facts::GitAnswer;
use super::*;
use crate::types::error::{Explain as _, Kind};

fn variable(name: &str) -> Option<OsString> {
    match name {
        "GIT_CONFIG_GLOBAL" => Some("/dev/null".into()),
        "GIT_CONFIG_NOSYSTEM" => Some("1".into()),
        _ => None,
    }
}

fn ask(path: &Path) -> Result<GitAnswer, GitError> {
    let directories = ["/usr/local/bin", "/usr/bin", "/bin"].map(PathBuf::from);
    ask_with(path, &directories, &variable, Duration::from_secs(60))
}

fn ask_with(
    path: &Path,
    search_path: &[PathBuf],
    variable: &dyn Fn(&str) -> Option<OsString>,
    patience: Duration,
) -> Result<GitAnswer, GitError> {
    let temporary = tempfile::tempdir().expect("a directory");
    let is_ours = |path: &Path| path.ends_with("build.lock");
    let temporary_path = temporary.path();
    let around = Surroundings {
        search_path,
        temporary: temporary_path,
        variable,
        is_ours: &is_ours,
        patience,
        is_untrusted: false,
    };
    let answer = facts(path, &around);
    assert_eq!(std::fs::read_dir(temporary.path()).expect("listed").count(), 0, "left behind");
    answer
}

#[track_caller]
fn facts_of(path: &Path) -> GitFacts {
    let answer = ask(path).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(answer.warnings, Vec::<String>::new());
    answer.facts.expect("facts")
}

fn git(directory: &Path, arguments: &[&str]) -> String {
    let time = "2024-01-31T12:00:00Z";
    let output = Command::new("git")
        .arg("-C")
        .arg(directory)
        .args(["-c", "user.name=a", "-c", "user.email=a@example.com", "-c", "init.defaultBranch=main"])
        .args(["-c", "protocol.file.allow=always"])
        .args(arguments)
        .envs([("GIT_AUTHOR_DATE", time), ("GIT_COMMITTER_DATE", time)])
        .envs([("GIT_CONFIG_GLOBAL", "/dev/null"), ("GIT_CONFIG_NOSYSTEM", "1")])
        .output()
        .expect("git runs");
    assert!(output.status.success(), "{arguments:?}: {output:?}");
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

fn write(path: &Path, text: &str) {
    std::fs::create_dir_all(path.parent().expect("a parent")).expect("made");
    std::fs::write(path, text).expect("written");
}

/// A repository with one commit of `file`.
fn repository() -> tempfile::TempDir {
    let directory = tempfile::tempdir().expect("a directory");
    git(directory.path(), &["init", "-q"]);
    write(&directory.path().join("file"), "content\n");
    commit(directory.path());
    directory
}

fn commit(path: &Path) {
    git(path, &["add", "-A"]);
    git(path, &["commit", "-q", "--allow-empty", "-m", "m"]);
}

/// Gives a file other times than the index knows.
fn touch(path: &Path) {
    let file = std::fs::File::options().write(true).open(path).expect("opened");
    let time = std::time::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
    file.set_times(std::fs::FileTimes::new().set_modified(time)).expect("touched");
}

#[test]
fn a_repository_gives_its_facts() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path();
    assert_eq!(ask(path).expect("no error"), GitAnswer::default());
    git(path, &["init", "-q"]);
    assert_eq!(ask(path).expect("no error"), GitAnswer::default(), "no commit yet");
    git(path, &["commit", "-q", "--allow-empty", "-m", "a"]);
    git(path, &["remote", "add", "origin", "git@example.com:shop/bookstore.git"]);
    let clean = facts_of(path);
    assert_eq!(clean.commit, git(path, &["rev-parse", "HEAD"]));
    assert_eq!(clean.short().len(), 12);
    assert_eq!((clean.branch.as_deref(), clean.time, clean.dirty), (Some("main"), 1_706_702_400, false));
    assert_eq!(clean.origin.as_deref(), Some("https://example.com/shop/bookstore"));

    write(&path.join("sub/file"), "x");
    let dirty = facts_of(&path.join("sub"));
    assert!(dirty.dirty && dirty.first_change == Some("sub/".into()), "{dirty:?}");
    write(&path.join(".gitignore"), "sub/");
    commit(path);
    git(path, &["checkout", "-q", "--detach"]);
    let detached = facts_of(path);
    assert_eq!((detached.branch, detached.dirty), (None, false));

    git(path, &["pack-refs", "--all"]);
    git(path, &["gc", "-q"]);
    let tree = path.join("sub/tree");
    git(path, &["worktree", "add", "-q", "-b", "other", &tree.to_string_lossy()]);
    let other = facts_of(&tree);
    assert_eq!(other.branch.as_deref(), Some("other"));
    assert_eq!(other.origin.as_deref(), Some("https://example.com/shop/bookstore"));
}

#[test]
fn every_kind_of_change_makes_a_tree_dirty() {
    type Change = fn(&Path);
    let changes: [(&str, Change); 7] = [
        ("content", |path| write(&path.join("file"), "another\n")),
        ("content of the same length", |path| write(&path.join("file"), "CONTENT\n")),
        ("mode", |path| {
            let mode = std::fs::Permissions::from_mode(0o755);
            std::fs::set_permissions(path.join("file"), mode).expect("set");
        }),
        ("removed", |path| std::fs::remove_file(path.join("file")).expect("removed")),
        ("untracked", |path| write(&path.join("new"), "")),
        ("staged", |path| {
            write(&path.join("new"), "");
            git(path, &["add", "new"]);
        }),
        ("a link", |path| {
            std::fs::remove_file(path.join("file")).expect("removed");
            std::os::unix::fs::symlink("x", path.join("file")).expect("linked");
        }),
    ];
    for (what, change) in changes {
        let directory = repository();
        assert!(!facts_of(directory.path()).dirty, "{what}");
        change(directory.path());
        let facts = facts_of(directory.path());
        let first = if directory.path().join("new").exists() { "new" } else { "file" };
        assert!(facts.dirty && facts.first_change == Some(first.into()), "{what}: {facts:?}");
    }
}

#[test]
fn files_that_are_our_own_make_no_tree_dirty() {
    let directory = repository();
    let path = directory.path();
    write(&path.join("build.lock"), "1");
    assert!(!facts_of(path).dirty, "untracked");
    commit(path);
    write(&path.join("build.lock"), "2 and more");
    assert!(!facts_of(path).dirty, "changed");
    std::fs::remove_file(path.join("build.lock")).expect("removed");
    assert!(!facts_of(path).dirty, "removed");
    write(&path.join("other"), "");
    assert!(facts_of(path).dirty);
}

#[test]
fn times_alone_change_nothing() {
    let directory = repository();
    let path = directory.path();
    touch(&path.join("file"));
    assert!(!facts_of(path).dirty);
    git(path, &["config", "core.fileMode", "false"]);
    std::fs::set_permissions(path.join("file"), std::fs::Permissions::from_mode(0o755)).expect("set");
    assert!(!facts_of(path).dirty, "as the repository says");
}

#[test]
fn what_the_user_never_wants_to_see_is_not_seen() {
    let directory = repository();
    let home = tempfile::tempdir().expect("a directory");
    write(&directory.path().join(".idea/x"), "");
    let lookup = |name: &str| (name == "HOME").then(|| home.path().into());
    let is_dirty = || {
        let directories = [PathBuf::from("/usr/bin")];
        let answer = ask_with(directory.path(), &directories, &lookup, Duration::from_secs(60));
        answer.expect("no error").facts.expect("facts").dirty
    };
    assert!(is_dirty());
    write(&home.path().join(".config/git/ignore"), ".idea/\n");
    assert!(!is_dirty(), "the usual file");
    std::fs::remove_dir_all(home.path().join(".config")).expect("removed");
    write(&home.path().join("ignored"), ".idea/\n");
    write(&home.path().join(".gitconfig"), "[core]\n\texcludesFile = ~/ignored\n");
    assert!(!is_dirty(), "the file that is named");
    write(&directory.path().join(".git/info/exclude"), "file2\n");
    write(&directory.path().join("file2"), "");
    assert!(!is_dirty(), "the repository's own");
}

/// The pointer of Git LFS for `content`\n`, as `printf 'content\n' | git lfs clean` gives it.
const POINTER: &str = "version https://git-lfs.github.com/spec/v1\n\
    oid sha256:434728a410a78f56fc1b5899c3593436e61ab0c731e9072d95e96db290205e53\nsize 8\n";

#[test]
fn a_file_of_git_lfs_is_compared_without_git_lfs() {
    let directory = repository();
    let path = directory.path();
    write(&path.join(".gitattributes"), "*.bin filter=lfs diff=lfs merge=lfs -text\n");
    write(&path.join("a.bin"), POINTER);
    commit(path);
    assert!(!facts_of(path).dirty, "not fetched");
    write(&path.join("a.bin"), "content\n");
    assert!(!facts_of(path).dirty, "fetched");
    write(&path.join("a.bin"), "contenu\n");
    assert!(facts_of(path).dirty, "changed");
}

#[test]
fn what_only_another_filter_could_tell_counts_as_changed_and_is_said() {
    let directory = repository();
    let path = directory.path();
    write(&path.join(".gitattributes"), "*.up filter=upper\n");
    git(path, &["config", "filter.upper.clean", "tr a-z A-Z"]);
    git(path, &["config", "filter.upper.smudge", "tr A-Z a-z"]);
    write(&path.join("a.up"), "text\n");
    commit(path);
    // In the same moment as the index, so that git itself would ask the filter.
    assert!(!facts_of(path).dirty);
    touch(&path.join("a.up"));
    let answer = ask(path).expect("no error");
    assert!(answer.facts.as_ref().expect("facts").dirty);
    assert_eq!(answer.warnings.len(), 1, "{:?}", answer.warnings);
    assert!(answer.warnings[0].contains("`upper`") && answer.warnings[0].contains("a.up"));
    git(path, &["status"]);
    assert!(!facts_of(path).dirty, "what the warning advises");
}

#[test]
fn submodules_are_part_of_the_tree() {
    let (inner, outer) = (repository(), repository());
    let path = outer.path();
    git(path, &["submodule", "--quiet", "add", &inner.path().to_string_lossy(), "dir/sub"]);
    commit(path);
    assert!(!facts_of(path).dirty);
    write(&path.join("dir/sub/file"), "changed\n");
    let facts = facts_of(path);
    assert!(facts.dirty && facts.first_change == Some("dir/sub".into()), "its content: {facts:?}");
    git(&path.join("dir/sub"), &["checkout", "-q", "file"]);
    assert!(!facts_of(path).dirty);
    write(&path.join("dir/sub/new"), "");
    assert!(facts_of(path).dirty, "something untracked in it");
    commit(&path.join("dir/sub"));
    assert!(facts_of(path).dirty, "another commit");
    let inside = facts_of(&path.join("dir/sub"));
    assert_eq!(inside.commit, git(&path.join("dir/sub"), &["rev-parse", "HEAD"]));
    commit(path);
    assert!(!facts_of(path).dirty);
    git(path, &["rm", "-q", "--cached", ".gitmodules"]);
    std::fs::remove_file(path.join(".gitmodules")).expect("removed");
    commit(path);
    assert!(!facts_of(path).dirty);
    write(&path.join("dir/sub/new"), "changed");
    assert!(facts_of(path).dirty, "one that no file declares");
}

#[test]
fn unusual_repositories_are_read() {
    let directory = repository();
    let path = directory.path();
    write(&path.join("a/x"), "");
    write(&path.join("b/y"), "");
    commit(path);
    git(path, &["update-index", "--split-index"]);
    assert!(!facts_of(path).dirty, "a split index");
    git(path, &["update-index", "--no-split-index"]);
    git(path, &["sparse-checkout", "set", "--cone", "a"]);
    assert!(!path.join("b").exists());
    assert!(!facts_of(path).dirty, "a sparse checkout");
    git(path, &["config", "extensions.worktreeConfig", "true"]);
    assert!(!facts_of(path).dirty, "a configuration of the working tree");

    let shallow = tempfile::tempdir().expect("a directory");
    let from = format!("file://{}", path.display());
    git(shallow.path(), &["clone", "-q", "--depth=1", &from, "clone"]);
    let clone = shallow.path().join("clone");
    assert_eq!(facts_of(&clone).commit, facts_of(path).commit, "a shallow clone");
    git(path, &["config", "uploadpack.allowFilter", "true"]);
    git(shallow.path(), &["clone", "-q", "--filter=blob:none", &from, "partial"]);
    assert!(!facts_of(&shallow.path().join("partial")).dirty, "a partial clone");
    git(shallow.path(), &["clone", "-q", "--shared", &path.to_string_lossy(), "shared"]);
    assert!(!facts_of(&shallow.path().join("shared")).dirty, "objects elsewhere");

    let other = tempfile::tempdir().expect("a directory");
    git(other.path(), &["init", "-q", "--object-format=sha256"]);
    commit(other.path());
    assert_eq!(facts_of(other.path()).commit.len(), 64, "another hash");
}

#[test]
fn without_git_a_warning_names_the_repository() {
    let directory = repository();
    let nowhere = [PathBuf::from("/nonexistent"), PathBuf::from("usr/bin"), PathBuf::new()];
    let answer = ask_with(directory.path(), &nowhere, &variable, Duration::from_secs(60)).expect("no error");
    assert_eq!(answer.facts, None);
    assert!(answer.warnings.len() == 1 && answer.warnings[0].contains("install git"), "{answer:?}");
    let outside = tempfile::tempdir().expect("a directory");
    assert_eq!(
        ask_with(outside.path(), &nowhere, &variable, Duration::from_secs(60)).expect("no error"),
        GitAnswer::default()
    );
}

#[test]
fn a_broken_repository_is_an_error() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path();
    let fails = |what: &str| {
        let error = ask(path).expect_err(what);
        assert!(error.hint().is_some(), "{what}: {error}");
        error.to_string()
    };
    std::fs::create_dir(path.join(".git")).expect("made");
    assert_eq!(ask(path).expect("git passes over an empty one"), GitAnswer::default());
    std::fs::create_dir(path.join(".git/objects")).expect("made");
    fails("one without HEAD");
    std::fs::remove_dir_all(path.join(".git")).expect("removed");
    write(&path.join(".git"), "no");
    fails("a file that names nothing");
    std::fs::remove_file(path.join(".git")).expect("removed");
    git(path, &["init", "-q"]);
    commit(path);
    let config = std::fs::read_to_string(path.join(".git/config")).expect("read");
    write(&path.join(".git/config"), "[core]\n\tx = \"\n");
    assert!(fails("a bad line").contains("not valid at line"));
    write(&path.join(".git/config"), "[core]\nrepositoryformatversion = 1\n[extensions]\nfuture = 1\n");
    assert!(fails("of the future").contains("`future = 1`"));
    write(&path.join(".git/config"), &config);
    write(&path.join(".git/index"), "no index");
    fails("a bad index");
    std::fs::remove_file(path.join(".git/index")).expect("removed");
    let far = "@253402300800 +0000";
    let status = Command::new("git")
        .arg("-C")
        .arg(path)
        .args(["-c", "user.name=a", "-c", "user.email=a"])
        .args(["commit", "-q", "--allow-empty", "-m", "far"])
        .env("GIT_COMMITTER_DATE", far)
        .status();
    assert!(status.expect("git runs").success());
    assert!(fails("a time that no tool reads").contains("9999"));
}

#[test]
fn a_named_pipe_does_not_hold_git_up() {
    let directory = repository();
    let path = directory.path();
    let pipe = |name: &str| {
        let _ = std::fs::remove_file(path.join(name));
        let status = Command::new("mkfifo").arg(path.join(name)).status();
        assert!(status.expect("mkfifo runs").success());
    };
    let saved = std::fs::read(path.join(".git/index")).expect("read");
    pipe(".git/index");
    assert!(ask(path).is_err());
    std::fs::remove_file(path.join(".git/index")).expect("removed");
    std::fs::write(path.join(".git/index"), saved).expect("written");
    let (top, patience) = (std::fs::canonicalize(path).expect("there"), Duration::from_secs(60));
    let blocked = |file: &str| {
        let started = Instant::now();
        let directories = [PathBuf::from("/usr/bin")];
        let error = ask_with(path, &directories, &variable, patience).expect_err(file);
        assert!(matches!(&error, GitError::Blocked { file: found } if *found == top.join(file)), "{error:?}");
        assert!(error.hint().is_some_and(|hint| hint.contains(file)));
        assert!(started.elapsed() < patience / 2, "{:?}", started.elapsed());
        std::fs::remove_file(path.join(file)).expect("removed");
    };
    pipe(".gitignore");
    blocked(".gitignore");
    write(&path.join("a/b/c"), "");
    commit(path);
    pipe("a/b/.gitignore");
    blocked("a/b/.gitignore");
    pipe(".git/refs/heads/main");
    blocked(".git/refs/heads/main");
}

/// With `--untrusted`.
fn ask_untrusted(path: &Path) -> Result<GitAnswer, GitError> {
    let directories = ["/usr/local/bin", "/usr/bin", "/bin"].map(PathBuf::from);
    let temporary = tempfile::tempdir().expect("a directory");
    let around = Surroundings {
        search_path: &directories,
        temporary: temporary.path(),
        variable: &variable,
        is_ours: &|_| false,
        patience: Duration::from_secs(60),
        is_untrusted: true,
    };
    facts(path, &around)
}

#[test]
fn a_tree_that_is_not_trusted_has_no_other_repository() {
    let secret = repository();
    git(secret.path(), &["checkout", "-q", "-b", "secret-branch"]);
    let of_secret = secret.path().join(".git");
    type Change = fn(&Path, &Path);
    let changes: [(&str, Change); 8] = [
        ("a file", |path, secret| {
            std::fs::remove_dir_all(path.join(".git")).expect("removed");
            write(&path.join(".git"), &format!("gitdir: {}\n", secret.display()));
        }),
        ("a link", |path, secret| {
            std::fs::remove_dir_all(path.join(".git")).expect("removed");
            std::os::unix::fs::symlink(secret, path.join(".git")).expect("linked");
        }),
        ("commondir", |path, secret| {
            write(&path.join(".git/commondir"), &format!("{}\n", secret.display()));
        }),
        ("HEAD", |path, secret| {
            std::fs::remove_file(path.join(".git/HEAD")).expect("removed");
            std::os::unix::fs::symlink(secret.join("HEAD"), path.join(".git/HEAD")).expect("linked");
        }),
        ("refs", |path, secret| {
            std::fs::remove_dir_all(path.join(".git/refs")).expect("removed");
            std::os::unix::fs::symlink(secret.join("refs"), path.join(".git/refs")).expect("linked");
        }),
        ("a reference", |path, secret| {
            std::fs::remove_file(path.join(".git/refs/heads/main")).expect("removed");
            let branch = secret.join("refs/heads/secret-branch");
            std::os::unix::fs::symlink(branch, path.join(".git/refs/heads/main")).expect("linked");
        }),
        ("a reference behind one", |path, secret| {
            write(&path.join(".git/refs/heads/main"), "ref: refs/heads/other\n");
            let branch = secret.join("refs/heads/secret-branch");
            std::os::unix::fs::symlink(branch, path.join(".git/refs/heads/other")).expect("linked");
        }),
        ("packed references", |path, secret| {
            std::os::unix::fs::symlink(secret.join("HEAD"), path.join(".git/packed-refs")).expect("linked");
        }),
    ];
    for (what, change) in changes {
        let directory = repository();
        assert!(ask_untrusted(directory.path()).expect(what).facts.is_some(), "{what}");
        change(directory.path(), &of_secret);
        let error = ask_untrusted(directory.path()).expect_err(what);
        assert!(
            matches!(error, GitError::Foreign { .. }) && error.kind() == Kind::Policy,
            "{what}: {error:?}"
        );
        assert!(error.hint().is_some() && !error.to_string().contains("secret-branch\n"), "{what}: {error}");
    }
}

#[test]
fn working_trees_and_submodules_are_trusted_with_their_own_repository() {
    let (main, inner) = (repository(), repository());
    let beside = tempfile::tempdir().expect("a directory");
    let tree = beside.path().join("tree");
    git(main.path(), &["worktree", "add", "-q", "-b", "other", &tree.to_string_lossy()]);
    let branch = |path: &Path| ask_untrusted(path).expect("trusted").facts.expect("facts").branch;
    assert_eq!(branch(&tree).as_deref(), Some("other"));
    git(main.path(), &["submodule", "--quiet", "add", &inner.path().to_string_lossy(), "sub"]);
    commit(main.path());
    assert_eq!(branch(&main.path().join("sub")).as_deref(), Some("main"));
    assert_eq!(branch(main.path()).as_deref(), Some("main"));
    // A copy of a working tree is not the one that the repository knows.
    let copy = tempfile::tempdir().expect("a directory");
    std::fs::copy(tree.join(".git"), copy.path().join(".git")).expect("copied");
    assert!(matches!(ask_untrusted(copy.path()), Err(GitError::Foreign { .. })));
    assert_eq!(facts_of(copy.path()).branch.as_deref(), Some("other"), "without `--untrusted`");
    // A submodule of a stranger's that names another repository.
    write(&main.path().join("sub/.git"), &format!("gitdir: {}\n", inner.path().join(".git").display()));
    assert!(matches!(ask_untrusted(main.path()), Err(GitError::Foreign { .. })));
}

#[test]
fn files_of_ours_in_a_new_directory_are_no_change() {
    let directory = repository();
    let path = directory.path();
    write(&path.join(".gitignore"), "*.log\n");
    commit(path);
    write(&path.join("new [1]/deep/build.lock"), "ours");
    write(&path.join("new [1]/deep/x.log"), "ignored");
    let changed = || {
        let facts = facts_of(path);
        (facts.dirty, facts.first_change)
    };
    assert_eq!(changed(), (false, None));
    write(&path.join("new [1]/other"), "theirs");
    assert!(changed().0);
    std::fs::remove_file(path.join("new [1]/other")).expect("removed");
    write(&path.join("z/other"), "theirs");
    assert!(changed().0);
}
