//! `pack attach` and `pack referrers`.

use std::path::PathBuf;
use std::str::FromStr as _;

use clap::{Args, ValueHint};

use super::format::OutputFormat;
use super::registries::RegistryArgs;
use crate::types::artifact_type::ArtifactType;

const ATTACH_HELP: &str = "\
IMAGE is one of:
  NAME[:TAG], NAME@sha256:…   In its registry
  store:NAME[:TAG]            In the local store
  oci:DIR[:TAG]               In an OCI layout
Examples:
  pack attach localhost:5000/shop/app:1.0 app.vex.json --type openvex
  pack attach localhost:5000/shop/app:1.0 bom.json \\
      --type application/vnd.cyclonedx+json --annotation by=ci";

const REFERRERS_HELP: &str = "\
Examples:
  pack referrers localhost:5000/shop/app:1.0
  pack referrers localhost:5000/shop/app:1.0 --type application/spdx+json
  pack referrers localhost:5000/shop/app:1.0 --json \\
      | jq -r '.referrers[].digest'";

/// Attach a document to an image: an OpenVEX statement, an SBOM, anything
///
/// The document becomes an artifact that refers to the image, with the media type as its type. It moves neither the image's
/// digest nor its tags, and the same document is not attached twice.
#[derive(Clone, Debug, Args)]
#[command(after_long_help = ATTACH_HELP)]
pub struct AttachArgs {
    /// The image
    pub image: String,

    /// The document
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub document: PathBuf,

    /// The media type of the document, or `cyclonedx`, `openvex` or `spdx`
    #[arg(long = "type", value_name = "MEDIA_TYPE", value_parser = ArtifactType::from_str)]
    pub kind: ArtifactType,

    /// An annotation of the artifact; may be repeated
    #[arg(long, value_name = "KEY=VALUE", value_parser = annotation)]
    pub annotation: Vec<(String, String)>,

    /// How registries are reached.
    #[command(flatten)]
    pub registries: RegistryArgs,

    /// The format of the result.
    #[command(flatten)]
    pub format: OutputFormat,
}

/// List what refers to an image: signatures, SBOMs, provenance, and what refers to those
#[derive(Clone, Debug, Args)]
#[command(after_long_help = REFERRERS_HELP)]
pub struct ReferrersArgs {
    /// The image
    pub image: String,

    /// List artifacts of this type only
    #[arg(long = "type", value_name = "MEDIA_TYPE", value_parser = ArtifactType::from_str)]
    pub kind: Option<ArtifactType>,

    /// How registries are reached.
    #[command(flatten)]
    pub registries: RegistryArgs,

    /// The format of the result.
    #[command(flatten)]
    pub format: OutputFormat,
}

fn annotation(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err("expected `KEY=VALUE`".to_owned()),
    }
}
