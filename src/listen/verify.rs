//! Who may send: a secret that both sides know.
//!
//! `pack` signs each message with it, and the time is part of the signature, so that a message cannot be sent again
//! later. Registries show the secret itself in `Authorization`, and Docker Hub, which can set no header, in the address.

use aws_lc_rs::constant_time::verify_slices_are_equal;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::parse::SourceKind;
use crate::notify::{SignatureError, SigningKey};
use crate::registry::Secret;

/// The secret of a source.
#[derive(Debug)]
pub struct SourceSecret {
    secret: Secret,
    key: SigningKey,
}

/// The headers and the address of a message.
pub struct MessageHead<'a> {
    /// A header by its name in lower case.
    pub header: &'a dyn Fn(&str) -> Option<&'a str>,
    /// The query of the address.
    pub query: Option<&'a str>,
}

impl SourceSecret {
    /// A secret, and the key that it means.
    #[must_use]
    pub fn new(secret: Secret, key: SigningKey) -> Self {
        Self { secret, key }
    }

    /// Checks a message that came at `now`, in seconds after 1970.
    ///
    /// # Errors
    /// When it has no proof that its sender knows the secret, or a wrong or old one.
    pub fn verify(
        &self,
        kind: SourceKind,
        head: &MessageHead<'_>,
        body: &[u8],
        now: u64,
    ) -> Result<(), SignatureError> {
        if kind == SourceKind::Pack {
            // The signature that covers id and time; one of the body alone could be sent again.
            return match (head.header)("webhook-signature") {
                Some(_) => self.key.verify(head.header, body, now),
                None => Err(SignatureError::Missing),
            };
        }
        if let Some(shown) = (head.header)("authorization") {
            return self.is_shown_by(shown).then_some(()).ok_or(SignatureError::Wrong);
        }
        if kind == SourceKind::DockerHub
            && let Some(query) = head.query
        {
            let mut pairs = url::form_urlencoded::parse(query.as_bytes());
            let token = pairs.find(|(name, _)| name == "token").map(|(_, value)| value);
            if let Some(token) = token {
                return self.is(token.as_bytes()).then_some(()).ok_or(SignatureError::Wrong);
            }
        }
        self.key.verify(head.header, body, now)
    }

    /// A text without the secret.
    #[must_use]
    pub fn scrubbed(&self, text: &str) -> String {
        text.replace(self.secret.expose(), "…")
    }

    /// `Bearer SECRET`, `Basic` with the secret as the password, or the secret alone, as Harbor sends it.
    fn is_shown_by(&self, shown: &str) -> bool {
        let (scheme, rest) = shown.split_once(' ').unwrap_or(("", shown));
        if scheme.eq_ignore_ascii_case("basic") {
            let login = STANDARD.decode(rest.trim()).unwrap_or_default();
            let colon = login.iter().position(|byte| *byte == b':');
            return colon.is_some_and(|colon| self.is(&login[colon + 1..]));
        }
        let shown = if scheme.eq_ignore_ascii_case("bearer") { rest.trim() } else { shown };
        self.is(shown.as_bytes())
    }

    /// In a time that says nothing about how much is right.
    fn is(&self, shown: &[u8]) -> bool {
        verify_slices_are_equal(shown, self.secret.expose().as_bytes()).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret() -> SourceSecret {
        let secret = Secret::new("hunter2:x");
        let key = SigningKey::new(&secret).expect("a key");
        SourceSecret::new(secret, key)
    }

    fn check(
        kind: SourceKind,
        headers: &[(&str, String)],
        query: Option<&str>,
    ) -> Result<(), SignatureError> {
        let header = |name: &str| headers.iter().find(|(known, _)| *known == name).map(|(_, value)| &**value);
        secret().verify(kind, &MessageHead { header: &header, query }, b"body", 1000)
    }

    #[test]
    fn registries_show_the_secret() {
        let basic = format!("Basic {}", STANDARD.encode("user:hunter2:x"));
        for shown in ["Bearer hunter2:x", "bearer hunter2:x", "hunter2:x", &basic] {
            for kind in [SourceKind::DockerRegistry, SourceKind::Harbor, SourceKind::DockerHub] {
                assert_eq!(check(kind, &[("authorization", shown.to_owned())], None), Ok(()), "{shown}");
            }
            let own = check(SourceKind::Pack, &[("authorization", shown.to_owned())], None);
            assert_eq!(own, Err(SignatureError::Missing));
        }
        for shown in ["", "Bearer", "Bearer hunter", "Bearer hunter2:xx", "Basic !", "Basic aHVudGVyMjp4"] {
            let wrong = check(SourceKind::Harbor, &[("authorization", shown.to_owned())], None);
            assert_eq!(wrong, Err(SignatureError::Wrong), "{shown}");
        }
    }

    #[test]
    fn only_docker_hub_shows_it_in_the_address() {
        assert_eq!(check(SourceKind::DockerHub, &[], Some("a=b&token=hunter2%3Ax")), Ok(()));
        assert_eq!(check(SourceKind::DockerHub, &[], Some("token=hunter")), Err(SignatureError::Wrong));
        assert_eq!(
            check(SourceKind::DockerRegistry, &[], Some("token=hunter2:x")),
            Err(SignatureError::Missing)
        );
    }

    #[test]
    fn own_events_are_signed_with_their_time() {
        let headers = secret().key.headers("id", 1000, b"body");
        assert_eq!(check(SourceKind::Pack, &headers, None), Ok(()));
        let old = secret().key.headers("id", 100, b"body");
        assert_eq!(check(SourceKind::Pack, &old, None), Err(SignatureError::Stale));
        let body_alone: Vec<_> = headers.iter().filter(|(name, _)| name.starts_with("x-")).cloned().collect();
        assert_eq!(check(SourceKind::Pack, &body_alone, None), Err(SignatureError::Missing));
        assert_eq!(check(SourceKind::Harbor, &body_alone, None), Ok(()));
    }
}
