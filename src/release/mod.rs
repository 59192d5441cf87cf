//! Images that exist already: copied, named, put on another base, released into environments.

pub mod copy;
pub mod ledger;
pub mod rebase;
pub mod record;
mod retag;
