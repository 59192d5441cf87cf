//! Receivers of events: addresses, forms and kinds.

use super::super::decode::{FromText, Wrong, text_values};
use super::words::unknown;
use crate::types::delivery::{DeliveryKind, EventForm};
use crate::types::webhook_url::WebhookUrl;

impl FromText for WebhookUrl {
    fn from_text(text: &str) -> Result<Self, Wrong> {
        // The text may have a secret in it, and is not repeated.
        text.parse().map_err(|error: crate::types::webhook_url::WebhookUrlError| {
            Wrong::new(error.to_string()).hint("write `https://HOST[:PORT]/PATH`")
        })
    }
}

impl FromText for DeliveryKind {
    fn from_text(text: &str) -> Result<Self, Wrong> {
        let known = Self::ALL.map(Self::as_str);
        Self::ALL
            .into_iter()
            .find(|kind| kind.as_str() == text)
            .ok_or_else(|| unknown("kind of event", text, &known))
    }
}

impl FromText for EventForm {
    fn from_text(text: &str) -> Result<Self, Wrong> {
        let known = Self::ALL.map(Self::as_str);
        Self::ALL
            .into_iter()
            .find(|form| form.as_str() == text)
            .ok_or_else(|| unknown("form of events", text, &known))
    }
}

text_values!(WebhookUrl, DeliveryKind, EventForm);

#[cfg(test)]
mod tests {
    use super::super::fixture::{all_wrong, ok};
    use super::*;

    #[test]
    fn words_are_those_of_the_tables() {
        for form in EventForm::ALL {
            assert_eq!(ok::<EventForm>(form.as_str()), form);
            // The outbox and the settings have the same words.
            assert_eq!(serde_json::to_string(&form).expect("JSON"), format!("\"{form}\""));
        }
        for kind in DeliveryKind::ALL {
            assert_eq!(ok::<DeliveryKind>(kind.as_str()), kind);
            assert_eq!(serde_json::to_string(&kind).expect("JSON"), format!("\"{kind}\""));
        }
        all_wrong::<EventForm>(&["", "cloudevent", "CDEvents"]);
        all_wrong::<DeliveryKind>(&["", "Push", "deploy"]);
        all_wrong::<WebhookUrl>(&["", "hooks.example/x", "ftp://hooks.example/"]);
    }
}
