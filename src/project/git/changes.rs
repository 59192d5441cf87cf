//! Whether a working tree is what its commit says, found out without running a filter.
//!
//! git compares size, times and inode of a file with its index, and content only where these differ. It then compares
//! the filtered content, and a filter is a program. None is run here:
//! - The form of a file under Git LFS is known without it: a text with SHA-256 and size of the content.
//! - The result of another filter cannot be known. A file that has one, whose size, times or inode are not those of
//!   the index, counts as changed, and a warning says so. After a `git status` of the user's own, which runs the
//!   filter and notes the new times, it does not. One that was written in the same moment as the index has the times
//!   that the index says: git would ask the filter to be sure, here it counts as it is noted.
//!
//! So a fresh clone is clean with and without the filters. Submodules are looked at one by one, in the same way:
//! git would start itself in each of them, with the configuration there.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, Read as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use super::confine;
use super::error::GitError;
use super::process::{Running, path_of};
use super::repository::{GitRepository, RepositoryPaths};
use super::stand_in::{Git, GitQuery};
use super::surroundings::Surroundings;
use crate::runtime::input;
use crate::runtime::tree_reader::TreeReader;
use crate::types::digest::HashingWriter;

/// The answer of git about a working tree.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Status {
    /// The full hash of HEAD; none before the first commit.
    pub(super) commit: Option<String>,
    /// The branch; none when HEAD is detached.
    pub(super) branch: Option<String>,
    /// Whether anything differs from the commit.
    pub(super) changes: Changes,
}

/// The differences from the commit.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) enum Changes {
    /// Nothing.
    #[default]
    None,
    /// Something: the first path, as far as it is known.
    Some(ChangedPath),
    /// Something, unless a filter makes of these files what was committed.
    Perhaps(Vec<Candidate>),
}

/// A path that is not as committed, from the top of the repository; `None` where only that something changed is known.
pub(super) type ChangedPath = Option<PathBuf>;

/// A file whose content is not that of its object.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Candidate {
    path: Vec<u8>,
    object: String,
}

/// How many files are looked at more closely; a tree with more of them counts as changed.
const MOST_CANDIDATES: usize = 10_000;
/// How deep submodules are looked for in submodules, and how many of them.
const MOST_DEPTH: usize = 8;
const MOST_SUBMODULES: usize = 1000;

const STATUS: [&str; 7] = [
    "status",
    "--porcelain=v2",
    "--branch",
    "--untracked-files=normal",
    // Renames are found by reading contents, which a partial clone has not.
    "--no-renames",
    "--ignore-submodules=dirty",
    "-z",
];

/// Asks git for the state of the working tree.
///
/// # Errors
/// When git cannot say.
pub(super) fn status(
    git: &Git<'_>,
    repository: &GitRepository,
    around: &Surroundings<'_>,
) -> Result<Status, GitError> {
    let mut running = git.start(&STATUS, &[])?;
    let mut status = Status::default();
    let (mut candidates, mut directories) = (Vec::new(), Vec::new());
    while let Some(record) = running.record(0)? {
        let is_others = |path: &[u8]| !(around.is_ours)(&repository.place.top.join(path_of(path)));
        let change: Option<ChangedPath> = match StatusRecord::parse(&record) {
            StatusRecord::Commit(commit) => {
                status.commit = (commit != "(initial)").then_some(commit);
                None
            }
            StatusRecord::Branch(branch) => {
                status.branch = (branch != "(detached)").then_some(branch);
                None
            }
            StatusRecord::Other => None,
            StatusRecord::New(path) if path.ends_with(b"/") => {
                directories.push(path.to_vec());
                None
            }
            StatusRecord::New(path) | StatusRecord::Change(path) => {
                is_others(path).then(|| changed_path(path))
            }
            StatusRecord::Content(candidate) => {
                candidates.extend(is_others(&candidate.path).then_some(candidate));
                (candidates.len() > MOST_CANDIDATES).then_some(None)
            }
        };
        if let Some(path) = change {
            // Headers come first, and one change is enough.
            running.stop();
            status.changes = Changes::Some(path);
            return Ok(status);
        }
    }
    running.finish()?;
    for directory in directories {
        if let Some(path) = first_in_new(git, repository, around, &directory)? {
            status.changes = Changes::Some(Some(path));
            return Ok(status);
        }
    }
    if !candidates.is_empty() {
        status.changes = Changes::Perhaps(candidates);
    }
    Ok(status)
}

/// The path to name of a directory that is new: the directory, unless all that is new in it are files of this program.
fn first_in_new(
    git: &Git<'_>,
    repository: &GitRepository,
    around: &Surroundings<'_>,
    directory: &[u8],
) -> Result<Option<PathBuf>, GitError> {
    let top = &repository.place.top;
    let pathspec = [b":(top,literal)", directory].concat();
    let pathspec = String::from_utf8(pathspec).ok();
    let Some(pathspec) = pathspec else { return Ok(Some(path_of(directory).to_owned())) };
    let query = ["ls-files", "--others", "--exclude-standard", "-z", "--", &pathspec];
    let mut running = git.start(&query, &[])?;
    let (mut ours, mut others) = (false, false);
    while let (Some(path), false) = (running.record(0)?, others) {
        let is_ours = (around.is_ours)(&top.join(path_of(&path)));
        (ours, others) = (ours || is_ours, !is_ours);
    }
    running.stop();
    Ok((others || !ours).then(|| path_of(directory).to_owned()))
}

fn changed_path(path: &[u8]) -> ChangedPath {
    (!path.is_empty()).then(|| path_of(path).to_owned())
}

/// One record of `git status --porcelain=v2 -z`.
#[derive(Debug, PartialEq, Eq)]
enum StatusRecord<'a> {
    Commit(String),
    Branch(String),
    /// A file that git does not track, or a directory, with `/` at its end, of which it tracks nothing.
    New(&'a [u8]),
    /// A file that is certainly not as committed.
    Change(&'a [u8]),
    /// A file whose content alone is not as committed.
    Content(Candidate),
    Other,
}

impl<'a> StatusRecord<'a> {
    fn parse(record: &'a [u8]) -> Self {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        if let Some(header) = record.strip_prefix(b"# ") {
            return match header.strip_prefix(b"branch.oid ").map(text) {
                Some(commit) => Self::Commit(commit),
                None => {
                    header.strip_prefix(b"branch.head ").map_or(Self::Other, |head| Self::Branch(text(head)))
                }
            };
        }
        if let Some(path) = record.strip_prefix(b"? ") {
            return Self::New(path);
        }
        if record.is_empty() {
            return Self::Other;
        }
        // `1 XY sub mH mI mW hH hI path`; other kinds have more fields and are changes in any case.
        let fields: Vec<&[u8]> = record.splitn(9, |byte| *byte == b' ').collect();
        match fields[..] {
            [b"1", b".M", b"N...", _, index_mode, mode, _, object, path] if index_mode == mode => {
                Self::Content(Candidate { path: path.to_vec(), object: text(object) })
            }
            [b"1", .., path] => Self::Change(path),
            _ => Self::Change(b""),
        }
    }
}

/// The first path that is changed, where the status alone does not say; `None` where nothing is.
///
/// # Errors
/// When git cannot say.
pub(super) fn first_change(
    git: &Git<'_>,
    repository: &GitRepository,
    asker: &GitQuery<'_>,
    changes: &Changes,
    warnings: &mut Vec<String>,
) -> Result<Option<ChangedPath>, GitError> {
    let changed = match changes {
        Changes::Some(path) => Some(path.clone()),
        Changes::None => None,
        Changes::Perhaps(candidates) => changed_of(git, repository, candidates, warnings)?,
    };
    Ok(match changed {
        Some(path) => Some(path),
        None => changed_submodule(git, repository, asker, &mut StatusBudget::new(), warnings)?.map(|top| {
            let below = top.strip_prefix(&repository.place.top).ok();
            below.map(Path::to_owned)
        }),
    })
}

/// The first of the candidates that is certainly changed, or cannot be told not to be.
fn changed_of(
    git: &Git<'_>,
    repository: &GitRepository,
    candidates: &[Candidate],
    warnings: &mut Vec<String>,
) -> Result<Option<ChangedPath>, GitError> {
    let filters = filters(git, candidates)?;
    let (mut of_lfs, mut unknown) = (Vec::new(), Vec::new());
    for (candidate, filter) in candidates.iter().zip(&filters) {
        match filter.as_deref() {
            None => return Ok(Some(changed_path(&candidate.path))),
            Some(b"lfs") => of_lfs.push(candidate),
            Some(filter) => unknown.push((candidate, filter)),
        }
    }
    if has_changed_pointer(git, repository, &of_lfs)? {
        return Ok(Some(None));
    }
    if unknown.is_empty() {
        return Ok(None);
    }
    let as_noted = as_noted(git, repository)?;
    let moved = unknown.into_iter().find(|(candidate, _)| !as_noted.contains(&candidate.path));
    let Some((candidate, filter)) = moved else { return Ok(None) };
    let path = repository.place.top.join(path_of(&candidate.path));
    warnings.push(format!(
        "`{}` counts as changed: only its filter `{}` could tell, and no filter of a repository is run; \
         `git status` runs it, after which its answer is known",
        path.display(),
        String::from_utf8_lossy(filter)
    ));
    Ok(Some(changed_path(&candidate.path)))
}

/// The files whose size, times and inode are those that the index says.
fn as_noted(git: &Git<'_>, repository: &GitRepository) -> Result<BTreeSet<Vec<u8>>, GitError> {
    let mut running = git.start(&["ls-files", "--debug", "-z"], &[])?;
    let mut paths = BTreeSet::new();
    while let Some(path) = running.record(0)? {
        let mut noted = Vec::new();
        // Lines for times, device and inode, owner, size and flags.
        for _ in 0..5 {
            noted.extend(running.record(b'\n')?.unwrap_or_default());
            noted.push(b'\n');
        }
        let metadata = std::fs::symlink_metadata(repository.place.top.join(path_of(&path)));
        if metadata
            .is_ok_and(|metadata| StatusNote::parse(&noted).is_some_and(|noted| noted.is_of(&metadata)))
        {
            paths.insert(path);
        }
    }
    running.finish()?;
    Ok(paths)
}

/// The index's statement about a file, in the numbers that it has room for.
#[derive(Debug, PartialEq, Eq)]
struct StatusNote {
    ctime: (u32, u32),
    mtime: (u32, u32),
    inode: u32,
    size: u32,
}

impl StatusNote {
    /// As `git ls-files --debug` prints it.
    fn parse(text: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(text).ok()?;
        let value = |name: &str| {
            let rest = &text[text.find(&format!("{name}: "))? + name.len() + 2..];
            rest.split(['\n', '\t']).next()
        };
        let number = |name: &str| value(name)?.parse().ok();
        let time = |name: &str| {
            let (seconds, nanoseconds) = value(name)?.split_once(':')?;
            Some((seconds.parse().ok()?, nanoseconds.parse().ok()?))
        };
        Some(Self {
            ctime: time("ctime")?,
            mtime: time("mtime")?,
            inode: number("ino")?,
            size: number("size")?,
        })
    }

    fn is_of(&self, metadata: &std::fs::Metadata) -> bool {
        // The index has the low 32 bits of each. Some that write it know no nanoseconds.
        let is_time = |(seconds, nanoseconds): (u32, u32), is_seconds: i64, is_nanoseconds: i64| {
            seconds == is_seconds as u32 && (nanoseconds == 0 || nanoseconds == is_nanoseconds as u32)
        };
        is_time(self.ctime, metadata.ctime(), metadata.ctime_nsec())
            && is_time(self.mtime, metadata.mtime(), metadata.mtime_nsec())
            && self.inode == metadata.ino() as u32
            && self.size == metadata.size() as u32
    }
}

/// The name of each candidate's filter, if it has one.
fn filters(git: &Git<'_>, candidates: &[Candidate]) -> Result<Vec<Option<Vec<u8>>>, GitError> {
    let mut input = Vec::new();
    for candidate in candidates {
        input.extend_from_slice(&candidate.path);
        input.push(0);
    }
    let mut running = git.start(&["check-attr", "--stdin", "-z", "filter"], &input)?;
    let mut filters = Vec::new();
    // Path, attribute, value.
    while running.record(0)?.is_some() {
        running.record(0)?;
        let value = running.record(0)?.unwrap_or_default();
        let is_named = !matches!(&*value, b"unspecified" | b"unset" | b"set" | b"");
        filters.push(is_named.then_some(value));
    }
    running.finish()?;
    // A path that git does not mention has no filter.
    filters.resize(candidates.len(), None);
    Ok(filters)
}

/// The longest text that Git LFS puts in the place of a file.
const MAX_POINTER: usize = 1024;

/// Whether the content of one of these files is not what the committed text says.
fn has_changed_pointer(
    git: &Git<'_>,
    repository: &GitRepository,
    candidates: &[&Candidate],
) -> Result<bool, GitError> {
    if candidates.is_empty() {
        return Ok(false);
    }
    let input: String = candidates.iter().map(|candidate| format!("{}\n", candidate.object)).collect();
    let mut running = git.start(&["cat-file", "--batch"], input.as_bytes())?;
    for candidate in candidates {
        let pointer = object(&mut running, b"blob", MAX_POINTER)?;
        let tree = TreeReader::new(&repository.place.top);
        let now = || pointer_of(tree.open(path_of(&candidate.path))?.0);
        let is_same = pointer.is_some_and(|(_, pointer)| now().is_ok_and(|now| now == pointer));
        if !is_same {
            running.stop();
            return Ok(true);
        }
    }
    running.finish()?;
    Ok(false)
}

/// The text that Git LFS keeps in the place of `file`: its specification, "The Pointer".
fn pointer_of(mut file: File) -> io::Result<Vec<u8>> {
    let mut hasher = HashingWriter::new(io::sink());
    io::copy(&mut file, &mut hasher)?;
    let (_, digest, size) = hasher.finish();
    let pointer =
        format!("version https://git-lfs.github.com/spec/v1\noid sha256:{}\nsize {size}\n", digest.hex());
    Ok(pointer.into_bytes())
}

/// The next object of `git cat-file --batch`, with its hash; `None` where it is another kind, larger than `most`, or not there.
///
/// # Errors
/// When git says something else.
pub(super) fn object(
    running: &mut Running,
    kind: &[u8],
    most: usize,
) -> Result<Option<(String, Vec<u8>)>, GitError> {
    let header = running.record(b'\n')?.unwrap_or_default();
    let fields: Vec<&[u8]> = header.split(|byte| *byte == b' ').collect();
    let [hash, of_kind, size] = fields[..] else { return Ok(None) };
    let size = std::str::from_utf8(size).ok().and_then(|size| size.parse::<usize>().ok());
    let Some(size) = size.filter(|size| of_kind == kind && *size <= most) else { return Ok(None) };
    let mut bytes = running.bytes(size + 1)?;
    bytes.pop();
    Ok(Some((String::from_utf8_lossy(hash).into_owned(), bytes)))
}

/// How many submodules may still be looked at.
struct StatusBudget {
    depth: usize,
    submodules: usize,
}

impl StatusBudget {
    const fn new() -> Self {
        Self { depth: MOST_DEPTH, submodules: MOST_SUBMODULES }
    }
}

/// The first submodule whose working tree is not as its commit says. That its commit is the right one is part of
/// the status of the tree that it lies in.
fn changed_submodule(
    git: &Git<'_>,
    repository: &GitRepository,
    asker: &GitQuery<'_>,
    budget: &mut StatusBudget,
    warnings: &mut Vec<String>,
) -> Result<Option<PathBuf>, GitError> {
    if !may_have_submodules(repository).map_err(GitError::Run)? {
        return Ok(None);
    }
    let mut running = git.start(&["ls-files", "--stage", "-z"], &[])?;
    let mut tops = Vec::new();
    while let Some(record) = running.record(0)? {
        let Some(rest) = record.strip_prefix(b"160000 ") else { continue };
        let Some(tab) = rest.iter().position(|byte| *byte == b'\t') else { continue };
        let top = repository.place.top.join(path_of(&rest[tab + 1..]));
        // A path behind a link is not part of this tree.
        let is_there = std::fs::symlink_metadata(&top).is_ok_and(|metadata| metadata.is_dir());
        if is_there && top.join(".git").exists() {
            tops.push(top);
        }
    }
    running.finish()?;
    for top in tops {
        if budget.depth == 0 || budget.submodules == 0 {
            let message = "it has more submodules than can be looked at".to_owned();
            return Err(GitError::Refused { directory: repository.place.top.clone(), message });
        }
        budget.submodules -= 1;
        budget.depth -= 1;
        let inner = GitRepository::read(RepositoryPaths::at(&top)?, asker.reader)?;
        if asker.around.is_untrusted {
            confine::check(&inner, asker.root)?;
        }
        let git = Git::new(asker, &inner)?;
        let changed = match status(&git, &inner, asker.around)?.changes {
            Changes::Some(_) => true,
            Changes::None => false,
            Changes::Perhaps(candidates) => changed_of(&git, &inner, &candidates, warnings)?.is_some(),
        };
        if changed || changed_submodule(&git, &inner, asker, budget, warnings)?.is_some() {
            return Ok(Some(top));
        }
        budget.depth += 1;
    }
    Ok(None)
}

/// Whether the index has the mode of a submodule anywhere. It mostly has not, which saves a process.
///
/// # Errors
/// When the index cannot be read.
pub(super) fn may_have_submodules(repository: &GitRepository) -> io::Result<bool> {
    if repository.place.top.join(".gitmodules").exists() {
        return Ok(true);
    }
    let (mut file, _) = match input::open(&repository.place.own.join("index")) {
        Ok(opened) => opened,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(error),
    };
    const MODE: [u8; 4] = 0o160_000_u32.to_be_bytes();
    // A split index has most entries in another file.
    const SPLIT: [u8; 4] = *b"link";
    let mut window = vec![0; 64 << 10];
    let mut kept = 0;
    loop {
        let read = file.read(&mut window[kept..])?;
        if read == 0 {
            return Ok(false);
        }
        let seen = &window[..kept + read];
        if [MODE, SPLIT].iter().any(|word| memchr::memmem::find(seen, word).is_some()) {
            return Ok(true);
        }
        let end = seen.len();
        kept = end.min(MODE.len() - 1);
        window.copy_within(end - kept..end, 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_index_says_is_parsed() {
        let text = b"  ctime: 1:2\n  mtime: 3:4\n  dev: 9\tino: 5\n  uid: 0\tgid: 0\n  size: 6\tflags: 0\n";
        assert_eq!(
            StatusNote::parse(text),
            Some(StatusNote { ctime: (1, 2), mtime: (3, 4), inode: 5, size: 6 })
        );
        assert_eq!(StatusNote::parse(b"  ctime: 1:2\n"), None);
    }

    #[test]
    fn records_are_told_apart() {
        let hash = "a".repeat(40);
        let line = |xy: &str, modes: &str, path: &str| {
            format!("1 {xy} N... {modes} {hash} {hash} {path}").into_bytes()
        };
        let parse = StatusRecord::parse;
        assert_eq!(parse(b"# branch.oid (initial)"), StatusRecord::Commit("(initial)".to_owned()));
        assert_eq!(parse(b"# branch.head main"), StatusRecord::Branch("main".to_owned()));
        assert_eq!(parse(b"# branch.ab +0 -0"), StatusRecord::Other);
        assert_eq!(parse(b"? # x"), StatusRecord::New(b"# x"));
        let content = line(".M", "100644 100644 100644", "a b");
        assert_eq!(
            parse(&content),
            StatusRecord::Content(Candidate { path: b"a b".to_vec(), object: hash.clone() })
        );
        let mode = line(".M", "100644 100644 100755", "a");
        assert_eq!(parse(&mode), StatusRecord::Change(b"a"));
        let staged = line("M.", "100644 100644 100644", "a");
        assert_eq!(parse(&staged), StatusRecord::Change(b"a"));
        assert!(matches!(parse(b"u UU N... 1 2 3 4 a b c d"), StatusRecord::Change(_)));
    }
}
