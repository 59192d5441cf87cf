//! The command line: arguments, environment, terminal, exit codes.
//!
//! The only module that reads the environment and the clock, and the only one that writes to the terminal.
//! It does no work of its own: a command turns arguments into calls of the library and its results into
//! text. stdout carries results alone; everything else goes to stderr.

pub mod args;
pub mod completions;
pub mod environment;
pub mod error;
pub mod format;
pub mod man;
pub mod printer;
pub mod progress;
pub mod signals;
pub mod summary;
pub mod view;
