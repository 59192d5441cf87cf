//! The user's policy about the checks: rules by their names, levels, and reasons for what is allowed.

use super::super::decode::{FromText, Wrong, text_values};
use super::words::unknown;
use crate::types::check_policy::RuleLevel;
use crate::types::error::nearest;
use crate::types::fingerprint::fingerprint_as_text;
use crate::types::rule::Rule;

impl FromText for Rule {
    fn from_text(text: &str) -> Result<Self, Wrong> {
        text.parse().map_err(|_| {
            let hint = match nearest(text, Self::ALL.iter().map(|rule| rule.name())) {
                Some(near) => format!("did you mean `{near}`?"),
                None => "`pack check --rules` lists the rules".to_owned(),
            };
            Wrong::new(format!("unknown rule `{text}`")).hint(hint)
        })
    }
}

impl FromText for RuleLevel {
    fn from_text(text: &str) -> Result<Self, Wrong> {
        let levels = [Self::Error, Self::Warning, Self::Note, Self::Off];
        levels
            .into_iter()
            .find(|level| level.as_str() == text)
            .ok_or_else(|| unknown("level", text, &levels.map(Self::as_str)))
    }
}

/// Why a rule may be broken: a text that says something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Justification(String);

impl Justification {
    /// The reason.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromText for Justification {
    fn from_text(text: &str) -> Result<Self, Wrong> {
        if text.trim().is_empty() || text.chars().any(char::is_control) {
            return Err(Wrong::new("a rule is allowed for a reason, in one line")
                .hint("write why, such as `allow = { \"secret\" = \"a key for tests\" }`"));
        }
        Ok(Self(text.trim().to_owned()))
    }
}

text_values!(Justification, RuleLevel);
fingerprint_as_text!(Rule, RuleLevel);

impl crate::types::fingerprint::Fingerprint for Justification {
    fn add_to(&self, key: &mut crate::types::digest::KeyBuilder) {
        key.text(self.as_str());
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{all_wrong, ok};
    use super::*;

    #[test]
    fn levels_and_reasons() {
        for text in ["error", "warning", "note", "off"] {
            assert_eq!(ok::<RuleLevel>(text).as_str(), text);
        }
        all_wrong::<RuleLevel>(&["", "Error", "info", "warn"]);
        assert_eq!(ok::<Justification>(" a key for tests ").as_str(), "a key for tests");
        all_wrong::<Justification>(&["", "  ", "a\nb"]);
    }

    #[test]
    fn an_unknown_rule_has_a_near_name_or_a_list() {
        assert_eq!(ok::<Rule>("secret"), Rule::Secret);
        let wrong = |text| Rule::from_text(text).expect_err("no rule").hint;
        assert_eq!(wrong("secrets").as_deref(), Some("did you mean `secret`?"));
        assert_eq!(wrong("nothing-like-it").as_deref(), Some("`pack check --rules` lists the rules"));
    }
}
