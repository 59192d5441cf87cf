//! The table of senders.

use super::body::{ParsedBody, UnreadableBody};
use super::{docker_hub, docker_registry, harbor, own};
use crate::types::reference::Registry;

/// A kind of sender.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SourceKind {
    /// `docker-registry` (distribution).
    DockerRegistry,
    /// Harbor, in either of its forms.
    Harbor,
    /// Docker Hub.
    DockerHub,
    /// `pack`.
    Pack,
}

impl SourceKind {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::DockerRegistry, Self::Harbor, Self::DockerHub, Self::Pack];

    /// The word for it in settings.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::DockerRegistry => "docker-registry",
            Self::Harbor => "harbor",
            Self::DockerHub => "docker-hub",
            Self::Pack => "pack",
        }
    }
}

/// The notices of a message that came to the path `source`. With `registry` all images are named after it, whatever
/// host the message has.
///
/// # Errors
/// When the message is not what such a sender sends.
pub fn parse(
    kind: SourceKind,
    source: &str,
    registry: Option<&Registry>,
    body: &[u8],
) -> Result<ParsedBody, UnreadableBody> {
    let parsed = match kind {
        SourceKind::DockerRegistry => docker_registry::parse(source, registry, body)?,
        SourceKind::Harbor => harbor::parse(source, registry, body)?,
        SourceKind::DockerHub => docker_hub::parse(source, registry, body)?,
        SourceKind::Pack => own::parse(source, registry, body)?,
    };
    if parsed.notices.is_empty() && parsed.invalid > 0 {
        return Err(UnreadableBody::Invalid);
    }
    Ok(parsed)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::types::digest::Digest;

    fn targets(kind: SourceKind, registry: Option<&str>, body: &str) -> Result<Vec<String>, UnreadableBody> {
        let registry = registry.map(|registry| registry.parse().expect("a registry"));
        let parsed = parse(kind, "/x", registry.as_ref(), body.as_bytes())?;
        Ok(parsed.notices.iter().map(super::super::super::notice::Notice::reference).collect())
    }

    /// As docker-registry 2.8 sends it, shortened.
    fn envelope(media_type: &str, tag: &str, action: &str) -> String {
        let digest = Digest::of(b"x");
        format!(
            r#"{{"events":[{{"id":"320678d8-ca14-430f-8bb6-4ca139cd83f7","timestamp":"2025-07-01T10:00:00Z","action":"{action}",
            "target":{{"mediaType":"{media_type}","size":700,"digest":"{digest}","length":700,"repository":"shop/app",
            "url":"http://localhost:5000/v2/shop/app/manifests/x"{tag}}},"request":{{"id":"i","addr":"127.0.0.1:1",
            "host":"localhost:5000","method":"PUT","useragent":"pack/0.1"}},"actor":{{}},"source":{{"addr":"h:5000"}}}}]}}"#
        )
    }

    #[test]
    fn docker_registry() {
        let manifest = "application/vnd.oci.image.manifest.v1+json";
        let with = |media_type, tag, action| {
            targets(SourceKind::DockerRegistry, None, &envelope(media_type, tag, action))
        };
        let expected = format!("localhost:5000/shop/app:prod@{}", Digest::of(b"x"));
        let tag = r#","tag":"prod""#;
        assert_eq!(with(manifest, tag, "push"), Ok(vec![expected]));
        for (media_type, tag, action) in [
            ("application/octet-stream", tag, "push"),
            (manifest, "", "push"),
            (manifest, tag, "pull"),
            (manifest, tag, "delete"),
        ] {
            assert_eq!(with(media_type, tag, action), Ok(Vec::new()), "{media_type} {tag} {action}");
        }
        let body = envelope(manifest, tag, "push");
        let named = targets(SourceKind::DockerRegistry, Some("registry.example"), &body).expect("read");
        assert!(named[0].starts_with("registry.example/shop/app:prod@"));
        for (from, to) in [("shop/app", "../etc"), ("prod", "$(x)"), ("sha256:", "md5:")] {
            let odd = body.replace(from, to);
            assert_eq!(targets(SourceKind::DockerRegistry, None, &odd), Err(UnreadableBody::Invalid), "{to}");
        }
    }

    /// The documented form of Harbor's webhooks, and the same as a CloudEvent.
    #[test]
    fn harbor() {
        let digest = Digest::of(b"x");
        let data = format!(
            r#"{{"resources":[{{"digest":"{digest}","tag":"prod","resource_url":"harbor.example/shop/app:prod"}}],
            "repository":{{"date_created":1,"name":"app","namespace":"shop","repo_full_name":"shop/app","repo_type":"private"}}}}"#
        );
        let plain =
            format!(r#"{{"type":"PUSH_ARTIFACT","occur_at":1,"operator":"admin","event_data":{data}}}"#);
        let cloud = format!(
            r#"{{"specversion":"1.0","id":"7","source":"/projects/1/webhook/policies/2","type":"harbor.artifact.pushed",
            "datacontenttype":"application/json","time":"2025-07-01T10:00:00Z","data":{data},"operator":"admin"}}"#
        );
        let expected = format!("harbor.example/shop/app:prod@{digest}");
        for body in [&plain, &cloud] {
            assert_eq!(targets(SourceKind::Harbor, None, body), Ok(vec![expected.clone()]));
        }
        let other = plain.replace("PUSH_ARTIFACT", "PULL_ARTIFACT");
        assert_eq!(targets(SourceKind::Harbor, None, &other), Ok(Vec::new()));
        let evil = plain.replace("harbor.example/shop", "evil.example/shop");
        let named = targets(SourceKind::Harbor, Some("harbor.example"), &evil).expect("read");
        assert_eq!(named, [expected]);
    }

    /// The documented form of Docker Hub's webhooks.
    #[test]
    fn docker_hub() {
        let body = r#"{"callback_url":"https://registry.hub.docker.com/u/x","push_data":{"pushed_at":1,"pusher":"x","tag":"latest"},
            "repository":{"name":"app","namespace":"shop","repo_name":"shop/app","repo_url":"https://hub"}}"#;
        assert_eq!(
            targets(SourceKind::DockerHub, None, body),
            Ok(vec!["docker.io/shop/app:latest".to_owned()])
        );
        let evil = body.replace("shop/app", "evil.example:5000/app");
        assert_eq!(targets(SourceKind::DockerHub, None, &evil), Err(UnreadableBody::Invalid));
    }

    #[test]
    fn own_events_in_every_form_that_has_an_image() {
        use crate::notify::{example_event, message};
        use crate::types::delivery::{DeliveryKind, EventForm};
        for form in EventForm::ALL {
            let message = message(&example_event(DeliveryKind::Promotion), form);
            let parsed = parse(SourceKind::Pack, "/x", None, &message.body).expect("read");
            let notice = &parsed.notices[0];
            assert_eq!(notice.target(), "localhost:5000/shop/app:1.0", "{form}");
            assert_eq!(notice.digest, Some(Digest::of(b"new")));
            if form != EventForm::Registry {
                assert_eq!(
                    (notice.kind, notice.environment.as_deref()),
                    (DeliveryKind::Promotion, Some("prod"))
                );
            }
        }
    }

    /// Senders that share the secret of a source name no image of another registry.
    #[test]
    fn a_registry_of_the_settings_counts_for_every_sender_and_form() {
        use crate::notify::{example_event, message};
        use crate::types::delivery::{DeliveryKind, EventForm};
        let registry = "registry.example:5000".parse().expect("a registry");
        let hub = r#"{"callback_url":"x","push_data":{"pushed_at":1,"pusher":"x","tag":"1.0"},"repository":{"repo_name":"shop/app"}}"#;
        let harbor = r#"{"type":"PUSH_ARTIFACT","occur_at":1,"event_data":{"resources":[{"tag":"1.0","digest":"sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
            "resource_url":"evil.example/shop/app:1.0"}],
            "repository":{"repo_full_name":"shop/app"}}}"#;
        let manifest = "application/vnd.oci.image.manifest.v1+json";
        let envelope = envelope(manifest, r#","tag":"1.0""#, "push");
        let mut messages: Vec<(SourceKind, Vec<u8>)> = vec![
            (SourceKind::DockerHub, hub.into()),
            (SourceKind::Harbor, harbor.into()),
            (SourceKind::DockerRegistry, envelope.clone().into_bytes()),
            (SourceKind::Pack, envelope.into_bytes()),
        ];
        for form in EventForm::ALL {
            let event = message(&example_event(DeliveryKind::Promotion), form);
            messages.push((SourceKind::Pack, event.body));
        }
        for (kind, body) in messages {
            let parsed = parse(kind, "/x", Some(&registry), &body).expect("read");
            assert_eq!(parsed.notices[0].target(), "registry.example:5000/shop/app:1.0", "{kind:?}");
        }
    }

    proptest! {
        #[test]
        fn nothing_panics(text in "[ -~]{0,80}|[{}\\[\\]\":,a-z0-9]{0,120}") {
            for kind in SourceKind::ALL {
                let _ = parse(kind, "/x", None, text.as_bytes());
            }
        }
    }

    #[test]
    fn deep_and_odd_json_is_refused() {
        let deep = "[".repeat(100_000);
        for kind in SourceKind::ALL {
            for body in ["", "null", "[]", "{}", "{\"events\":1}", "{\"events\":null}", &deep] {
                let parsed = parse(kind, "/x", None, body.as_bytes());
                assert!(
                    parsed.is_err() || parsed.is_ok_and(|parsed| parsed.notices.is_empty()),
                    "{kind:?} {body:.20}"
                );
            }
        }
    }
}
