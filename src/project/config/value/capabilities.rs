//! Capabilities of programs.

use super::super::decode::{Decode, Decoder, FromText, Wrong};
use super::super::node::{TomlNode, TomlValue};
use crate::layer::capabilities::{CapabilityError, FileCapabilities};

/// Capabilities as `setcap` takes them: a string, or an array of such strings.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CapabilityText {
    written: String,
    capabilities: FileCapabilities,
}

impl CapabilityText {
    /// As they were written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.written
    }

    /// Their meaning.
    #[must_use]
    pub const fn get(&self) -> FileCapabilities {
        self.capabilities
    }
}

impl FromText for CapabilityText {
    fn from_text(text: &str) -> Result<Self, Wrong> {
        let wrong = |error: CapabilityError| {
            let hint = match &error {
                CapabilityError::Unknown { near: Some(near), .. } => format!("did you mean `{near}`?"),
                CapabilityError::PartlyEffective => "add `e` to all of them, or to none".to_owned(),
                _ => "write them as `setcap` takes them: \"cap_net_bind_service=ep\"".to_owned(),
            };
            Wrong::new(format!("`{text}` are no capabilities of a file: {error}")).hint(hint)
        };
        let capabilities = FileCapabilities::parse(text).map_err(wrong)?;
        Ok(Self { written: text.to_owned(), capabilities })
    }
}

impl Decode for CapabilityText {
    fn decode(node: &TomlNode, decoder: &mut Decoder<'_>) -> Option<Self> {
        match &node.value {
            TomlValue::Array(_) => {
                let clauses: Vec<String> = Vec::decode(node, decoder)?;
                match Self::from_text(&clauses.join(" ")) {
                    Ok(capabilities) => Some(capabilities),
                    Err(wrong) => decoder.wrong(node.span, wrong),
                }
            }
            _ => decoder.text(node),
        }
    }
}
