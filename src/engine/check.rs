//! Whether what is planned can run: what the container of the base speaks, what a program needs, who it runs as, and
//! what volumes hide.
//!
//! Invariant: a verdict is a function of the artifact, the settings, the base and the lock. What the store has, and
//! whether a layer is known already, decide nothing.

use std::cell::RefCell;

use super::Request;
use super::base::Tree;
use crate::artifact::{self, AppOptions, Artifact, Findings};
use crate::layer::{
    Account, AccountKind, AccountNames, Content, ContentSource, EntryKind, EntryPath, LayerSpec,
    MAX_ACCOUNTS, Node, Scanner,
};
use crate::oci::ConfigFile;
use crate::plan::{self, BaseTree, PlannedLayer, Stack};
use crate::runtime::input;
use crate::types::error::{BoxedError, Explain, Kind};
use crate::types::shown::shown;

/// Why an image would not run.
#[derive(Debug, thiserror::Error)]
pub enum CheckError {
    /// A user or group that nothing in the image lists.
    #[error("the {account} in `config.user` is not in `/{}` of the image, so no container of it would start", account.kind.file())]
    NoSuchAccount {
        /// Who.
        account: Account,
    },
}

impl Explain for CheckError {
    fn kind(&self) -> Kind {
        Kind::Input
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::NoSuchAccount { account } => Some(format!(
                "give a number, such as \"1000:1000\", or add an `/{}` with that name in a `[[layer]]`",
                account.kind.file()
            )),
        }
    }
}

/// What is checked.
pub(super) struct Checks<'a> {
    pub(super) request: &'a Request,
    pub(super) scanner: &'a Scanner,
    pub(super) artifact: Option<&'a Artifact>,
    pub(super) options: AppOptions,
    /// The base's configuration.
    pub(super) config: Option<&'a ConfigFile>,
    pub(super) layers: &'a [PlannedLayer],
}

impl Checks<'_> {
    /// Does all of them. `tree` is the base's.
    pub(super) fn run(&self, mut tree: Option<&mut Tree<'_>>) -> Result<Findings, BoxedError> {
        let mut findings = Findings::default();
        if let Some(artifact) = self.artifact {
            add(&mut findings, artifact::check(artifact, &self.options, self.config, self.scanner)?);
            add(&mut findings, self.libraries(artifact, tree.as_deref_mut())?);
        }
        findings.warnings.extend(self.volumes());
        findings.notes.extend(self.user(tree)?);
        Ok(findings)
    }

    /// Whether the image has what a dynamic program needs.
    fn libraries(&self, artifact: &Artifact, base: Option<&mut Tree<'_>>) -> Result<Findings, BoxedError> {
        if artifact.elf().is_none_or(|facts| facts.is_static) {
            return Ok(Findings::default());
        }
        let layers: Vec<LayerSpec> = self.layers.iter().map(|layer| layer.spec.clone()).collect();
        match base {
            Some(base) => libraries_in(artifact, &mut Stack { base, layers: &layers }),
            None => libraries_in(artifact, &mut Stack { base: &mut plan::Empty, layers: &layers }),
        }
    }

    /// Files below a volume of the base: a container sees what its volume holds.
    fn volumes(&self) -> Vec<String> {
        let run = self.config.and_then(|config| config.config.as_ref());
        let volumes = run.into_iter().flat_map(|run| run.volumes.keys());
        let volumes = volumes.filter_map(|volume| EntryPath::new(volume.as_bytes()).ok());
        let hidden = volumes.filter_map(|volume| {
            let entries = self.layers.iter().flat_map(|layer| layer.spec.entries());
            let mut files = entries.filter(|entry| !entry.is_directory() && entry.path.starts_with(&volume));
            let first = files.next()?;
            let more = match files.count() {
                0 => String::new(),
                1 => " and 1 more file".to_owned(),
                count => format!(" and {count} more files"),
            };
            Some(format!(
                "`{}`{more} would be below `{volume}`, a volume of the base: a container shows what its volume holds, and one \
                 that is kept hides every newer image; `app.root`, or `to` of a layer, names another place",
                first.path
            ))
        });
        hidden.collect()
    }

    /// Whether the user exists, where the settings give a name.
    fn user(&self, mut base: Option<&mut Tree<'_>>) -> Result<Vec<String>, BoxedError> {
        let Some(user) = &self.request.settings.config.user else { return Ok(Vec::new()) };
        let mut notes = Vec::new();
        for account in accounts(user.value.as_str()) {
            let is_there = match own_names(self.layers, account.kind)? {
                Own::Names(names) => Some(names.contains(&account.name)),
                Own::Unknown => None,
                Own::Nothing => match base.as_deref_mut() {
                    Some(base) => base.has_account(&account)?,
                    None => Some(false),
                },
            };
            match is_there {
                Some(true) => {}
                Some(false) => {
                    let error = CheckError::NoSuchAccount { account };
                    let hint = error.hint();
                    return Err(super::request::at(self.request, user, error.into(), hint));
                }
                None => notes.push(format!(
                    "Whether the image has the {account} of `config.user` is not checked: that takes reading a layer of the \
                     base which nothing else needs."
                )),
            }
        }
        Ok(notes)
    }
}

fn add(findings: &mut Findings, more: Findings) {
    findings.notes.extend(more.notes);
    findings.warnings.extend(more.warnings);
}

/// The names in `USER[:GROUP]`. Numbers need not be listed anywhere.
fn accounts(user: &str) -> Vec<Account> {
    let (user, group) = user.split_once(':').map_or((user, None), |(user, group)| (user, Some(group)));
    let named = [(AccountKind::User, Some(user)), (AccountKind::Group, group)];
    let named = named.into_iter().filter_map(|(kind, name)| Some(Account { kind, name: name?.to_owned() }));
    let is_name = |account: &Account| {
        !account.name.is_empty() && !account.name.bytes().all(|byte| byte.is_ascii_digit())
    };
    named.filter(is_name).collect()
}

/// What our own layers have as a file of accounts.
enum Own {
    Nothing,
    Names(AccountNames),
    /// Something that is not read: a link, or more than such a file has.
    Unknown,
}

fn own_names(layers: &[PlannedLayer], kind: AccountKind) -> Result<Own, BoxedError> {
    let entries = layers.iter().rev().flat_map(|layer| layer.spec.entries());
    let mut listed = entries.filter(|entry| AccountKind::listed_at(&entry.path) == Some(kind));
    let Some(entry) = listed.next() else { return Ok(Own::Nothing) };
    let EntryKind::File(content) = &entry.kind else { return Ok(Own::Unknown) };
    if content.size > MAX_ACCOUNTS {
        return Ok(Own::Unknown);
    }
    Ok(Own::Names(AccountNames::parse(&bytes_of(content)?)))
}

/// The bytes of a small file.
fn bytes_of(content: &Content) -> Result<Vec<u8>, BoxedError> {
    Ok(match &content.source {
        ContentSource::File(path, _) => input::read(path, MAX_ACCOUNTS).map_err(|source| {
            BoxedError::from(super::BuildError::Missing { path: path.to_path_buf(), source })
        })?,
        ContentSource::Zip(archive, index) => archive.read(*index, MAX_ACCOUNTS)?,
        ContentSource::Bytes(bytes) => bytes.to_vec(),
    })
}

/// Looks for what a dynamic program needs in a tree.
fn libraries_in<B: BaseTree>(artifact: &Artifact, tree: &mut B) -> Result<Findings, BoxedError> {
    let failed: RefCell<Option<BoxedError>> = RefCell::new(None);
    let tree = RefCell::new(tree);
    let is_there = |path: &str| {
        let path = EntryPath::new(path.strip_prefix('/')?.as_bytes()).ok()?;
        match exists(&mut **tree.borrow_mut(), &path) {
            Ok(exists) => Some(exists),
            Err(error) => {
                failed.replace(Some(error));
                None
            }
        }
    };
    let findings = artifact::check_libraries(artifact, &is_there);
    // That a layer cannot be read is said, not what seemed to be missing then.
    match failed.into_inner() {
        Some(error) => Err(error),
        None => Ok(findings?),
    }
}

/// Whether there is anything at `path`, links to directories followed.
fn exists<B: BaseTree>(tree: &mut B, path: &EntryPath) -> Result<bool, BoxedError> {
    let Some(parent) = path.parent() else { return Ok(tree.lookup(path)?.is_some()) };
    let Some(parent) = plan::real_directory(&parent, tree)? else { return Ok(false) };
    let Ok(path) = parent.join(path.file_name()) else { return Ok(false) };
    Ok(tree.lookup(&path)?.is_some())
}

/// The base's own applications where the planned one would not run, or not alone: what a layer has to remove.
///
/// `replaces` are places as the proposal names them; the result has the places behind the base's links.
pub(super) fn replaced(
    replaces: &[EntryPath],
    app_root: Option<&EntryPath>,
    tree: &mut Tree<'_>,
) -> Result<Vec<EntryPath>, BoxedError> {
    let mut found = Vec::new();
    for path in replaces {
        // The application's own directory is where it leads; another form of it is the name itself.
        let real = if Some(path) == app_root {
            plan::real_directory(path, tree)?
        } else {
            match path.parent() {
                Some(parent) => {
                    plan::real_directory(&parent, tree)?.and_then(|parent| parent.join(path.file_name()).ok())
                }
                None => Some(path.clone()),
            }
        };
        let Some(real) = real else { continue };
        match tree.lookup(&real)? {
            Some(Node::Directory { .. }) => found.push(real),
            Some(Node::File | Node::Symlink(_)) if Some(path) != app_root => found.push(real),
            _ => {}
        }
    }
    Ok(found)
}

/// What is said of them.
pub(super) fn note_of_replaced(paths: &[EntryPath]) -> Option<String> {
    let named: Vec<String> = paths.iter().map(|path| format!("`/{}`", shown(path.as_bytes()))).collect();
    (!named.is_empty()).then(|| {
        format!(
            "The base has an application of its own in {}, which the image does not: its server would run that one, or both \
             in one. What shall stay of it goes into a `[[layer]]`.",
            named.join(" and ")
        )
    })
}
