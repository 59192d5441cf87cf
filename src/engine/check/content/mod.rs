//! Rules about what the files of the planned layers hold.
//!
//! Each file has a role by its name, and its content is looked at once: by all matchers of text together, and by those of its
//! role. The result is remembered by role and content, so that a build costs the scan of the files that changed. A verdict is a
//! function of names, contents, settings and the place of the project; the memo decides nothing.

mod address;
mod build_path;
mod case_clash;
mod checks;
#[cfg(any(test, feature = "testing"))]
pub(crate) mod fuzz;
mod jar;
mod library;
mod login;
mod packages;
mod report;
mod role;
mod scan;
mod scan_record;
mod settings;
mod sighting;

pub(in crate::engine) use checks::ContentChecks;
