//! The one way out: results to stdout, everything else to stderr, with or without colour.

mod color;
mod writer;

pub use color::{ColorChoice, Style};
#[cfg(test)]
pub(super) use writer::captured;
pub use writer::{Printer, PrinterOptions};
