//! Images that exist already: copied, named, put on another base.

pub mod copy;
pub mod rebase;
