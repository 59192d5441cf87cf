//! Name, proxy, network and certificate.

use std::sync::Arc;
use std::time::SystemTime;

use url::Url;

use super::super::super::wire::advice;
use super::super::super::wire::proxy::{ProxyUrl, Way};
use super::super::api::Api;
use super::certificate::certificate;
use super::check::{Check, CheckStatus};
use super::network::{dial, tunnel};
use crate::types::error_code::ErrorCode;
use crate::types::reference::{DOCKER_HUB, Registry};

/// Name, proxy, network and certificate. Answers whether the rest makes sense.
pub(super) async fn reach(
    api: &Arc<Api>,
    registry: &Registry,
    now: SystemTime,
    checks: &mut Vec<Check>,
) -> bool {
    let (base, why) = match api.wire().routes.base(registry) {
        Ok(base) => base,
        Err(error) => {
            checks.push(Check::failed("address", &error));
            return false;
        }
    };
    checks.push(address(api, registry, &base, why));
    let way = match api.wire().routes.way(&base) {
        Ok(way) => way,
        Err(error) => {
            checks.push(Check::failed("proxy", &error));
            return false;
        }
    };
    let proxy = match &way {
        Way::Direct(why) => {
            checks.push(Check::good("proxy", format!("none is used: {why}")));
            None
        }
        Way::Through(proxy) => {
            checks.push(Check::good("proxy", format!("{proxy} is used")));
            Some(proxy.clone())
        }
    };
    let (api, registry) = (Arc::clone(api), registry.clone());
    let looked = tokio::task::spawn_blocking(move || {
        let mut checks = Vec::new();
        let reached = connect(&api, &registry, &base, proxy.as_ref(), now, &mut checks);
        (reached, checks)
    });
    match looked.await {
        Ok((reached, mut found)) => {
            checks.append(&mut found);
            reached
        }
        Err(error) => {
            checks.push(Check::bad("network", ErrorCode::SystemLimit, error.to_string(), "run it again"));
            false
        }
    }
}

fn address(api: &Api, registry: &Registry, base: &Url, why: &str) -> Check {
    let speech = if base.scheme() == "http" { "plain HTTP" } else { "TLS" };
    let mut check = Check::good("address", format!("{registry} is {base}")).and(format!("{speech}: {why}"));
    if registry.as_str() == DOCKER_HUB {
        check = check.and("logins for it are kept under `https://index.docker.io/v1/`");
    }
    let own = api.wire().routes.own(registry);
    let settings = &own.settings;
    for note in &own.notes {
        check = check.and(note.as_str());
    }
    if settings.skip_tls_verify && !own.is_engines() {
        check = check.note("`skip-tls-verify` is set: anyone on the way can read and change what is sent");
    }
    let ours = api.own(registry);
    if let Some(chunk) = ours.and_then(|ours| ours.chunk_size) {
        check = check.and(format!("blobs are sent in pieces of {chunk} bytes"));
    }
    for mirror in ours.iter().flat_map(|ours| &ours.mirrors) {
        check = check.and(format!("pulls ask {} first", mirror.name()));
    }
    check
}

/// Connects step by step. Answers whether the rest makes sense.
fn connect(
    api: &Api,
    registry: &Registry,
    base: &Url,
    proxy: Option<&ProxyUrl>,
    now: SystemTime,
    checks: &mut Vec<Check>,
) -> bool {
    let target = proxy.map_or(base, ProxyUrl::expose);
    let timeout = api.wire_settings().timeouts.connect;
    let (mut stream, check) = match dial(target, proxy.is_none().then_some(registry), timeout) {
        Ok(dialled) => dialled,
        Err(check) => {
            checks.push(check);
            return false;
        }
    };
    checks.push(check);
    if base.scheme() == "http" {
        return true;
    }
    if let Some(proxy) = proxy {
        if proxy.expose().scheme() == "https" {
            checks.push(Check::skipped(
                "certificate",
                "not looked at: it is behind a proxy with TLS of its own",
            ));
            return true;
        }
        if let Err(why) = tunnel(&mut stream, proxy, base) {
            let advice = match why.contains(" 407") {
                true => "check the proxy's user and password in HTTPS_PROXY".to_owned(),
                false => advice::no_tunnel(registry),
            };
            checks.push(Check::bad(
                "tunnel",
                ErrorCode::ProxyRefused,
                format!("the proxy {proxy} answers: {why}"),
                advice,
            ));
            return false;
        }
        checks.push(Check::good("tunnel", "the proxy connects to it"));
    }
    let check = certificate(api, registry, base, stream, now);
    let reached = check.health != CheckStatus::Bad;
    checks.push(check);
    reached
}
