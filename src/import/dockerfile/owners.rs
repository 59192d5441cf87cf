//! `chown` and `chmod` in a `RUN`, for all that the stage copied and made. A directory that the base has, or may have, with
//! files of its own is not theirs.

use std::collections::BTreeSet;

use super::copy::{Copy, is_below};
use super::stage::{ImageStage, MOST_MADE, is_of_system};

/// The words of a command besides `-R`, and whether that was there; `None` where there is another flag.
fn recursive(rest: &[String]) -> Option<(bool, Vec<&String>)> {
    let (flags, plain): (Vec<&String>, Vec<&String>) = rest.iter().partition(|word| word.starts_with('-'));
    let is_recursive =
        |flag: &&String| ["-R", "--recursive", "-Rv", "-vR", "-hR", "-Rh"].contains(&flag.as_str());
    let (recursive, others): (Vec<&String>, Vec<&String>) = flags.into_iter().partition(is_recursive);
    others.iter().all(|flag| *flag == "-v").then_some((!recursive.is_empty(), plain))
}

pub(super) fn chown(stage: &mut ImageStage, line: usize, rest: &[String]) -> bool {
    let Some((is_recursive, plain)) = recursive(rest) else { return false };
    let Some((owner, paths)) = plain.split_first() else { return false };
    let Some(owner) = OwnerChange::of(owner) else { return false };
    let change = |old: &Option<String>| Some(owner.after(old.as_deref()));
    changed(stage, line, paths, is_recursive, &|place| place.owner = change(&place.owner))
}

pub(super) fn chmod(stage: &mut ImageStage, line: usize, rest: &[String]) -> bool {
    let Some((false, plain)) = recursive(rest) else { return false };
    let Some((mode, paths)) = plain.split_first() else { return false };
    let Some(mode) = ModeChange::of(mode) else { return false };
    changed(stage, line, paths, false, &|place| place.mode = mode.after(place.mode.as_deref()))
}

/// A new owner.
struct OwnerChange {
    owner: String,
    /// Whether the group stays.
    keeps_group: bool,
}

impl OwnerChange {
    fn of(owner: &str) -> Option<Self> {
        let keeps_group = !owner.contains(':');
        let user = owner.trim_end_matches(':');
        let is_plain = !user.is_empty() && !user.starts_with(':') && !user.contains('.');
        // `5:` is the first group of a user whose name is not known.
        let is_known = owner == user || user.parse::<u32>().is_err();
        (is_plain && is_known).then(|| Self { owner: user.to_owned(), keeps_group })
    }

    fn after(&self, old: Option<&str>) -> String {
        match (self.keeps_group, old) {
            (false, _) => self.owner.clone(),
            (true, None) => format!("{}:0", self.owner),
            (true, Some(old)) => {
                let (user, group) = old.split_once(':').unwrap_or((old, old));
                match (old.contains(':'), user.parse::<u32>().is_ok()) {
                    (true, _) | (false, true) => format!("{}:{group}", self.owner),
                    // The group is the first one of another user: for the same user it is written without.
                    (false, false) if user == self.owner => self.owner.clone(),
                    (false, false) => format!("{}:{group}", self.owner),
                }
            }
        }
    }
}

/// A new mode.
enum ModeChange {
    /// This one.
    Set(String),
    /// The one before, executable by all.
    Executable,
}

impl ModeChange {
    fn of(mode: &str) -> Option<Self> {
        match mode {
            "+x" | "a+x" | "ugo+x" => Some(Self::Executable),
            octal if (3..=4).contains(&octal.len()) && u32::from_str_radix(octal, 8).is_ok() => {
                Some(Self::Set(format!("{octal:0>4}")))
            }
            _ => None,
        }
    }

    fn after(&self, old: Option<&str>) -> Option<String> {
        let old = old.and_then(|old| u32::from_str_radix(old, 8).ok()).unwrap_or(0o644);
        match self {
            Self::Set(mode) => Some(mode.clone()),
            Self::Executable => Some(format!("{:04o}", old | 0o111)),
        }
    }
}

/// The owner and mode of a path.
struct PlaceState {
    owner: Option<String>,
    mode: Option<String>,
}

/// Changes all that is at some paths, or also below them; whether all of it is known.
fn changed(
    stage: &mut ImageStage,
    line: usize,
    paths: &[&String],
    is_recursive: bool,
    change: &dyn Fn(&mut PlaceState),
) -> bool {
    let paths: Option<Vec<String>> = paths.iter().map(|path| stage.resolve(line, path)).collect();
    let Some(paths) = paths.filter(|paths| !paths.is_empty()) else { return false };
    let implied: Vec<BTreeSet<String>> =
        paths.iter().map(|path| implied(stage, path, is_recursive)).collect();
    let made: usize = implied.iter().map(BTreeSet::len).sum();
    let is_known = |(path, implied): (&String, &BTreeSet<String>)| {
        let is_copied = |copy: &Copy| copy.is_file_at(path) || is_recursive && copy.is_at_or_below(path);
        implied.contains(path)
            || stage.directories.iter().any(|(known, ..)| known == path)
            || stage.copies.iter().any(is_copied)
    };
    let is_of_base = |path: &String| {
        let has_own = stage.base.as_deref() != Some("scratch");
        has_own && is_of_system(path)
    };
    if !paths.iter().zip(&implied).all(is_known)
        || paths.iter().any(is_of_base)
        || stage.directories.len() + made > MOST_MADE
    {
        return false;
    }
    for (path, implied) in paths.iter().zip(implied) {
        let is_made = |(known, ..): &(String, Option<String>, Option<String>)| {
            known == path || is_recursive && is_below(known, path)
        };
        if is_recursive && !stage.workdirs.contains(path) && !stage.directories.iter().any(is_made) {
            stage.check(line, format!("files that the base has in `{path}` keep their owner"));
        }
        let new =
            implied.into_iter().filter(|path| !stage.directories.iter().any(|(known, ..)| known == path));
        let new: Vec<String> = new.collect();
        new.iter().for_each(|path| stage.lines.set("directories", path, line));
        stage.directories.extend(new.into_iter().map(|path| (path, None, None)));
        for (.., owner, mode) in stage.directories.iter_mut().filter(|directory| is_made(directory)) {
            let mut state =
                PlaceState { owner: owner.take(), mode: mode.take().or_else(|| Some("0755".to_owned())) };
            let before = state.mode.clone();
            change(&mut state);
            *owner = state.owner;
            *mode = state.mode.filter(|mode| Some(mode) != before.as_ref() || mode != "0755");
        }
        part(stage, path);
        for copy in &mut stage.copies {
            if is_recursive && copy.is_at_or_below(path) {
                let mut state = PlaceState { owner: copy.owner.take(), mode: copy.mode.take() };
                change(&mut state);
                (copy.owner, copy.mode) = (state.owner, state.mode);
                copy.own_owner = None;
            } else if !is_recursive && copy.is_file_at(path) {
                let owner = copy.own_owner.take().or_else(|| copy.owner.clone());
                let mode = copy.own_mode.take().or_else(|| copy.mode.clone());
                let mut state = PlaceState { owner, mode };
                change(&mut state);
                copy.own_owner = state.owner.filter(|owner| Some(owner) != copy.owner.as_ref());
                copy.own_mode = state.mode.filter(|mode| Some(mode) != copy.mode.as_ref());
            }
        }
    }
    true
}

/// The directories at a path, or also below it, that other places lie in: `WORKDIR` and copies make them.
fn implied(stage: &ImageStage, path: &str, is_recursive: bool) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let of_copies = stage.copies.iter().map(|copy| (copy.to.as_str(), copy.into));
    let of_stage = stage.workdirs.iter().map(|path| (path.as_str(), true));
    let of_commands = stage.directories.iter().map(|(path, ..)| (path.as_str(), false));
    for (mut place, mut is_directory) in of_copies.chain(of_stage).chain(of_commands) {
        while is_below(place, path) && found.len() <= MOST_MADE {
            if is_directory && (is_recursive || place == path) && !found.insert(place.to_owned()) {
                break;
            }
            is_directory = true;
            let Some((parent, _)) = place.rsplit_once('/') else { break };
            place = parent;
        }
    }
    found
}

/// Parts a copy of several files, one of which lies at a path, into a copy for each.
fn part(stage: &mut ImageStage, path: &str) {
    let is_part = |copy: &Copy| copy.sources.len() > 1 && copy.is_file_at(path);
    if !stage.copies.iter().any(is_part) {
        return;
    }
    let copies = std::mem::take(&mut stage.copies);
    for copy in copies {
        match is_part(&copy) {
            true => stage.copies.extend(
                copy.sources.iter().map(|source| Copy { sources: vec![source.clone()], ..copy.clone() }),
            ),
            false => stage.copies.push(copy),
        }
    }
}
