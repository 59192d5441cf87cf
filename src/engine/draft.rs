//! A layer before it is placed on the base: what goes into it, and which directories are its own.

use std::collections::BTreeSet;

use super::request::Request;
use crate::layer::{DEFAULT_MTIME, Entry, EntryPath, Metadata};
use crate::plan::buckets::BucketCount;
use crate::project::config::{self, Mtime, Spanned};
use crate::types::error::BoxedError;
use crate::types::error_code::ErrorCode;

/// A layer before its entries are placed: what it owns decides which directories are the base's.
pub(super) struct Draft<'a> {
    pub(super) name: String,
    pub(super) why: String,
    /// Directories may be there more than once, where sources differ about one that is perhaps the base's.
    pub(super) entries: Vec<Entry>,
    pub(super) owned: OwnedDirectories,
    /// The paths that the user named, so that the base is asked about them.
    pub(super) named: BTreeSet<EntryPath>,
    /// How it is split where it is large; `None` where it stays whole.
    pub(super) splitting: Option<SplitRequest>,
    pub(super) times: Times,
    pub(super) origin: DraftOrigin<'a>,
}

/// Where a layer comes from.
pub(super) enum DraftOrigin<'a> {
    /// A `[[layer]]` of the settings.
    Layer(&'a config::LayerSettings),
    /// An artifact.
    App(&'a config::AppSettings),
    /// The users of the settings.
    Users,
    /// A path of the base that is removed: the entries stand for it.
    Removal,
}

/// How far a divisible layer is split.
pub(super) struct SplitRequest {
    /// The user's wish; `None` leaves it to the size.
    pub(super) wanted: Option<BucketCount>,
    /// The path that the application owns.
    pub(super) root: Option<EntryPath>,
}

impl Draft<'_> {
    /// The layer that removes `paths` of the base, if there are any. It lies below all others of ours, so that what they
    /// have at these paths stays.
    pub(super) fn removing(paths: &[EntryPath]) -> Option<Self> {
        let stand_in = |path: &EntryPath| Entry::bytes(path.clone(), Metadata::file(false), b"");
        let named: Vec<String> = paths.iter().map(|path| format!("`{path}`")).collect();
        (!paths.is_empty()).then(|| Self {
            name: "removals".to_owned(),
            why: format!("removes {} of the base, which the application replaces", named.join(" and ")),
            entries: paths.iter().map(stand_in).collect(),
            owned: OwnedDirectories::Some(BTreeSet::new()),
            named: BTreeSet::new(),
            splitting: None,
            times: Times::Given,
            origin: DraftOrigin::Removal,
        })
    }
}

/// The modification times of a layer's files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Times {
    /// As its entries have them.
    Given,
    /// A function of their contents.
    OfContents,
}

impl Times {
    /// The meaning of a setting: the time of entries without content, or of everything, and whether contents have
    /// their own.
    ///
    /// They have it where nothing is said. Web servers make validators of a file's time and size: a time that is always
    /// the same keeps changed files in caches, and one that is always new sends unchanged files.
    pub(super) fn of(request: &Request, written: Option<&Spanned<Mtime>>) -> (u64, Self) {
        match written.map_or(Mtime::Content, |written| written.value) {
            Mtime::At(seconds) => (seconds, Self::Given),
            Mtime::Commit => (request.time(), Self::Given),
            Mtime::Content => (DEFAULT_MTIME, Self::OfContents),
        }
    }
}

/// Refuses `mtime = "commit"` where there is no commit: all files would have one time for good.
pub(super) fn check_times(request: &Request) -> Result<(), BoxedError> {
    let settings = &request.settings;
    let apps = settings.apps.iter().filter_map(|app| app.mtime.as_ref());
    let layers = settings.layers.iter().filter_map(|layer| layer.mtime.as_ref());
    let commit = apps.chain(layers).find(|mtime| mtime.value == Mtime::Commit);
    let is_known = settings.source_date_epoch.is_some() || request.facts.git.is_some();
    match commit {
        Some(commit) if !is_known => {
            let message = "there is neither a git commit nor `SOURCE_DATE_EPOCH` to give files their time";
            let hint = "set `SOURCE_DATE_EPOCH` to seconds since the epoch, or write \"content\"";
            let error = settings.error_at(commit.span, message, Some(hint.to_owned()));
            Err(error.about(ErrorCode::TemplateUnfilled).into())
        }
        _ => Ok(()),
    }
}

/// Which of its directories a layer owns.
pub(super) enum OwnedDirectories {
    /// This one and all below it.
    From(EntryPath),
    /// These.
    Some(BTreeSet<EntryPath>),
}

impl OwnedDirectories {
    pub(super) fn contains(&self, path: &EntryPath) -> bool {
        match self {
            Self::From(root) => path.starts_with(root),
            Self::Some(directories) => directories.contains(path),
        }
    }
}
