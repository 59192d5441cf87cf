//! Properties that hold for any layer.

use std::io;

use super::listing::{LayerListing, first_difference};
use super::tree::ImageTree;
use crate::runtime::budget::Budget;
use crate::runtime::interrupt::Interrupt;

/// The paths of a layer as they are written, once it was read twice with one result.
pub(crate) fn listing(blob: &[u8]) -> io::Result<Vec<Vec<u8>>> {
    let budget = Budget::new("the input", 1 << 30, 1 << 22);
    let read = || LayerListing::read_blob(blob, &budget, &Interrupt::default());
    let listing = read()?;
    let same = first_difference(&listing, &read()?).text;
    assert_eq!(same, "the entries are the same, padding or the end of the tar is not");
    let tree = ImageTree::of([Some(&listing), Some(&listing)]);
    drop(tree);
    Ok(listing.entries.iter().map(|entry| entry.written().to_vec()).collect())
}
