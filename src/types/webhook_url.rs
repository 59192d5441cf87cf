//! The address of a receiver of events, which is a secret.
//!
//! Chat services and CI systems put a token into the path or the query, and some receivers want a login. So only the
//! scheme and the host of an address are ever shown.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use url::Url;

/// The longest address, in bytes.
const LONGEST: usize = 4096;

/// `http` or `https`, a host, and what follows. Two are equal if their texts are.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct WebhookUrl(Url);

/// Why a text is no such address. It does not repeat the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WebhookUrlError {
    /// It is no URL.
    #[error("the address is no URL")]
    NoUrl,
    /// It is a URL of something else.
    #[error("the address is not one of HTTP")]
    Scheme,
    /// It has a part that is never sent.
    #[error("the address has a `#` in it")]
    Fragment,
    /// It is too long.
    #[error("the address is longer than {LONGEST} bytes")]
    TooLong,
}

impl WebhookUrl {
    /// The address without the login in it.
    #[must_use]
    pub fn without_login(&self) -> Url {
        let mut url = self.0.clone();
        // Both succeed for every URL with a host.
        let _ = url.set_username("");
        let _ = url.set_password(None);
        url
    }

    /// The user and the password in it, decoded, if there are any.
    #[must_use]
    pub fn login(&self) -> Option<(String, String)> {
        let decoded = |text: &str| {
            let pair = format!("x={}", text.replace('+', "%2B"));
            url::form_urlencoded::parse(pair.as_bytes())
                .next()
                .map(|(_, value)| value.into_owned())
                .unwrap_or_default()
        };
        let (user, password) = (self.0.username(), self.0.password());
        (!user.is_empty() || password.is_some())
            .then(|| (decoded(user), decoded(password.unwrap_or_default())))
    }

    /// All of it. Every use of this is a place to look at.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.0.as_str()
    }

    /// The host, with a port if it is not the scheme's own.
    #[must_use]
    pub fn host(&self) -> String {
        let host = self.0.host_str().unwrap_or_default();
        self.0.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
    }
}

impl FromStr for WebhookUrl {
    type Err = WebhookUrlError;

    fn from_str(text: &str) -> Result<Self, WebhookUrlError> {
        if text.len() > LONGEST {
            return Err(WebhookUrlError::TooLong);
        }
        let url = Url::parse(text).map_err(|_| WebhookUrlError::NoUrl)?;
        if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
            return Err(WebhookUrlError::Scheme);
        }
        if url.fragment().is_some() {
            return Err(WebhookUrlError::Fragment);
        }
        Ok(Self(url))
    }
}

/// The scheme and the host, and `…` for all else.
impl fmt::Display for WebhookUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let is_bare = self.0.path() == "/" && self.0.query().is_none();
        write!(f, "{}://{}/{}", self.0.scheme(), self.host(), if is_bare { "" } else { "…" })
    }
}

impl fmt::Debug for WebhookUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "WebhookUrl({self})")
    }
}

impl Serialize for WebhookUrl {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.expose())
    }
}

impl<'de> Deserialize<'de> for WebhookUrl {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn url(text: &str) -> WebhookUrl {
        text.parse().expect("an address")
    }

    #[test]
    fn only_the_scheme_and_the_host_are_shown() {
        for (text, shown) in [
            ("https://hooks.example/T0/B1/s3cret", "https://hooks.example/…"),
            ("https://u:s3cret@hooks.example:8443/", "https://hooks.example:8443/"),
            ("http://[::1]:80/?token=s3cret", "http://[::1]/…"),
        ] {
            let url = url(text);
            assert_eq!(url.to_string(), shown);
            assert!(!format!("{url:?}").contains("s3cret"));
        }
    }

    #[test]
    fn a_login_is_taken_out_and_decoded() {
        let url = url("https://a%40b:p%3Aq+r@hooks.example/x?y=1");
        assert_eq!(url.login(), Some(("a@b".to_owned(), "p:q+r".to_owned())));
        assert_eq!(url.without_login().as_str(), "https://hooks.example/x?y=1");
        assert_eq!(super::tests::url("https://hooks.example/x").login(), None);
    }

    #[test]
    fn other_texts_are_refused_and_not_repeated() {
        let long = format!("https://h/{}", "x".repeat(LONGEST));
        let cases = ["", "s3cret", "ftp://s3cret/", "file:///s3cret", "https://h/#s3cret", "https://", &long];
        for text in cases {
            let error = text.parse::<WebhookUrl>().expect_err(text);
            assert!(!error.to_string().contains("s3cret"), "{error}");
        }
    }

    proptest! {
        #[test]
        fn no_text_of_a_path_is_shown(secret in "[A-Z]{8,20}") {
            let url = url(&format!("https://{secret}:{secret}@hooks.example/{secret}?{secret}={secret}"));
            prop_assert!(!url.to_string().contains(&secret));
        }
    }
}
