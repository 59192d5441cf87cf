//! Images that exist already: copied, named, put on another base, released into environments.

pub mod append;
pub mod copy;
pub mod gate;
pub mod history;
pub mod ledger;
pub mod list;
#[cfg(test)]
mod model_tests;
pub mod promote;
pub mod rebase;
pub mod record;
pub mod resolve;
mod retag;
pub mod rollback;
mod shelf;
#[cfg(test)]
mod tests;
