//! The policy and the provenance of `pack verify`: rules and claims, compared with an image wherever it is.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use serde::Serialize;

use super::super::error::{CommandError, ExitStatus};
use super::super::format::printable;
use super::super::invocation::Invocation;
use super::super::view::BaseView;
use super::super::{password, policy};
use super::sign::legacy;
use crate::oci::Image;
use crate::policy::{ComparedFact, PolicySet, ProvenanceReport, age_of, judged_base, provenances, signers};
use crate::registry::RegistryError;
use crate::release::gate;
use crate::release::rebase::NamedBase;
use crate::transport::load::{load_image, offers};
use crate::transport::{Source, registry};
use crate::types::digest::Digest;
use crate::types::error::{BoxedError, Kind};
use crate::types::error_code::ErrorCode;
use crate::types::platform::Platform;
use crate::types::policy::{
    BaseDoubt, ImagePolicy, JudgedBase, KeyName, Knowledge, PolicyReason, PolicyRefusal,
};
use crate::types::reference::Reference;
use crate::types::shown::shown_path;

/// The judgement of an image.
#[derive(Debug, Serialize)]
pub(super) struct PolicyVerdict {
    /// The file, as it was named.
    file: String,
    /// Whether the image passes.
    passes: bool,
    /// The reasons against it.
    reasons: Vec<PolicyReason>,
}

impl PolicyVerdict {
    /// The refusal, if there is a reason for it.
    ///
    /// # Errors
    /// That refusal.
    pub(super) fn accept(&self, name: &str) -> Result<(), PolicyRefusal> {
        PolicyRefusal::unless_empty(name, self.reasons.clone())
    }

    /// The file, as it was named.
    pub(super) fn file(&self) -> &str {
        &self.file
    }
}

/// Judges the image by the rules of `file`: those about bases, and those about releases.
///
/// # Errors
/// When the file is not valid, or the image or its base cannot be asked for.
pub(super) fn judge(
    invocation: &Invocation,
    source: &dyn Source,
    file: &Path,
) -> Result<PolicyVerdict, CommandError> {
    let policies = policy::of(invocation, None, Some(file))?;
    let root = source.root()?;
    let legacy = match source.origin() {
        Some(_) => legacy(&invocation.client()?, source),
        None => None,
    };
    let mut reasons =
        if policies.is_about_bases() { bases(invocation, source, &policies)? } else { Vec::new() };
    let judged = gate::judge(source, legacy.as_ref(), &root, &policies, &ImagePolicy::default())?;
    reasons.extend(judged.reasons);
    Ok(PolicyVerdict { file: file.display().to_string(), passes: reasons.is_empty(), reasons })
}

/// The reasons against the bases of all platforms of an image.
fn bases(
    invocation: &Invocation,
    source: &dyn Source,
    policies: &PolicySet,
) -> Result<Vec<PolicyReason>, CommandError> {
    let now = invocation.environment.now.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let mut reasons: Vec<PolicyReason> = Vec::new();
    for offer in offers(source)? {
        let image = crate::transport::load::load_manifest(source, &offer.descriptor)?;
        let found = match base(invocation, &image, policies)? {
            Ok(base) => policies.judge_base(&base, now),
            Err(doubt) => vec![PolicyReason::UnknownBase(doubt)],
        };
        for reason in found {
            if !reasons.contains(&reason) {
                reasons.push(reason);
            }
        }
    }
    Ok(reasons)
}

/// The reasons against a base that an image with these platforms is to be put on.
///
/// # Errors
/// When the base cannot be asked for.
pub(super) fn new_base(
    invocation: &Invocation,
    policies: &PolicySet,
    base: &NamedBase,
    platforms: &[Option<Platform>],
) -> Result<Vec<PolicyReason>, CommandError> {
    let now = invocation.environment.now.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let root = base.source.root()?.digest();
    let (mut digests, mut created) = (BTreeSet::from([root]), Vec::new());
    for platform in platforms {
        let loaded = match load_image(&*base.source, platform.as_ref()) {
            Ok(loaded) => loaded,
            // One that the base lacks is refused when the image is put on it.
            Err(error) if error.kind() == Kind::Input => continue,
            Err(error) => return Err(error.into()),
        };
        digests.insert(loaded.image.digest());
        created.push(loaded.image.config().created.clone());
    }
    let keys = policies.base_keys();
    let signed = match keys.is_empty() {
        true => BTreeSet::new(),
        false => {
            let legacy = match base.source.origin() {
                Some(_) => legacy(&invocation.client()?, &*base.source),
                None => None,
            };
            signers(&*base.source, legacy.as_ref(), &root, &keys)?
        }
    };
    let name = base.name.clone().unwrap_or_else(|| base.source.name());
    let age = age_of(created.iter().map(Option::as_deref));
    Ok(policies.judge_base(&judged_base(&name, digests, age, Knowledge::Known(signed)), now))
}

/// The facts about the base that an image names, or why there are none.
fn base(
    invocation: &Invocation,
    image: &Image,
    policies: &PolicySet,
) -> Result<Result<JudgedBase, BaseDoubt>, CommandError> {
    let Some(BaseView { name: Some(name), digest: Some(digest), .. }) = BaseView::of(image) else {
        return Ok(Err(BaseDoubt::Unnamed));
    };
    let Ok(reference) = name.parse::<Reference>() else {
        return Ok(Err(BaseDoubt::NoRegistry(name)));
    };
    let client = invocation.client()?;
    // Only the repository can say that it has this digest: the store keeps the bytes of other repositories, too.
    let own = registry::source(client.clone(), reference.repository().at_digest(digest));
    let loaded = match load_image(&own, image.platform().as_ref()) {
        Ok(loaded) => loaded.image,
        Err(error) if is_not_found(&error) => return Ok(Err(BaseDoubt::Gone(name, digest))),
        Err(error) => return Err(error.into()),
    };
    if !image.diff_ids().starts_with(loaded.diff_ids()) {
        return Ok(Err(BaseDoubt::OtherLayers(digest)));
    }
    let keys = policies.base_keys();
    let signed = if keys.is_empty() {
        Knowledge::Known(BTreeSet::new())
    } else {
        known(signers(&own, legacy(&client, &own).as_ref(), &digest, &keys))
    };
    let created = age_of([loaded.config().created.as_deref()].into_iter());
    let digests: [Digest; 2] = [digest, loaded.digest()];
    Ok(Ok(judged_base(&name, digests, created, signed)))
}

/// Whether a registry says that it does not have what was asked for.
fn is_not_found(error: &BoxedError) -> bool {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(&**error);
    while let Some(error) = cause {
        if matches!(error.downcast_ref::<RegistryError>(), Some(RegistryError::NotFound { .. })) {
            return true;
        }
        cause = error.source();
    }
    false
}

fn known<T>(found: Result<T, BoxedError>) -> Knowledge<T> {
    found.map_or_else(|error| Knowledge::Unknown(error.to_string()), Knowledge::Known)
}

/// Compares the provenance of the image with the image.
///
/// # Errors
/// When there is none, or the image or its place cannot be asked.
pub(super) fn provenance(
    invocation: &Invocation,
    source: &dyn Source,
    keys: &[PathBuf],
) -> Result<Vec<ProvenanceReport>, CommandError> {
    let mut named = BTreeMap::new();
    for path in keys {
        named.insert(KeyName(shown_path(path)), password::public_key(invocation, path)?);
    }
    let place = |name: &str, digest: &Digest| -> Result<Box<dyn Source>, String> {
        let reference: Reference = name.parse().map_err(|_| format!("`{name}` is no image in a registry"))?;
        let client = invocation.client().map_err(|error| error.chain.join(": "))?;
        Ok(Box::new(registry::source(client, reference.repository().at_digest(*digest))))
    };
    let reports = provenances(source, &named, &place)?;
    if reports.is_empty() {
        let message = format!("{} has no provenance", source.name());
        return Err(CommandError::new(ExitStatus::Policy, message)
            .coded(ErrorCode::SignatureMissing)
            .hint("`pack build --provenance` attaches one"));
    }
    if !keys.is_empty() && !reports.iter().any(ProvenanceReport::is_signed) {
        return Err(unsigned(&reports, &source.name()));
    }
    Ok(reports)
}

/// So many documents are named in an error.
const MOST_NAMED: usize = 20;

/// The refusal where none of the keys that were asked for signed a provenance.
fn unsigned(reports: &[ProvenanceReport], name: &str) -> CommandError {
    let message = format!("no provenance of `{name}` is signed by a key that was asked for");
    let mut error = CommandError::new(ExitStatus::Policy, message).coded(ErrorCode::SignatureMissing);
    let named = reports.iter().take(MOST_NAMED);
    error.chain.extend(named.map(|report| format!("{}: its author is not known", report.digest)));
    let more = reports.len().saturating_sub(MOST_NAMED);
    error.chain.extend((more > 0).then(|| format!("and {more} more")));
    error.hint(
        "`pack sign NAME@DIGEST --key FILE` signs one that you trust, `pack build --provenance --sign` signs what it attaches",
    )
}

/// The lines about a provenance.
pub(super) fn provenance_lines(report: &ProvenanceReport) -> Vec<String> {
    let line = |fact: &ComparedFact| {
        printable(&format!("{}: {}: {}", report.digest, fact.result.as_str(), fact.message)).into_owned()
    };
    report.facts.iter().map(line).collect()
}

/// The refusal of a provenance that the image contradicts. Where keys were asked for, only those that they signed count.
///
/// # Errors
/// That refusal.
pub(super) fn accept_provenance(reports: &[ProvenanceReport], name: &str) -> Result<(), CommandError> {
    let has_signed = reports.iter().any(ProvenanceReport::is_signed);
    let counted = reports.iter().filter(|report| report.is_signed() == has_signed);
    let contradictions: Vec<String> =
        counted.flat_map(ProvenanceReport::contradictions).map(|fact| fact.message.clone()).collect();
    if contradictions.is_empty() {
        return Ok(());
    }
    let mut error = CommandError::new(
        ExitStatus::Policy,
        format!("the provenance of `{name}` is not that of this image"),
    )
    .coded(ErrorCode::SignatureMissing);
    error.chain.extend(contradictions);
    Err(error)
}
