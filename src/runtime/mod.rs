//! Services of a running program: events, the user's wish to stop, threads, reading regular files only, replacing
//! files as a whole, budgets.

pub mod atomic;
pub mod budget;
pub mod deadline;
pub mod events;
pub mod flight;
pub mod input;
pub mod interrupt;
pub mod read_ahead;
pub mod tree_reader;
pub mod watcher;
pub mod workers;
