//! Logins: where they are kept, what a registry asks for, and which header it is shown for it.
//!
//! Nothing is sent before the registry asks for it. Credentials belong to one registry: a token server gets them only
//! over TLS or where the registry itself is plain HTTP, and never after a redirect to another host.

pub(in crate::registry) mod access;
pub(in crate::registry) mod authenticator;
pub(in crate::registry) mod challenge;
pub(in crate::registry) mod credential;
pub(in crate::registry) mod credentials;
pub(in crate::registry) mod file;
pub(in crate::registry) mod helper;
pub(in crate::registry) mod keep;
pub(in crate::registry) mod survey;
pub(in crate::registry) mod token;
