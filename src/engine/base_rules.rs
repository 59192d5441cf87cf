//! The rules about bases, judged before a layer is read, built or sent.

use std::collections::BTreeSet;

use super::request::Request;
use super::selection::SelectedImage;
use super::session::Session;
use crate::attach::LegacyPlace;
use crate::bases::{Base, BaseError};
use crate::policy::{age_of, judged_base, signers};
use crate::project::config::BaseSetting;
use crate::transport::load::load_image;
use crate::transport::{Source as _, registry};
use crate::types::digest::Digest;
use crate::types::error::BoxedError;
use crate::types::policy::{JudgedBase, KeyName, Knowledge, PolicyReason, PolicyRefusal};

/// The keys that signed a base, by their identities. The lock keeps them, and believes none that it was not told.
pub(super) type BaseSignatures = BTreeSet<String>;

/// Judges the base of a build by the policies; the keys that signed it, where they ask for any.
///
/// # Errors
/// [`PolicyRefusal`] with all reasons, and whatever the place of the base fails by.
pub(super) fn judge(
    session: &Session,
    request: &Request,
    base: Option<&Base>,
    images: &[SelectedImage<'_>],
) -> Result<BaseSignatures, BoxedError> {
    let policies = &request.policies;
    if !policies.is_about_bases() {
        return Ok(BaseSignatures::new());
    }
    let Some(base) = base else {
        let none = JudgedBase {
            name: None,
            digests: BTreeSet::new(),
            created: Knowledge::Unknown("there is none".to_owned()),
            signers: Knowledge::Known(BTreeSet::new()),
        };
        PolicyRefusal::unless_empty(request.name.to_string(), policies.judge_base(&none, request.now))?;
        return Ok(BaseSignatures::new());
    };
    let root = base.place().root()?.digest();
    prove_name(session, request, base, &root)?;
    let (mut digests, mut created) = (BTreeSet::from([root]), Vec::new());
    for image in images {
        let loaded = load_image(base.place(), image.platform.as_ref())?.image;
        digests.insert(loaded.digest());
        created.push(loaded.config().created.clone());
    }
    let signed = signatures(session, request, base, &root)?;
    let names: BTreeSet<KeyName> = signed.iter().map(|(name, _)| name.clone()).collect();
    let facts = judged_base(
        &base.reference,
        digests,
        age_of(created.iter().map(Option::as_deref)),
        Knowledge::Known(names),
    );
    PolicyRefusal::unless_empty(request.name.to_string(), policies.judge_base(&facts, request.now))?;
    Ok(signed.into_iter().map(|(_, id)| id).collect())
}

/// The reasons that the name of the base gives, of a build that is refused before its base is looked at.
pub(super) fn by_name(request: &Request) -> Vec<PolicyReason> {
    let setting = request.settings.base.as_ref().map(|base| &base.value);
    let name = setting.filter(|base| !matches!(base, BaseSetting::Scratch)).map(ToString::to_string);
    let unknown = || "it was not looked at".to_owned();
    let base = JudgedBase {
        name,
        digests: BTreeSet::new(),
        created: Knowledge::Unknown(unknown()),
        signers: Knowledge::Unknown(unknown()),
    };
    let mut reasons = request.policies.judge_base(&base, request.now);
    reasons.retain(|reason| matches!(reason, PolicyReason::BaseName(_)));
    reasons
}

/// Makes sure that the repository of the base has the digest in the lock of a foreign project: its author wrote the lock, and
/// the store may have that digest from another repository.
fn prove_name(session: &Session, request: &Request, base: &Base, root: &Digest) -> Result<(), BoxedError> {
    let is_believed = !request.settings.untrusted || request.locked_base().is_none();
    match base.place().origin() {
        Some(_) if !is_believed && request.settings.offline => {
            Err(BaseError::Offline(base.place().name()).into())
        }
        Some(repository) if !is_believed => {
            registry::source(session.client.clone(), repository.at_digest(*root)).root().map(drop)
        }
        _ => Ok(()),
    }
}

/// The keys of the policies that signed the base, with their identities: as the lock says, or proved where the base is.
fn signatures(
    session: &Session,
    request: &Request,
    base: &Base,
    root: &Digest,
) -> Result<Vec<(KeyName, String)>, BoxedError> {
    let keys = request.policies.base_keys();
    if keys.is_empty() {
        return Ok(Vec::new());
    }
    // The author of a foreign project wrote its lock, too.
    let locked = request.locked_base().filter(|locked| locked.digest == *root && !request.settings.untrusted);
    let said = locked.and_then(|locked| locked.facts.as_ref()).map(|facts| &facts.signed_by);
    let with_id = |name: &KeyName| Some((name.clone(), keys.get(name)?.id().to_string()));
    let known: Vec<(KeyName, String)> = keys
        .keys()
        .filter_map(with_id)
        .filter(|(_, id)| said.is_some_and(|said| said.contains(id)))
        .collect();
    if !known.is_empty() {
        return Ok(known);
    }
    let legacy = base.place().origin().map(|own| LegacyPlace::new(session.client.clone(), own));
    let proved = signers(base.place(), legacy.as_ref(), root, &keys)?;
    Ok(proved.iter().filter_map(with_id).collect())
}
