//! The documents that builds attach: what flags and build files ask for, and the keys that sign.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::super::args::{AttestArgs, AttestPlaceArg, SbomFormat};
use super::super::builder::provenance_builder;
use super::super::error::{CommandError, ExitStatus};
use super::super::invocation::Invocation;
use super::super::password::Passwords;
use super::sign::{created, format_of, signer};
use crate::attach::SignatureFormat;
use crate::attest::Signer;
use crate::engine::{AttestPlace, AttestRequest, SignatureRequest};
use crate::project::config::{AttestPlaceSetting, SbomSetting, Settings};
use crate::sbom::DocumentFormat;
use crate::types::error_code::ErrorCode;
use crate::types::location::Location;

/// Resolves the documents of the images of a run. A key is opened once, however many images it signs.
pub(super) struct Attestations<'a> {
    invocation: &'a Invocation,
    args: &'a AttestArgs,
    signers: BTreeMap<PathBuf, Arc<dyn Signer>>,
}

impl<'a> Attestations<'a> {
    /// By these flags.
    ///
    /// # Errors
    /// When flags do not go together.
    pub(super) const fn new(invocation: &'a Invocation, args: &'a AttestArgs) -> Self {
        Self { invocation, args, signers: BTreeMap::new() }
    }

    /// The documents for an image with these settings that goes to these outputs. Opens the key: a wrong password is found
    /// before anything is built.
    ///
    /// # Errors
    /// When no key is given or it cannot be opened, or an output cannot have what is asked for.
    pub(super) fn request(
        &mut self,
        settings: &Settings,
        outputs: &[String],
    ) -> Result<AttestRequest, CommandError> {
        let written = settings.attest.provenance.as_ref().is_some_and(|provenance| provenance.value);
        let builder = || provenance_builder(&self.invocation.environment);
        let place = self.place(settings);
        let request = AttestRequest {
            sbom: self.sbom(settings),
            provenance: (self.args.provenance || written).then(builder),
            signature: self.signature(settings, outputs)?,
            place,
        };
        if self.args.attest.is_some() && request.sbom.is_none() && request.provenance.is_none() {
            return Err(CommandError::usage("`--attest` is about the list of packages and the provenance")
                .hint("add `--sbom` or `--provenance`, or write it into `[attest]`"));
        }
        if request.sbom.is_some() || request.provenance.is_some() || request.signature.is_some() {
            for output in outputs {
                if matches!(Location::output(output)?, Location::Docker) {
                    self.invocation.printer.note(
                        "an engine keeps images alone: `-o docker` gets none of the attached documents",
                    );
                }
            }
        }
        Ok(request)
    }

    fn place(&self, settings: &Settings) -> AttestPlace {
        match (self.args.attest, settings.attest.place.as_ref().map(|place| place.value)) {
            (Some(AttestPlaceArg::Index), _) | (None, Some(AttestPlaceSetting::Index)) => AttestPlace::Index,
            (Some(AttestPlaceArg::Referrers), _) | (None, Some(AttestPlaceSetting::Referrers) | None) => {
                AttestPlace::Referrers
            }
        }
    }

    fn sbom(&self, settings: &Settings) -> Option<crate::sbom::document::SpecVersion> {
        let form = match (self.args.sbom, settings.attest.sbom.as_ref().map(|sbom| sbom.value)) {
            (Some(SbomFormat::Cyclonedx), _) | (None, Some(SbomSetting::CycloneDx)) => {
                DocumentFormat::CycloneDx
            }
            (Some(SbomFormat::Spdx), _) | (None, Some(SbomSetting::Spdx)) => DocumentFormat::Spdx,
            (None, Some(SbomSetting::Off) | None) => return None,
        };
        form.version(None)
    }

    fn signature(
        &mut self,
        settings: &Settings,
        outputs: &[String],
    ) -> Result<Option<SignatureRequest>, CommandError> {
        let AttestArgs { sign, key, sign_with, signature_format, password, .. } = self.args;
        if !*sign && !settings.attest.sign.as_ref().is_some_and(|sign| sign.value) {
            let flags = [
                ("--key", key.is_some()),
                ("--sign-with", sign_with.is_some()),
                ("--signature-format", signature_format.is_some()),
                ("--password-file", !password.password_file.is_empty()),
                ("--password-stdin", password.password_stdin),
            ];
            return match flags.iter().find(|(_, is_given)| *is_given) {
                Some((flag, _)) => Err(CommandError::usage(format!("`{flag}` is about a signature"))
                    .hint("add `--sign`, or write `sign = true` into `[attest]`")),
                None => Ok(None),
            };
        }
        let written = settings.attest.key.as_ref().map(|key| key.value.path());
        let path = key.as_deref().or(written).ok_or_else(|| {
            let message = "to sign, the build needs a key";
            let error = match *sign {
                true => CommandError::usage(message),
                false => CommandError::new(ExitStatus::Input, message).coded(ErrorCode::KeyUnusable),
            };
            error.hint("give `--key FILE`, or write `key` into `[attest]`; `pack key generate` makes one")
        })?;
        let format = format_of(signature_format.unwrap_or_default());
        let is_elsewhere = outputs.is_empty() || outputs.iter().any(|output| output != "registry");
        if format != SignatureFormat::Bundle && is_elsewhere {
            let message = "signatures of the older form lie under a tag of a registry, and this build writes elsewhere, too";
            return Err(CommandError::usage(message)
                .hint("give `--push` and no other output, or leave `--signature-format` out"));
        }
        let signer = self.signer(path)?;
        Ok(Some(SignatureRequest { signer, format, created: created(self.invocation)? }))
    }

    fn signer(&mut self, path: &Path) -> Result<Arc<dyn Signer>, CommandError> {
        let path = self.invocation.absolute(path);
        if let Some(signer) = self.signers.get(&path) {
            return Ok(Arc::clone(signer));
        }
        let passwords = Passwords::of(&self.args.password, 1)?;
        let signer = signer(self.invocation, &path, self.args.sign_with.as_deref(), &passwords, 0)?;
        let signer: Arc<dyn Signer> = signer.into();
        self.signers.insert(path, Arc::clone(&signer));
        Ok(signer)
    }
}

/// The files of keys and passwords that flags name: they may not go into an image.
pub(super) fn secret_files(args: &AttestArgs) -> Vec<(&'static str, &Path)> {
    let key = args.key.as_deref().map(|file| ("--key", file));
    let password = args.password.password_file.iter().map(|file| ("--password-file", &**file));
    key.into_iter().chain(password).collect()
}
