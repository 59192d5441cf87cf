//! Integration tests: one binary, because linking is the cost of a test binary.
mod real;
