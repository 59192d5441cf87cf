//! Pictures of images: one page of the files of an image, or of what two images do not have in common, and a tree of
//! directories for the terminal.
//!
//! A page is a pure function of the image: it has no date, and needs no network. Everything from outside is escaped by the
//! template, or is data that the page's script shows as text alone. The policy of the page allows this script and this style, by
//! their hashes, and nothing else.

mod difference;
mod directories;
mod image;
mod largest;
mod page;
mod rows;
#[cfg(test)]
mod tests;

pub use difference::difference_page;
pub use directories::directory_tree;
pub use image::image_page;
