//! The `[[user]]` tables of a build file: users that are added to those of the base.
//!
//! `/etc/passwd` and `/etc/group` are those of the base, byte by byte, with lines at their ends and names at the ends of
//! lines. A user that the base has already, with the same numbers, changes nothing. One that the base has otherwise is
//! an error, and so is a number that another name has: a name would mean something else than the user wrote.

use std::collections::BTreeSet;

use super::draft::{Draft, DraftOrigin, OwnedDirectories, Times};
use super::error::BuildError;
use super::request::Request;
use crate::layer::{AccountFile, AccountKind, AccountTable, Entry, EntryKind, EntryPath, Metadata};
use crate::project::config::{AddedUserSettings, Span};
use crate::runtime::interrupt::Interrupt;
use crate::types::error::BoxedError;
use crate::types::shown::shown;

/// The directory of a user without `home`: none that is there.
const NO_HOME: &str = "/nonexistent";
/// The shell of a user without `shell`: one that refuses logins.
const NO_SHELL: &str = "/sbin/nologin";

/// The files of accounts, with the users of the settings.
#[derive(Clone, Debug, Default)]
pub(super) struct AddedUsers {
    /// `/etc/passwd`; `None` where neither the base nor the settings have users.
    pub(super) passwd: Option<AccountTable>,
    /// `/etc/group`.
    pub(super) group: Option<AccountTable>,
    /// The names of the users that the base did not have.
    names: Vec<String>,
    changed: BTreeSet<AccountKind>,
    /// The directories of new users, with user and group.
    homes: Vec<(EntryPath, u32, u32)>,
}

impl AddedUsers {
    /// The users of the settings, added to files of the base.
    ///
    /// # Errors
    /// When one contradicts the base; with its line. When the user interrupts.
    pub(super) fn new(
        request: &Request,
        (passwd, group): (Option<AccountFile>, Option<AccountFile>),
        interrupt: &Interrupt,
    ) -> Result<Self, BoxedError> {
        let table = |file: Option<AccountFile>| file.map(|file| AccountTable::new(&file));
        let mut added = Self { passwd: table(passwd), group: table(group), ..Self::default() };
        for user in &request.settings.users {
            interrupt.check().map_err(BuildError::from)?;
            added.add(user).map_err(|refusal| {
                request.settings.error_at(refusal.span, refusal.message, Some(refusal.hint))
            })?;
        }
        Ok(added)
    }

    fn add(&mut self, user: &AddedUserSettings) -> Result<(), Refusal> {
        let name = user.name.as_str();
        let gid = self.first_group(user)?;
        let there = self.passwd.as_ref().and_then(|passwd| {
            let line = passwd.find(name)?;
            let field = |number| line.field(number).unwrap_or_default().to_vec();
            Some((line.number(), line.first_group(), field(5), field(6)))
        });
        if let Some((uid, first, home, shell)) = there {
            let differs =
                |path: Option<&str>, there: &[u8]| path.is_some_and(|path| path.as_bytes() != there);
            let wanted = (Some(user.uid.get()), Some(gid));
            let home_differs = differs(user.home.as_ref().map(|home| home.as_str()), &home);
            let shell_differs = differs(user.shell.as_ref().map(|shell| shell.as_str()), &shell);
            if (uid, first) != wanted || home_differs || shell_differs {
                let number =
                    |number: Option<u32>| number.map_or_else(|| "?".to_owned(), |number| number.to_string());
                let message = format!(
                    "the base has a user `{name}` already: {}:{}, at home in `{}`, with the shell `{}`",
                    number(uid),
                    number(first),
                    shown(&home),
                    shown(&shell)
                );
                let hint = "rename it, or write the same and leave `home` and `shell` out".to_owned();
                return Err(Refusal { span: user.name.span, message, hint });
            }
        } else {
            self.add_new(user, gid)?;
        }
        self.join_groups(user)
    }

    fn add_new(&mut self, user: &AddedUserSettings, gid: u32) -> Result<(), Refusal> {
        let (name, uid) = (user.name.as_str(), user.uid.get());
        let passwd = self.passwd.get_or_insert_default();
        if let Some(other) = passwd.with_number(uid) {
            let other = shown(other.name);
            return Err(Refusal {
                span: user.uid.span,
                message: format!("the number {uid} of the user `{name}` is that of `{other}` in the base"),
                hint: format!("give it another `uid`, or use the user `{other}` of the base"),
            });
        }
        let home = user.home.as_ref().map_or(NO_HOME, |home| home.as_str());
        let shell = user.shell.as_ref().map_or(NO_SHELL, |shell| shell.as_str());
        passwd.push(&format!("{name}:*:{uid}:{gid}::{home}:{shell}"));
        self.changed.insert(AccountKind::User);
        self.names.push(name.to_owned());
        if let Some(home) = user.home.as_ref().and_then(|home| home.entry()) {
            self.homes.push((home.clone(), uid, gid));
        }
        Ok(())
    }

    /// The number of the user's first group, which is made if it is missing.
    fn first_group(&mut self, user: &AddedUserSettings) -> Result<u32, Refusal> {
        let group = self.group.get_or_insert_default();
        let wanted = user.gid.as_ref().map(|gid| gid.get());
        if let (None, Some(gid)) = (&user.group, wanted)
            && group.with_number(gid).is_some()
        {
            return Ok(gid);
        }
        let written = user.group.as_ref().unwrap_or(&user.name);
        let (name, span) = (written.as_str(), user.gid.as_ref().map_or(written.span, |gid| gid.span));
        if let Some(there) = group.find(name) {
            return match there.number() {
                Some(number) if wanted.is_none_or(|wanted| wanted == number) => Ok(number),
                number => Err(Refusal {
                    span,
                    message: format!(
                        "the base has a group `{name}` already, with the number {}",
                        number.map_or_else(|| "?".to_owned(), |number| number.to_string())
                    ),
                    hint: "leave `gid` out to use it, or give another `group`".to_owned(),
                }),
            };
        }
        let number = wanted.unwrap_or_else(|| user.uid.get());
        if let Some(other) = group.with_number(number) {
            let other = shown(other.name);
            return Err(Refusal {
                span,
                message: format!(
                    "the number {number} of the group `{name}` is that of `{other}` in the base"
                ),
                hint: format!("give it another `gid`, or write `group = \"{other}\"`"),
            });
        }
        group.push(&format!("{name}:*:{number}:"));
        self.changed.insert(AccountKind::Group);
        Ok(number)
    }

    fn join_groups(&mut self, user: &AddedUserSettings) -> Result<(), Refusal> {
        let group = self.group.get_or_insert_default();
        for wanted in &user.groups {
            if group.find(wanted.as_str()).is_none() {
                return Err(Refusal {
                    span: wanted.span,
                    message: format!("the base has no group `{}`", wanted.as_str()),
                    hint:
                        "name one of `/etc/group` of the base, or the `group` of a `[[user]]` before this one"
                            .to_owned(),
                });
            }
            if group.add_member(wanted.as_str(), user.name.as_str()) {
                self.changed.insert(AccountKind::Group);
            }
        }
        Ok(())
    }

    /// The layer with the files that changed, and the directories of new users; `None` where nothing changes.
    pub(super) fn draft(&self) -> Option<Draft<'static>> {
        let file = |kind: AccountKind| {
            let file = match kind {
                AccountKind::User => self.passwd.as_ref()?,
                AccountKind::Group => self.group.as_ref()?,
            };
            let path = EntryPath::new(kind.file().as_bytes()).ok()?;
            Some(Entry::bytes(path, Metadata::file(false), &file.bytes()))
        };
        let mut entries: Vec<Entry> = self.changed.iter().filter_map(|kind| file(*kind)).collect();
        let named = entries.iter().map(|entry| entry.path.clone()).collect();
        for (path, uid, gid) in &self.homes {
            let owner = Metadata { uid: (*uid).into(), gid: (*gid).into(), ..Metadata::directory() };
            entries.push(Entry { path: path.clone(), metadata: owner, kind: EntryKind::Directory });
        }
        if entries.is_empty() {
            return None;
        }
        let names: Vec<String> = self.names.iter().map(|name| format!("`{name}`")).collect();
        let why = match &names[..] {
            [] => "adds users to groups of the base".to_owned(),
            [name] => format!("adds the user {name}"),
            names => format!("adds the users {}", names.join(", ")),
        };
        Some(Draft {
            name: "users".to_owned(),
            why,
            entries,
            // A home that the base has stays as it is.
            owned: OwnedDirectories::Some(BTreeSet::new()),
            named,
            splitting: None,
            times: Times::Given,
            origin: DraftOrigin::Users,
        })
    }

    /// The files of the layer: those of the base with more lines.
    pub(super) fn files(&self) -> Vec<EntryPath> {
        self.changed.iter().filter_map(|kind| EntryPath::new(kind.file().as_bytes()).ok()).collect()
    }

    /// Whether a layer of its own has these accounts.
    pub(super) fn changes(&self, kind: AccountKind) -> bool {
        self.changed.contains(&kind)
    }
}

/// Why a user cannot be added.
struct Refusal {
    span: Span,
    message: String,
    hint: String,
}
