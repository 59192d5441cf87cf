//! Explaining, step by step, how a registry is reached and what it lets us do.
//!
//! Each step says what was done and what came of it, and a step that fails says what to do. It takes the same
//! decisions by the same code as a build; only addresses and certificates are looked at separately, because the
//! HTTP library does not show them. No secret is part of any step.

mod certificate;
pub(in crate::registry) mod check;
mod diagnose;
mod network;
mod protocol;
mod reach;
mod x509;
