//! `RUN`: the few commands whose meaning `build.toml` has words for.

use std::collections::BTreeSet;

use super::super::draft::{DraftLink, DraftUser};
use super::super::setting::shortened;
use super::lines::Instruction;
use super::owners;
use super::script::{RunScript, ShellChange, plain_words};
use super::stage::{ImageStage, MOST_MADE, WorkingPlace};

/// The number that a user gets where the command leaves it to the system.
const FIRST_USER: u32 = 1000;
/// The most commands of one instruction that are told one by one.
const MOST_TOLD: usize = 20;
/// The most bytes of a word of a command that is understood.
const LONGEST: usize = 1024;

/// Follows the commands of an instruction; those that are not understood are left out with a remark.
pub(super) fn follow(stage: &mut ImageStage, instruction: &Instruction) {
    let Instruction { line, rest, .. } = instruction;
    let mut rest = rest.as_str();
    // `--mount` and the like are about the build.
    while let Some(flag) = rest.strip_prefix("--") {
        rest = flag.split_once(char::is_whitespace).map_or("", |(_, rest)| rest.trim_start());
    }
    let commands = match RunScript::of(instruction, rest, &stage.shell) {
        RunScript::Commands(commands) => commands,
        RunScript::Opaque(text) => {
            let advice = advice(&text);
            stage.left(*line, format!("`RUN {}` is not run{advice}", shortened(&text)));
            stage.runs.push(text);
            return;
        }
    };
    // A `cd` ends with its instruction.
    let before = (stage.workdir.clone(), stage.place);
    let (mut left, mut change, mut is_sure) = (0usize, ShellChange::default(), true);
    for command in &commands {
        is_sure |= command.begins;
        let is_known = is_sure && !change.rest && is_carried(stage, *line, &command.text, change);
        change.heed(&command.text, is_known);
        if is_known {
            continue;
        }
        let why = match is_sure && !change.rest || is_noted(&command.text) {
            true => advice(&command.text),
            false => ", since it depends on a command before it",
        };
        // Where the script succeeds, all commands of the last list did.
        is_sure &= command.is_last;
        left += 1;
        if left <= MOST_TOLD {
            stage.left(*line, format!("`RUN {}` is not run{why}", shortened(&command.text)));
        }
    }
    (stage.workdir, stage.place) = before;
    if left > 0 {
        let texts: Vec<&str> = commands.iter().map(|command| command.text.as_str()).collect();
        stage.runs.push(texts.join(" && "));
    }
    if left > MOST_TOLD {
        stage.left(*line, format!("{} more commands are not run", left - MOST_TOLD));
    }
}

/// Whether there is an advice for a command by itself.
fn is_noted(command: &str) -> bool {
    !advice(command).is_empty()
}

/// Whether a command leaves nothing here, or has a meaning here, which the stage has then.
fn is_carried(stage: &mut ImageStage, line: usize, command: &str, change: ShellChange) -> bool {
    is_without_trace(stage, command)
        || !(change.variables && command.contains('$')) && understood(stage, line, command)
}

/// Whether a command leaves nothing in an image that is made without commands: it speaks, sets a variable of its shell, or
/// removes what commands before it left behind.
fn is_without_trace(stage: &ImageStage, command: &str) -> bool {
    if command.contains(['|', '&', '<', '>', '`']) || command.contains("$(") {
        return false;
    }
    let words: Vec<&str> = command.split_whitespace().collect();
    let Some((program, rest)) = words.split_first() else { return true };
    let has = |word: &str| rest.contains(&word);
    match *program {
        "set" | "echo" | "printf" | "export" | "unset" | "sleep" | "true" | ":" | "pwd" | "ls" => true,
        "apt-get" | "apt" => has("clean") || has("autoclean"),
        "yum" | "dnf" | "microdnf" | "zypper" | "npm" | "yarn" | "pip" | "pip3" => {
            has("clean") || has("purge")
        }
        "rm" => rest.iter().filter(|word| !word.starts_with('-')).all(|path| {
            is_left_behind(path)
                && !stage
                    .has_at(path.split(['*', '?', '[', '{', '$', '\\', '"', '\'']).next().unwrap_or(path))
        }),
        _ => false,
    }
}

/// Whether a path is one where package managers leave their files.
fn is_left_behind(path: &str) -> bool {
    let places = [
        "/var/lib/apt/lists",
        "/var/cache/",
        "/var/log/",
        "/tmp/",
        "/var/tmp/",
        "/root/.cache",
        "/root/.npm",
    ];
    !path.contains("..") && places.iter().any(|place| path.starts_with(place))
}

/// An advice in place of a command.
fn advice(command: &str) -> &'static str {
    let first = |names: &[&str]| {
        let mut words = command.split_whitespace().filter(|word| !word.contains('=') && *word != "sudo");
        words.next().is_some_and(|word| names.contains(&word.rsplit('/').next().unwrap_or(word)))
    };
    let installs = command.split_whitespace().any(|word| ["install", "ci", "add", "sync"].contains(&word));
    if first(&[
        "apt-get",
        "apt",
        "apk",
        "yum",
        "dnf",
        "microdnf",
        "zypper",
        "apk-install",
        "update-ca-certificates",
    ]) {
        ": packages of the system belong into the base"
    } else if installs
        && first(&["npm", "yarn", "pnpm", "bun", "pip", "pip3", "poetry", "uv", "bundle", "composer"])
    {
        ": run it in the project, before `pack build`, and have what it installs among the files that are copied"
    } else if first(&[
        "npm", "yarn", "pnpm", "pip", "pip3", "poetry", "uv", "bundle", "composer", "mvn", "./mvnw", "mvnw",
        "gradle", "gradlew", "go", "cargo", "dotnet", "make",
    ]) {
        ": run it in the project, before `pack build`"
    } else if first(&["curl", "wget", "git"]) {
        ": fetch it before the build, and check its digest"
    } else {
        ""
    }
}

/// Whether a command has a meaning here, which the stage has then.
fn understood(stage: &mut ImageStage, line: usize, command: &str) -> bool {
    let Some(split) = plain_words(stage, command) else { return false };
    let Some((program, rest)) = split.split_first().filter(|(program, _)| !program.contains('=')) else {
        return split.is_empty();
    };
    let made = stage.directories.len() + stage.links.len() + stage.users.len() + stage.groups.len();
    if made + rest.len() > MOST_MADE || rest.iter().any(|word| word.len() > LONGEST) {
        return false;
    }
    // Each word is compared with all that is there.
    if !stage.budget.step(rest.len() * (1 + made + stage.copies.len() + stage.workdirs.len())) {
        return false;
    }
    match program.rsplit('/').next().unwrap_or(program) {
        "cd" => match rest {
            [to] if to != "-" => match stage.resolve(line, to) {
                Some(path) => {
                    stage.workdir = path;
                    stage.place = WorkingPlace::Known;
                    true
                }
                None => false,
            },
            _ => false,
        },
        "mkdir" => mkdir(stage, line, rest),
        "chown" => owners::chown(stage, line, rest),
        "chmod" => owners::chmod(stage, line, rest),
        "ln" => ln(stage, line, rest),
        "groupadd" | "addgroup" => group(stage, line, rest),
        "useradd" => user(stage, line, rest, true),
        "adduser" => user(stage, line, rest, false),
        "true" | ":" => true,
        _ => false,
    }
}

/// The words that are no flags; `None` where a flag is not one of `known`.
fn plain<'a>(rest: &'a [String], known: &[&str]) -> Option<Vec<&'a String>> {
    let (flags, plain): (Vec<&String>, Vec<&String>) = rest.iter().partition(|word| word.starts_with('-'));
    flags.iter().all(|flag| known.contains(&flag.as_str())).then_some(plain)
}

fn mkdir(stage: &mut ImageStage, line: usize, rest: &[String]) -> bool {
    let Some(paths) = plain(rest, &["-p", "-v", "-pv", "-vp", "--parents"]) else { return false };
    let paths: Option<Vec<String>> = paths.iter().map(|path| stage.resolve(line, path)).collect();
    let Some(paths) = paths.filter(|paths| !paths.is_empty()) else { return false };
    // The user who runs it owns what it makes, and that may be more than the last directory of a path.
    let owner = stage.acting_user();
    if stage.is_user_lost {
        return false;
    }
    let has_parent = |path: &String| {
        let parent = path.rsplit_once('/').map_or("", |(parent, _)| parent);
        parent.is_empty() || stage.is_directory(parent) || paths.iter().any(|other| other == parent)
    };
    if owner.is_some() && !paths.iter().all(has_parent) {
        return false;
    }
    if stage.links.iter().any(|link| paths.contains(&link.path)) {
        return false;
    }
    for path in paths {
        if !stage.directories.iter().any(|(known, ..)| *known == path) {
            stage.lines.set("directories", &path, line);
            stage.directories.push((path, owner.clone(), None));
        }
    }
    true
}

fn ln(stage: &mut ImageStage, line: usize, rest: &[String]) -> bool {
    let flags = ["-s", "-sf", "-fs", "-sfn", "-snf", "--symbolic"];
    let Some(plain) = plain(rest, &flags).filter(|plain| plain.len() < rest.len()) else { return false };
    let [to, path] = plain[..] else { return false };
    let Some(path) = stage.resolve(line, path).filter(|_| !path.ends_with('/')) else { return false };
    // Into a directory the link gets the name of its target.
    if stage.is_directory(&path) {
        return false;
    }
    // The program itself refuses a second link at one place, unless it is told to replace the first.
    let replaces = rest.iter().any(|word| word.starts_with('-') && word.contains('f'));
    if !replaces && stage.links.iter().any(|link| link.path == path) {
        return false;
    }
    stage.links.retain(|link| link.path != path);
    stage.lines.set("links", &path, line);
    stage.links.push(DraftLink { path, to: to.clone() });
    true
}

/// A flag with a value, in one word or in two.
fn value<'a>(rest: &'a [String], names: &[&str]) -> Option<&'a str> {
    rest.iter().enumerate().find_map(|(place, word)| {
        if names.contains(&word.as_str()) {
            return rest.get(place + 1).map(String::as_str);
        }
        let (name, value) = word.split_once('=')?;
        names.contains(&name).then_some(value)
    })
}

/// The words that are neither flags nor their values.
fn names<'a>(rest: &'a [String], with_value: &[&str]) -> Vec<&'a str> {
    let mut names = Vec::new();
    let mut words = rest.iter();
    while let Some(word) = words.next() {
        if with_value.contains(&word.as_str()) {
            words.next();
        } else if !word.starts_with('-') {
            names.push(word.as_str());
        }
    }
    names
}

fn group(stage: &mut ImageStage, line: usize, rest: &[String]) -> bool {
    let id = value(rest, &["-g", "--gid"]);
    let number = id.and_then(|id| id.parse().ok());
    let names = names(rest, &["-g", "--gid"]);
    match (&names[..], id.is_some() && number.is_none()) {
        ([name], false) => {
            stage.groups.insert((*name).to_owned(), (number, line));
            true
        }
        // `addgroup USER GROUP`.
        _ => false,
    }
}

/// `-G` names more groups for `useradd`, and the group for `adduser` of BusyBox.
fn user(stage: &mut ImageStage, line: usize, rest: &[String], is_useradd: bool) -> bool {
    let with_value = [
        "-u",
        "--uid",
        "-g",
        "--gid",
        "--ingroup",
        "-G",
        "--groups",
        "-h",
        "-d",
        "--home",
        "--home-dir",
        "-s",
        "--shell",
        "-c",
        "--comment",
        "--gecos",
        "-k",
    ];
    let names = names(rest, &with_value);
    let (name, group) = match names[..] {
        [name] if is_useradd => (name, value(rest, &["-g", "--gid"])),
        [name] => (name, value(rest, &["-g", "--gid", "--ingroup", "-G"])),
        _ => return false,
    };
    let uid = match value(rest, &["-u", "--uid"]).map(str::parse) {
        None => None,
        Some(Ok(uid)) => Some(uid),
        Some(Err(_)) => return false,
    };
    let number = uid.unwrap_or_else(|| {
        let taken: BTreeSet<u32> = stage.users.iter().map(|user| user.uid).collect();
        (FIRST_USER..).find(|number| !taken.contains(number)).unwrap_or(FIRST_USER)
    });
    if uid.is_none() {
        stage.check(
            line,
            format!("the user `{name}` has the number {number} here; the command took the next free one"),
        );
    }
    let gid = group.and_then(|group| group.parse().ok().or_else(|| stage.groups.get(group)?.0));
    let group = group.filter(|group| group.parse::<u32>().is_err()).map(str::to_owned);
    let home = value(rest, &["-h", "-d", "--home", "--home-dir"]).map(str::to_owned);
    let makes_home = !rest.iter().any(|word| ["-H", "-M", "--no-create-home"].contains(&word.as_str()));
    let shell = value(rest, &["-s", "--shell"]).map(str::to_owned);
    if [&home, &shell].into_iter().flatten().any(|path| !path.starts_with('/')) {
        return false;
    }
    let home = home.or_else(|| makes_home.then(|| format!("/home/{name}")));
    let more = value(rest, &["-G", "--groups"]).filter(|_| is_useradd).unwrap_or_default();
    let groups = more.split(',').filter(|group| !group.is_empty()).map(str::to_owned).collect();
    stage.lines.set("accounts", name, line);
    stage.users.push(DraftUser { name: name.to_owned(), uid: number, group, gid, home, shell, groups });
    true
}
