//! The OCI distribution protocol: resolve, pull and push.
//!
//! A [`Client`] is blocking and may be used from many threads; inside, one small runtime drives all of
//! them. It opens nothing before the first request. Invariants:
//!
//! - Credentials go only to their registry and its token server.
//! - A blob or document is handed out only if its bytes are what its digest says.
//! - A push reports success only for what the registry was seen to hold.
//! - Requests are bounded in number and time, and an `Interrupt` ends them all.
//!
//! It knows nothing about images beyond manifests being documents that name blobs.

mod auth;
mod client;
#[cfg(test)]
pub(crate) mod fake;
#[cfg(any(test, feature = "testing"))]
pub(crate) mod fuzz;
#[cfg(test)]
mod tests;
mod wire;

pub use self::auth::credentials::Credentials;
pub use self::auth::keep::LoginPlace;
pub use self::auth::survey::{LoginsState, SurveyedLogins};
pub use self::client::doctor::check::{Check, CheckStatus, Diagnosis};
pub use self::client::handle::Client;
pub use self::client::ping::Greeting;
pub use self::client::push::PushedParts;
pub use self::client::referrers::{Referrers, fallback_tag};
pub use self::client::settings::{ClientSettings, Mirror, RegistrySettings};
pub use self::client::webhook::WebhookRequest;
pub use self::wire::error::RegistryError;
pub use self::wire::secret::Secret;
pub use self::wire::settings::{EngineFiles, ProxySettings};

#[cfg(test)]
pub use self::wire::clock::Clock;
#[cfg(test)]
pub use self::wire::context::{Context, RequestStep};
#[cfg(test)]
pub use self::wire::settings::{RetryPolicy, Timeouts};
