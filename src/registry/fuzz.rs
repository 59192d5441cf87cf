//! Hostile answers and files, as `crate::fuzz` makes them: what must hold of whatever comes of them.

use std::time::Duration;

use url::Url;

use super::auth::challenge::{self, Challenge};
use super::auth::credential::Login;
use super::auth::credentials::Credentials;
use super::wire::advice::shorten;
use super::wire::answer::{self, ErrorAnswer};
use super::wire::clock::Clock;
use super::wire::context::{Context, RequestStep};
use super::wire::error::{Chance, RegistryError};
use super::wire::location;
use super::wire::retry::{Retry, retry_after};
use super::wire::secret::{Scrubber, Secret};
use super::wire::settings::RetryPolicy;
use crate::types::digest::Digest;
use crate::types::reference::Scope;

fn quoted(challenge: &Challenge) -> String {
    let quote = |text: &str| text.replace('\\', "\\\\").replace('"', "\\\"");
    let parameters = challenge.parameters.iter();
    let parameters: Vec<String> =
        parameters.map(|(name, value)| format!("{name}=\"{}\"", quote(value))).collect();
    format!("{} {}", challenge.scheme, parameters.join(", "))
}

/// A parsed value that is written and read again is the same; an empty text gives no value.
pub(crate) fn challenge(text: &str) {
    let found = challenge::parse([text]);
    let size: usize = found
        .iter()
        .map(|one| {
            one.scheme.len()
                + one.parameters.iter().map(|(name, value)| name.len() + value.len()).sum::<usize>()
        })
        .sum();
    assert!(size <= text.len(), "{found:?}");
    let headers: Vec<String> = found.iter().map(quoted).collect();
    assert_eq!(challenge::parse(headers.iter().map(String::as_str)), found);
    assert_eq!(challenge::parse([headers.join(", ").as_str()]), found);
}

const REGISTRIES: [&str; 6] = [
    "https://r.example/",
    "http://r.example:5000/",
    "http://localhost:5000/",
    "https://10.0.0.5/",
    "http://[::1]:5000/",
    "https://8.8.8.8:8443/",
];

/// Credentials stay with the registry, TLS is not given up, and what comes out leads to itself.
pub(crate) fn location(text: &str) {
    for registry in REGISTRIES {
        let Ok(registry) = registry.parse::<Url>() else { unreachable!("they are addresses") };
        let Ok(request) = registry.join("v2/a/blobs/uploads/") else { unreachable!("it is one below them") };
        let Ok(target) = location::resolve(&registry, &request, text) else { continue };
        let url = &target.url;
        assert!(matches!(url.scheme(), "http" | "https"), "{url}");
        assert!(url.username().is_empty() && url.password().is_none() && url.fragment().is_none(), "{url}");
        assert_eq!(target.own, location::same_origin(&registry, url), "{url}");
        assert!(url.scheme() == "https" || registry.scheme() == "http", "{url}");
        if registry.as_str() == REGISTRIES[0] {
            let host = url.host_str().unwrap_or_default().trim_end_matches('.');
            assert!(host != "localhost" && host != "[::1]", "{url}");
            // `10.0.x` is a name.
            if let Ok(address) = host.parse::<std::net::Ipv4Addr>() {
                let inside = address.is_loopback() || address.is_private() || address.is_link_local();
                assert!(!inside, "{url}");
            }
        }
        let again = location::resolve(&registry, &request, url.as_str());
        assert_eq!(again.as_ref().map(|again| &again.url), Ok(url));
        let with = location::with_digest(url, &Digest::of(b""));
        let query = with.query().unwrap_or_default();
        assert!(query.starts_with(url.query().unwrap_or_default()) && query.contains("digest=sha256%3A"));
        assert!(location::same_origin(&with, url) && with.path() == url.path());
    }
}

/// However long a registry wants to be left alone, the client waits no longer than allowed, and no sum overflows.
pub(crate) fn retry(text: &str) {
    let (value, date) = text.split_once('\n').unwrap_or((text, ""));
    let Some(wait) = retry_after(Some(value), Some(date)) else { return };
    assert!(!value.trim().is_empty());
    let policy = RetryPolicy::default();
    let Ok(registry) = "r.example".parse() else { unreachable!("it is a registry") };
    let context = Box::new(Context { registry, step: RequestStep::CheckBlob, subject: String::new() });
    let answer = Box::new(ErrorAnswer { status: 429, retry_after: Some(wait), ..ErrorAnswer::default() });
    let error = RegistryError::Refused { context, answer };
    match Retry::new(policy, Clock::default()).after_chance(error, Chance::After(wait)) {
        Ok(pause) => assert!(pause.time <= policy.retry_after_cap.min(policy.budget)),
        Err(error) => assert!(wait > Duration::ZERO && error.to_string().len() < 500),
    }
}

/// A registry's text in an error is one short line.
pub(crate) fn error_body(data: &[u8]) {
    for is_html in [false, true] {
        let (code, message) = answer::explain(data, is_html, &Scrubber::default());
        for (text, limit) in [(code.unwrap_or_default(), 60), (message, 300)] {
            assert!(text.chars().count() <= limit + 1 && !text.chars().any(char::is_control), "{text:?}");
            assert_eq!(shorten(&text, limit), text);
        }
    }
    let digests = answer::digests(&String::from_utf8_lossy(data));
    assert!(digests.len() <= data.len() / 71);
}

/// A file of logins: nothing is told of a secret, and what is kept in it is found and leaves all else alone.
pub(crate) fn credentials(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let scopes = ["r.example", "docker.io", "r.example/team"].map(str::parse::<Scope>);
    let Ok(dir) = tempfile::tempdir() else { return };
    for scope in scopes.into_iter().flatten() {
        let inline = Credentials { docker_auth_config: Some(Secret::new(text)), ..Credentials::default() };
        match inline.find(&scope) {
            Ok(Some(found)) => {
                let (user, secret) = match &found.login {
                    Login::Password(user, secret) => (user.as_str(), secret),
                    Login::Identity(secret) | Login::Bearer(secret) => ("", secret),
                };
                let shown = format!("{found:?} {}", found.describe());
                let secret = secret.expose();
                let told =
                    format!("{user:?} {user} {} Secret(…) DOCKER_AUTH_CONFIG the login from", found.source);
                assert!(secret.len() < 8 || told.contains(secret) || !shown.contains(secret), "{shown}");
            }
            Ok(None) => {}
            Err(error) => assert!(error.to_string().len() < 1000, "{error}"),
        }
        let path = dir.path().join("auth.json");
        if std::fs::write(&path, data).is_err() {
            return;
        }
        let before: Option<serde_json::Value> = serde_json::from_str(text).ok();
        let file = Credentials { registry_auth_file: Some(path.clone()), ..Credentials::default() };
        let password = Secret::new("correct horse");
        let Ok(kept) = file.keep(&scope, "user", &password) else {
            assert_eq!(std::fs::read(&path).ok().as_deref(), Some(data), "a refused file is left alone");
            continue;
        };
        if kept.hidden_by.is_none() {
            let found = file.find(&scope).ok().flatten().map(|found| found.login);
            assert_eq!(found, Some(Login::Password("user".to_owned(), password)), "what is kept is found");
        }
        let after = std::fs::read_to_string(&path).unwrap_or_default();
        let after: Option<serde_json::Value> = serde_json::from_str(&after).ok();
        let rest = |value: Option<serde_json::Value>| {
            let mut rest = value.as_ref().and_then(serde_json::Value::as_object).cloned().unwrap_or_default();
            rest.remove("auths");
            rest
        };
        assert_eq!(rest(after), rest(before), "the rest of the file is not ours");
    }
}
