//! What is taken from disk, and what of it is in the image.
