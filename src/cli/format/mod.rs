//! Text for people, and JSON: figures, tables, and what others wrote.
//!
//! Sizes are decimal, as Docker prints them. Text that comes from an image or a registry goes through
//! [`printable`]: a label must not be able to move the reader's cursor.

mod figures;
mod json;
mod shown;
mod table;

pub use figures::{bytes, count, duration, number, seconds};
pub use json::write_json;
pub(super) use shown::{cut, length};
pub use shown::{printable, printable_lines};
pub use table::{Column, Screen, Table};
