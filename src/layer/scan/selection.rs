//! The selection of a tree's paths by name, for those who hear of a path and do not look at the tree.

use std::collections::BTreeSet;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use super::error::ScanError;
use super::filter::Filter;
use super::options::{LeftOut, ScanOptions};

/// The paths that a scan of a tree finds or enters. It lasts for as many names as one scan may look at.
pub struct TreeSelection {
    filter: Filter,
    left_out: BTreeSet<Vec<u8>>,
}

impl TreeSelection {
    /// The selection of a scan of `root` without what is `left_out`.
    ///
    /// # Errors
    /// When a glob is wrong or the ignore file cannot be read.
    pub fn new(root: &Path, options: &ScanOptions, left_out: &LeftOut) -> Result<Self, ScanError> {
        Ok(Self { filter: Filter::new(root, options)?, left_out: left_out.below(root) })
    }

    /// Whether a scan finds `relative`, a path below the root that need not exist.
    ///
    /// # Errors
    /// When there were too many names.
    pub fn takes(&self, relative: &Path, is_dir: bool) -> Result<bool, ScanError> {
        Ok(!self.leaves_out(relative) && self.filter.takes(relative.as_os_str().as_bytes(), is_dir)?)
    }

    /// Whether a scan looks into the directory `relative`, whose own parent it looks into.
    ///
    /// # Errors
    /// When there were too many names.
    pub fn enters(&self, relative: &Path) -> Result<bool, ScanError> {
        let name = relative.as_os_str().as_bytes();
        Ok(name.is_empty() || (!self.leaves_out(relative) && !self.filter.excludes(name, true)?))
    }

    /// Whether a scan looks into the directory `relative`, and into all those above it.
    ///
    /// # Errors
    /// When there were too many names.
    pub fn takes_below(&self, relative: &Path) -> Result<bool, ScanError> {
        for above in relative.ancestors() {
            if !self.enters(above)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn leaves_out(&self, relative: &Path) -> bool {
        !self.left_out.is_empty()
            && relative.ancestors().any(|above| self.left_out.contains(above.as_os_str().as_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_counts_as_a_scan_would_find_it() {
        let dir = tempfile::tempdir().expect("a directory");
        std::fs::write(dir.path().join(".packignore"), "*.tmp\n/out/\n").expect("written");
        let options =
            ScanOptions { include: vec!["**/*.xml".to_owned()], ignore_file: true, ..ScanOptions::default() };
        let mut left_out = LeftOut::default();
        left_out.add(dir.path().canonicalize().expect("there").join("build.xml"));
        let selection = TreeSelection::new(dir.path(), &options, &left_out).expect("right");
        let takes = |path: &str| selection.takes(Path::new(path), false).expect("few names");
        assert!(takes("a/b.xml") && takes("b.xml"));
        assert!(!takes("a/b.txt") && !takes("out/b.xml") && !takes("b.tmp") && !takes("build.xml"));
        let enters = |path: &str| selection.enters(Path::new(path)).expect("few names");
        assert!(selection.takes_below(Path::new("a/out")).expect("few names"));
        assert!(!selection.takes_below(Path::new("out/a")).expect("few names"));
        assert!(enters("") && enters("a") && enters("a/out") && !enters("out") && !enters("build.xml"));
    }
}
