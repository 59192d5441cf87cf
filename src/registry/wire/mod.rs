//! The lowest level of the client: requests, TLS, proxies, time limits, retries, and what a failure means.
//!
//! It shows a registry the header that it is given and knows nothing of logins. No library below may redirect, retry,
//! decompress or read the environment's proxies: all of that is decided in this crate, because it decides where
//! credentials go. Nothing is opened before the first request to a host, and a host without TLS never loads the
//! system's certificates.

pub(in crate::registry) mod advice;
pub(in crate::registry) mod answer;
pub(in crate::registry) mod body;
pub(in crate::registry) mod clock;
pub(in crate::registry) mod context;
pub(in crate::registry) mod engines;
pub(in crate::registry) mod error;
pub(in crate::registry) mod exchange;
pub(in crate::registry) mod fault;
pub(in crate::registry) mod host;
pub(in crate::registry) mod location;
pub(in crate::registry) mod lock;
pub(in crate::registry) mod pools;
pub(in crate::registry) mod proxy;
pub(in crate::registry) mod request;
pub(in crate::registry) mod response;
pub(in crate::registry) mod retry;
pub(in crate::registry) mod routes;
pub(in crate::registry) mod secret;
pub(in crate::registry) mod settings;
pub(in crate::registry) mod tls;
pub(in crate::registry) mod trace;
