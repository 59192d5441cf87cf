//! The numbers behind the owners of the settings: names as the image's files of accounts list them.
//!
//! A planned layer's own `/etc/passwd` or `/etc/group` counts before the base's, as it does in a container. The base's is
//! read only where a name asks for it, and `build.lock` keeps it.

use std::path::PathBuf;

use super::options::scan_options_of;
use super::request::{Request, at};
use super::users::AddedUsers;
use crate::bases::FileTree;
use crate::layer::scan;
use crate::layer::{AccountFile, AccountKind, AccountTable, EntryPath, MAX_ACCOUNTS};
use crate::project::config::{self, AccountName, Owner, OwnerPart, Spanned};
use crate::runtime::input;
use crate::runtime::interrupt::Interrupt;
use crate::runtime::tree_reader::{TreeReader, leads_out};
use crate::types::error::{BoxedError, Explain, Kind, io_code, nearest};
use crate::types::error_code::ErrorCode;
use crate::types::shown::shown_path;

/// The accounts of an image, as far as the owners of the settings need them.
#[derive(Clone, Debug, Default)]
pub(super) struct Owners {
    users: AddedUsers,
}

/// Why the meaning of an owner is not known.
#[derive(Debug, thiserror::Error)]
pub(super) enum OwnerError {
    /// A name that is not listed.
    #[error("the image has no {} `{name}`: `/{}` does not list it", kind.describe(), kind.file())]
    Unlisted {
        /// A user or a group.
        kind: AccountKind,
        /// Its name.
        name: String,
        /// A name that is listed and much like it.
        near: Option<String>,
    },
    /// A line without a number.
    #[error("`/{}` of the image gives no number for the {} `{name}`", kind.file(), kind.describe())]
    NoNumber {
        /// A user or a group.
        kind: AccountKind,
        /// Its name.
        name: String,
    },
    /// A file of accounts of a planned layer that cannot be read.
    #[error("cannot read `{}`: {source}", shown_path(path))]
    File {
        /// The file.
        path: PathBuf,
        /// The reason.
        source: std::io::Error,
    },
}

impl Explain for OwnerError {
    fn kind(&self) -> Kind {
        Kind::Input
    }

    fn code(&self) -> Option<ErrorCode> {
        match self {
            Self::Unlisted { .. } | Self::NoNumber { .. } => Some(ErrorCode::OwnerUnknown),
            Self::File { source, .. } if leads_out(source) => Some(ErrorCode::PathOutside),
            Self::File { source, .. } => io_code(source, ErrorCode::FileUnreadable),
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Unlisted { near: Some(near), .. } => Some(format!("did you mean `{near}`?")),
            Self::Unlisted { .. } | Self::NoNumber { .. } => {
                Some("give a number, such as \"1000:1000\", or add the user with `[[user]]`".to_owned())
            }
            Self::File { source, .. } if leads_out(source) => Some(
                "put the file itself there, or give numbers in place of names, such as \"1000:1000\""
                    .to_owned(),
            ),
            Self::File { .. } => Some("make it a file of at most 1 MiB that you can read".to_owned()),
        }
    }
}

impl Owners {
    /// The accounts of an image on `base`. Nothing is read where the settings have neither users nor names.
    ///
    /// # Errors
    /// When a file of accounts cannot be read, or a `[[user]]` contradicts it.
    pub(super) fn load<T: FileTree>(
        request: &Request,
        base: &mut T,
        interrupt: &Interrupt,
    ) -> Result<Self, BoxedError> {
        let has_users = !request.settings.users.is_empty();
        if !has_users && !written(request).any(|owner| owner.value.has_name()) {
            return Ok(Self::default());
        }
        let mut file = |kind: AccountKind| match planned(request, kind)? {
            // Users are added to the base's files, whatever else goes there.
            Some(file) if !has_users => Ok(Some(file)),
            _ => base.account_file(kind),
        };
        let files = (file(AccountKind::User)?, file(AccountKind::Group)?);
        Ok(Self { users: AddedUsers::new(request, files, interrupt)? })
    }

    /// The users that are added to those of the base.
    pub(super) const fn users(&self) -> &AddedUsers {
        &self.users
    }

    /// The user and group that were written.
    ///
    /// # Errors
    /// When a name is not listed; with its line.
    pub(super) fn of(&self, request: &Request, owner: &Spanned<Owner>) -> Result<(u64, u64), BoxedError> {
        self.resolve(&owner.value).map_err(|error| {
            let hint = error.hint();
            at(request, owner, error.into(), hint)
        })
    }

    fn resolve(&self, owner: &Owner) -> Result<(u64, u64), OwnerError> {
        let (uid, first_group) = match &owner.user {
            OwnerPart::Number(number) => (*number, Some(*number)),
            OwnerPart::Name(name) => {
                let line = listed(self.users.passwd.as_ref(), AccountKind::User, name)?;
                (number(line.number(), AccountKind::User, name)?, line.first_group())
            }
        };
        let gid = match (&owner.group, &owner.user) {
            (Some(OwnerPart::Number(number)), _) => *number,
            (Some(OwnerPart::Name(name)), _) => {
                let line = listed(self.users.group.as_ref(), AccountKind::Group, name)?;
                number(line.number(), AccountKind::Group, name)?
            }
            (None, OwnerPart::Name(name)) => number(first_group, AccountKind::User, name)?,
            (None, OwnerPart::Number(number)) => *number,
        };
        Ok((uid.into(), gid.into()))
    }
}

fn listed<'f>(
    file: Option<&'f AccountTable>,
    kind: AccountKind,
    name: &AccountName,
) -> Result<crate::layer::AccountLine<'f>, OwnerError> {
    file.and_then(|file| file.find(name.as_str())).ok_or_else(|| {
        let names: Vec<String> = file
            .iter()
            .flat_map(|file| file.lines())
            .map(|line| String::from_utf8_lossy(line.name).into_owned())
            .collect();
        let near = nearest(name.as_str(), names.iter().map(String::as_str)).map(str::to_owned);
        OwnerError::Unlisted { kind, name: name.as_str().to_owned(), near }
    })
}

fn number(number: Option<u32>, kind: AccountKind, name: &AccountName) -> Result<u32, OwnerError> {
    number.ok_or_else(|| OwnerError::NoNumber { kind, name: name.as_str().to_owned() })
}

/// All owners that the settings have.
fn written(request: &Request) -> impl Iterator<Item = &Spanned<Owner>> {
    let of_apps = request.settings.apps.iter().flat_map(|app| {
        app.owner.iter().chain(app.permissions.iter().flat_map(|permission| &permission.owner))
    });
    let of_layers = request.settings.layers.iter().flat_map(|layer| {
        let files = layer.files.iter().flat_map(|files| &files.owner);
        let permissions = layer.permissions.iter().flat_map(|permission| &permission.owner);
        files.chain(layer.directories.iter().flat_map(|directory| &directory.owner)).chain(permissions)
    });
    of_apps.chain(of_layers)
}

/// The file of accounts that a layer of the settings copies into the image; of several, the uppermost.
fn planned(request: &Request, kind: AccountKind) -> Result<Option<AccountFile>, BoxedError> {
    let Ok(wanted) = EntryPath::new(kind.file().as_bytes()) else { return Ok(None) };
    let files = request.settings.layers.iter().rev().flat_map(|layer| &layer.files);
    for files in files {
        let Some(path) = source_of(files, &wanted)? else { continue };
        let bytes = match &path {
            AccountSource::File(path) => input::read(path, MAX_ACCOUNTS),
            AccountSource::Below(tree, below) => TreeReader::new(tree).read(below, MAX_ACCOUNTS),
        };
        let bytes = bytes.map_err(|source| OwnerError::File { path: path.path(), source })?;
        return Ok(Some(AccountFile::new(bytes)));
    }
    Ok(None)
}

/// A file of accounts on disk.
enum AccountSource {
    /// The file that the settings name.
    File(PathBuf),
    /// A path below a directory that they name. No link there leads to an account of this machine.
    Below(PathBuf, PathBuf),
}

impl AccountSource {
    fn path(&self) -> PathBuf {
        match self {
            Self::File(path) => path.clone(),
            Self::Below(tree, below) => tree.join(below),
        }
    }
}

/// Where `files` have the file for `wanted` on disk, if they have it.
fn source_of(files: &config::FilesSettings, wanted: &EntryPath) -> Result<Option<AccountSource>, BoxedError> {
    let (from, to) = (files.from.value.path(), files.to.value.entry());
    if !from.is_dir() {
        let place = match to {
            Some(to) if !files.to.value.has_trailing_slash() => Some(to.clone()),
            to => from.file_name().and_then(|name| {
                let name = name.as_encoded_bytes();
                to.map_or_else(|| EntryPath::new(name), |to| to.join(name)).ok()
            }),
        };
        return Ok((place.as_ref() == Some(wanted)).then(|| AccountSource::File(from.to_owned())));
    }
    let below = match to {
        None => Some(wanted.as_bytes()),
        Some(to) if wanted.starts_with(to) => wanted.as_bytes().get(to.as_bytes().len() + 1..),
        Some(_) => None,
    };
    let Some(relative) = below.and_then(|below| std::str::from_utf8(below).ok()) else { return Ok(None) };
    // A link that leads out is there, and reading it is an error: the image would have other accounts than this machine.
    let is_there = match TreeReader::new(from).metadata(relative) {
        Ok(metadata) => metadata.is_file(),
        Err(error) => leads_out(&error),
    };
    let is_taken = is_there && scan::takes(from, &scan_options_of(files), relative.as_ref(), false)?;
    Ok(is_taken.then(|| AccountSource::Below(from.to_owned(), relative.into())))
}
