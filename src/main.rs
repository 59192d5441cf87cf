//! The command line of `pack`.
fn main() {}
