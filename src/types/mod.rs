//! Basic types for all other modules: names of content and of images, platforms, times, errors, text of others.
//!
//! Each type holds its invariant: a value that exists is valid. Nothing here reads a file, a clock or a network.

pub mod artifact_type;
pub mod check_policy;
pub mod delivery;
pub mod digest;
pub mod error;
pub mod error_code;
pub mod finding;
pub mod fingerprint;
pub mod location;
pub mod platform;
pub mod policy;
pub mod reference;
pub mod release;
pub mod rule;
pub(crate) mod secret;
pub mod severity;
pub(crate) mod shown;
pub mod stamp;
pub mod time;
pub(crate) mod variable;
pub mod webhook_url;
