//! What a running program needs: events, the user's wish to stop, threads, files that are files, files that are
//! replaced whole, budgets.

pub mod atomic;
pub mod budget;
pub mod input;
pub mod interrupt;
pub mod observer;
pub mod workers;
