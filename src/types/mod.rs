//! The words that all others use: names of content and of images, platforms, times, errors, foreign text.
//!
//! Each type holds its invariant: what exists is right. Nothing here reads a file, a clock or a network.

pub mod digest;
pub mod error;
pub mod finding;
pub mod location;
pub mod platform;
pub mod reference;
pub(crate) mod shown;
pub mod stamp;
pub mod time;
