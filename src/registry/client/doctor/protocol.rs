//! The error of the registry.

use std::time::{Instant, SystemTime};

use reqwest::Method;
use reqwest::header::CONTENT_LENGTH;

use super::super::super::auth::access::Access;
use super::super::super::auth::challenge::{self, Challenge};
use super::super::super::wire::advice::shorten;
use super::super::super::wire::context::{Context, RequestStep};
use super::super::super::wire::host::Host;
use super::super::super::wire::location;
use super::super::super::wire::request::HttpRequest;
use super::super::super::wire::response::Response;
use super::super::super::wire::trace::redacted;
use super::super::api::Api;
use super::check::{Check, CheckStatus};
use crate::oci::MediaType;
use crate::types::digest::Digest;
use crate::types::error::Explain;
use crate::types::error_code::ErrorCode;
use crate::types::reference::{Repository, Scope};

/// A difference of clocks that tokens can fail by.
const SKEW: u64 = 60;

/// The error of the registry.
pub(super) async fn protocol(
    api: &Api,
    scope: &Scope,
    push: bool,
    now: SystemTime,
    begun: Instant,
    checks: &mut Vec<Check>,
) {
    let repository = repository(scope);
    let names = ["login", "pull", "push", "referrers"];
    let host = match api.host(scope.registry()) {
        Ok(host) => host,
        Err(error) => {
            checks.push(Check::failed("registry", &error));
            return;
        }
    };
    let context = |step, subject: &str| Context {
        registry: scope.registry().clone(),
        step,
        subject: subject.to_owned(),
    };
    let ping = HttpRequest::new(Method::GET, host.url("/v2/"));
    let response =
        api.wire().exchange(&host, &context(RequestStep::Ping, "whether it is a registry"), ping, None).await;
    let response = match response {
        Ok(response) => response,
        Err(error) => {
            checks.push(Check::failed("registry", &error));
            checks.extend(names.map(|name| Check::skipped(name, "not tried: it does not answer")));
            return;
        }
    };
    let challenges = challenge::parse(response.headers("www-authenticate"));
    let mut check = greeting(&response, &challenges, now + begun.elapsed());
    if check.health == CheckStatus::Bad && response.status() == 400 {
        // The body says what was wrong about the request.
        let access = Access::none(scope);
        let error = api.failure(&host, &access, &context(RequestStep::Ping, "it"), response).await;
        let advice = error.hint().or(check.advice.take());
        checks.push(Check { advice, ..check.fails_by(&error) }.and(error.to_string()));
        checks.extend(names.map(|name| Check::skipped(name, "not tried: it is no registry")));
        return;
    }
    let is_registry = check.health != CheckStatus::Bad;
    checks.push(check);
    if !is_registry {
        checks.extend(names.map(|name| Check::skipped(name, "not tried: it is no registry")));
        return;
    }
    let access = repository.as_ref().map_or_else(|| Access::none(scope), Access::pull);
    let check = login(api, &host, &access, &response, &challenges).await;
    let known = check.health != CheckStatus::Bad;
    checks.push(check);
    response.discard().await;
    let Some(repository) = repository.filter(|_| known) else {
        let why = if known { "not tried: no repository was named" } else { "not tried: the login fails" };
        checks.extend(["pull", "push", "referrers"].map(|name| Check::skipped(name, why)));
        return;
    };
    checks.push(pull(api, &host, &repository).await);
    checks.push(match push {
        true => upload(api, &host, &repository).await,
        false => Check::skipped("push", "not tried: `--push` begins an upload and cancels it"),
    });
    checks.push(referrers(api, &host, &repository).await);
}

/// The repository that is meant, if a path was given.
fn repository(scope: &Scope) -> Option<Repository> {
    (!scope.path().is_empty()).then(|| scope.to_string().parse().ok())?
}

fn greeting(response: &Response, challenges: &[Challenge], now: SystemTime) -> Check {
    const NAME: &str = "registry";
    let status = response.status();
    let mut check = Check::good(NAME, format!("`GET /v2/` answers {status}"));
    let api = response.header("docker-distribution-api-version");
    let is_html = response.header("content-type").is_some_and(|kind| kind.starts_with("text/html"));
    if !matches!(status, 200 | 401) || (status == 200 && is_html) {
        let (code, advice) = match status {
            407 => {
                (ErrorCode::ProxyRefused, "the proxy wants a login: write it into HTTPS_PROXY or HTTP_PROXY")
            }
            500..=599 => (
                ErrorCode::RegistryUnreachable,
                "the registry or a proxy before it is in trouble: see its log",
            ),
            _ => (
                ErrorCode::RegistryUnsound,
                "check that this is the registry's own host and port: every registry has `/v2/`",
            ),
        };
        check = check.fails(code, advice);
        return if is_html { check.and("with an HTML page") } else { check };
    }
    for challenge in challenges {
        let part = |name: &str| challenge.get(name).map(|value| format!(" {name} `{}`", shorten(value, 100)));
        let parts: String = ["realm", "service", "scope"].iter().filter_map(|name| part(name)).collect();
        check = check.and(format!("it asks for a {} login,{parts}", shorten(&challenge.scheme, 40)));
    }
    if status == 401 && challenges.is_empty() {
        check = check.note("it does not say what login it wants (no `WWW-Authenticate`)");
    }
    check = match api {
        Some(api) => check.and(format!("docker-distribution-api-version is `{}`", shorten(api, 60))),
        None => check.and("it does not send docker-distribution-api-version, which nothing needs"),
    };
    if let Some(server) = response.header("server") {
        check = check.and(format!("the server is `{}`", shorten(server, 60)));
    }
    match response.header("date").and_then(|date| httpdate::parse_http_date(date).ok()) {
        None => check,
        Some(date) => {
            let ahead = date.duration_since(now).map(|skew| (skew, "ahead of"));
            let (skew, side) = ahead.unwrap_or_else(|error| (error.duration(), "behind"));
            if skew.as_secs() > SKEW {
                let seconds = skew.as_secs();
                let check = check.note(format!("its clock is {seconds} s {side} this machine's"));
                Check {
                    advice: Some(
                        "set the clock that is wrong: tokens and certificates depend on it".to_owned(),
                    ),
                    ..check
                }
            } else {
                check.and("its clock agrees with this machine's")
            }
        }
    }
}

async fn login(
    api: &Api,
    host: &Host,
    access: &Access,
    response: &Response,
    challenges: &[Challenge],
) -> Check {
    const NAME: &str = "login";
    if response.status() == 200 {
        return Check::good(NAME, "none is asked for");
    }
    let shown = match api.auth.ask_for(host, access, response).await {
        Ok(Some(shown)) => shown,
        Ok(None) => {
            let schemes: Vec<String> = challenges.iter().map(|asked| shorten(&asked.scheme, 40)).collect();
            let found = match schemes.is_empty() {
                true => "there is no login to show".to_owned(),
                false => format!("there is no login that fits `{}`", schemes.join("`, `")),
            };
            return Check::bad(
                NAME,
                ErrorCode::LoginRefused,
                found,
                format!("log in with `pack login {}`", host.registry),
            );
        }
        Err(error) => return Check::failed(NAME, &error),
    };
    let scopes = access.scopes();
    let check = match scopes.is_empty() {
        true => Check::good(NAME, format!("{} is shown", shown.source)),
        false => Check::good(NAME, format!("{} is shown, asked for `{}`", shown.source, scopes.join(" "))),
    };
    if let Err(error) = api.greet(host, &Access::none(&access.repository)).await {
        return check.fails_by(&error).and(error.to_string());
    }
    check.and("it is taken")
}

/// Whether a blob may be asked for: one that cannot exist.
async fn pull(api: &Api, host: &Host, repository: &Repository) -> Check {
    const NAME: &str = "pull";
    let access = Access::pull(repository);
    let path = repository.path();
    let url = host.url(&format!("/v2/{path}/blobs/{}", nothing()));
    let context =
        Context { registry: host.registry.clone(), step: RequestStep::CheckBlob, subject: path.to_owned() };
    let response = match api.send(host, &access, &context, HttpRequest::new(Method::HEAD, url)).await {
        Ok(response) => response,
        Err(error) => return Check::failed(NAME, &error),
    };
    match response.status() {
        404 => Check::good(NAME, "allowed: a blob that does not exist is not found"),
        200 => Check::good(NAME, "allowed").note("but it claims to have a blob that does not exist"),
        _ => Check::failed(NAME, &api.failure(host, &access, &context, response).await),
    }
}

/// The digest of something that is in no registry.
fn nothing() -> Digest {
    Digest::of(b"pack doctor asks for what does not exist")
}

/// Whether an upload may be begun; it is cancelled.
async fn upload(api: &Api, host: &Host, repository: &Repository) -> Check {
    const NAME: &str = "push";
    let access = Access::push(repository);
    let path = repository.path();
    let url = host.url(&format!("/v2/{path}/blobs/uploads/"));
    let context =
        Context { registry: host.registry.clone(), step: RequestStep::StartUpload, subject: path.to_owned() };
    let request = HttpRequest::new(Method::POST, url).header(CONTENT_LENGTH, "0");
    let response = match api.send(host, &access, &context, request).await {
        Ok(response) => response,
        Err(error) => return Check::failed(NAME, &error),
    };
    if !response.is_success() {
        return Check::failed(NAME, &api.failure(host, &access, &context, response).await);
    }
    let mut check = Check::good(NAME, format!("allowed: an upload was begun ({})", response.status()));
    if let Some(minimum) = response.header("oci-chunk-min-length") {
        check = check.and(format!("it takes pieces of {} bytes and more", shorten(minimum, 20)));
    }
    let Some(to) = response.header("location") else {
        let advice = "the registry is not made as the specification says: nothing can be pushed";
        return check.and("without a `Location`").fails(ErrorCode::RegistryUnsound, advice);
    };
    let target = match location::resolve(&host.base, &response.url, to) {
        Ok(target) => target,
        Err(why) => {
            let advice =
                "check the public address in the settings of the registry, or of the proxy before it";
            return check.and(why).fails(ErrorCode::RegistryUnsound, advice);
        }
    };
    check = check.and(format!("it is at {}", redacted(&target.url)));
    let context = Context { step: RequestStep::CancelUpload, ..context };
    let cancelled = api.send(host, &access, &context, HttpRequest::to(Method::DELETE, &target)).await;
    match cancelled {
        Ok(response) if response.is_success() || response.status() == 404 => check.and("and was cancelled"),
        Ok(response) => {
            check.note(format!("it could not be cancelled ({}); it ends by itself", response.status()))
        }
        Err(error) => check.note(format!("it could not be cancelled: {error}")),
    }
}

async fn referrers(api: &Api, host: &Host, repository: &Repository) -> Check {
    const NAME: &str = "referrers";
    let access = Access::pull(repository);
    let path = repository.path();
    let url = host.url(&format!("/v2/{path}/referrers/{}", nothing()));
    let context =
        Context { registry: host.registry.clone(), step: RequestStep::Resolve, subject: path.to_owned() };
    match api.send(host, &access, &context, HttpRequest::new(Method::GET, url)).await {
        Ok(response) => {
            let is_index = response
                .header("content-type")
                .is_some_and(|kind| kind.starts_with(MediaType::ImageIndex.as_ref()));
            let status = response.status();
            response.discard().await;
            if status == 200 && is_index {
                Check::good(NAME, "the referrers API is there")
            } else {
                Check::good(NAME, format!("there is no referrers API ({status}); tools fall back to tags"))
            }
        }
        Err(error) => Check::new(NAME, CheckStatus::Note, error.to_string()),
    }
}
