//! The keys that signed something.

use std::collections::{BTreeMap, BTreeSet};

use crate::attach::{LegacyPlace, prove_each};
use crate::attest::PublicKey;
use crate::transport::Source;
use crate::types::digest::Digest;
use crate::types::error::BoxedError;
use crate::types::policy::KeyName;

/// Those of `keys` that signed the manifest `subject`, at the place where it is.
///
/// # Errors
/// When the place cannot be asked, or has more signatures than are read: that is no answer.
pub fn signers(
    source: &dyn Source,
    legacy: Option<&LegacyPlace>,
    subject: &Digest,
    keys: &BTreeMap<KeyName, PublicKey>,
) -> Result<BTreeSet<KeyName>, BoxedError> {
    let all: Vec<&PublicKey> = keys.values().collect();
    let proved = prove_each(source, legacy, subject, &all)?;
    Ok(keys.keys().zip(proved).filter(|(_, has_signed)| *has_signed).map(|(name, _)| name.clone()).collect())
}
