//! Files that get their new text all together or not at all.
//!
//! Every draft is written first, then they take their places one after the other; if one cannot, those before it get
//! their old text back. A process that is killed in between leaves some files old and some new, each of them whole.

use std::fs;
use std::path::{Path, PathBuf};

use super::error::ResolveError;
use crate::runtime::atomic::{self, Durability, NewFileMode};
use crate::runtime::input;
use crate::types::shown::shown_path;

/// A file, its text and its new text.
#[derive(Clone, Debug)]
pub struct Rewrite {
    /// Where it is. A link is followed.
    pub path: PathBuf,
    /// As it was read.
    pub before: Vec<u8>,
    /// As it is to be.
    pub after: Vec<u8>,
}

/// The beginning of the name of a draft.
const DRAFT: &str = ".pack-";

/// Writes all files. Owners and modes stay.
///
/// # Errors
/// When one cannot be written, or is not as it was read. All are then as they were.
pub fn replace_all(rewrites: &[Rewrite]) -> Result<(), ResolveError> {
    let mut drafts = Vec::new();
    for rewrite in rewrites {
        let failed = |source| ResolveError::Write { path: rewrite.path.clone(), source };
        let real = fs::canonicalize(&rewrite.path).map_err(failed)?;
        let metadata = fs::metadata(&real).map_err(failed)?;
        let draft = atomic::prepare(&real, &rewrite.after, DRAFT, NewFileMode::Usual, Some(&metadata));
        drafts.push((real, draft.map_err(failed)?));
    }
    for (rewrite, (real, _)) in rewrites.iter().zip(&drafts) {
        let now = input::read(real, rewrite.before.len() as u64);
        if now.is_ok_and(|now| now == rewrite.before) {
            continue;
        }
        return Err(ResolveError::Changed(rewrite.path.clone()));
    }
    let mut done: Vec<(&Rewrite, PathBuf)> = Vec::new();
    for (rewrite, (real, draft)) in rewrites.iter().zip(drafts) {
        if let Err(source) = atomic::persist(draft, &real, Durability::Fsync) {
            let path = rewrite.path.clone();
            let left: Vec<String> = done
                .iter()
                .filter(|(rewrite, real)| !put_back(rewrite, real))
                .map(|(rewrite, _)| shown_path(&rewrite.path))
                .collect();
            return Err(match left.is_empty() {
                true => ResolveError::Write { path, source },
                false => ResolveError::Half { path, done: left, source },
            });
        }
        done.push((rewrite, real));
    }
    Ok(())
}

/// Gives a file its old text; whether it has it.
fn put_back(rewrite: &Rewrite, real: &Path) -> bool {
    let metadata = fs::metadata(real).ok();
    atomic::replace(real, &rewrite.before, DRAFT, NewFileMode::Usual, metadata.as_ref(), Durability::Fsync)
        .is_ok()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};

    use super::*;

    fn rewrite(path: &Path, before: &str, after: &str) -> Rewrite {
        Rewrite { path: path.to_owned(), before: before.into(), after: after.into() }
    }

    #[test]
    fn all_files_are_replaced_or_none() {
        let directory = tempfile::tempdir().expect("a directory");
        let at = |name: &str| directory.path().join(name);
        for name in ["a", "b", "c"] {
            fs::write(at(name), name).expect("written");
        }
        fs::set_permissions(at("a"), fs::Permissions::from_mode(0o640)).expect("changed");
        std::os::unix::fs::symlink("b", at("link")).expect("a link");
        let both = [rewrite(&at("a"), "a", "A"), rewrite(&at("link"), "b", "B")];
        replace_all(&both).expect("written");
        let read = |name: &str| fs::read_to_string(at(name)).expect("read");
        assert_eq!((read("a"), read("b")), ("A".to_owned(), "B".to_owned()));
        assert!(fs::symlink_metadata(at("link")).expect("there").is_symlink());
        assert_eq!(fs::metadata(at("a")).expect("there").mode() & 0o777, 0o640);

        let changed = [rewrite(&at("a"), "A", "x"), rewrite(&at("b"), "not so", "x")];
        assert!(matches!(replace_all(&changed), Err(ResolveError::Changed(path)) if path == at("b")));
        let gone = [rewrite(&at("a"), "A", "x"), rewrite(&at("none"), "", "x")];
        assert!(matches!(replace_all(&gone), Err(ResolveError::Write { path, .. }) if path == at("none")));
        assert_eq!((read("a"), read("b"), read("c")), ("A".to_owned(), "B".to_owned(), "c".to_owned()));
        let names = fs::read_dir(directory.path()).expect("a directory").count();
        assert_eq!(names, 4, "no draft is left");
    }

    #[test]
    fn files_before_one_that_fails_get_their_text_back() {
        let directory = tempfile::tempdir().expect("a directory");
        let at = |name: &str| directory.path().join(name);
        fs::write(at("a"), "a").expect("written");
        let one = rewrite(&at("a"), "a", "A");
        replace_all(std::slice::from_ref(&one)).expect("written");
        assert!(put_back(&one, &at("a")));
        assert_eq!(fs::read_to_string(at("a")).expect("read"), "a");
    }
}
