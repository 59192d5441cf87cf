//! Logging in: Basic and Bearer, tokens cached and fetched once for all who wait for them.
//!
//! Nothing is sent before the registry asks for it. Credentials belong to one registry: a token
//! server gets them only over TLS or where the registry itself is plain HTTP, and never after a redirect to
//! another host.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use reqwest::Method;
use reqwest::header::{CONTENT_TYPE, HeaderValue};
use url::{Url, form_urlencoded};

use super::Greeting;
use super::challenge::{self, Challenge};
use super::credentials::{Credential, Found, Login, PassedOver};
use super::error::{Context, RegistryError, Step};
use super::http::{Host, Http, MAX_ANSWER, Payload, Request, Response, lock};
use super::location;
use super::settings::Secret;
use crate::formats::json::{self, Decode, JsonError, Kind, Object, Value};
use crate::types::error::Explain as _;
use crate::types::reference::{Repository, Scope};

/// The specification's default lifetime of a token.
const DEFAULT_LIFETIME: u64 = 60;
/// Redirects of a token request.
const MAX_REDIRECTS: u32 = 5;

/// What a request must be allowed to do.
#[derive(Clone, Debug)]
pub(super) struct Access {
    /// The repository, or more than one where nothing is read or written.
    pub(super) repository: Scope,
    pub(super) wants: Wants,
    /// The repository to mount from.
    pub(super) from: Option<Repository>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wants {
    /// To be known, and no more.
    Nothing,
    Pull,
    Push,
}

impl Access {
    /// For asking who one is.
    pub(super) fn none(scope: &Scope) -> Self {
        Self { repository: scope.clone(), wants: Wants::Nothing, from: None }
    }

    pub(super) fn pull(repository: &Repository) -> Self {
        Self { repository: repository.into(), wants: Wants::Pull, from: None }
    }

    pub(super) fn push(repository: &Repository) -> Self {
        Self { repository: repository.into(), wants: Wants::Push, from: None }
    }

    /// The scopes, the one for pushing first: some token servers look at no other.
    pub(super) fn scopes(&self) -> Vec<String> {
        let actions = match self.wants {
            Wants::Nothing => None,
            Wants::Pull => Some("pull"),
            Wants::Push => Some("pull,push"),
        };
        let own = actions.map(|actions| format!("repository:{}:{actions}", self.repository.path()));
        let from = self.from.as_ref().map(|from| format!("repository:{}:pull", from.path()));
        [own, from].into_iter().flatten().collect()
    }
}

/// What one registry asked for and gave.
#[derive(Default)]
pub(super) struct State {
    challenge: Mutex<Option<Arc<Challenge>>>,
    credentials: Mutex<BTreeMap<String, Arc<tokio::sync::OnceCell<Found>>>>,
    tokens: Mutex<BTreeMap<TokenKey, TokenCell>>,
    /// Scopes that the registry asked for beyond ours.
    extra: Mutex<BTreeMap<Vec<String>, BTreeSet<String>>>,
}

type TokenKey = (Option<Login>, Vec<String>);
type TokenCell = Arc<tokio::sync::Mutex<Option<Token>>>;

#[derive(Clone)]
struct Token {
    id: u64,
    header: HeaderValue,
    since: Instant,
    lifetime: Duration,
}

impl Token {
    /// Renewed early, and earlier before what takes long.
    fn is_good(&self, now: Instant, fresh: bool) -> bool {
        now.duration_since(self.since) < self.lifetime.mul_f32(if fresh { 0.5 } else { 0.8 })
    }
}

/// What was shown to a registry that refused, for messages.
pub(super) struct Tried {
    pub(super) what: String,
    /// Whether that was nothing.
    pub(super) anonymous: bool,
    /// What to do about a login that may be where it could not be looked for.
    pub(super) advice: Option<String>,
}

/// What a request shows to the registry.
pub(super) struct Authorization {
    pub(super) header: HeaderValue,
    /// Whose it is and where that came from, for people.
    pub(super) source: String,
    token: Option<(TokenCell, u64)>,
}

impl Authorization {
    fn constant(header: HeaderValue, credential: Option<&Credential>) -> Self {
        Self { header, source: described(credential), token: None }
    }
}

fn described(credential: Option<&Credential>) -> String {
    credential.map_or_else(|| "no login".to_owned(), Credential::describe)
}

impl Http {
    /// What to show for `access`, as far as the registry has asked for anything yet.
    pub(super) async fn authorization(
        &self,
        host: &Host,
        access: &Access,
        fresh: bool,
    ) -> Result<Option<Authorization>, RegistryError> {
        let asked = lock(&host.auth.challenge).clone();
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
        self.scrubber.learn(secret);
        header(scheme, secret)
    }

    fn basic(&self, user: &str, password: &Secret) -> HeaderValue {
        self.scrubber.learn(password.expose());
        self.scrubber.learn(&BASE64.encode(format!("{user}:{}", password.expose())));
        basic(user, password)
    }

    /// As [`Http::authorization`], for an answer that asks for something: learns that first.
    pub(super) async fn ask_for(
        &self,
        host: &Host,
        access: &Access,
        response: &Response,
    ) -> Result<Option<Authorization>, RegistryError> {
        self.learn(host, access, response, None).await?;
        self.authorization(host, access, false).await
    }

    /// Learns from a 401 what the registry wants. Answers whether asking again can help.
    pub(super) async fn learn(
        &self,
        host: &Host,
        access: &Access,
        response: &Response,
        shown: Option<&Authorization>,
    ) -> Result<bool, RegistryError> {
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
        let was_bearer = lock(&host.auth.challenge).as_ref().is_some_and(|old| old.scheme == "bearer");
        if asked.scheme == "bearer" && is_constant && was_bearer {
            // A token from a file cannot be renewed.
            return Ok(false);
        }
        if let Some((cell, id)) = shown.and_then(|shown| shown.token.as_ref()) {
            let mut token = cell.lock().await;
            if token.as_ref().is_some_and(|token| token.id == *id) {
                *token = None;
            }
        }
        let ours = access.scopes();
        let wanted: BTreeSet<String> =
            asked.get("scope").into_iter().flat_map(str::split_whitespace).map(str::to_owned).collect();
        if shown.is_some() && wanted.iter().any(|scope| !ours.iter().any(|own| covers(own, scope))) {
            lock(&host.auth.extra).insert(ours, wanted);
        }
        *lock(&host.auth.challenge) = Some(Arc::new(resolve_realm(asked, response)));
        Ok(true)
    }

    /// The login for a repository, looked up once.
    async fn credential(&self, host: &Host, access: &Access) -> Result<Found, RegistryError> {
        let settings = self.settings.registries.get(&host.registry);
        if let Some((user, password)) = settings.and_then(|settings| settings.login.as_ref()) {
            let login = Login::Password(user.clone(), password.clone());
            let credential = Some(Credential::new(login, "this command"));
            return Ok(Found { credential, ..Found::default() });
        }
        let cell = {
            let mut credentials = lock(&host.auth.credentials);
            Arc::clone(credentials.entry(access.repository.path().to_owned()).or_default())
        };
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
        cell.get_or_try_init(find).await.cloned()
    }

    /// Whether the registry knows us.
    pub(super) async fn greet(&self, host: &Host, access: &Access) -> Result<Greeting, RegistryError> {
        let subject = "whether it knows us".to_owned();
        let context = Context { registry: host.registry.clone(), step: Step::Ping, subject };
        let request = Request::new(Method::GET, host.url("/v2/"));
        let response = self.send(host, access, &context, request).await?;
        match response.status() {
            200 => {}
            404 => {
                let why = "it answers 404 Not Found to `/v2/`, which every registry has".to_owned();
                return Err(RegistryError::NotARegistry { context: Box::new(context), why });
            }
            _ => return Err(self.failure(host, access, &context, response).await),
        }
        if response.header("content-type").is_some_and(|kind| kind.starts_with("text/html")) {
            let why = "it answers `/v2/` with an HTML page".to_owned();
            return Err(RegistryError::NotARegistry { context: Box::new(context), why });
        }
        response.discard().await;
        let asked = lock(&host.auth.challenge).is_some();
        Ok(if asked { Greeting::Known } else { Greeting::NotAsked })
    }

    /// What was shown to the registry.
    pub(super) async fn tried(&self, host: &Host, access: &Access) -> Tried {
        match self.credential(host, access).await {
            Ok(Found { credential: Some(credential), .. }) => {
                Tried { what: credential.describe(), anonymous: false, advice: None }
            }
            Ok(found) => {
                let mut what = format!("no login found in {}", self.settings.credentials.places());
                for passed_over in &found.passed_over {
                    what.push_str(&format!("; {passed_over}"));
                }
                Tried { what, anonymous: true, advice: found.advice() }
            }
            Err(error) => Tried { what: error.to_string(), anonymous: true, advice: error.hint() },
        }
    }

    /// A token from the cache, or a new one; who asks at the same time waits for the same.
    async fn token(
        &self,
        host: &Host,
        access: &Access,
        asked: &Challenge,
        credential: Option<&Credential>,
        fresh: bool,
    ) -> Result<Authorization, RegistryError> {
        let (now, ours) = (self.settings.clock.now(), access.scopes());
        let login = credential.map(|credential| &credential.login);
        let source = format!("a token for {}", described(credential));
        let cell_of = |scopes: &[String]| {
            let key = (login.cloned(), scopes.to_vec());
            Arc::clone(lock(&host.auth.tokens).entry(key).or_default())
        };
        // Who may push may pull.
        if access.wants == Wants::Pull && access.from.is_none() {
            let wider = cell_of(&Access { wants: Wants::Push, ..access.clone() }.scopes());
            if let Ok(token) = wider.try_lock()
                && let Some(token) = token.as_ref().filter(|token| token.is_good(now, fresh))
            {
                let shown = Some((Arc::clone(&wider), token.id));
                return Ok(Authorization { header: token.header.clone(), source, token: shown });
            }
        }
        let cell = cell_of(&ours);
        let mut slot = cell.lock().await;
        let token = match slot.as_ref().filter(|token| token.is_good(now, fresh)) {
            Some(token) => token.clone(),
            None => {
                let mut scopes = ours.clone();
                let extra = lock(&host.auth.extra).get(&ours).cloned().unwrap_or_default();
                scopes.extend(extra.into_iter().filter(|scope| !ours.contains(scope)));
                let token = self.fetch_token(host, access, asked, credential, &scopes).await?;
                *slot = Some(token.clone());
                token
            }
        };
        drop(slot);
        Ok(Authorization { header: token.header, source, token: Some((cell, token.id)) })
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
        let context = Context { registry: host.registry.clone(), step: Step::Token, subject };
        let fail = |why: String| RegistryError::Challenge { context: Box::new(context.clone()), why };
        let realm = asked.get("realm").unwrap_or_default();
        let mut realm = Url::parse(realm).map_err(|error| fail(format!("`realm` is no address: {error}")))?;
        let since = self.settings.clock.now();
        let mut request = match login {
            Some(Login::Identity(token)) => {
                self.scrubber.learn(token.expose());
                let mut form = form_urlencoded::Serializer::new(String::new());
                form.append_pair("grant_type", "refresh_token");
                form.append_pair("service", asked.get("service").unwrap_or_default());
                form.append_pair("client_id", "pack");
                form.append_pair("scope", &scopes.join(" "));
                form.append_pair("refresh_token", token.expose());
                Request::new(Method::POST, realm.clone())
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
                Request::new(Method::GET, realm.clone())
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
            let response = self.exchange(host, &context, request, shown).await?;
            let next =
                response.header("location").filter(|_| (300..400).contains(&response.status()) && is_get);
            let Some(next) = next else { break response };
            redirects += 1;
            if redirects > MAX_REDIRECTS {
                return Err(fail(format!("redirected more than {MAX_REDIRECTS} times")));
            }
            let next =
                response.url.join(next).map_err(|error| fail(format!("redirected nowhere: {error}")))?;
            request = Request::new(Method::GET, next);
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
        let reply: Reply = json::decode(&body).map_err(|error| {
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

/// What a token server answers.
struct Reply {
    /// Under one name or the other.
    token: Option<Secret>,
    expires_in: Option<u64>,
}

impl Decode for Reply {
    fn decode(value: Value<'_>) -> Result<Self, JsonError> {
        const NAMES: &[&str] =
            &["token", "access_token", "expires_in", "issued_at", "refresh_token", "scope"];
        let mut reply = Object::open(value, NAMES)?;
        let tokens: [Option<Secret>; 2] = [reply.take("token")?, reply.take("access_token")?];
        let token = tokens.into_iter().flatten().find(|token| !token.expose().is_empty());
        Ok(Self { token, expires_in: reply.take("expires_in")?.map(|Seconds(seconds)| seconds) })
    }
    fn wanted() -> String {
        "an object".to_owned()
    }
}

/// Some servers say the largest number there is, which is more than [`u64`] is elsewhere.
struct Seconds(u64);

impl Decode for Seconds {
    fn decode(value: Value<'_>) -> Result<Self, JsonError> {
        let number = Some(value.text()).filter(|_| value.kind() == Kind::Number);
        number.and_then(|number| number.parse().ok()).map(Self).ok_or_else(|| value.wrong::<Self>())
    }
    fn wanted() -> String {
        u64::wanted()
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

/// Whether a token with scope `own` is good for `wanted`.
fn covers(own: &str, wanted: &str) -> bool {
    let split =
        |scope: &str| scope.rsplit_once(':').map(|(name, actions)| (name.to_owned(), actions.to_owned()));
    match (split(own), split(wanted)) {
        (Some((name, actions)), Some((other, needed))) => {
            name == other && needed.split(',').all(|action| actions.split(',').any(|has| has == action))
        }
        _ => false,
    }
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
    fn scopes_put_pushing_first() {
        let repository: Repository = "r.example/b".parse().expect("valid");
        let from = Some("r.example/a".parse().expect("valid"));
        let access = Access { from, ..Access::push(&repository) };
        assert_eq!(access.scopes(), ["repository:b:pull,push", "repository:a:pull"]);
        assert_eq!(Access::pull(&repository).scopes(), ["repository:b:pull"]);
    }

    #[test]
    fn a_wider_scope_covers_a_narrower() {
        assert!(covers("repository:a:pull,push", "repository:a:pull"));
        assert!(covers("repository:a:pull,push", "repository:a:push,pull"));
        assert!(!covers("repository:a:pull", "repository:a:pull,push"));
        assert!(!covers("repository:a:pull,push", "repository:b:pull"));
        assert!(!covers("repository:a:pull", "nonsense"));
    }

    #[test]
    fn tokens_are_renewed_early_and_earlier_for_what_takes_long() {
        let since = Instant::now();
        let lifetime = Duration::from_secs(10);
        let token = Token { id: 1, header: HeaderValue::from_static("x"), since, lifetime };
        let states = [0, 6, 9].map(|seconds| {
            let now = since + Duration::from_secs(seconds);
            (token.is_good(now, false), token.is_good(now, true))
        });
        assert_eq!(states, [(true, true), (true, false), (false, false)]);
    }

    #[test]
    fn an_answer_in_which_others_read_another_token_is_refused() {
        let read = |text: &str| json::decode::<Reply>(text.as_bytes()).map_err(|error| error.to_string());
        for (text, why) in [
            (r#"{"token":"hunter2","token":"x"}"#, "the key `token` occurs twice"),
            (r#"{"token":"hunter2","Token":"x"}"#, "the key `Token` is `token` to tools"),
            (r#"{"acce\u0073s_token":"hunter2","access_to\u212aen":"x"}"#, "is `access_token` to tools"),
            (r#"{"token":{"$serde_json::private::RawValue":"hunter2"}}"#, "`token` is an object; it must be"),
            (r#"{"token":"hunter2","expires_in":1e3}"#, "`expires_in` is a number; it must be a whole"),
            (r#"["hunter2","hunter2",60]"#, "the document is a list"),
            ("hunter2", "not valid JSON: no value at line 1"),
        ] {
            let error = read(text).err().expect(text);
            assert!(error.contains(why) && !error.contains("hunter2"), "{text}: {error}");
        }
        let reply =
            read(r#"{"token":"","access_token":"a","expires_in":null,"x":{"y":1,"Y":2}}"#).expect("read");
        assert_eq!((reply.token, reply.expires_in), (Some(Secret::new("a")), None));
        let reply = read(r#"{"expires_in":7,"token":"t","access_token":"a"}"#).expect("read");
        assert_eq!((reply.token, reply.expires_in), (Some(Secret::new("t")), Some(7)));
        assert_eq!(read("{}").expect("read").token, None);
        let longest = read(r#"{"expires_in":18446744073709551615}"#).expect("read");
        assert_eq!(longest.expires_in, Some(u64::MAX));
    }

    #[test]
    fn headers_are_never_printed() {
        let printed = format!("{:?}", basic("alice", &Secret::new("hunter2")));
        assert_eq!(printed, "Sensitive");
    }
}
