//! The record of a build's checks: an in-toto test result
//! ([predicate](https://github.com/in-toto/attestation/blob/main/spec/predicates/test-result.md)).

use serde::Serialize;

use super::proof::ProofError;
use super::resource::ResourceDescriptor;
use crate::formats::json::{FromJson, JsonError, JsonValue, Object, Raw, decode};

/// The type of the claim.
pub const CHECKS_PREDICATE: &str = "https://in-toto.io/attestation/test-result/v0.1";

/// The result of all checks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "UPPERCASE")]
enum ChecksResult {
    Passed,
    Warned,
    Failed,
}

/// The record of a build's checks. It says the rules that found something; their findings are in the build's log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ChecksRecord {
    result: ChecksResult,
    configuration: Vec<ResourceDescriptor>,
    warned_tests: Vec<String>,
    failed_tests: Vec<String>,
}

impl ChecksRecord {
    /// A record; `warned` and `failed` are names of rules.
    #[must_use]
    pub fn new(configuration: Vec<ResourceDescriptor>, warned: Vec<String>, failed: Vec<String>) -> Self {
        let result = match (warned.is_empty(), failed.is_empty()) {
            (_, false) => ChecksResult::Failed,
            (false, true) => ChecksResult::Warned,
            (true, true) => ChecksResult::Passed,
        };
        Self { result, configuration, warned_tests: warned, failed_tests: failed }
    }

    /// Whether no check found an error. Warnings are none.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.result != ChecksResult::Failed && self.failed_tests.is_empty()
    }

    /// Its JSON.
    ///
    /// # Errors
    /// Never for a value of this type.
    pub fn to_raw(&self) -> Result<Raw, JsonError> {
        serde_json::to_string(self).map_err(JsonError::refused)?.parse()
    }

    /// Reads one.
    ///
    /// # Errors
    /// When it is none.
    pub fn read(bytes: &[u8]) -> Result<Self, ProofError> {
        Ok(decode(bytes)?)
    }
}

impl FromJson for ChecksRecord {
    fn decode(value: JsonValue<'_>) -> Result<Self, JsonError> {
        let mut object = Object::open(
            value,
            &["result", "configuration", "url", "passedTests", "warnedTests", "failedTests"],
        )?;
        let result = match &*object.require::<String>("result")? {
            "PASSED" => ChecksResult::Passed,
            "WARNED" => ChecksResult::Warned,
            "FAILED" => ChecksResult::Failed,
            _ => return Err(JsonError::refused("it is not `PASSED`, `WARNED` or `FAILED`").below("result")),
        };
        let record = Self {
            result,
            configuration: object.take_or_default("configuration")?,
            warned_tests: object.take_or_default("warnedTests")?,
            failed_tests: object.take_or_default("failedTests")?,
        };
        object.finish()?;
        Ok(record)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_read_as_it_is_written() {
        let one = |name: &str| vec![name.to_owned()];
        for (warned, failed, result, is_clean) in [
            (Vec::new(), Vec::new(), "PASSED", true),
            (one("secret"), Vec::new(), "WARNED", true),
            (Vec::new(), one("secret"), "FAILED", false),
            (one("runs-as-root"), one("secret"), "FAILED", false),
        ] {
            let record = ChecksRecord::new(Vec::new(), warned, failed);
            let raw = record.to_raw().expect("JSON");
            let text = raw.value().text();
            assert!(text.contains(&format!(r#""result":"{result}""#)), "{text}");
            assert_eq!(record.is_clean(), is_clean, "{text}");
            assert_eq!(ChecksRecord::read(text.as_bytes()), Ok(record));
        }
    }

    #[test]
    fn a_record_that_contradicts_itself_is_not_clean() {
        let read = |text: &str| ChecksRecord::read(text.as_bytes());
        let lies = read(r#"{"result":"PASSED","configuration":[],"failedTests":["secret"]}"#);
        assert!(!lies.expect("a record").is_clean());
        assert!(read(r#"{"result":"passed","configuration":[]}"#).is_err());
        assert!(read("{}").is_err());
    }
}
