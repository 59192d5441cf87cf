//! The conditions of a push, judged before any tag moves; what can be refused before the first byte is, then.

use std::collections::BTreeSet;

use super::attest::{AttestRequest, SignatureRequest};
use super::base_rules;
use super::request::Request;
use super::target::Target;
use crate::policy;
use crate::types::error::BoxedError;
use crate::types::policy::{
    EvidenceKind, ImagePolicy, JudgedDocument, JudgedImage, KeyName, Knowledge, PolicyReason, PolicyRefusal,
};

/// Whether something is pushed, and there are conditions for that.
pub(super) fn apply(request: &Request, targets: &[Target]) -> bool {
    targets.iter().any(|target| target.capabilities().is_remote())
        && request.policies.of_push().next().is_some()
}

/// Refuses a build that was not asked for documents that a push needs.
///
/// # Errors
/// [`PolicyRefusal`] with all that is missing.
pub(super) fn check_request(request: &Request) -> Result<(), BoxedError> {
    let AttestRequest { sbom, signature, provenance, place: _ } = &request.attest;
    let lacks = |evidence: &EvidenceKind| match evidence {
        EvidenceKind::Sbom => sbom.is_none(),
        // The record of the checks is attached with the provenance.
        EvidenceKind::Provenance | EvidenceKind::Checks => provenance.is_none(),
        EvidenceKind::Signature => signature.is_none(),
    };
    let mut reasons = Vec::new();
    for rules in request.policies.of_push() {
        reasons.extend(rules.documents().into_iter().filter(lacks).map(PolicyReason::Missing));
        let signers = signers(request);
        if !rules.signed_by.is_empty() && !rules.signed_by.iter().any(|key| signers.contains(key)) {
            reasons.push(PolicyReason::BuildSignature(rules.signed_by.clone()));
        }
    }
    if !reasons.is_empty() {
        // All at once, as far as it is known now.
        reasons.extend(base_rules::by_name(request));
    }
    let mut seen = BTreeSet::new();
    reasons.retain(|reason| seen.insert(reason.to_string()));
    Ok(PolicyRefusal::unless_empty(request.name.to_string(), reasons)?)
}

/// Judges a finished image with the documents that the build made.
///
/// # Errors
/// [`PolicyRefusal`] with all reasons.
pub(super) fn judge(request: &Request, documents: Vec<JudgedDocument>) -> Result<(), BoxedError> {
    let signers = signers(request);
    let signs = request.attest.signature.as_ref().is_some_and(SignatureRequest::has_bundles);
    let of_documents = if signs { signers.clone() } else { BTreeSet::new() };
    let signed =
        documents.into_iter().map(|document| JudgedDocument { signers: of_documents.clone(), ..document });
    let image = JudgedImage {
        signers: Knowledge::Known(signers.clone()),
        images: BTreeSet::new(),
        documents: Knowledge::Known(signed.collect()),
    };
    let rules: Vec<&ImagePolicy> = request.policies.of_push().collect();
    let reasons = policy::judge(rules.into_iter(), &image).into_iter().map(of_build).collect();
    Ok(PolicyRefusal::unless_empty(request.name.to_string(), reasons)?)
}

/// The same reason about an image that is in no registry yet.
fn of_build(reason: PolicyReason) -> PolicyReason {
    match reason {
        PolicyReason::Signature(keys) => PolicyReason::BuildSignature(keys),
        PolicyReason::Unsigned(evidence, keys) => PolicyReason::BuildUnsigned(evidence, keys),
        other => other,
    }
}

/// The keys of the policies by which the build signs.
fn signers(request: &Request) -> BTreeSet<KeyName> {
    let Some(signature) = &request.attest.signature else { return BTreeSet::new() };
    let own = signature.signer.public();
    let keys = request.policies.keys().iter();
    keys.filter(|(_, key)| *key == own).map(|(name, _)| name.clone()).collect()
}
