//! Logins: Basic, or tokens that a token server gives.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use url::form_urlencoded;

use super::message::{Kind, Reply, Request};
use super::server::State;

/// How the registry wants to be asked.
#[derive(Clone, Debug, Default)]
pub struct Auth {
    /// Tokens rather than Basic.
    pub bearer: bool,
    /// The login; none means that anyone gets a token.
    pub login: Option<(String, String)>,
    /// A refresh token that is as good.
    pub identity: Option<String>,
    /// A token is good for so many requests.
    pub uses: Option<usize>,
    /// A token is good for so long.
    pub lifetime: Option<Duration>,
    /// The token server's statement of that, as JSON; 300 unless it is here.
    pub expires_in: Option<&'static str>,
    /// The token server refuses every request for a scope that contains this.
    pub refused_scope: Option<String>,
    /// The realm, if it is not the true one.
    pub realm: Option<String>,
    /// The challenge, if it is not the true one.
    pub challenge: Option<String>,
}

/// The rights of a token.
pub(super) struct Token {
    scopes: BTreeSet<String>,
    uses: usize,
    until: Option<Instant>,
}

impl State {
    /// The 401 that a request gets, if it does.
    pub(super) fn refuse(&mut self, request: &Request, address: &SocketAddr, now: Instant) -> Option<Reply> {
        let auth = self.auth.clone()?;
        if matches!(request.kind(), Kind::Token | Kind::Cdn) {
            return None;
        }
        let repository = request.repository();
        let action = match request.method.as_str() {
            "GET" | "HEAD" => "pull",
            "DELETE" if request.kind() == Kind::Manifest => "delete",
            _ => "push",
        };
        let shown = request.header("authorization").unwrap_or_default();
        let refused = Reply::error(401, "UNAUTHORIZED", "authentication required");
        if !auth.bearer {
            let good = auth.login.as_ref().is_some_and(|(user, password)| shown == basic(user, password));
            let challenge = auth.challenge.unwrap_or_else(|| "Basic realm=\"fake\"".to_owned());
            return (!good).then(|| refused.header("WWW-Authenticate", challenge));
        }
        let token = shown.strip_prefix("Bearer ").and_then(|token| self.tokens.get_mut(token));
        if let Some(token) = token {
            let allows = |scope: &String| {
                let parts = scope.strip_prefix("repository:").and_then(|rest| rest.rsplit_once(':'));
                parts.is_some_and(|(name, actions)| {
                    name == repository && actions.split(',').any(|allowed| allowed == action)
                })
            };
            let is_good = token.until.is_none_or(|until| now < until) && token.uses > 0;
            if is_good && (request.kind() == Kind::Ping || token.scopes.iter().any(allows)) {
                token.uses -= 1;
                return None;
            }
        }
        let challenge = auth.challenge.unwrap_or_else(|| {
            let own = request.secure.as_ref().map_or_else(|| format!("http://{address}"), Clone::clone);
            let realm = auth.realm.unwrap_or_else(|| format!("{own}/token"));
            let scope = match (request.kind(), action) {
                (Kind::Ping, _) => String::new(),
                (_, "pull") => format!(r#",scope="repository:{repository}:pull""#),
                _ => format!(r#",scope="repository:{repository}:pull,{action}""#),
            };
            format!(r#"Bearer realm="{realm}",service="fake"{scope}"#)
        });
        Some(refused.header("WWW-Authenticate", challenge))
    }

    /// Gives out a token.
    pub(super) fn issue(&mut self, request: &Request, now: Instant) -> Reply {
        let Some(auth) = self.auth.clone() else { return Reply::new(404) };
        let form: BTreeMap<String, String> = form_urlencoded::parse(&request.body).into_owned().collect();
        let is_good = match (&auth.login, &auth.identity) {
            (_, Some(identity)) if request.is("POST") => form.get("refresh_token") == Some(identity),
            (Some((user, password)), _) => {
                request.header("authorization") == Some(basic(user, password).as_str())
            }
            (None, None) => true,
            (None, Some(_)) => false,
        };
        if !is_good {
            return Reply::error(401, "UNAUTHORIZED", "wrong login");
        }
        let asked = request.query.get("scope").cloned();
        let scopes = asked.unwrap_or_else(|| {
            form.get("scope").map(|scopes| scopes.split(' ').map(str::to_owned).collect()).unwrap_or_default()
        });
        let refused = auth.refused_scope.as_ref();
        if refused.is_some_and(|refused| scopes.iter().any(|scope| scope.contains(refused.as_str()))) {
            return Reply::error(403, "DENIED", "not this scope");
        }
        self.next += 1;
        let token = format!("secret-token-{}", self.next);
        let expires = auth.expires_in.unwrap_or("300");
        let reply = Reply::new(200).body(format!(r#"{{"token":"{token}","expires_in":{expires}}}"#));
        let uses = auth.uses.unwrap_or(usize::MAX);
        let until = auth.lifetime.map(|lifetime| now + lifetime);
        self.tokens.insert(token, Token { scopes: scopes.into_iter().collect(), uses, until });
        reply
    }
}

fn basic(user: &str, password: &str) -> String {
    format!("Basic {}", BASE64.encode(format!("{user}:{password}")))
}
