//! `pack listen`: takes notifications of registries and events of `pack`, and runs a command or posts on.
//!
//! ```text
//! HTTP ─► verify ─► parse ─► filter, drop duplicates ─► journal (synced) ─► 202
//!                                                         │
//!                          one run at a time for a target ▼ newest first
//!                                 start (synced) ─► command or POST ─► end (synced)
//! ```
//!
//! Invariants:
//! - Only a message with the right secret is read.
//! - A message that was answered with 202 survives a crash.
//! - A run is marked in the journal before it starts. One that was under way at a crash is reported, and is repeated only
//!   if its action says `repeat = true`: nothing is done twice otherwise.
//! - Values reach a command as whole arguments or variables, never through a shell, and only those that are names,
//!   tags and digests.
//! - Everything is bounded: connections, headers, bodies, times, what waits, what is remembered, output of commands.

mod action;
mod filter;
mod job_queue;
mod journal;
mod metrics;
mod notice;
mod parse;
mod process;
mod runner;
mod server;
mod service;
mod settings;
mod state;
mod verify;

pub use service::{ListenOptions, check, run};
pub use settings::ListenSettings;
