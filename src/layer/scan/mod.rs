//! Trees on disk: what is there, and what becomes of it in a layer.
//!
//! `scan` looks at every file once with `lstat`, and at directories if their modes or owners are wanted, in
//! parallel where the tree is large. It never follows a symbolic link below the root or opens a file. [`entries`] turns
//! what was found into entries by fixed [`Rules`].
//!
//! Invariants: the result depends on the tree and the options alone, not on readdir order, umask, user,
//! locale or the number of threads; names are raw bytes; nothing is left out silently except what the caller's
//! globs or the tree's `.packignore` name.
//!
//! # `.packignore`
//! One pattern a line, at the root of the tree, a subset of gitignore: blank lines and lines that begin with `#` say
//! nothing; `!` takes back what an earlier line excluded; the last line that matches decides. `*`, `?` and `[…]`
//! match within a name, `**` across names. A trailing `/` matches directories alone. A pattern with a `/` at its
//! beginning or in its middle is anchored at the root, else it matches at any depth; `./` at its beginning is `/`. A
//! pattern cannot take back a path in an excluded directory. `\#` and `\!` begin a pattern with that character. A
//! byte order mark and line ends of Windows say nothing. The file itself is never part of the result.

mod chains;
mod error;
mod filter;
mod found;
mod look;
mod options;
mod readings;
mod remarks;
mod room;
mod rules;
mod scanner;
mod selection;
#[cfg(test)]
mod tests;
mod tree;
mod walk;

pub(crate) use chains::LinkChains;
pub use error::ScanError;
#[cfg(any(test, feature = "testing"))]
pub(crate) use filter::fuzz;
pub use filter::{MAX_PATTERNS, PathGlobs, literally, pattern_is_too_much, pattern_never_matches};
pub(crate) use found::is_whiteout;
pub use found::{FoundKind, TreeItem};
#[cfg(test)]
pub use look::look_at_file;
#[cfg(test)]
pub use look::scan;
pub use look::takes;
pub use options::{IGNORE_FILE, LeftOut, ScanOptions};
pub use rules::{Rules, entries};
pub use scanner::Scanner;
pub use selection::TreeSelection;
pub(crate) use tree::ItemFacts;
