//! Placing entries on what lies below: ancestors get the mode and owner that they have there, links are followed.
//!
//! A layer that leaves out a parent directory lets the unpacker invent one, and a layer that invents one
//! itself hides the base's: tried with podman 4.3 and Docker 20.10, `/tmp` lost its 1777. So every ancestor
//! that a layer does not own is written with what the base has there, and where the base has a symbolic
//! link (`/bin` on a merged-usr Debian) the entries go to where it points. That holds for a layer's own
//! directories, too: one in the place of a link would hide all that the link leads to.
//!
//! Nothing is merged in silence: a path that two entries have after links are followed is an error, and so is a
//! directory that would have two owners or modes. The same holds for a file, named by the user, or a link that would
//! replace a directory as a whole; other files of a tree are not compared with the base.

mod entries;
mod error;
mod placer;

pub use entries::{place, real_directory};
pub use error::PlaceError;

#[cfg(test)]
mod tests;
