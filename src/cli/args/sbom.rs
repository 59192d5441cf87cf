//! `pack sbom`.

use std::path::PathBuf;
use std::str::FromStr as _;

use clap::builder::PossibleValuesParser;
use clap::{Args, ValueEnum};

use super::places::SBOM_HELP;
use super::registries::RegistryArgs;
use super::values::output_file;
use crate::sbom::DocumentFormat;
use crate::types::platform::Platform;

/// List the packages in an image, as CycloneDX or SPDX
///
/// Finds packages of dpkg, apk, Maven, npm, PyPI, Go and Cargo in all layers, in archives within archives, too. Each has
/// its files and their layer, its licence and digest where they are stated, and what it needs. No coordinate is made up: a jar
/// that states none is listed by its file name. The document and a warning say what cannot be read. The same image
/// gives the same bytes. Layers that were read before are not fetched.
#[derive(Clone, Debug, Args)]
#[command(after_long_help = SBOM_HELP)]
pub struct SbomArgs {
    /// The image
    pub image: String,

    /// Which platform of an index [default: this machine's]
    #[arg(long, value_parser = Platform::from_str)]
    pub platform: Option<Platform>,

    /// The form of the document
    #[arg(long, value_enum, default_value_t = SbomFormat::Cyclonedx)]
    pub format: SbomFormat,

    /// The version of its specification: 1.6 or 1.7 of CycloneDX, 2.3 of SPDX [default: 1.6, 2.3]
    #[arg(long, value_name = "VERSION", value_parser = PossibleValuesParser::new(["1.6", "1.7", "2.3"]))]
    pub spec_version: Option<String>,

    /// Write the document to this file, not to standard output
    #[arg(short, long, value_name = "FILE", value_parser = output_file())]
    pub output: Option<PathBuf>,

    /// How registries are reached.
    #[command(flatten)]
    pub registries: RegistryArgs,
}

/// A form of document, as the user writes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum SbomFormat {
    /// CycloneDX, as JSON
    Cyclonedx,
    /// SPDX, as JSON
    Spdx,
}

impl From<SbomFormat> for DocumentFormat {
    fn from(format: SbomFormat) -> Self {
        match format {
            SbomFormat::Cyclonedx => Self::CycloneDx,
            SbomFormat::Spdx => Self::Spdx,
        }
    }
}
