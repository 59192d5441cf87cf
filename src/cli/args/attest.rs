//! The documents that a build attaches.

use std::path::PathBuf;

use clap::{Args, ValueEnum, ValueHint};

use super::password::PasswordArgs;
use super::sbom::SbomFormat;
use super::sign::SignatureFormatArg;

/// The documents that a build attaches to its images.
#[derive(Clone, Debug, Default, Args)]
pub struct AttestArgs {
    /// Attach the list of packages of each image [default form: cyclonedx]
    ///
    /// The document is that of `pack sbom`. Like all attached documents it is there before the tag moves, and moves no digest.
    #[arg(
        long,
        value_name = "FORMAT",
        value_enum,
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "cyclonedx"
    )]
    pub sbom: Option<SbomFormat>,

    /// Attach the provenance of the image, and the record of its checks
    ///
    /// The provenance says how the image was built: from which base, files and commit, and which of them each layer is
    /// made of. `pack verify --provenance` compares it with the image.
    #[arg(long)]
    pub provenance: bool,

    /// Where the list of packages and the provenance go [default: referrers]
    ///
    /// `index`: BuildKit's form, for readers that know no other, such as Docker Scout. The tag then means an index, even of one
    /// image, whose digest moves with its documents; the images' own digests do not move. Such readers want `--sbom=spdx`.
    #[arg(long, value_name = "PLACE", value_enum)]
    pub attest: Option<AttestPlaceArg>,

    /// Sign each image, and the index of several, with the key of `--key`
    ///
    /// The password is asked for before the build begins. An image that the key has signed gets no second signature.
    #[arg(long)]
    pub sign: bool,

    /// The private key that signs; with `--sign-with`, the public key
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub key: Option<PathBuf>,

    /// Let this program sign, which has the key elsewhere
    ///
    /// As for `pack sign`: the program gets the bytes to sign on standard input, and prints the signature.
    #[arg(long, value_name = "COMMAND", conflicts_with_all = ["password_file", "password_stdin"])]
    pub sign_with: Option<String>,

    /// Which form of signature to write [default: bundle]
    #[arg(long, value_name = "FORMAT", value_enum)]
    pub signature_format: Option<SignatureFormatArg>,

    /// The password.
    #[command(flatten)]
    pub password: PasswordArgs,
}

/// Where documents about an image go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum AttestPlaceArg {
    /// Beside the image, to which they refer
    Referrers,
    /// Into the index, as BuildKit has it
    Index,
}
