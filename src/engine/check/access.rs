//! Whether the user of an image may read the files of its planned layers, and write to the directories that are made for that.
//!
//! Numbers, modes and the image's files of accounts decide, as the kernel does. Root may do all. Where the groups of the user
//! are not known, the user counts as a member of every group: a doubt is no finding.

use std::collections::BTreeSet;

use super::counted::CountedFindings;
use super::image::CandidateImage;
use crate::bases::{BaseAnswer, BaseNode, FileTree, follow};
use crate::layer::{AccountFile, AccountKind, Entry, EntryKind, EntryPath, LayerSpec};
use crate::project::config::{DirectorySettings, ImagePath, Spanned};
use crate::types::error::BoxedError;
use crate::types::finding::{Finding, SettingPlace, Severity};
use crate::types::rule::Rule;
use crate::types::shown::shown;

const READ: u32 = 4;
const WRITE: u32 = 2;
const PASS: u32 = 1;

/// A directory that is made for a program to write to.
pub(super) struct WritableDirectory<'s> {
    pub(super) path: EntryPath,
    /// The setting that has it.
    pub(super) setting: &'s Spanned<ImagePath>,
    /// Whether it is a volume, which an engine makes for root where the image has no such directory.
    pub(super) is_volume: bool,
}

impl<'s> WritableDirectory<'s> {
    /// The directory of a setting; `None` for the root.
    pub(super) fn of(setting: &'s Spanned<ImagePath>, is_volume: bool) -> Option<Self> {
        Some(Self { path: setting.value.entry()?.clone(), setting, is_volume })
    }
}

/// The user of an image as the kernel sees it.
struct Identity {
    uid: u64,
    /// `None` where a file of accounts is not known that may list more groups.
    groups: Option<BTreeSet<u64>>,
}

impl Identity {
    /// The user that a configuration names; `None` for root, and where nothing tells its number.
    fn of<T: FileTree>(user: &str, tree: &mut T) -> Result<Option<Self>, BoxedError> {
        let (user, group) = user.split_once(':').map_or((user, None), |(user, group)| (user, Some(group)));
        if matches!(user, "" | "0" | "root") {
            return Ok(None);
        }
        let users = tree.accounts(AccountKind::User)?;
        let listed = match &users {
            BaseAnswer::Here(file) => match user.parse::<u32>() {
                Ok(number) => file.with_number(number),
                Err(_) => file.find(user),
            },
            BaseAnswer::Nothing | BaseAnswer::Unknown => None,
        };
        let number = user.parse::<u64>().ok();
        let Some(uid) = number.or_else(|| listed.and_then(|line| line.number()).map(u64::from)) else {
            return Ok(None);
        };
        if uid == 0 {
            return Ok(None);
        }
        let groups = tree.accounts(AccountKind::Group)?;
        let known = match (&users, &groups) {
            (BaseAnswer::Unknown, _) | (_, BaseAnswer::Unknown) => None,
            (_, BaseAnswer::Here(file)) => Some(Some(file)),
            (_, BaseAnswer::Nothing) => Some(None),
        };
        let groups = match (group, known) {
            // With a group, an engine looks for no others.
            (Some(group), known) => match group.parse::<u64>() {
                Ok(number) => Some(BTreeSet::from([number])),
                Err(_) => known.map(|file| {
                    let line = file.and_then(|file: &AccountFile| file.find(group));
                    line.and_then(|line| line.number()).map(u64::from).into_iter().collect()
                }),
            },
            (None, known) => known.map(|file| {
                let first = listed.and_then(|line| line.first_group()).unwrap_or(0);
                let name = listed.map_or(&b""[..], |line| line.name);
                let lines = file.into_iter().flat_map(AccountFile::lines);
                let more =
                    lines.filter(|line| !name.is_empty() && line.members().any(|member| member == name));
                let more = more.filter_map(|line| line.number());
                std::iter::once(first).chain(more).map(u64::from).collect()
            }),
        };
        Ok(Some(Self { uid, groups }))
    }

    /// Whether the mode and the owner of a file let the user do this.
    fn may(&self, wanted: u32, mode: u32, (uid, gid): (u64, u64)) -> bool {
        let bits = match &self.groups {
            _ if uid == self.uid => mode >> 6,
            Some(groups) if groups.contains(&gid) => mode >> 3,
            Some(_) => mode,
            None => mode >> 3 | mode,
        };
        bits & wanted == wanted
    }

    fn may_with(&self, wanted: u32, entry: &Entry) -> bool {
        let metadata = &entry.metadata;
        self.may(wanted, metadata.mode, (metadata.uid, metadata.gid))
    }
}

/// Files that only root reads, on every system.
fn is_for_root(path: &EntryPath) -> bool {
    const FILES: [&[u8]; 6] =
        [b"etc/shadow", b"etc/shadow-", b"etc/gshadow", b"etc/gshadow-", b"etc/sudoers", b"etc/.pwd.lock"];
    const DIRECTORIES: [&[u8]; 4] = [b"root", b"etc/sudoers.d", b"etc/ssl/private", b"var/lib/private"];
    let path = path.as_bytes();
    let is_below = |directory: &[u8]| {
        path.strip_prefix(directory).is_some_and(|rest| rest.is_empty() || rest.starts_with(b"/"))
    };
    FILES.contains(&path) || DIRECTORIES.into_iter().any(is_below)
}

/// Whether a directory is made for a program to write to, as far as its settings tell. It is not where they say that nothing
/// is written there, and not in a place of configuration, programs or mounts, where a program only reads.
pub(super) fn is_to_write_to(directory: &DirectorySettings) -> bool {
    const READ_ONLY: [&str; 8] = ["/etc", "/usr", "/bin", "/sbin", "/lib", "/mnt", "/media", "/run/secrets"];
    if directory.mode.as_ref().is_some_and(|mode| mode.value.bits() & 0o222 == 0) {
        return false;
    }
    let path = directory.path.value.as_str();
    let is_in =
        |place: &str| path.strip_prefix(place).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    directory.owner.is_some() || !READ_ONLY.into_iter().any(is_in)
}

/// The findings about files that the user may not read, and directories that the user may not write to: `most` of a rule
/// are made, with the place of their setting.
pub(super) fn check<T: FileTree>(
    specs: &[LayerSpec],
    writable: &[WritableDirectory<'_>],
    (most, place): (usize, impl Fn(&Spanned<ImagePath>) -> Option<SettingPlace>),
    image: &mut CandidateImage<'_, T>,
) -> Result<Vec<Finding>, BoxedError> {
    if !may_matter(specs, writable) {
        return Ok(Vec::new());
    }
    let Some(identity) = Identity::of(&image.user, image.tree)? else { return Ok(Vec::new()) };
    let mut findings = unreadable(specs, &identity, image);
    let mut of_directories = CountedFindings::new(Rule::UserCannotWrite, most);
    for directory in writable {
        image.lookups.go_on()?;
        let Some(access) = access_to(directory, specs, &identity, image)? else { continue };
        let level = if matches!(access, DirectoryAccess::Writable) {
            Severity::Info
        } else {
            Rule::UserCannotWrite.level()
        };
        of_directories.add(level, || access.finding(directory, image).at_setting(place(directory.setting)));
    }
    findings.extend(of_directories.finish());
    Ok(findings)
}

/// Whether anything depends on the user. Most images have only files that all may read.
fn may_matter(specs: &[LayerSpec], writable: &[WritableDirectory<'_>]) -> bool {
    let is_closed = |entry: &Entry| match entry.kind {
        EntryKind::Directory => entry.metadata.mode & PASS == 0,
        EntryKind::File(_) => entry.metadata.mode & READ == 0,
        _ => false,
    };
    !writable.is_empty() || specs.iter().flat_map(LayerSpec::entries).any(is_closed)
}

fn unreadable<T>(specs: &[LayerSpec], identity: &Identity, image: &CandidateImage<'_, T>) -> Vec<Finding> {
    let is_final = |number: usize, entry: &Entry| {
        specs[number + 1..].iter().all(|above| above.get(&entry.path).is_none())
    };
    let (mut files, mut directories): (Vec<&Entry>, Vec<&Entry>) = (Vec::new(), Vec::new());
    for (number, spec) in specs.iter().enumerate() {
        for entry in spec.entries().iter().filter(|entry| !is_for_root(&entry.path)) {
            match entry.kind {
                EntryKind::Directory if !identity.may_with(PASS, entry) && is_final(number, entry) => {
                    directories.push(entry);
                }
                // A program needs no right to be read.
                EntryKind::File(_)
                    if !identity.may_with(READ, entry)
                        && !identity.may_with(PASS, entry)
                        && is_final(number, entry) =>
                {
                    files.push(entry);
                }
                _ => {}
            }
        }
    }
    let user = shown(image.user.as_bytes());
    let rights = |entry: &Entry| {
        let metadata = &entry.metadata;
        format!("the mode {:04o} and the owner {}:{}", metadata.mode, metadata.uid, metadata.gid)
    };
    let hint = "give another `mode` or `owner` with `permissions`, or another `config.user`";
    let mut findings = Vec::new();
    if let Some(first) = files.first() {
        let message = format!(
            "the user `{user}` of {} cannot read `{}`{}: it has {}",
            image.name,
            first.path,
            more(files.len() - 1, "file"),
            rights(first)
        );
        findings.push(Finding::not_met(Rule::UserCannotRead, message).hint(hint));
    }
    // The outermost tells of all files below.
    let outermost = directories.iter().find_map(|directory| {
        let below = specs.iter().flat_map(|spec| spec.below(&directory.path));
        let count = below.filter(|entry| !entry.is_directory()).count();
        (count > 0).then_some((directory, count))
    });
    if let Some((directory, count)) = outermost {
        let message = format!(
            "the user `{user}` of {} cannot enter `{}`, which has {}: {count} {} below it cannot be read",
            image.name,
            directory.path,
            rights(directory),
            if count == 1 { "file" } else { "files" }
        );
        findings.push(Finding::not_met(Rule::UserCannotRead, message).hint(hint));
    }
    findings
}

fn more(count: usize, what: &str) -> String {
    match count {
        0 => String::new(),
        1 => format!(" and 1 more {what}"),
        count => format!(" and {count} more {what}s"),
    }
}

/// The rights of the user in a directory that is made to be written to.
enum DirectoryAccess {
    Writable,
    /// It has another owner and a mode that does not let the user.
    Closed {
        mode: u32,
        uid: u64,
        gid: u64,
    },
    /// A volume that an engine makes for root.
    MadeForRoot,
}

/// The access to a directory; `None` where it does not matter, or is not known.
fn access_to<T: FileTree>(
    directory: &WritableDirectory<'_>,
    specs: &[LayerSpec],
    identity: &Identity,
    image: &mut CandidateImage<'_, T>,
) -> Result<Option<DirectoryAccess>, BoxedError> {
    let path = &directory.path;
    // A directory with files in it is made for them.
    if !directory.is_volume && specs.iter().any(|spec| !spec.below(path).is_empty()) {
        return Ok(None);
    }
    Ok(match follow(image.tree, path.as_bytes())? {
        BaseAnswer::Here((_, BaseNode::Directory { mode, uid, gid })) => {
            let may_write = identity.may(WRITE | PASS, mode, (uid, gid));
            Some(if may_write {
                DirectoryAccess::Writable
            } else {
                DirectoryAccess::Closed { mode, uid, gid }
            })
        }
        BaseAnswer::Nothing if directory.is_volume => Some(DirectoryAccess::MadeForRoot),
        _ => None,
    })
}

impl DirectoryAccess {
    fn finding<T>(&self, directory: &WritableDirectory<'_>, image: &CandidateImage<'_, T>) -> Finding {
        let user = shown(image.user.as_bytes()).to_string();
        let (path, name, rule) = (&directory.path, image.name, Rule::UserCannotWrite);
        let found = match self {
            Self::Writable => {
                Finding::met(rule, format!("the user `{user}` of {name} may write to `{path}`"))
            }
            Self::Closed { mode, uid, gid } => {
                let message = format!(
                    "the user `{user}` of {name} cannot write to `{path}`: it has the mode {mode:04o} and the owner {uid}:{gid}"
                );
                Finding::not_met(rule, message)
            }
            Self::MadeForRoot => {
                let message = format!(
                    "the user `{user}` of {name} cannot write to the volume `{path}`: the image has no such directory, and an \
                     engine makes it for root"
                );
                Finding::not_met(rule, message)
            }
        };
        found.hint(format!(
            "write `directories = [{{ path = \"{path}\", owner = \"{user}\" }}]` in a `[[layer]]`"
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Accounts(BaseAnswer<AccountFile>, BaseAnswer<AccountFile>);

    impl FileTree for Accounts {
        fn lookup(&mut self, _: &EntryPath) -> Result<Option<BaseNode>, BoxedError> {
            Ok(None)
        }

        fn accounts(&mut self, kind: AccountKind) -> Result<BaseAnswer<AccountFile>, BoxedError> {
            Ok(match kind {
                AccountKind::User => self.0.clone(),
                AccountKind::Group => self.1.clone(),
            })
        }
    }

    #[test]
    fn numbers_and_names_are_read_as_an_engine_reads_them() {
        let file = |text: &str| BaseAnswer::Here(AccountFile::new(text.as_bytes().to_vec()));
        let mut known =
            Accounts(file("root:x:0:0::/:\napp:x:1000:50::/:\n"), file("staff:x:50:\nweb:x:33:app,x\n"));
        let mut groups = |user: &str| {
            let identity = Identity::of(user, &mut known).expect("answered")?;
            Some((identity.uid, identity.groups.expect("known").into_iter().collect::<Vec<u64>>()))
        };
        for root in ["", "0", "root", "0:5"] {
            assert_eq!(groups(root), None, "{root}");
        }
        assert_eq!(groups("app"), Some((1000, vec![33, 50])));
        assert_eq!(groups("1000"), Some((1000, vec![33, 50])));
        assert_eq!(groups("app:web"), Some((1000, vec![33])));
        assert_eq!(groups("1000:7"), Some((1000, vec![7])));
        assert_eq!(groups("2000"), Some((2000, vec![0])));
        assert_eq!(groups("none"), None);
        let mut unknown = Accounts(BaseAnswer::Unknown, BaseAnswer::Unknown);
        let identity = Identity::of("1000", &mut unknown).expect("answered").expect("a number");
        // A doubt is no finding.
        assert!(identity.groups.is_none() && identity.may(READ, 0o040, (0, 5)));
        assert!(!identity.may(READ, 0o600, (0, 5)) && identity.may(READ, 0o400, (1000, 5)));
    }
}
