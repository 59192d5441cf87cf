//! `pack sign`, and the signatures of `pack verify`.

use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use super::super::args::{SignArgs, SignatureFormatArg};
use super::super::error::CommandError;
use super::super::format;
use super::super::invocation::{Invocation, Opened};
use super::super::password::{self, Passwords};
use super::place::{self, WritableImage};
use crate::attach::{
    ExternalSigner, LegacyPlace, ProvedSignature, SignOptions, SignReport, SignatureFormat, prove, sign,
};
use crate::attest::{PublicKey, Signer};
use crate::registry::Client;
use crate::store::Store;
use crate::transport::Source;
use crate::types::time::rfc3339;

/// Signs images.
///
/// # Errors
/// Whatever stopped it; images before it are signed.
pub(super) fn run(invocation: &Invocation, args: &SignArgs) -> Result<(), CommandError> {
    let signers = signers(invocation, args)?;
    let client = invocation.client()?;
    let store = invocation.store().ok();
    let _lease = store.as_ref().map(Store::lease);
    let created = created(invocation)?;
    let mut reports = Vec::new();
    for image in &args.images {
        let WritableImage { source, target } = place::place(invocation, &client, image)?;
        let mut signed = None;
        for signer in &signers {
            let options = SignOptions {
                signer: &**signer,
                format: format_of(args.signature_format),
                legacy: legacy(&client, &*source),
                recursive: args.recursive,
                created: created.clone(),
                store: store.clone(),
                interrupt: invocation.interrupt.clone(),
            };
            let report = sign(&*source, &*target.destination, &options)
                .map_err(|error| invocation.or_in_store(error.into(), image))?;
            invocation.printer.message(told(&report, &source.name()));
            signed = Some(report.digest);
            reports.push(report);
        }
        if let Some(digest) = signed.filter(|_| !args.format.json) {
            invocation.printer.result(format!("{}{digest}", target.prefix));
        }
    }
    if args.format.json {
        invocation.printer.json(&reports);
    }
    Ok(())
}

fn told(report: &SignReport, name: &str) -> String {
    let written = report.manifests.iter().filter(|one| one.written).count();
    let (all, key) = (report.manifests.len(), report.key);
    match written {
        0 => format!("{name} is signed by `{key}` already"),
        _ if all == 1 => format!("signed {name} by `{key}`"),
        _ => format!("signed {} of {name} by `{key}`", format::count(written as u64, "manifest")),
    }
}

/// The signers of all keys, opened before anything is signed.
fn signers(invocation: &Invocation, args: &SignArgs) -> Result<Vec<Box<dyn Signer>>, CommandError> {
    if args.sign_with.is_some() && args.keys.len() > 1 {
        return Err(CommandError::usage(
            "`--sign-with` is a program that has one key, and several are named",
        )
        .hint("run `pack sign` once for each key"));
    }
    let passwords = Passwords::of(&args.password, args.keys.len())?;
    let keys = args.keys.iter().enumerate();
    keys.map(|(number, key)| signer(invocation, key, args.sign_with.as_deref(), &passwords, number)).collect()
}

/// The signer: the key in a file, or a program that has it.
///
/// # Errors
/// When the key cannot be used, or its password is wrong.
pub(super) fn signer(
    invocation: &Invocation,
    key: &Path,
    sign_with: Option<&str>,
    passwords: &Passwords<'_>,
    number: usize,
) -> Result<Box<dyn Signer>, CommandError> {
    let Some(command) = sign_with else {
        return Ok(Box::new(password::private_key(invocation, key, passwords, number)?));
    };
    let public = password::public_key(invocation, key)?;
    ExternalSigner::new(command, public, invocation.interrupt.clone())
        .map(|signer| Box::new(signer) as Box<dyn Signer>)
        .ok_or_else(|| CommandError::usage("`--sign-with` names no program"))
}

/// The forms that a flag means.
pub(super) const fn format_of(format: SignatureFormatArg) -> SignatureFormat {
    match format {
        SignatureFormatArg::Bundle => SignatureFormat::Bundle,
        SignatureFormatArg::Legacy => SignatureFormat::Legacy,
        SignatureFormatArg::Both => SignatureFormat::Both,
    }
}

/// Where older signatures of an image lie.
pub(super) fn legacy(client: &Client, source: &dyn Source) -> Option<LegacyPlace> {
    Some(LegacyPlace::new(client.clone(), source.origin()?))
}

/// The time of a signature: `SOURCE_DATE_EPOCH`, else now.
///
/// # Errors
/// When the variable is no time.
pub(super) fn created(invocation: &Invocation) -> Result<String, CommandError> {
    let now = invocation.environment.now.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let seconds = invocation.environment.source_date_epoch()?.unwrap_or(now);
    rfc3339(seconds).map_err(|error| CommandError::usage(error.to_string()))
}

/// Makes sure that each of the keys has signed the image.
///
/// # Errors
/// When one has not, or that cannot be told.
pub(super) fn check(
    invocation: &Invocation,
    opened: &Opened,
    keys: &[PathBuf],
) -> Result<Vec<ProvedSignature>, CommandError> {
    let keys: Vec<PublicKey> =
        keys.iter().map(|path| password::public_key(invocation, path)).collect::<Result<_, _>>()?;
    if keys.is_empty() {
        return Ok(Vec::new());
    }
    let source = &*opened.source;
    let legacy = match source.origin() {
        Some(_) => legacy(&invocation.client()?, source),
        None => None,
    };
    let subject = source.root()?.digest();
    let proved = keys.iter().map(|key| Ok(prove(source, legacy.as_ref(), &subject, key)?));
    proved.collect::<Result<_, CommandError>>()
}
