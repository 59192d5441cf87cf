//! Looking into images: comparing two, listing the files of one, and deriving one again.

pub mod diff;
pub mod files;
mod layer_reader;
mod reading_error;
mod unpack;
pub mod verify;
