//! A program that an image needs: it is there, is a file, and the image's user may enter its directory and execute it.

use std::fmt;

use super::image::CandidateImage;
use crate::bases::{BaseAnswer, BaseNode, FileFacts, FileTree, follow_through};
use crate::layer::EntryPath;
use crate::types::error::BoxedError;
use crate::types::finding::Finding;
use crate::types::rule::Rule;
use crate::types::shown::shown;

/// Where a container looks for programs that its configuration does not say.
const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

const A_DIRECTORY: &str = "a directory";
const OUT_OF_REACH: &str = "out of reach";

/// A program that an image needs.
pub(super) struct StartProgram<'a> {
    /// Its name or path, as the image has it.
    pub(super) name: &'a str,
    /// Its part in the image, such as "which starts `app.jar`".
    pub(super) role: String,
    /// The remedy where it is missing.
    pub(super) remedy: String,
}

/// Whether the program is in the image and may be executed, and its path at the end of all links.
pub(super) fn executable<T: FileTree>(
    program: &StartProgram<'_>,
    image: &mut CandidateImage<'_, T>,
) -> Result<(Finding, Option<EntryPath>), BoxedError> {
    let mut rule = Rule::EntrypointMissing;
    let StartProgram { name, role, remedy } = program;
    let (name, image_name) = (shown(name.as_bytes()), image.name);
    if program.name.ends_with('/') || program.name.ends_with("/.") {
        let message = format!("`{name}`, {role}, ends as only the path of a directory may");
        return Ok((Finding::not_met(rule, message).hint("remove the `/` at its end"), None));
    }
    let places = places(program.name, image);
    let (mut unknown, mut in_the_way, mut evidence) = (Vec::new(), Vec::new(), Vec::new());
    for place in &places {
        let mut closed = None;
        let end = follow_through(image.tree, place.as_bytes(), |path, node| {
            closed = closed.take().or_else(|| ClosedDirectory::of(path, node, &image.user));
        })?;
        match end {
            BaseAnswer::Here((_, BaseNode::File(_))) if closed.is_some() => {
                in_the_way.push(format!("{OUT_OF_REACH} for {}", said_user(&image.user)));
                evidence.extend(closed.map(|directory| directory.to_string()));
            }
            BaseAnswer::Here((found, BaseNode::File(facts))) => match facts.mode {
                Some(mode) if may_execute(mode, &facts, &image.user) => {
                    let finding = Finding::met(rule, format!("{image_name} has `{name}`, {role}"));
                    return Ok((finding.evidence(vec![found.to_string()]), Some(found)));
                }
                Some(mode) => {
                    in_the_way.push(format!("not executable for {}", said_user(&image.user)));
                    evidence.push(format!("`{found}` has the mode {mode:04o}"));
                }
                None => unknown.push(place),
            },
            BaseAnswer::Here((found, BaseNode::Directory { .. })) => {
                in_the_way.push(A_DIRECTORY.to_owned());
                evidence.push(format!("`{found}` is a directory"));
            }
            BaseAnswer::Unknown => unknown.push(place),
            BaseAnswer::Here(_) | BaseAnswer::Nothing => {}
        }
    }
    if !unknown.is_empty() {
        let what = format!("whether {image_name} has `{name}`, {role},");
        return Ok((image.unknown_at(rule, &what, unknown.into_iter()), None));
    }
    let (message, remedy) = match in_the_way.first() {
        None => (format!("{image_name} lacks `{name}`, {role}"), remedy_elsewhere(program, image)),
        Some(reason) => {
            rule = Rule::EntrypointNotExecutable;
            let message = format!("`{name}`, {role}, is {reason} in {image_name}: {}", evidence.join(", "));
            // No mode makes a program of a directory.
            let remedy = if reason == A_DIRECTORY {
                remedy.clone()
            } else if reason.starts_with(OUT_OF_REACH) {
                format!(
                    "give the directory a mode such as \"0755\", or set another `config.user`, or {remedy}"
                )
            } else {
                format!("give it a mode such as \"0755\" (`app.mode`, or `mode` of a layer), or {remedy}")
            };
            (message, remedy)
        }
    };
    evidence.extend(places.iter().map(|place| format!("looked at `{}`", shown(place.as_bytes()))));
    Ok((Finding::not_met(rule, message).hint(remedy).evidence(evidence), None))
}

/// The remedy for a program that the image does not have on its `PATH`, but elsewhere.
fn remedy_elsewhere<T: FileTree>(program: &StartProgram<'_>, image: &CandidateImage<'_, T>) -> String {
    let StartProgram { name, remedy, .. } = program;
    if name.contains('/') || name.is_empty() {
        return remedy.clone();
    }
    let mut programs = image.tree.own_programs(name);
    // The program that is nearest to the root, and in a directory for programs.
    let is_bin = |path: &EntryPath| path.directory().ends_with(b"bin/");
    programs.sort_by_key(|path| (!is_bin(path), path.as_bytes().len(), path.clone()));
    match programs.first() {
        Some(path) => {
            format!(
                "write `{path}`, which is in the image, or add its directory to the `PATH` in `config.env`"
            )
        }
        None => remedy.clone(),
    }
}

/// The paths at which a container looks for a program.
fn places<T>(name: &str, image: &CandidateImage<'_, T>) -> Vec<String> {
    if name.starts_with('/') {
        return vec![name.to_owned()];
    }
    if name.contains('/') {
        return vec![format!("{}/{name}", image.directory.as_deref().unwrap_or_default())];
    }
    let path = image.path.as_deref().filter(|path| !path.is_empty()).unwrap_or(DEFAULT_PATH);
    let directories = path.split(':').filter(|directory| directory.starts_with('/'));
    directories.map(|directory| format!("{directory}/{name}")).collect()
}

/// A directory on the way to a program, which the image's user may not enter.
pub(super) struct ClosedDirectory {
    path: EntryPath,
    mode: u32,
    owner: (u64, u64),
}

impl ClosedDirectory {
    /// The directory `node` at `path`, if `user` may not enter it.
    fn of(path: &EntryPath, node: &BaseNode, user: &str) -> Option<Self> {
        let BaseNode::Directory { mode, uid, gid } = *node else { return None };
        let may_enter = may(EXECUTE, mode, (uid, gid), user).unwrap_or(true);
        (!may_enter).then(|| Self { path: path.clone(), mode, owner: (uid, gid) })
    }

    /// The first of them on the way to `path`, through all links.
    pub(super) fn on_the_way<T: FileTree>(
        path: &str,
        image: &mut CandidateImage<'_, T>,
    ) -> Result<Option<Self>, BoxedError> {
        let mut closed = None;
        follow_through(image.tree, path.as_bytes(), |path, node| {
            closed = closed.take().or_else(|| Self::of(path, node, &image.user));
        })?;
        Ok(closed)
    }
}

impl fmt::Display for ClosedDirectory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { path, mode, owner: (uid, gid) } = self;
        write!(f, "`{path}` has the mode {mode:04o} and the owner {uid}:{gid}")
    }
}

const READ: u32 = 4;
const EXECUTE: u32 = 1;

/// Whether `user` has a right to a file of this mode, as far as numbers tell: by the bits for the owner, the group or all.
/// `None` for root, and for a user with a name.
fn may(right: u32, mode: u32, (owner, owner_group): (u64, u64), user: &str) -> Option<bool> {
    let (user, group) = user.split_once(':').map_or((user, None), |(user, group)| (user, Some(group)));
    let uid = user.parse::<u64>().ok().filter(|uid| *uid != 0)?;
    // Without a number, the image's `/etc/group` may have the user in any group.
    let group = group.and_then(|group| group.parse::<u64>().ok());
    let is_in_group = group.is_none_or(|group| group == owner_group);
    Some(match uid {
        uid if uid == owner => mode & (right << 6) != 0,
        _ => mode & right != 0 || (is_in_group && mode & (right << 3) != 0),
    })
}

/// Whether `user` may execute a file of this mode. Any bit will do for root, for a user with a name, and where the owner is
/// not known.
pub(super) fn may_execute(mode: u32, facts: &FileFacts, user: &str) -> bool {
    let known = facts.owner.and_then(|(uid, gid)| may(EXECUTE, mode, (uid.into(), gid.into()), user));
    known.unwrap_or(mode & 0o111 != 0)
}

/// Whether `user` may read a file, as far as its owner and numbers tell.
pub(super) fn may_read(facts: &FileFacts, user: &str) -> bool {
    let owner = facts.owner.map(|(uid, gid)| (uid.into(), gid.into()));
    facts.mode.zip(owner).and_then(|(mode, owner)| may(READ, mode, owner, user)).unwrap_or(true)
}

pub(super) fn said_user(user: &str) -> String {
    if user.is_empty() { "root".to_owned() } else { format!("the user `{}`", shown(user.as_bytes())) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes_and_numbers_decide_who_may_execute() {
        let root = Some((0, 0));
        let facts = |mode, owner| FileFacts { mode: Some(mode), owner, ..FileFacts::default() };
        for (mode, owner, user, expected) in [
            (0o755, root, "1000", true),
            (0o644, root, "", false),
            (0o500, root, "", true),
            (0o500, root, "0:0", true),
            (0o500, root, "1000", false),
            (0o500, Some((1000, 1000)), "1000:1", true),
            (0o055, Some((1000, 1000)), "1000", false),
            (0o050, Some((0, 20)), "1000:20", true),
            (0o050, Some((0, 20)), "1000:30", false),
            // The files of the image may have the user in the group.
            (0o050, Some((0, 20)), "1000", true),
            (0o500, root, "web", true),
            (0o500, None, "1000", true),
            (0o600, None, "1000", false),
        ] {
            assert_eq!(may_execute(mode, &facts(mode, owner), user), expected, "{mode:o} {owner:?} {user}");
        }
        for (mode, owner, user, expected) in [
            (0o711, root, "1000", false),
            (0o711, root, "0", true),
            (0o711, root, "", true),
            (0o711, root, "web", true),
            (0o711, None, "1000", true),
            (0o755, root, "1000", true),
            (0o750, Some((0, 20)), "1000:20", true),
        ] {
            assert_eq!(may_read(&facts(mode, owner), user), expected, "{mode:o} {owner:?} {user}");
        }
        let path = EntryPath::new(b"opt/app").expect("a path");
        for (mode, user, is_closed) in [
            (0o700, "1000", true),
            (0o700, "", false),
            (0o600, "root", false),
            (0o700, "web", false),
            (0o755, "1000", false),
            (0o710, "1000", false),
            (0o710, "1000:5", true),
        ] {
            let node = BaseNode::Directory { mode, uid: 0, gid: 0 };
            assert_eq!(ClosedDirectory::of(&path, &node, user).is_some(), is_closed, "{mode:o} {user}");
        }
    }
}
