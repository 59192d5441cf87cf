//! x
pub mod deflate;
