//! Sending with what a registry wants to see: Basic and Bearer, tokens cached and fetched once for all who wait for
//! them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use reqwest::Method;
use reqwest::header::{CONTENT_TYPE, HeaderValue};
use url::{Url, form_urlencoded};

use super::super::wire::context::{Context, RequestStep};
use super::super::wire::error::RegistryError;
use super::super::wire::exchange::{ShownHeader, Wire};
use super::super::wire::host::Host;
use super::super::wire::location;
use super::super::wire::lock::lock;
use super::super::wire::request::{HttpRequest, Payload};
use super::super::wire::response::{MAX_ANSWER, Response, redirect};
use super::super::wire::secret::Secret;
use super::access::{Access, Wants, covers};
use super::challenge::{self, Challenge};
use super::credential::{Credential, CredentialLookup, Login, PassedOver};
use super::credentials::Credentials;
use super::token::{DEFAULT_LIFETIME, Token, TokenKey, TokenReply};
use crate::formats::json;
use crate::runtime::events::Progress;
use crate::runtime::flight::Flight;
use crate::types::error::Explain as _;
use crate::types::reference::Registry;

/// Redirects of a token request.
const MAX_TOKEN_REDIRECTS: u32 = 5;
/// A download may be redirected so often.
const MAX_REDIRECTS: u32 = 10;

/// Where logins come from.
#[derive(Clone, Debug, Default)]
pub(in crate::registry) struct AuthSettings {
    /// Files and helpers.
    pub(in crate::registry) credentials: Credentials,
    /// Users and passwords that override every other source.
    pub(in crate::registry) logins: BTreeMap<Registry, (String, Secret)>,
}

/// Requests with the header that each registry asked for.
pub(in crate::registry) struct Authenticator {
    pub(in crate::registry) wire: Wire,
    pub(in crate::registry) settings: AuthSettings,
    progress: Progress,
    states: Mutex<BTreeMap<Registry, Arc<RegistryLogins>>>,
    /// The warnings that the user has seen.
    warned: Mutex<BTreeSet<String>>,
}

/// The challenges and tokens of one registry.
#[derive(Default)]
pub(in crate::registry) struct RegistryLogins {
    challenge: Mutex<Option<Arc<Challenge>>>,
    credentials: Flight<String, CredentialLookup>,
    tokens: Flight<TokenKey, Token>,
    /// Scopes that the registry asked for beyond ours.
    extra: Mutex<BTreeMap<Vec<String>, BTreeSet<String>>>,
}

/// The logins that were shown to a registry that refused, for messages.
pub(in crate::registry) struct TriedLogins {
    pub(in crate::registry) what: String,
    /// Whether that was nothing.
    pub(in crate::registry) anonymous: bool,
    /// The advice about a login that may be in a place that could not be read.
    pub(in crate::registry) advice: Option<String>,
}

/// The authorization that a request shows to the registry.
pub(in crate::registry) struct Authorization {
    pub(in crate::registry) header: HeaderValue,
    /// Whose it is and where that came from, for people.
    pub(in crate::registry) source: String,
    /// The token in it, to forget it if the registry refuses it.
    token: Option<(TokenKey, u64)>,
}

impl Authorization {
    fn shown(&self) -> ShownHeader<'_> {
        ShownHeader { header: &self.header, source: &self.source }
    }

    fn constant(header: HeaderValue, credential: Option<&Credential>) -> Self {
        Self { header, source: described(credential), token: None }
    }

    fn token(key: TokenKey, token: Token, credential: Option<&Credential>) -> Self {
        let source = format!("a token for {}", described(credential));
        Self { header: token.header, source, token: Some((key, token.id)) }
    }
}

fn described(credential: Option<&Credential>) -> String {
    credential.map_or_else(|| "no login".to_owned(), Credential::describe)
}

impl Authenticator {
    pub(in crate::registry) fn new(wire: Wire, settings: AuthSettings, progress: Progress) -> Self {
        Self { wire, settings, progress, states: Mutex::default(), warned: Mutex::default() }
    }

    fn state(&self, host: &Host) -> Arc<RegistryLogins> {
        Arc::clone(lock(&self.states).entry(host.registry.clone()).or_default())
    }

    /// Whether the registry has asked for a login.
    pub(in crate::registry) fn was_asked(&self, host: &Host) -> bool {
        lock(&self.state(host).challenge).is_some()
    }

    /// Sends a request with what the registry wants to see, follows redirects of what can be sent again,
    /// and answers one 401 with a new token.
    ///
    /// Boxed, because it is large and all that waits for it would have room for it, once for each place: a
    /// thread's stack would be touched for 40 kB to ask whether a blob is there.
    pub(in crate::registry) async fn send(
        &self,
        host: &Host,
        access: &Access,
        context: &Context,
        request: HttpRequest,
    ) -> Result<Response, RegistryError> {
        Box::pin(self.send_here(host, access, context, request)).await
    }

    async fn send_here(
        &self,
        host: &Host,
        access: &Access,
        context: &Context,
        mut request: HttpRequest,
    ) -> Result<Response, RegistryError> {
        let mut refreshed = false;
        let mut redirects = 0;
        loop {
            let authorization =
                if request.own { self.authorization(host, access, request.fresh).await? } else { None };
            let again = request.again();
            let response = self
                .wire
                .exchange(host, context, request, authorization.as_ref().map(Authorization::shown))
                .await?;
            if response.status() == 401 && response.own && !refreshed {
                refreshed = true;
                if self.learn(host, access, &response, authorization.as_ref()).await?
                    && let Some(again) = again
                {
                    response.discard().await;
                    request = again;
                    continue;
                }
                return Ok(response);
            }
            let Some((next, mut again)) = redirect(&response).zip(again) else { return Ok(response) };
            redirects += 1;
            let refuse = |why: String| RegistryError::Location { context: Box::new(context.clone()), why };
            if redirects > MAX_REDIRECTS {
                return Err(refuse(format!("redirected more than {MAX_REDIRECTS} times")));
            }
            let target = location::resolve(&host.base, &response.url, next).map_err(refuse)?;
            // Who was once led away is not given credentials again on the way back.
            again.own = response.own && target.own;
            again.url = target.url;
            response.discard().await;
            request = again;
        }
    }

    /// The error that an answer means.
    pub(in crate::registry) async fn failure(
        &self,
        host: &Host,
        access: &Access,
        context: &Context,
        response: Response,
    ) -> RegistryError {
        let (status, own) = (response.status(), response.own);
        let answer = Box::new(response.answer(&self.wire.scrubber).await);
        let context = Box::new(context.clone());
        if own && matches!(status, 401 | 403) {
            let TriedLogins { what: tried, anonymous, advice } = self.tried(host, access).await;
            return RegistryError::Denied { context, answer, tried, anonymous, advice };
        }
        RegistryError::Refused { context, answer }
    }

    /// Warns of something, however often it is met.
    pub(in crate::registry) fn warn_once(&self, text: &str) {
        if lock(&self.warned).insert(text.to_owned()) {
            self.progress.warn(text);
        }
    }

    /// The authorization for `access`, as far as the registry has asked for any.
    pub(in crate::registry) async fn authorization(
        &self,
        host: &Host,
        access: &Access,
        fresh: bool,
    ) -> Result<Option<Authorization>, RegistryError> {
        let asked = lock(&self.state(host).challenge).clone();
        let Some(asked) = asked else { return Ok(None) };
        let found = self.credential(host, access).await?;
        let credential = found.credential.as_ref();
        match (asked.scheme.as_str(), credential.map(|credential| &credential.login)) {
            (_, Some(Login::Bearer(token))) => {
                let header = self.header("Bearer", token.expose());
                Ok(header.map(|header| Authorization::constant(header, credential)))
            }
            ("basic", Some(Login::Password(user, password))) => {
                Ok(Some(Authorization::constant(self.basic(user, password), credential)))
            }
            ("bearer", _) => self.token(host, access, &asked, credential, fresh).await.map(Some),
            _ => Ok(None),
        }
    }

    /// A header, whose secret is from then on known and taken out of whatever is printed.
    fn header(&self, scheme: &str, secret: &str) -> Option<HeaderValue> {
        self.wire.scrubber.learn(secret);
        header(scheme, secret)
    }

    fn basic(&self, user: &str, password: &Secret) -> HeaderValue {
        self.wire.scrubber.learn(password.expose());
        self.wire.scrubber.learn(&BASE64.encode(format!("{user}:{}", password.expose())));
        basic(user, password)
    }

    /// As `Http::authorization`, for an answer that asks for something: learns that first.
    pub(in crate::registry) async fn ask_for(
        &self,
        host: &Host,
        access: &Access,
        response: &Response,
    ) -> Result<Option<Authorization>, RegistryError> {
        self.learn(host, access, response, None).await?;
        self.authorization(host, access, false).await
    }

    /// Learns from a 401 what the registry wants. Answers whether asking again can help.
    pub(in crate::registry) async fn learn(
        &self,
        host: &Host,
        access: &Access,
        response: &Response,
        shown: Option<&Authorization>,
    ) -> Result<bool, RegistryError> {
        let state = self.state(host);
        let challenges = challenge::parse(response.headers("www-authenticate"));
        let bearer = challenges.iter().find(|asked| asked.scheme == "bearer" && asked.get("realm").is_some());
        let basic = challenges.iter().find(|asked| asked.scheme == "basic");
        let found = self.credential(host, access).await?;
        let has_password = matches!(
            found.credential.as_ref().map(|credential| &credential.login),
            Some(Login::Password(..))
        );
        let asked = match (bearer, basic) {
            (Some(bearer), _) => bearer,
            (None, Some(basic)) if has_password && shown.is_none() => basic,
            _ => return Ok(false),
        };
        let is_constant = shown.is_some_and(|shown| shown.token.is_none());
        let was_bearer = lock(&state.challenge).as_ref().is_some_and(|old| old.scheme == "bearer");
        if asked.scheme == "bearer" && is_constant && was_bearer {
            // A token from a file cannot be renewed.
            return Ok(false);
        }
        if let Some((key, id)) = shown.and_then(|shown| shown.token.as_ref()) {
            state.tokens.forget(key, |token| token.id == *id);
        }
        let ours = access.scopes();
        let wanted: BTreeSet<String> =
            asked.get("scope").into_iter().flat_map(str::split_whitespace).map(str::to_owned).collect();
        if shown.is_some() && wanted.iter().any(|scope| !ours.iter().any(|own| covers(own, scope))) {
            lock(&state.extra).insert(ours, wanted);
        }
        *lock(&state.challenge) = Some(Arc::new(resolve_realm(asked, response)));
        Ok(true)
    }

    /// The login for a repository, looked up once.
    async fn credential(&self, host: &Host, access: &Access) -> Result<CredentialLookup, RegistryError> {
        if let Some((user, password)) = self.settings.logins.get(&host.registry) {
            let login = Login::Password(user.clone(), password.clone());
            let credential = Some(Credential::new(login, "this command"));
            return Ok(CredentialLookup { credential, ..CredentialLookup::default() });
        }
        let find = || async {
            let (credentials, scope) = (self.settings.credentials.clone(), access.repository.clone());
            let found = tokio::task::spawn_blocking(move || credentials.look(&scope)).await;
            let found = found.unwrap_or_else(|error| {
                let registry = host.registry.clone();
                Err(RegistryError::Credentials {
                    registry,
                    from: "the lookup".to_owned(),
                    why: error.to_string(),
                })
            })?;
            for passed_over in &found.passed_over {
                match passed_over {
                    PassedOver::File(..) => self.warn_once(&format!("{passed_over}; going on without it")),
                    PassedOver::Helper(..) => tracing::info!("{passed_over}"),
                }
            }
            Ok(found)
        };
        let state = self.state(host);
        state.credentials.get_async(&access.repository.path().to_owned(), find).await
    }

    /// The logins that were shown to the registry.
    pub(in crate::registry) async fn tried(&self, host: &Host, access: &Access) -> TriedLogins {
        match self.credential(host, access).await {
            Ok(CredentialLookup { credential: Some(credential), .. }) => {
                TriedLogins { what: credential.describe(), anonymous: false, advice: None }
            }
            Ok(found) => {
                let mut what = format!("no login found in {}", self.settings.credentials.places());
                for passed_over in &found.passed_over {
                    what.push_str(&format!("; {passed_over}"));
                }
                TriedLogins { what, anonymous: true, advice: found.advice() }
            }
            Err(error) => TriedLogins { what: error.to_string(), anonymous: true, advice: error.hint() },
        }
    }

    /// A token from the cache, or a new one. All who ask at the same time wait for the same.
    async fn token(
        &self,
        host: &Host,
        access: &Access,
        asked: &Challenge,
        credential: Option<&Credential>,
        fresh: bool,
    ) -> Result<Authorization, RegistryError> {
        let state = self.state(host);
        let (now, ours) = (self.wire.settings().clock.now(), access.scopes());
        let login = credential.map(|credential| &credential.login);
        let key = |scopes: Vec<String>| TokenKey { login: login.cloned(), scopes };
        // Who may push may pull.
        if access.wants == Wants::Pull && access.from.is_none() {
            let wider = key(Access { wants: Wants::Push, ..access.clone() }.scopes());
            if let Some(token) = state.tokens.known(&wider).filter(|token| token.is_good(now, fresh)) {
                return Ok(Authorization::token(wider, token, credential));
            }
        }
        let key = key(ours);
        state.tokens.forget(&key, |token| !token.is_good(now, fresh));
        let fetch = || async {
            let mut scopes = key.scopes.clone();
            let extra = lock(&state.extra).get(&key.scopes).cloned().unwrap_or_default();
            scopes.extend(extra.into_iter().filter(|scope| !key.scopes.contains(scope)));
            self.fetch_token(host, access, asked, credential, &scopes).await
        };
        let token = state.tokens.get_async(&key, fetch).await?;
        Ok(Authorization::token(key, token, credential))
    }

    async fn fetch_token(
        &self,
        host: &Host,
        access: &Access,
        asked: &Challenge,
        credential: Option<&Credential>,
        scopes: &[String],
    ) -> Result<Token, RegistryError> {
        let login = credential.map(|credential| &credential.login);
        let subject = match access.repository.path() {
            "" => "this registry".to_owned(),
            path => path.to_owned(),
        };
        let context = Context { registry: host.registry.clone(), step: RequestStep::Token, subject };
        let fail = |why: String| RegistryError::Challenge { context: Box::new(context.clone()), why };
        let realm = asked.get("realm").unwrap_or_default();
        let mut realm = Url::parse(realm).map_err(|error| fail(format!("`realm` is no address: {error}")))?;
        let since = self.wire.settings().clock.now();
        let mut request = match login {
            Some(Login::Identity(token)) => {
                self.wire.scrubber.learn(token.expose());
                let mut form = form_urlencoded::Serializer::new(String::new());
                form.append_pair("grant_type", "refresh_token");
                form.append_pair("service", asked.get("service").unwrap_or_default());
                form.append_pair("client_id", "pack");
                form.append_pair("scope", &scopes.join(" "));
                form.append_pair("refresh_token", token.expose());
                HttpRequest::new(Method::POST, realm.clone())
                    .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
                    .payload(Payload::Bytes(form.finish().into()))
            }
            _ => {
                let mut query = realm.query_pairs_mut();
                if let Some(service) = asked.get("service") {
                    query.append_pair("service", service);
                }
                for scope in scopes {
                    query.append_pair("scope", scope);
                }
                if let Some(Login::Password(user, _)) = login {
                    query.append_pair("account", user);
                }
                drop(query);
                HttpRequest::new(Method::GET, realm.clone())
            }
        };
        let password = match login {
            Some(Login::Password(user, password)) => {
                Some(Authorization::constant(self.basic(user, password), credential))
            }
            _ => None,
        };
        let mut redirects = 0;
        let response = loop {
            location::check(&host.base, &request.url).map_err(fail)?;
            // A redirect to another host is followed, but without the password.
            let shown = password.as_ref().filter(|_| location::same_origin(&realm, &request.url));
            let is_get = request.method == Method::GET;
            let response =
                self.wire.exchange(host, &context, request, shown.map(Authorization::shown)).await?;
            let next =
                response.header("location").filter(|_| (300..400).contains(&response.status()) && is_get);
            let Some(next) = next else { break response };
            redirects += 1;
            if redirects > MAX_TOKEN_REDIRECTS {
                return Err(fail(format!("redirected more than {MAX_TOKEN_REDIRECTS} times")));
            }
            let next =
                response.url.join(next).map_err(|error| fail(format!("redirected nowhere: {error}")))?;
            request = HttpRequest::new(Method::GET, next);
        };
        if !response.is_success() {
            return Err(self.failure(host, access, &context, response).await);
        }
        let broken = |fault| RegistryError::NoAnswer {
            context: Box::new(context.clone()),
            fault,
            reached_before: true,
        };
        let from = location::host(&response.url);
        let body = response.body(MAX_ANSWER).await.map_err(broken)?;
        let body =
            body.ok_or(RegistryError::TooLarge { context: Box::new(context.clone()), limit: MAX_ANSWER })?;
        // The message quotes keys and no values.
        let reply: TokenReply = json::decode(&body).map_err(|error| {
            fail(format!("{from} answers something other than JSON with a token: {error}"))
        })?;
        let token = reply.token.ok_or_else(|| fail(format!("{from} answers without a token")))?;
        let header = self
            .header("Bearer", token.expose())
            .ok_or_else(|| fail(format!("{from} answers no valid token")))?;
        static NEXT: AtomicU64 = AtomicU64::new(1);
        // Counted from before the request and by our own clock: theirs may be wrong.
        let lifetime =
            Duration::from_secs(reply.expires_in.filter(|seconds| *seconds > 0).unwrap_or(DEFAULT_LIFETIME));
        Ok(Token { id: NEXT.fetch_add(1, Ordering::Relaxed), header, since, lifetime })
    }
}

/// A challenge whose realm is absolute: it may be relative to what was asked for.
fn resolve_realm(asked: &Challenge, response: &Response) -> Challenge {
    let mut asked = asked.clone();
    if let Some(realm) = asked.parameters.get_mut("realm")
        && asked.scheme == "bearer"
        && let Ok(url) = response.url.join(realm)
    {
        *realm = url.into();
    }
    asked
}

fn basic(user: &str, password: &Secret) -> HeaderValue {
    let pair = BASE64.encode(format!("{user}:{}", password.expose()));
    header("Basic", &pair).unwrap_or_else(|| HeaderValue::from_static("Basic"))
}

fn header(scheme: &str, value: &str) -> Option<HeaderValue> {
    let mut header = HeaderValue::from_str(&format!("{scheme} {value}")).ok()?;
    header.set_sensitive(true);
    Some(header)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_never_printed() {
        let printed = format!("{:?}", basic("alice", &Secret::new("hunter2")));
        assert_eq!(printed, "Sensitive");
    }
}
