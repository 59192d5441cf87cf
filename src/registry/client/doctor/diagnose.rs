//! The steps, in order.

use std::sync::Arc;
use std::time::{Instant, SystemTime};

use super::super::super::auth::credential::CredentialLookup;
use super::super::super::wire::error::RegistryError;
use super::super::api::Api;
use super::super::handle::Client;
use super::check::{Check, CheckStatus, Diagnosis};
use super::protocol::protocol;
use super::reach::reach;
use crate::types::error_code::ErrorCode;
use crate::types::reference::Scope;

impl Client {
    /// Explains step by step how a registry, or a repository in it, is reached and what it lets us do. With
    /// `push`, an upload is begun and cancelled. `now` is the time, which clocks and certificates are compared
    /// with.
    ///
    /// # Errors
    /// When interrupted; whatever else fails is in the diagnosis.
    pub fn diagnose(&self, scope: &Scope, push: bool, now: SystemTime) -> Result<Diagnosis, RegistryError> {
        self.wait(async { Ok(diagnose(&self.0.api, scope, push, now).await) })
    }
}

/// Examines a registry, or a repository in it. With `push`, an upload is begun and cancelled.
///
/// `now` is the time, which clocks and certificates are compared with.
pub(in crate::registry) async fn diagnose(
    api: &Arc<Api>,
    scope: &Scope,
    push: bool,
    now: SystemTime,
) -> Diagnosis {
    let begun = Instant::now();
    let mut checks = Vec::new();
    let reached = reach(api, scope.registry(), now, &mut checks).await;
    let logins = logins(api, scope).await;
    checks.push(logins);
    if reached {
        protocol(api, scope, push, now, begun, &mut checks).await;
    } else {
        let rest = ["registry", "login", "pull", "push", "referrers"];
        checks.extend(rest.map(|name| Check::skipped(name, "not tried: it cannot be reached")));
    }
    let well = checks.iter().all(|check| check.health != CheckStatus::Bad);
    Diagnosis { scope: scope.to_string(), well, checks }
}

/// The places that logins are looked for in.
async fn logins(api: &Api, scope: &Scope) -> Check {
    const NAME: &str = "credentials";
    if let Some((user, _)) = api.auth.settings.logins.get(scope.registry()) {
        return Check::good(NAME, format!("the login `{user}` was given"));
    }
    let (credentials, scope) = (api.auth.settings.credentials.clone(), scope.clone());
    let looked = tokio::task::spawn_blocking(move || {
        let mut places = Vec::new();
        let found = credentials.search(&scope, &mut |place, what| places.push(format!("{place}: {what}")));
        (found, places)
    });
    let Ok((found, places)) = looked.await else { return Check::skipped(NAME, "the lookup failed") };
    let check = places.into_iter().fold(Check::none(NAME), Check::and);
    match found {
        Ok(CredentialLookup { credential: Some(credential), .. }) => {
            check.and(format!("{} is used", credential.describe()))
        }
        Ok(found) => {
            let check = Check { advice: found.advice(), ..check };
            let check =
                found.passed_over.iter().fold(check, |check, passed_over| check.and(passed_over.to_string()));
            check.note("none fits: access is anonymous")
        }
        Err(error) => check
            .fails(ErrorCode::LoginUnreadable, "mend or remove what is broken there")
            .and(error.to_string()),
    }
}
