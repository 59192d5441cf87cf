//! Environments of a delivery: their names and the conditions of a promotion.

use super::super::decode::{FromText, Wrong, text_values};
use crate::types::error::Explain as _;
use crate::types::fingerprint::fingerprint_as_text;
use crate::types::release::{EnvironmentName, EnvironmentNameError, Gate};

impl FromText for EnvironmentName {
    fn from_text(text: &str) -> Result<Self, Wrong> {
        text.parse().map_err(|error: EnvironmentNameError| Wrong {
            hint: error.hint(),
            ..Wrong::new(error.to_string())
        })
    }
}

impl FromText for Gate {
    fn from_text(text: &str) -> Result<Self, Wrong> {
        text.parse().map_err(|why: String| {
            Wrong::new(format!("`{text}` is not a gate: {why}"))
                .hint("write `release:ENV`, `referrer:TYPE`, `sbom`, `provenance` or `checks`")
        })
    }
}

text_values!(Gate);

fingerprint_as_text!(EnvironmentName, Gate);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_name_or_gate_has_a_hint() {
        let wrong = EnvironmentName::from_text("Prod").expect_err("a capital letter");
        assert!(wrong.message.contains("`Prod`") && wrong.hint.is_some(), "{wrong:?}");
        let wrong = Gate::from_text("signed").expect_err("no gate");
        assert!(wrong.message.contains("`signed` is not a gate") && wrong.hint.is_some(), "{wrong:?}");
        assert!(Gate::from_text("release:test").is_ok());
    }
}
