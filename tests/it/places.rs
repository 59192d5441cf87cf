//! Where an image is: one grammar, and which place is meant.
