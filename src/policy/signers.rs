//! The keys that signed something.

use std::collections::{BTreeMap, BTreeSet};

use crate::attach::{LegacyPlace, prove};
use crate::attest::PublicKey;
use crate::transport::Source;
use crate::types::digest::Digest;
use crate::types::error::{BoxedError, Kind};
use crate::types::policy::KeyName;

/// Those of `keys` that signed the manifest `subject`, at the place where it is.
///
/// # Errors
/// When the place cannot be asked: that is no answer.
pub fn signers(
    source: &dyn Source,
    legacy: Option<&LegacyPlace>,
    subject: &Digest,
    keys: &BTreeMap<KeyName, PublicKey>,
) -> Result<BTreeSet<KeyName>, BoxedError> {
    let mut signers = BTreeSet::new();
    for (name, key) in keys {
        match prove(source, legacy, subject, key) {
            Ok(_) => drop(signers.insert(name.clone())),
            Err(error) if error.kind() == Kind::Policy => {}
            Err(error) => return Err(error),
        }
    }
    Ok(signers)
}
