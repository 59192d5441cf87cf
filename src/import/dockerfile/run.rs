//! `RUN`: the few commands whose meaning `build.toml` has words for.

use super::super::draft::{DraftLink, DraftUser};
use super::copy::{Copy, is_below};
use super::lines::Instruction;
use super::stage::{ImageStage, short};
use super::words::{expand, words};

/// The number that a user gets where the command leaves it to the system.
const FIRST_USER: u32 = 1000;
/// The most commands of one instruction that are told one by one.
const MOST_TOLD: usize = 20;
/// The most directories, links, users and groups of a stage that commands make. More are not understood.
const MOST_MADE: usize = 1000;

/// Follows the commands of an instruction; those that are not understood are left out with a remark.
pub(super) fn follow(stage: &mut ImageStage, instruction: &Instruction, escape: char) {
    let Instruction { line, rest, documents, .. } = instruction;
    let mut rest = rest.as_str();
    // `--mount` and the like are about the build.
    while let Some(flag) = rest.strip_prefix("--") {
        rest = flag.split_once(char::is_whitespace).map_or("", |(_, rest)| rest.trim_start());
    }
    let text = match documents.first() {
        Some(document) => document.text.clone(),
        None => match super::command::exec_form(rest) {
            Some(words) => words.join(" "),
            None => rest.to_owned(),
        },
    };
    let mut left = 0usize;
    // A `cd` ends with its instruction.
    let before = stage.workdir.clone();
    let (commands, is_plain) = commands(&text);
    for command in commands {
        if is_plain && (is_without_trace(&command) || understood(stage, *line, &command, escape)) {
            continue;
        }
        left += 1;
        if left <= MOST_TOLD {
            let advice = advice(&command);
            stage.left(*line, format!("`RUN {}` is not run{advice}", short(&command)));
        }
    }
    stage.workdir = before;
    if left > 0 {
        stage.runs.push(text);
    }
    if left > MOST_TOLD {
        stage.left(*line, format!("{} more commands are not run", left - MOST_TOLD));
    }
}

/// The words that begin a command with others in it.
const CONTROL: [&str; 9] = ["if", "for", "while", "until", "case", "select", "function", "{", "("];

/// The commands of a script that run one after another, and whether they do. A script of another structure is one command.
fn commands(text: &str) -> (Vec<String>, bool) {
    let commands: Vec<String> = parts(text)
        .into_iter()
        .map(|part| part.trim().to_owned())
        .filter(|part| !part.is_empty() && !part.starts_with('#'))
        .collect();
    let first = |part: &String| part.split_whitespace().next().unwrap_or_default().to_owned();
    let has_others = |part: &String| part.starts_with(['(', '{']) || CONTROL.contains(&first(part).as_str());
    match commands.iter().any(has_others) {
        true => (vec![text.trim().to_owned()], false),
        false => (commands, true),
    }
}

/// The parts of a script between `&&`, `;` and line ends, outside of quotes and parentheses.
fn parts(text: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    let (mut quote, mut depth) = (None, 0usize);
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        match (quote, letter) {
            (None, '&') if depth == 0 && letters.next_if_eq(&'&').is_some() => {
                parts.push(String::new());
                continue;
            }
            (None, ';' | '\n') if depth == 0 => {
                parts.push(String::new());
                continue;
            }
            (Some(open), _) if letter == open => quote = None,
            (None, '"' | '\'' | '`') => quote = Some(letter),
            (None, '(') => depth += 1,
            (None, ')') => depth = depth.saturating_sub(1),
            _ => {}
        }
        let escaped = (letter == '\\' && quote != Some('\'')).then(|| letters.next()).flatten();
        parts
            .last_mut()
            .into_iter()
            .for_each(|part| part.extend([Some(letter), escaped].into_iter().flatten()));
    }
    parts
}

/// Whether a command leaves nothing in an image that is made without commands: it speaks, sets a variable of its shell, or
/// removes what commands before it left behind.
fn is_without_trace(command: &str) -> bool {
    if command.contains(['|', '<', '>', '`']) || command.contains("$(") {
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
        "rm" => rest.iter().filter(|word| !word.starts_with('-')).all(|path| is_left_behind(path)),
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
fn understood(stage: &mut ImageStage, line: usize, command: &str, escape: char) -> bool {
    let split: Option<Vec<String>> =
        words(command, escape).iter().map(|word| expand(word, escape, stage.variables()).ok()).collect();
    let Some(split) = split else { return false };
    if command.contains(['|', '<', '>', '`']) {
        return false;
    }
    let Some((program, rest)) = split.split_first() else { return true };
    // Paths from a working directory that is not known mean nothing.
    if stage.is_lost && rest.iter().any(|word| !word.starts_with(['/', '-'])) && program != "useradd" {
        return false;
    }
    let made = stage.directories.len() + stage.links.len() + stage.users.len() + stage.groups.len();
    if made + rest.len() > MOST_MADE {
        return false;
    }
    match program.rsplit('/').next().unwrap_or(program) {
        "cd" => match rest {
            [to] if !to.contains(['*', '~']) && to != "-" => {
                stage.workdir = stage.path(to);
                true
            }
            _ => false,
        },
        "mkdir" => mkdir(stage, rest),
        "chown" => chown(stage, line, rest),
        "chmod" => chmod(stage, rest),
        "ln" => ln(stage, rest),
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

fn mkdir(stage: &mut ImageStage, rest: &[String]) -> bool {
    let Some(paths) = plain(rest, &["-p", "-v", "-pv", "--parents"]) else { return false };
    if paths.is_empty() || paths.iter().any(|path| path.contains(['*', '?', '{'])) {
        return false;
    }
    // The user who runs it owns what it makes.
    let owner =
        stage.config.user.clone().filter(|user| !["root", "0", "0:0", "root:root"].contains(&user.as_str()));
    for path in paths {
        let path = stage.path(path);
        if !stage.directories.iter().any(|(known, ..)| *known == path) {
            stage.directories.push((path, owner.clone(), None));
        }
    }
    true
}

fn chown(stage: &mut ImageStage, line: usize, rest: &[String]) -> bool {
    let Some(plain) = plain(rest, &["-R", "--recursive", "-Rv", "-hR", "-Rh"]) else { return false };
    let Some((owner, paths)) = plain.split_first() else { return false };
    let paths: Vec<String> = paths.iter().map(|path| stage.path(path)).collect();
    let owner = owner.trim_end_matches(':').to_owned();
    // Without `-R` it is about the path alone.
    let is_recursive = plain.len() < rest.len();
    let is_owned = |copy: &Copy, path: &str| match is_recursive {
        true => copy.is_at_or_below(path),
        false => copy.is_file_at(path),
    };
    let is_all_known = paths.iter().all(|path| {
        stage.directories.iter().any(|(known, ..)| known == path || is_recursive && is_below(known, path))
            || stage.copies.iter().any(|copy| is_owned(copy, path))
            || stage.workdirs.contains(path)
    });
    if !is_all_known || paths.is_empty() {
        return false;
    }
    for path in &paths {
        // `WORKDIR` makes its directory, and so does a copy into it.
        let is_made = stage.directories.iter().any(|(known, ..)| known == path)
            || stage.copies.iter().any(|copy| copy.to == *path || copy.is_file_at(path));
        if !is_made && stage.workdirs.contains(path) {
            stage.directories.push((path.clone(), None, None));
        }
        for (known, own, _) in &mut stage.directories {
            if known == path || is_recursive && is_below(known, path) {
                *own = Some(owner.clone());
            }
        }
        for copy in stage.copies.iter_mut().filter(|copy| is_owned(copy, path)) {
            copy.owned_alone = (!is_recursive).then_some(line);
            copy.owner = Some(owner.clone());
        }
    }
    true
}

fn chmod(stage: &mut ImageStage, rest: &[String]) -> bool {
    let Some(plain) = plain(rest, &["-v"]) else { return false };
    let Some((mode, paths)) = plain.split_first() else { return false };
    let mode = match mode.as_str() {
        "+x" | "a+x" | "755" | "0755" | "ugo+x" => "0755".to_owned(),
        octal if octal.len() <= 4 && u32::from_str_radix(octal, 8).is_ok() => format!("{octal:0>4}"),
        _ => return false,
    };
    let paths: Vec<String> = paths.iter().map(|path| stage.path(path)).collect();
    let is_known = |path: &String| {
        stage.copies.iter().any(|copy| copy.is_file_at(path))
            || stage.directories.iter().any(|(known, ..)| known == path)
    };
    if paths.is_empty() || !paths.iter().all(is_known) {
        return false;
    }
    for path in &paths {
        stage
            .copies
            .iter_mut()
            .filter(|copy| copy.is_file_at(path))
            .for_each(|copy| copy.mode = Some(mode.clone()));
        for (known, _, own) in &mut stage.directories {
            if known == path {
                *own = Some(mode.clone());
            }
        }
    }
    true
}

fn ln(stage: &mut ImageStage, rest: &[String]) -> bool {
    let flags = ["-s", "-sf", "-fs", "-sfn", "-snf", "--symbolic"];
    let Some(plain) = plain(rest, &flags).filter(|plain| plain.len() < rest.len()) else { return false };
    let [to, path] = plain[..] else { return false };
    if path.ends_with('/') {
        return false;
    }
    let link = DraftLink { path: stage.path(path), to: to.clone() };
    stage.links.push(link);
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
        let is_free = |number: &u32| stage.users.iter().all(|user| user.uid != *number);
        (FIRST_USER..).find(is_free).unwrap_or(FIRST_USER)
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
    let home = home.or_else(|| makes_home.then(|| format!("/home/{name}")));
    let more = value(rest, &["-G", "--groups"]).filter(|_| is_useradd).unwrap_or_default();
    let groups = more.split(',').filter(|group| !group.is_empty()).map(str::to_owned).collect();
    stage.users.push(DraftUser { name: name.to_owned(), uid: number, group, gid, home, shell, groups });
    true
}
