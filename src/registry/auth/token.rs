//! Tokens, and the answers of the servers that give them.

use std::time::{Duration, Instant};

use reqwest::header::HeaderValue;

use super::super::wire::secret::Secret;
use super::credential::Login;
use crate::formats::json::{FromJson, JsonError, JsonKind, JsonValue, Object};

/// The specification's default lifetime of a token.
pub(in crate::registry) const DEFAULT_LIFETIME: u64 = 60;

/// The request that a token answers: one token serves all who would ask for the same.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::registry) struct TokenKey {
    pub(in crate::registry) login: Option<Login>,
    pub(in crate::registry) scopes: Vec<String>,
}

#[derive(Clone)]
pub(in crate::registry) struct Token {
    pub(in crate::registry) id: u64,
    pub(in crate::registry) header: HeaderValue,
    pub(in crate::registry) since: Instant,
    pub(in crate::registry) lifetime: Duration,
}

impl Token {
    /// Renewed early, and earlier before what takes long.
    pub(in crate::registry) fn is_good(&self, now: Instant, fresh: bool) -> bool {
        now.duration_since(self.since) < self.lifetime.mul_f32(if fresh { 0.5 } else { 0.8 })
    }
}

/// The answer of a token server.
pub(in crate::registry) struct TokenReply {
    /// Under one name or the other.
    pub(in crate::registry) token: Option<Secret>,
    pub(in crate::registry) expires_in: Option<u64>,
}

impl FromJson for TokenReply {
    fn decode(value: JsonValue<'_>) -> Result<Self, JsonError> {
        const NAMES: &[&str] =
            &["token", "access_token", "expires_in", "issued_at", "refresh_token", "scope"];
        let mut reply = Object::open(value, NAMES)?;
        let tokens: [Option<Secret>; 2] = [reply.take("token")?, reply.take("access_token")?];
        let token = tokens.into_iter().flatten().find(|token| !token.expose().is_empty());
        Ok(Self { token, expires_in: reply.take("expires_in")?.map(|Seconds(seconds)| seconds) })
    }
}

/// Some servers say the largest number there is, which is more than [`u64`] is elsewhere.
struct Seconds(u64);

impl FromJson for Seconds {
    fn decode(value: JsonValue<'_>) -> Result<Self, JsonError> {
        let number = Some(value.text()).filter(|_| value.kind() == JsonKind::Number);
        number.and_then(|number| number.parse().ok()).map(Self).ok_or_else(|| Self::wrong(value))
    }
    fn wanted() -> String {
        u64::wanted()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::formats::json;

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
        let read =
            |text: &str| json::decode::<TokenReply>(text.as_bytes()).map_err(|error| error.to_string());
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
}
