//! A program that an image needs: it is there, is a file, and the image's user may execute it.

use super::image::CandidateImage;
use crate::bases::{BaseAnswer, BaseNode, FileTree, follow};
use crate::layer::EntryPath;
use crate::types::error::BoxedError;
use crate::types::finding::Finding;
use crate::types::rule::Rule;
use crate::types::shown::shown;

/// Where a container looks for programs that its configuration does not say.
const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

const A_DIRECTORY: &str = "a directory";

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
        match follow(image.tree, place.as_bytes())? {
            BaseAnswer::Here((found, BaseNode::File(facts))) => match facts.mode {
                Some(mode) if may_execute(mode, image.tree.owner(&found), &image.user) => {
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

/// Whether `user` may execute a file of this mode, as far as numbers tell: root with any bit, others by the bits for the
/// owner, the group or all. Of a file whose owner is not known, and of a user with a name, any bit will do.
pub(super) fn may_execute(mode: u32, owner: Option<(u64, u64)>, user: &str) -> bool {
    let (user, group) = user.split_once(':').map_or((user, None), |(user, group)| (user, Some(group)));
    let any = mode & 0o111 != 0;
    let (Ok(uid), Some((owner, owner_group))) = (user.parse::<u64>(), owner) else { return any };
    // Without a number, the image's `/etc/group` may have the user in any group.
    let group = group.and_then(|group| group.parse::<u64>().ok());
    let is_in_group = group.is_none_or(|group| group == owner_group);
    match uid {
        0 => any,
        uid if uid == owner => mode & 0o100 != 0,
        _ => mode & 0o001 != 0 || (is_in_group && mode & 0o010 != 0),
    }
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
            assert_eq!(may_execute(mode, owner, user), expected, "{mode:o} {owner:?} {user}");
        }
    }
}
