//! Where the time of a build went: events become a record, and a record becomes a page or a trace.
//!
//! The record is plain data. Page and trace are pure functions of it, so that the same record gives the same file.

mod critical;
mod file;
mod lanes;
mod page;
mod record;
mod recorder;
mod trace;

pub use file::file;
pub use record::{Activity, BuildRecord, HostMachine, TimeSpan};
pub use recorder::Recorder;

#[cfg(test)]
mod tests;
