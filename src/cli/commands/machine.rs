//! The steps of `pack doctor` about this machine: each looks at one thing, changes nothing and asks no registry.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

use rustix::fs::{Access, access, statvfs};

use super::super::format;
use super::super::invocation::Invocation;
use crate::registry::{Check, CheckStatus, LoginsState, SurveyedLogins};
use crate::types::error_code::ErrorCode;
use crate::types::shown::shown_path;

/// Less room than this for temporary files is worth knowing.
const LITTLE_ROOM: u64 = 1 << 30;

/// The program was not made before this time: 2024-01-01.
const BEFORE_THIS_PROGRAM: Duration = Duration::from_secs(1_704_067_200);

/// Everything that a build needs of this machine, and what it may use.
pub(super) fn checks(invocation: &Invocation) -> Vec<Check> {
    vec![
        program(),
        clock(invocation),
        store(invocation),
        temporary(invocation),
        configuration(invocation),
        credentials(invocation),
        git(invocation),
        engine(invocation),
    ]
}

fn check(name: &'static str, health: CheckStatus, found: impl Into<String>) -> Check {
    Check { health, ..Check::good(name, found) }
}

/// The step with advice. A fault that was found before stays one.
fn noted(check: Check, advice: impl Into<String>) -> Check {
    match check.health {
        CheckStatus::Bad => check,
        _ => Check { health: CheckStatus::Note, advice: Some(advice.into()), ..check },
    }
}

fn program() -> Check {
    let (os, architecture) = (std::env::consts::OS, std::env::consts::ARCH);
    check(
        "program",
        CheckStatus::Good,
        format!("pack {} for {os} on {architecture}", env!("CARGO_PKG_VERSION")),
    )
}

/// A clock that is far behind makes every certificate one of the future.
fn clock(invocation: &Invocation) -> Check {
    let now = invocation.environment.now.duration_since(UNIX_EPOCH).unwrap_or_default();
    let shown =
        crate::types::time::rfc3339(now.as_secs()).unwrap_or_else(|_| "after the year 9999".to_owned());
    let check = check("clock", CheckStatus::Good, shown);
    if now < BEFORE_THIS_PROGRAM {
        let advice = "set the clock: certificates are not valid at this time";
        return check.fails(ErrorCode::CertificateUnknown, advice);
    }
    let mut check = check;
    check.found.push("`pack doctor REGISTRY` compares it with the clock of a registry".to_owned());
    check
}

fn store(invocation: &Invocation) -> Check {
    let directory = match invocation.environment.cache_dir(invocation.global.cache_dir.as_deref()) {
        Ok(directory) => invocation.absolute(&directory),
        Err(error) => {
            let check = check(STORE, CheckStatus::Note, error.to_string());
            let advice = "set `PACK_CACHE_DIR`: without a store each run begins anew";
            return noted(check, advice);
        }
    };
    if let Some(file) = in_the_way(&directory) {
        let found = format!("`{}` is not a directory, so that no store can be there", shown_path(&file));
        let advice = "set `PACK_CACHE_DIR` to a directory";
        return Check::bad(STORE, ErrorCode::StoreUnusable, found, advice);
    }
    let shown = shown_path(&directory);
    // Opening it would make it.
    let mut check = match directory.is_dir() {
        true if directory.join("oci-layout").exists() => content(invocation, &directory),
        true => check(STORE, CheckStatus::Good, format!("`{shown}` has no store: the first build makes it")),
        false => {
            check(STORE, CheckStatus::Good, format!("`{shown}` does not exist: the first build makes it"))
        }
    };
    if check.health == CheckStatus::Bad {
        return check;
    }
    let there = nearest(&directory);
    if !is_writable(&there) {
        check.found.push("this user cannot write there".to_owned());
        let advice = "a build works without it, and the next one begins anew: let this user write there, or set `PACK_CACHE_DIR`";
        return noted(check, advice);
    }
    match free(&there) {
        Some(free) if free < LITTLE_ROOM => {
            check.found.push(format!("{} are free", format::bytes(free)));
            noted(check, "make room, or set `PACK_CACHE_DIR`: `pack cache prune` removes what no build needs")
        }
        _ => check,
    }
}

const STORE: &str = "store";

/// The content of a store that exists.
fn content(invocation: &Invocation, directory: &Path) -> Check {
    let shown = format!("`{}`", shown_path(directory));
    let found = invocation.store().and_then(|store| Ok((store.usage()?, store.layout().index().err())));
    let (usage, fault) = match found {
        Ok(found) => found,
        Err(error) => {
            let found = format!("{shown} cannot be read: {}", error.chain.join(": "));
            let advice = "let this user read it, or remove it: only time is lost";
            return Check::bad(STORE, ErrorCode::StoreUnusable, found, advice);
        }
    };
    let blobs = format::count(usage.blobs, "blob");
    let found = format!("{shown}: {blobs}, {}", format::bytes(usage.blob_bytes));
    let mut check = check(STORE, CheckStatus::Good, found);
    if let Some(error) = fault {
        check.found.push(format!("its index cannot be read: {error}"));
        let advice = "`pack cache verify` says what is damaged; only names are lost";
        check = noted(check, advice);
    }
    if usage.leftover_bytes > 0 {
        let left = format::bytes(usage.leftover_bytes);
        check.found.push(format!("{left} were left by runs that were killed"));
        check = noted(check, "`pack cache prune` removes what killed runs left");
    }
    check
}

fn temporary(invocation: &Invocation) -> Check {
    const NAME: &str = "temporary";
    let directory = invocation.scratch.parent();
    let shown = format!("`{}`", shown_path(directory));
    let there = nearest(directory);
    let fault = match in_the_way(directory) {
        Some(file) => Some(format!("`{}` is not a directory", shown_path(&file))),
        None => (!is_writable(&there)).then(|| format!("this user cannot write to {shown}")),
    };
    if let Some(fault) = fault {
        let advice = "set `TMPDIR` to a directory that can be written";
        return Check::bad(NAME, ErrorCode::FileUnwritable, fault, advice);
    }
    let Some(free) = free(&there) else { return check(NAME, CheckStatus::Good, shown) };
    let check = check(NAME, CheckStatus::Good, format!("{shown} has {} free", format::bytes(free)));
    match free < LITTLE_ROOM {
        true => noted(check, "large layers may not fit: make room, or set `TMPDIR`"),
        false => check,
    }
}

/// The user's own configuration, and the keys that it names.
fn configuration(invocation: &Invocation) -> Check {
    const NAME: &str = "config";
    let Some(path) = invocation.environment.user_config() else {
        return check(NAME, CheckStatus::Good, "there is no HOME, so no configuration of this user");
    };
    let shown = format!("`{}`", shown_path(&path));
    if !path.exists() {
        return check(NAME, CheckStatus::Good, format!("{shown} does not exist, and need not"));
    }
    let registries = match invocation.registries(None) {
        Ok(registries) => registries,
        Err(error) => {
            let code = error.code.unwrap_or(ErrorCode::SettingWrong);
            let advice = format!("mend {shown}: every command that reaches a registry fails");
            return Check::bad(NAME, code, error.chain.join(": "), advice);
        }
    };
    let mut check = check(
        NAME,
        CheckStatus::Good,
        format!("{shown}: {}", format::count(registries.len() as u64, "registry")),
    );
    if mode_of(&path).is_some_and(|mode| mode & 0o022 != 0) {
        check.found.push("other users can change it".to_owned());
        check = noted(check, format!("`chmod go-w {}`", shown_path(&path)));
    }
    for key in registries.values().filter_map(|registry| registry.client_key.as_ref()) {
        check = key_file(check, key);
    }
    check
}

fn key_file(mut check: Check, key: &Path) -> Check {
    let shown = shown_path(key).to_string();
    match mode_of(key) {
        None => {
            check.found.push(format!("the key `{shown}` cannot be read"));
            let advice = format!("put the key at `{shown}`, or change `client-key`");
            check.fails(ErrorCode::FileUnreadable, advice)
        }
        Some(mode) if mode & 0o077 != 0 => {
            check.found.push(format!("other users can read the key `{shown}`"));
            noted(check, format!("`chmod 600 {shown}`"))
        }
        Some(_) => check,
    }
}

fn credentials(invocation: &Invocation) -> Check {
    let found = invocation.credentials(None).survey();
    let none = Check::none("credentials");
    let mut check = found.iter().fold(none, logins);
    if check.found.is_empty() {
        check.found.push("no file has logins: `pack login REGISTRY` stores one".to_owned());
    }
    check
}

fn logins(mut check: Check, file: &SurveyedLogins) -> Check {
    let shown = shown_path(&file.path).to_string();
    match &file.state {
        LoginsState::Missing => check,
        LoginsState::Broken(why) => {
            check.found.push(format!("`{shown}`: {why}"));
            check.fails(ErrorCode::LoginUnreadable, format!("mend or remove `{shown}`"))
        }
        LoginsState::Read { logins, is_open, missing_helpers } => {
            check.found.push(format!("`{shown}`: {}", format::count(*logins as u64, "login")));
            if *is_open && *logins > 0 {
                check.found.push(format!("other users can read `{shown}`"));
                check = noted(check, format!("`chmod 600 {shown}`"));
            }
            if let [first, ..] = &missing_helpers[..] {
                check
                    .found
                    .push(format!("it names helpers that are not in PATH: {}", missing_helpers.join(", ")));
                check = noted(check, format!("install `{first}`, or take it out of `{shown}`"));
            }
            check
        }
    }
}

/// `git` reads the commit that an image names; without a repository it is not needed.
fn git(invocation: &Invocation) -> Check {
    let program = invocation.environment.search_path().into_iter().map(|directory| directory.join("git"));
    match program.into_iter().find(|path| path.is_file() && access(path, Access::EXEC_OK).is_ok()) {
        Some(path) => check("git", CheckStatus::Good, format!("`{}`", shown_path(&path))),
        None => {
            let check = check("git", CheckStatus::Note, "it is not in PATH");
            noted(check, "install git where images of a repository are built: it names their commit")
        }
    }
}

/// A Docker or Podman, which only `-o docker` needs.
fn engine(invocation: &Invocation) -> Check {
    match invocation.engine() {
        Ok(engine) => match engine.ping() {
            Ok(()) => {
                check("engine", CheckStatus::Good, format!("`{}` answers", shown_path(engine.socket())))
            }
            Err(error) => noted(
                check("engine", CheckStatus::Note, error.to_string()),
                "start it again; only `-o docker` needs an engine",
            ),
        },
        Err(error) if invocation.environment.text("DOCKER_HOST").is_some() => {
            let check = check("engine", CheckStatus::Note, error.chain.join(": "));
            noted(check, "start it or unset `DOCKER_HOST`; only `-o docker` needs an engine")
        }
        Err(_) => {
            check("engine", CheckStatus::Skipped, "no Docker or Podman answers; only `-o docker` needs one")
        }
    }
}

/// The nearest directory above a path that exists.
fn nearest(path: &Path) -> PathBuf {
    path.ancestors().find(|above| above.is_dir()).unwrap_or(Path::new("/")).to_owned()
}

/// A file that lies where a directory would have to be made.
fn in_the_way(path: &Path) -> Option<PathBuf> {
    let there = path.ancestors().find(|above| above.symlink_metadata().is_ok())?;
    (!there.is_dir()).then(|| there.to_owned())
}

/// Whether a file can be made there. It has no name while it is there, or for a moment; permissions alone say nothing of a file
/// system that is read only, or that the kernel makes up.
fn is_writable(directory: &Path) -> bool {
    tempfile::tempfile_in(directory).is_ok()
}

/// The bytes that this user may still write there.
fn free(directory: &Path) -> Option<u64> {
    let disk = statvfs(directory).ok()?;
    Some(disk.f_bavail.saturating_mul(disk.f_frsize))
}

fn mode_of(path: &Path) -> Option<u32> {
    std::fs::metadata(path).ok().map(|file| file.permissions().mode())
}
