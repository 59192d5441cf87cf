//! Runs that are killed, refused or share a store, and stores that are damaged and restored: the store and the
//! outputs never lie.
//!
//! `PACK_TEST_KILLS` and `PACK_TEST_DAMAGES` say how often (some dozens if unset), `PACK_TEST_SEED` where the
//! random numbers begin. A failure names the numbers that it came with.

#![allow(clippy::disallowed_methods, reason = "how often, and times of files, are no content")]

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime};

use crate::support::{
    Outcome, Project, Run, copy_tree, files_below, is_root, json, memos_in, noise, outcome, prose, settle,
    skipped, tree_on,
};

/// The outputs of most builds here.
const OUTPUTS: &str = "-o oci:out -o oci-archive:out.tar";

/// Numbers that look random and follow from a seed (SplitMix64).
struct Random(u64);

impl Random {
    fn new(salt: u64) -> Self {
        Self(number("PACK_TEST_SEED", 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ salt)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, end: u64) -> u64 {
        self.next() % end.max(1)
    }

    fn one_of<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        &all[usize::try_from(self.below(all.len() as u64)).unwrap()]
    }
}

fn number(variable: &str, default: u64) -> u64 {
    std::env::var(variable).map_or(default, |text| text.parse().unwrap())
}

/// A project whose build takes a while: two layers, several MB that compress like text and like nothing.
fn project() -> Project {
    let project = Project::with(&tree_on("scratch"));
    for number in 0..6 {
        project.write(&format!("files/text-{number}"), prose(number, 300_000));
        project.write(&format!("files/noise-{number}"), noise(number, 200_000));
    }
    project.append(
        "build.toml",
        "\n[[layer]]\nname = \"more\"\nfiles = [{ from = \"more\", to = \"/more\" }]\n",
    );
    project.write("more/text", prose(99, 200_000));
    set(&project, 0);
    project
}

/// Makes the project another one of a few.
fn set(project: &Project, variant: u64) {
    project.write("files/variant", prose(1000 + variant, 100_000));
}

/// A build to files, or to the local store.
fn build(random: &mut Random) -> String {
    if random.below(3) == 0 { "build".to_owned() } else { format!("build {OUTPUTS}") }
}

/// The digest of each variant, from stores that nothing ever happened to.
fn digests(variants: u64) -> Vec<String> {
    let project = project();
    let digest = |variant| {
        set(&project, variant);
        let cache = project.beside(&format!("clean-{variant}"));
        let outcome = project.pack("build -o oci:clean").cache(&cache).ok();
        digest_of(&outcome)
    };
    (0..variants).map(digest).collect()
}

/// The digest that a build printed.
#[track_caller]
fn digest_of(outcome: &Outcome) -> String {
    outcome.stdout.trim().rsplit_once('@').unwrap_or_else(|| panic!("{outcome:?}")).1.to_owned()
}

/// The program run by a shell script, as `"$@"`.
fn within(run: &Run<'_>, program: &str, arguments: &[&str]) -> Command {
    let inner = run.command();
    let mut command = Command::new(program);
    command.args(arguments).arg(inner.get_program()).args(inner.get_args()).env_clear();
    command.current_dir(inner.get_current_dir().unwrap());
    command.envs(inner.get_envs().filter_map(|(name, value)| Some((name, value?))));
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// The program run by `script` as `"$@"`, in a mount namespace of its own if it is to mount something.
fn scripted(run: &Run<'_>, mounts: bool, script: &str) -> Outcome {
    let arguments = ["-m", "sh", "-c", script, "sh"];
    let mut command = match mounts {
        true => within(run, "unshare", &arguments),
        false => within(run, "sh", &arguments[2..]),
    };
    outcome(script, &command.output().unwrap())
}

/// Whether this machine lets us mount something.
fn can_mount(what: &str) -> bool {
    let can = is_root()
        && Command::new("unshare")
            .args(["-m", "sh", "-c", "mount -t tmpfs -o size=64k tmpfs /mnt"])
            .stderr(Stdio::null())
            .status()
            .is_ok_and(|status| status.success());
    if !can {
        skipped(what, "mounting needs root and a namespace");
    }
    can
}

/// Whether system calls can be tampered with.
fn can_trace(what: &str) -> bool {
    let can = Command::new("strace")
        .args(["-qq", "-o", "/dev/null", "-e", "inject=fsync:error=EIO", "true"])
        .stderr(Stdio::null())
        .status();
    assert!(can.is_ok() || std::env::var_os("PACK_TEST_REQUIRE").is_none(), "strace is missing");
    // A container may forbid it.
    let can = can.is_ok_and(|status| status.success());
    if !can {
        skipped(what, "strace cannot be run");
    }
    can
}

/// Unfinished files, anywhere in the project, its outputs and its store.
fn unfinished(project: &Project) -> Vec<PathBuf> {
    let is_unfinished = |path: &PathBuf| {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        [".tmp-", ".pack-", ".build.lock."].iter().any(|prefix| name.starts_with(prefix))
    };
    files_below(&project.beside("")).into_iter().filter(is_unfinished).collect()
}

/// Whatever happened before: outputs are whole or not there, the next build is right, and all is sound then.
#[track_caller]
fn check_after(project: &Project, expected: &[String], variant: u64, what: &str) {
    for output in ["oci:out", "oci-archive:out.tar"] {
        let path = project.path(output.split_once(':').unwrap().1);
        // A layout without a name is one that nothing was delivered to yet.
        let named = if path.is_dir() {
            let index = fs::read_to_string(path.join("index.json")).unwrap_or_else(|_| "{}".to_owned());
            json(&index)["manifests"].as_array().is_some_and(|entries| !entries.is_empty())
        } else {
            path.exists()
        };
        if named {
            let said = project.pack("verify").arg(output).ok().stdout;
            assert!(expected.iter().any(|digest| said.starts_with(digest)), "{what}: {output}: {said}");
        }
    }
    let built = project.pack(&format!("build {OUTPUTS}")).ok();
    assert_eq!(digest_of(&project.pack("build").ok()), digest_of(&built), "{what}");
    assert_eq!(digest_of(&built), expected[usize::try_from(variant).unwrap()], "{what}");
    for output in ["oci:out", "oci-archive:out.tar", "localhost/tree:1"] {
        let said = project.pack("verify").arg(output).ok().stdout;
        assert!(said.starts_with(&expected[usize::try_from(variant).unwrap()]), "{what}: {output}: {said}");
    }
    assert_eq!(project.pack("cache verify").ok().stdout, "the store is undamaged\n", "{what}");
}

/// Prunes what can go; nothing unfinished is left in the store then.
fn check_pruned(project: &Project) {
    project.pack("cache prune --all").ok();
    let left = files_below(&project.cache());
    let unfinished = left.iter().filter(|path| path.to_string_lossy().contains("/.tmp-")).count();
    assert_eq!(unfinished, 0, "{left:?}");
}

#[test]
fn builds_killed_at_any_time_leave_all_whole() {
    const VARIANTS: u64 = 3;
    let expected = digests(VARIANTS);
    let project = project();
    let mut random = Random::new(1);
    let start = Instant::now();
    project.pack(&format!("build {OUTPUTS}")).ok();
    let takes = start.elapsed();
    let kills = number("PACK_TEST_KILLS", 24);
    let (mut begun, mut killed, mut checks) = (0, 0, 0);
    while begun < kills {
        let mut variant = 0;
        let mut delays = Vec::new();
        // One build after another comes upon what the killed ones before it left.
        for _ in 0..=random.below(6) {
            variant = random.below(VARIANTS);
            set(&project, variant);
            match random.below(6) {
                0 => fs::remove_dir_all(project.cache()).unwrap_or_default(),
                1 => drop(project.pack("cache prune --all").ok()),
                2 => fs::remove_dir_all(project.path("out")).unwrap_or_default(),
                _ => {}
            }
            let delay = takes.mul_f64(random.below(1000) as f64 / 900.0);
            delays.push(delay);
            let mut child = project.pack(&build(&mut random)).command().spawn().unwrap();
            std::thread::sleep(delay);
            child.kill().unwrap();
            killed += u32::from(child.wait().unwrap().code().is_none());
            begun += 1;
        }
        checks += 1;
        check_after(&project, &expected, variant, &format!("run {begun}, killed after {delays:?}"));
    }
    println!("{begun} runs, {killed} of them killed before their end, {checks} checks");
    check_pruned(&project);
    assert!(kills < 24 || killed > 0, "every build was faster than its killer");
}

#[test]
fn builds_killed_at_a_system_call_leave_all_whole() {
    if !can_trace("builds_killed_at_a_system_call_leave_all_whole") {
        return;
    }
    const CALLS: [&str; 12] = [
        "openat",
        "mkdir",
        "rename,renameat,renameat2",
        "write",
        "pwrite64",
        "fsync",
        "flock",
        "ftruncate",
        "close",
        "unlink,unlinkat",
        "utimensat",
        "chmod,fchmod",
    ];
    let expected = digests(2);
    let project = project();
    let mut random = Random::new(2);
    let mut killed = BTreeMap::new();
    for round in 0..number("PACK_TEST_KILLS", 24) {
        let calls = CALLS[usize::try_from(round).unwrap() % CALLS.len()];
        // Calls are counted for each thread.
        let when = 1 + random.below(if calls == "openat" || calls == "close" { 40 } else { 6 });
        let variant = random.below(2);
        set(&project, variant);
        for gone in ["out", "out.tar"].map(|name| project.path(name)).iter().chain([&project.cache()]) {
            if random.below(2) == 0 && gone.exists() {
                let _ = fs::remove_dir_all(gone).or_else(|_| fs::remove_file(gone));
            }
        }
        let inject = format!("inject={calls}:signal=KILL:when={when}");
        let run = project.pack(&build(&mut random));
        let status =
            within(&run, "strace", &["-f", "-qq", "-o", "/dev/null", "-e", &inject]).output().unwrap();
        *killed.entry(calls).or_insert(0) += u32::from(!status.status.success());
        check_after(&project, &expected, variant, &format!("round {round}, {inject}"));
    }
    check_pruned(&project);
    println!("killed at {killed:?}");
    assert!(killed.values().sum::<u32>() > 0, "{killed:?}");
}

#[test]
fn errors_of_system_calls_fail_cleanly_or_not_at_all() {
    if !can_trace("errors_of_system_calls_fail_cleanly_or_not_at_all") {
        return;
    }
    const CALLS: [&str; 9] = [
        "write",
        "rename,renameat,renameat2",
        "pwrite64",
        "read",
        "mkdir",
        "fsync",
        "ftruncate",
        "pread64",
        "flock",
    ];
    let expected = digests(2);
    let project = project();
    let mut random = Random::new(3);
    for round in 0..number("PACK_TEST_KILLS", 18) {
        let calls = CALLS[usize::try_from(round).unwrap() % CALLS.len()];
        let error = *random.one_of(&["EIO", "ENOSPC", "EROFS", "EDQUOT"]);
        let when = 1 + random.below(12);
        let on = random.one_of(&["", "+"]);
        let variant = random.below(2);
        set(&project, variant);
        if random.below(2) == 0 && project.cache().exists() {
            fs::remove_dir_all(project.cache()).unwrap();
        }
        let inject = format!("inject={calls}:error={error}:when={when}{on}");
        let run = project.pack(&format!("build {OUTPUTS}"));
        let mut traced = within(&run, "strace", &["-f", "-qq", "-o", "/dev/null", "-e", &inject]);
        let what = format!("round {round}, {inject}");
        let said = outcome(&what, &traced.output().unwrap());
        match said.code {
            Some(0) => assert_eq!(digest_of(&said), expected[usize::try_from(variant).unwrap()], "{what}"),
            // It may be stderr that could not be written.
            Some(1 | 3 | 70) => {}
            _ => panic!("{what}: {said:?}"),
        }
        assert!(!said.stderr.contains("panicked"), "{what}: {said:?}");
        check_after(&project, &expected, variant, &what);
    }
}

#[test]
fn a_full_disk_never_fails_what_only_the_cache_needs() {
    if !can_mount("a_full_disk_never_fails_what_only_the_cache_needs") {
        return;
    }
    let expected = digests(1);
    for size in ["4k", "16k", "64k", "300k", "1m", "2m"] {
        let project = project();
        fs::create_dir(project.cache()).unwrap();
        let script =
            format!("mount -t tmpfs -o size={size} tmpfs \"$PACK_CACHE_DIR\" && \"$@\" && exec \"$@\"");
        let said = scripted(&project.pack(&format!("build {OUTPUTS}")), true, &script).has_code(0);
        let lines: Vec<&str> = said.stdout.lines().collect();
        assert_eq!(lines.len(), 2, "{said:?}");
        assert!(lines.iter().all(|line| line.ends_with(&expected[0])), "{size}: {said:?}");
        assert!(said.warnings().len() <= 2, "{size}: {said:?}");
        project.pack("verify oci:out").ok();
        project.pack("verify oci-archive:out.tar").ok();
        assert_eq!(unfinished(&project), Vec::<PathBuf>::new(), "{size}");
    }
}

#[test]
fn a_full_disk_fails_an_output_and_leaves_nothing() {
    if !can_mount("a_full_disk_fails_an_output_and_leaves_nothing") {
        return;
    }
    let project = project();
    let full = project.beside("full");
    fs::create_dir(&full).unwrap();
    for size in ["4k", "64k", "300k", "1m"] {
        for output in ["oci:DIR/out", "oci-archive:DIR/out.tar", "docker-archive:DIR/out.tar"] {
            let output = output.replace("DIR", &full.display().to_string());
            let script = format!(
                "mount -t tmpfs -o size={size} tmpfs {0} && {{ \"$@\"; code=$?; \
                 find {0} -name '.tmp-*' -o -name '.pack-*' -o -name 'out.tar'; \
                 cat {0}/out/index.json 2>/dev/null | grep -o sha256; exit $code; }}",
                full.display()
            );
            let said = scripted(&project.pack("build -o").arg(&output), true, &script).has_code(1);
            assert_eq!(said.stdout, "", "{size} {output}");
            said.says(&["error: ", "No space left on device"]).hints();
        }
    }
}

#[test]
fn a_store_that_cannot_be_written_is_read() {
    if !can_mount("a_store_that_cannot_be_written_is_read") {
        return;
    }
    let expected = digests(2);
    let project = project();
    let script = "mount --bind \"$PACK_CACHE_DIR\" \"$PACK_CACHE_DIR\" && \
                  mount -o remount,bind,ro \"$PACK_CACHE_DIR\" && exec \"$@\"";
    fs::create_dir(project.cache()).unwrap();
    let run = project.pack(&format!("build {OUTPUTS}"));
    for filled in [false, true] {
        for variant in 0..2 {
            set(&project, variant);
            let before = files_below(&project.cache());
            let said = scripted(&run, true, script).has_code(0);
            assert_eq!(digest_of(&said), expected[usize::try_from(variant).unwrap()]);
            assert_eq!(said.warnings().len(), 1, "{filled} {variant}: {said:?}");
            assert_eq!(files_below(&project.cache()), before);
            project.pack("verify oci:out").ok();
        }
        set(&project, 0);
        run.ok();
    }
    let read_only = "mount --bind out out && mount -o remount,bind,ro out && exec \"$@\"";
    set(&project, 1);
    let said = scripted(&project.pack("build -o oci:out"), true, read_only).has_code(1);
    assert_eq!(said.stdout, "");
    said.says(&["error: ", "Read-only file system"]);
    assert!(project.pack("verify oci:out").ok().stdout.starts_with(&expected[0]));
}

#[test]
fn files_cut_short_and_handles_that_run_out_fail_cleanly() {
    let expected = digests(1);
    // The limit holds for every file that is written, so that outputs fail, too; in units of 512 bytes.
    for (limit, fits) in [(1, false), (64, false), (500, false), (2000, false), (1_000_000, true)] {
        let project = project();
        let script = format!("trap '' XFSZ; ulimit -f {limit}; exec \"$@\"");
        let said = scripted(&project.pack(&format!("build {OUTPUTS}")), false, &script);
        let said = said.has_code(if fits { 0 } else { 1 });
        assert_eq!(said.stdout.is_empty(), !fits, "{limit}: {said:?}");
        assert_eq!(unfinished(&project), Vec::<PathBuf>::new(), "{limit}");
        check_after(&project, &expected, 0, &format!("ulimit -f {limit}"));
    }
    let project = project();
    for handles in [4, 6, 8, 10, 12, 14, 16, 20, 24, 32, 48] {
        let script = format!("ulimit -n {handles}; exec \"$@\"");
        let said = scripted(&project.pack(&format!("build {OUTPUTS}")), false, &script);
        match said.code {
            Some(0) => assert_eq!(digest_of(&said), expected[0], "{handles}"),
            Some(1) => assert!(said.has_error(), "{handles}: {said:?}"),
            _ => panic!("{handles}: {said:?}"),
        }
        assert_eq!(unfinished(&project), Vec::<PathBuf>::new(), "{handles}");
        check_after(&project, &expected, 0, &format!("ulimit -n {handles}"));
        fs::remove_dir_all(project.cache()).unwrap();
    }
}

#[test]
fn many_processes_and_prunes_share_a_store() {
    const VARIANTS: u64 = 3;
    let rounds = number("PACK_TEST_KILLS", 24) / 6;
    let expected = digests(VARIANTS);
    let projects: Vec<Project> = (0..VARIANTS).map(|_| project()).collect();
    for (project, variant) in projects.iter().zip(0..) {
        set(project, variant);
    }
    let shared = projects[0].cache();
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let builders: Vec<_> = (0..6)
            .map(|number| {
                let (variant, shared, expected) = (number % 3, &shared, &expected);
                let project = &projects[variant];
                scope.spawn(move || {
                    for round in 0..rounds {
                        // Two processes each have the project in common, and in even rounds the output.
                        let output = if round % 2 == 0 { "out".into() } else { format!("out-{number}") };
                        let command = format!("build -o oci:{output}");
                        let said = project.pack(&command).cache(shared).ok();
                        assert_eq!(digest_of(&said), expected[variant]);
                        assert!(said.warnings().is_empty(), "{said:?}");
                        project.pack(&format!("verify oci:{output}")).ok();
                        let local = project.pack("build").cache(shared).ok();
                        assert_eq!(digest_of(&local), expected[variant]);
                        project.pack("plan").cache(shared).ok();
                    }
                })
            })
            .collect();
        for options in ["--all", "--max-size 1", "--all --max-size 1MB"] {
            let (project, shared, done) = (&projects[0], &shared, &done);
            scope.spawn(move || {
                while !done.load(Ordering::Relaxed) {
                    let said = project.pack(&format!("cache prune {options}")).cache(shared).run();
                    assert!(said.code == Some(0) || said.stderr.contains("in use"), "{said:?}");
                }
            });
        }
        let results: Vec<_> = builders.into_iter().map(std::thread::ScopedJoinHandle::join).collect();
        done.store(true, Ordering::Relaxed);
        assert!(results.iter().all(Result::is_ok));
    });
    assert_eq!(projects[0].pack("cache verify").ok().stdout, "the store is undamaged\n");
    for (project, digest) in projects.iter().zip(&expected) {
        let said = project.pack("build").cache(&shared).ok();
        assert_eq!(&digest_of(&said), digest);
        project.pack("verify localhost/tree:1").cache(&shared).ok();
    }
    assert_eq!(projects[0].pack("cache verify").ok().stdout, "the store is undamaged\n");
}

/// Does something to a file, and says what.
fn damage(path: &Path, random: &mut Random) -> String {
    let remove = || fs::remove_file(path).unwrap();
    let mut bytes = fs::read(path).unwrap();
    let kind = random.below(10);
    let place = usize::try_from(random.below(bytes.len() as u64)).unwrap();
    let done = match kind {
        0 if !bytes.is_empty() => {
            bytes[place] ^= 1 << random.below(8);
            fs::write(path, &bytes).unwrap();
            "a bit flipped"
        }
        1 => {
            fs::write(path, &bytes[..place]).unwrap();
            "cut short"
        }
        2 => {
            fs::write(path, vec![0; bytes.len()]).unwrap();
            "zeros"
        }
        3 => {
            fs::write(path, [&bytes[..], b"more"].concat()).unwrap();
            "longer"
        }
        4 => {
            remove();
            fs::create_dir_all(path.join("full")).unwrap();
            "a directory"
        }
        5 => {
            remove();
            symlink("/nowhere", path).unwrap();
            "a link to nothing"
        }
        6 => {
            remove();
            symlink("/dev/zero", path).unwrap();
            "a link to a device"
        }
        7 => {
            remove();
            let mode = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
            rustix::fs::mknodat(rustix::fs::CWD, path, rustix::fs::FileType::Fifo, mode, 0).unwrap();
            "a FIFO"
        }
        8 => {
            remove();
            symlink(path, path).unwrap();
            "a link to itself"
        }
        _ => {
            remove();
            "gone"
        }
    };
    format!("{}: {done} ({place})", path.display())
}

#[test]
fn any_damage_of_any_file_is_found_and_heals() {
    let expected = digests(2);
    let project = project();
    let mut random = Random::new(4);
    for round in 0..number("PACK_TEST_DAMAGES", 60) {
        let variant = random.below(2);
        set(&project, variant);
        project.pack("build").ok();
        let other = random.below(2);
        set(&project, other);
        let files: Vec<PathBuf> = files_below(&project.cache())
            .into_iter()
            .filter(|path| !path.file_name().unwrap().to_string_lossy().starts_with(".bad-"))
            .collect();
        let kinds = ["/memo/", "/blobs/", ""];
        let kind = *random.one_of(&kinds);
        let of_kind: Vec<&PathBuf> =
            files.iter().filter(|path| path.to_string_lossy().contains(kind)).collect();
        let path = *random.one_of(&of_kind);
        let done = damage(path, &mut random);
        let what = format!("round {round}: {done}");
        // A check of a store that another process writes to finds no damage.
        let _ = fs::remove_dir_all(project.path("out"));
        let said = project.pack("build -o oci:out").run();
        assert_eq!(said.code, Some(0), "{what}: {said:?}");
        assert_eq!(digest_of(&said), expected[usize::try_from(other).unwrap()], "{what}");
        let verified = project.pack("verify oci:out").ok().stdout;
        assert!(verified.starts_with(&expected[usize::try_from(other).unwrap()]), "{what}: {verified}");
        // Whatever no build has come across is found, and is made anew.
        let found = project.pack("cache verify").run();
        assert!(matches!(found.code, Some(0 | 1)), "{what}: {found:?}");
        for variant in [0, 1] {
            set(&project, variant);
            let said = project.pack("build").ok();
            assert_eq!(digest_of(&said), expected[usize::try_from(variant).unwrap()], "{what}");
            project.pack("verify localhost/tree:1").ok();
        }
        assert_eq!(project.pack("cache verify").ok().stdout, "the store is undamaged\n", "{what}");
    }
}

/// Copies a store as a cache action does: new inodes, times of long ago, and perhaps not all of it.
fn restore(from: &Path, to: &Path, keep: impl Fn(&Path) -> bool) {
    let _ = fs::remove_dir_all(to);
    copy_tree(from, to);
    for path in files_below(to) {
        if !keep(&path) {
            fs::remove_file(&path).unwrap();
            continue;
        }
        let past = SystemTime::now() - Duration::from_secs(30 * 86_400);
        let times = fs::FileTimes::new().set_accessed(past).set_modified(past);
        fs::File::options().write(true).open(&path).unwrap().set_times(times).unwrap();
    }
}

#[test]
fn a_restored_store_gives_no_wrong_result() {
    let expected = digests(2);
    let project = project();
    let kept = project.beside("kept");
    let mut random = Random::new(5);
    project.pack("build").ok();
    restore(&project.cache(), &kept, |_| true);
    for round in 0..number("PACK_TEST_DAMAGES", 60) / 4 {
        let variant = random.below(2);
        set(&project, variant);
        let one_in = 1 + random.below(4);
        let lost = std::cell::RefCell::new(Vec::new());
        let seed = random.next();
        let inner = std::cell::RefCell::new(Random(seed));
        restore(&kept, &project.cache(), |path| {
            let keeps = one_in == 1 || inner.borrow_mut().below(one_in) != 0;
            if !keeps {
                lost.borrow_mut().push(path.to_owned());
            }
            keeps
        });
        let what = format!("round {round}: without {:?}", lost.borrow());
        let said = project.pack("build -o oci:out").run();
        assert_eq!(said.code, Some(0), "{what}: {said:?}");
        assert_eq!(digest_of(&said), expected[usize::try_from(variant).unwrap()], "{what}");
        project.pack("verify oci:out").ok();
        let local = project.pack("build").ok();
        assert_eq!(digest_of(&local), digest_of(&said), "{what}");
        project.pack("verify localhost/tree:1").ok();
        let damaged = project.pack("cache verify").run();
        // Names that came with the store may reach what did not.
        assert!(damaged.code == Some(0) || damaged.stderr.contains("lacks"), "{what}: {damaged:?}");
    }
}

/// Sets a file's times to those of `like`, as archives and `cp -p` do.
fn set_times(path: &Path, like: &fs::Metadata) {
    let times =
        fs::FileTimes::new().set_accessed(like.accessed().unwrap()).set_modified(like.modified().unwrap());
    fs::File::options().write(true).open(path).unwrap().set_times(times).unwrap();
}

#[test]
fn no_old_outcome_is_taken_for_changed_files() {
    let project = Project::small();
    let digest = |variant: u8| {
        project.write("files/a.txt", [b'0' + variant, b'\n']);
        digest_of(&project.pack("build -o oci:out").cache(&project.beside(&format!("clean-{variant}"))).ok())
    };
    let expected: Vec<String> = (0..8).map(digest).collect();
    let path = project.path("files/a.txt");
    project.write("files/a.txt", "0\n");
    let first = fs::metadata(&path).unwrap();
    settle(&path);
    let build = || digest_of(&project.pack("build -o oci:out").ok());
    // Twice, so that the outcome of the first answers the second.
    assert_eq!((build(), build()), (expected[0].clone(), expected[0].clone()));
    let kept = project.beside("kept");
    restore(&project.cache(), &kept, |_| true);
    let outcomes = memos_in(&kept, "outcome").len();
    assert_eq!(outcomes, 1, "an outcome is remembered, or this test shows nothing");
    for variant in 1..8_u8 {
        let content = [b'0' + variant, b'\n'];
        match variant % 3 {
            // In place, with the size and the time of the first.
            0 => fs::write(&path, content).unwrap(),
            // Another file under the name.
            1 => {
                fs::write(project.path("other"), content).unwrap();
                fs::rename(project.path("other"), &path).unwrap();
            }
            // Through a link that has been there all the time.
            _ => {
                let link = project.path("link");
                let _ = fs::remove_file(&link);
                fs::hard_link(&path, &link).unwrap();
                fs::write(&link, content).unwrap();
                fs::remove_file(&link).unwrap();
            }
        }
        set_times(&path, &first);
        restore(&kept, &project.cache(), |_| true);
        assert_eq!(build(), expected[usize::from(variant)], "with the old store");
        assert_eq!(build(), expected[usize::from(variant)], "with the new outcome");
        project.pack("verify oci:out").ok();
    }
}

#[test]
fn files_that_change_as_soon_as_they_are_built_are_seen() {
    let project = Project::small();
    let path = project.path("files/a.txt");
    let first = fs::metadata(&path).unwrap();
    let mut expected = BTreeMap::new();
    for round in 0..number("PACK_TEST_DAMAGES", 60) / 2 {
        // No waiting: the file is as young as it can be when the build looks at it.
        let content = format!("{}\n", round % 3);
        fs::write(&path, &content).unwrap();
        set_times(&path, &first);
        let digest = digest_of(&project.pack("build -o oci:out").ok());
        let clean = project.beside(&format!("clean-{}", round % 3));
        let right = expected
            .entry(content)
            .or_insert_with(|| digest_of(&project.pack("build -o oci:clean").cache(&clean).ok()));
        assert_eq!(&digest, right, "round {round}");
    }
}

#[test]
fn an_artifact_exchanged_while_it_is_built_is_not_remembered_as_another() {
    let project = Project::with(
        "[image]\nname = \"localhost/app\"\nbase = \"scratch\"\ntags = [\"1\"]\n\n\
         [[layer]]\nname = \"current\"\nfiles = [{ from = \"current\", to = \"/app\" }]\n",
    );
    project.write("one", noise(1, 400_000)).write("two", noise(2, 400_000));
    let lead = |to: &str| {
        let draft = project.path("draft");
        symlink(to, &draft).unwrap();
        fs::rename(&draft, project.path("current")).unwrap();
    };
    let clean = |to: &str| {
        lead(to);
        digest_of(&project.pack("build -o oci:out").cache(&project.beside(&format!("clean-{to}"))).ok())
    };
    let expected = [clean("one"), clean("two")];
    lead("one");
    settle(&project.path("two"));
    for _ in 0..number("PACK_TEST_KILLS", 24) / 2 {
        let _ = fs::remove_dir_all(project.cache());
        let mut child = project.pack("build -o oci:out").command().spawn().unwrap();
        // Back and forth, as a deployment does that is rolled back.
        while child.try_wait().unwrap().is_none() {
            lead("two");
            lead("one");
        }
        for (to, digest) in ["one", "two"].iter().zip(&expected) {
            lead(to);
            assert_eq!(&digest_of(&project.pack("build -o oci:out").ok()), digest, "{to}");
        }
        lead("one");
    }
}
