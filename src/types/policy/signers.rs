//! Whether one of several keys signed.

use std::collections::BTreeSet;

use super::facts::{KeyName, Knowledge};
use super::reason::{PolicyFact, PolicyReason};

/// The reason if none of the keys signed; none where no key is asked for.
pub(super) fn unsigned(
    keys: &[KeyName],
    signers: &Knowledge<BTreeSet<KeyName>>,
    fact: PolicyFact,
    reason: impl Fn(Vec<KeyName>) -> PolicyReason,
) -> Option<PolicyReason> {
    if keys.is_empty() {
        return None;
    }
    match signers {
        Knowledge::Known(signers) if keys.iter().any(|key| signers.contains(key)) => None,
        Knowledge::Known(_) => Some(reason(keys.to_vec())),
        Knowledge::TooMuch(why) => Some(PolicyReason::TooMuch(why.clone())),
        Knowledge::Unknown(why) => Some(PolicyReason::Unknown(fact, why.clone())),
    }
}
