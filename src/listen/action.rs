//! Actions: a command with the values of a notice, or an event that is posted.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use super::filter::TargetPattern;
use super::notice::Notice;
use super::process::ReadyCommand;
use super::settings::{ActionSettings, CommandWord, secret_place};
use crate::notify::{ChainId, DEFAULT_TIMEOUT, DeliveryEvent, SecretPlace};
use crate::types::delivery::{DeliveryKind, EventForm};
use crate::types::webhook_url::WebhookUrl;

/// An action.
#[derive(Debug)]
pub struct Action {
    /// Its name.
    pub name: String,
    images: Vec<TargetPattern>,
    tags: Vec<TargetPattern>,
    on: BTreeSet<DeliveryKind>,
    /// Its deed.
    pub deed: Deed,
    /// How long a run may take.
    pub timeout: Duration,
    /// Tries after one that failed.
    pub retries: u32,
    /// The pause before the second try.
    pub pause: Duration,
    /// Whether a run that a crash interrupted is repeated.
    pub repeat: bool,
}

/// The deed of an action.
#[derive(Debug)]
pub enum Deed {
    /// A program is run with these words.
    Command(Vec<CommandWord>),
    /// The event is posted.
    Post {
        /// To this receiver.
        url: WebhookUrl,
        /// In this form.
        form: EventForm,
        /// Signed with the secret there.
        secret: Option<SecretPlace>,
    },
}

/// How long a command may take where nothing else is set.
const DEFAULT_RUN: Duration = Duration::from_secs(600);
/// Tries after one that failed, where nothing else is set.
const DEFAULT_RETRIES: u32 = 2;
/// The pause before the second try, where nothing else is set.
const DEFAULT_PAUSE: Duration = Duration::from_secs(5);
/// The longest pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(600);

impl Action {
    /// The action of these settings.
    #[must_use]
    pub fn new(settings: &ActionSettings) -> Self {
        let deed = match &settings.post {
            Some(url) => Deed::Post {
                url: url.value.clone(),
                form: settings.form.as_ref().map_or(EventForm::Webhook, |form| form.value),
                secret: secret_place(settings.secret_env.as_ref(), settings.secret_file.as_ref()),
            },
            None => Deed::Command(settings.command.iter().map(|word| word.value.clone()).collect()),
        };
        let usual = if matches!(deed, Deed::Post { .. }) { DEFAULT_TIMEOUT } else { DEFAULT_RUN };
        let retries = settings.retries.as_ref().map_or(DEFAULT_RETRIES, |retries| retries.value.get());
        Self {
            name: settings.name.as_str().to_owned(),
            images: settings.images.iter().map(|pattern| pattern.value.clone()).collect(),
            tags: settings.tags.iter().map(|pattern| pattern.value.clone()).collect(),
            on: settings.on.iter().map(|kind| kind.value).collect(),
            deed,
            timeout: settings.timeout.as_ref().map_or(usual, |timeout| timeout.value.duration()),
            retries,
            pause: settings.pause.as_ref().map_or(DEFAULT_PAUSE, |pause| pause.value.duration()),
            // A receiver drops duplicates by the id.
            repeat: settings.repeat || settings.post.is_some(),
        }
    }

    /// Whether it is for a notice.
    #[must_use]
    pub fn wants(&self, notice: &Notice) -> bool {
        let any = |patterns: &[TargetPattern], text: &str| {
            patterns.is_empty() || patterns.iter().any(|pattern| pattern.matches(text))
        };
        (self.on.is_empty() || self.on.contains(&notice.kind))
            && any(&self.images, &notice.image.to_string())
            && any(&self.tags, notice.tag.as_str())
    }

    /// The pause after a try that failed.
    #[must_use]
    pub fn pause_after(&self, attempt: u32) -> Duration {
        let factor = 1_u32.checked_shl(attempt.saturating_sub(1)).unwrap_or(u32::MAX);
        self.pause.saturating_mul(factor).min(LONGEST_PAUSE)
    }

    /// Whether it must know the digest, which not every message says.
    #[must_use]
    pub fn needs_digest(&self) -> bool {
        match &self.deed {
            Deed::Command(words) => words.iter().any(|word| word.needs("digest") || word.needs("reference")),
            Deed::Post { .. } => true,
        }
    }
}

/// The value of a placeholder. Each is the text of a type that allows no blank, quote or control character.
fn value(notice: &Notice, name: &str) -> String {
    match name {
        "image" => notice.image.to_string(),
        "repository" => notice.image.path().to_owned(),
        "tag" => notice.tag.to_string(),
        "digest" => notice.digest.map(|digest| digest.to_string()).unwrap_or_default(),
        "reference" => notice.reference(),
        "kind" => notice.kind.to_string(),
        "environment" => notice.environment.clone().unwrap_or_default(),
        "id" => notice.id.clone(),
        _ => String::new(),
    }
}

/// The variable of each placeholder.
const VARIABLES: [(&str, &str); 8] = [
    ("PACK_EVENT_IMAGE", "image"),
    ("PACK_EVENT_REPOSITORY", "repository"),
    ("PACK_EVENT_TAG", "tag"),
    ("PACK_EVENT_DIGEST", "digest"),
    ("PACK_EVENT_REFERENCE", "reference"),
    ("PACK_EVENT_KIND", "kind"),
    ("PACK_EVENT_ENVIRONMENT", "environment"),
    ("PACK_EVENT_ID", "id"),
];

/// The command for a notice.
#[must_use]
pub fn command(
    words: &[CommandWord],
    notice: &Notice,
    hidden: &[String],
    directory: PathBuf,
    timeout: Duration,
) -> ReadyCommand {
    ReadyCommand {
        words: words.iter().map(|word| word.filled(|name| value(notice, name))).collect(),
        variables: VARIABLES.map(|(variable, name)| (variable, value(notice, name))).to_vec(),
        hidden: hidden.to_vec(),
        directory,
        timeout,
    }
}

/// The event of a notice, as `pack` itself would have told it: the same in every try.
#[must_use]
pub fn event(notice: &Notice) -> Option<DeliveryEvent> {
    let digest = notice.digest?;
    Some(DeliveryEvent {
        kind: notice.kind,
        image: notice.image.clone(),
        digest,
        media_type: None,
        size: None,
        tags: vec![notice.tag.clone()],
        revision: None,
        environment: notice.environment.clone(),
        release: None,
        previous: None,
        time: notice.received,
        chain: ChainId::of(&notice.image, &digest, None, None),
    })
}

#[cfg(test)]
mod tests {
    use super::super::notice::example;
    use super::*;
    use crate::project::config::decode::FromText as _;

    fn words(texts: &[&str]) -> Vec<CommandWord> {
        texts.iter().map(|text| CommandWord::from_text(text).expect("a word")).collect()
    }

    #[test]
    fn values_fill_whole_words_and_variables() {
        let notice = example("i", "prod", "x");
        let words = words(&["kubectl", "set", "image", "deploy/app", "app={reference}", "{environment}"]);
        let ready = command(&words, &notice, &[], "/".into(), Duration::from_secs(1));
        let digest = notice.digest.expect("a digest");
        assert_eq!(ready.words[4], format!("app=localhost:5000/shop/app:prod@{digest}"));
        assert_eq!(ready.words[5], "");
        assert!(ready.variables.contains(&("PACK_EVENT_REPOSITORY", "shop/app".to_owned())));
    }

    #[test]
    fn every_placeholder_has_a_variable() {
        let notice = Notice { environment: Some("prod".to_owned()), ..example("i", "t", "x") };
        let known: Vec<&str> = VARIABLES.iter().map(|(_, name)| *name).collect();
        assert_eq!(known, super::super::settings::PLACEHOLDERS);
        for name in known {
            assert_ne!(value(&notice, name), "", "{name}");
        }
    }
}
