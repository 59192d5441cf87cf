//! `pack sign`.

use std::path::PathBuf;

use clap::{Args, ValueEnum, ValueHint};

use super::format::OutputFormat;
use super::password::PasswordArgs;
use super::registries::RegistryArgs;

const SIGN_HELP: &str = "\
IMAGE is one of:
  NAME[:TAG], NAME@sha256:…   In its registry
  store:NAME[:TAG]            In the local store
  oci:DIR[:TAG]               In an OCI layout
Examples:
  pack sign localhost:5000/shop/app:1.0 --key pack.key
  pack sign --recursive localhost:5000/shop/app:1.0 --key cosign.key
      The index and each of its images
  pack sign localhost:5000/shop/app:1.0 --key kms.pub \\
      --sign-with \"kms-sign --key release\"
      The program gets the bytes to sign on standard input
  pack sign localhost:5000/shop/app:1.0 --key ci.key --key release.key \\
      --password-file ci.txt --password-file release.txt
      Two keys, each with the password of its own file
  pack verify localhost:5000/shop/app:1.0 --key pack.pub
Exit codes:
  0    The image is signed by the key, since now or before
  1    The key or its password is wrong, or a program did not sign
  3    A registry or the network failed";

/// Sign images, and attach the signatures to them
///
/// A signature is a document beside the image: it moves neither its digest nor its tags. One by the same key that is there
/// is not written again. `pack verify --key` and `cosign verify --key` check it.
#[derive(Clone, Debug, Args)]
#[command(after_long_help = SIGN_HELP)]
pub struct SignArgs {
    /// The images
    #[arg(value_name = "IMAGE", required = true)]
    pub images: Vec<String>,

    /// The private key; with `--sign-with`, the public key; may be repeated, and each signs
    #[arg(long = "key", value_name = "FILE", value_hint = ValueHint::FilePath, required = true)]
    pub keys: Vec<PathBuf>,

    /// Let this program sign, which has the key elsewhere
    ///
    /// COMMAND is a program and its arguments, separated by blanks; there is no shell. It gets the bytes to sign on standard
    /// input, and prints an ECDSA signature over their SHA-256, in base64 or DER. `--key` names the public key, which checks
    /// the signature before it is attached.
    #[arg(long, value_name = "COMMAND", conflicts_with_all = ["password_file", "password_stdin"])]
    pub sign_with: Option<String>,

    /// Which form of signature to write
    #[arg(long, value_name = "FORMAT", value_enum, default_value_t)]
    pub signature_format: SignatureFormatArg,

    /// Also sign each image of an index
    #[arg(long)]
    pub recursive: bool,

    /// The password.
    #[command(flatten)]
    pub password: PasswordArgs,

    /// How registries are reached.
    #[command(flatten)]
    pub registries: RegistryArgs,

    /// The format of the result.
    #[command(flatten)]
    pub format: OutputFormat,
}

/// A form of signatures.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum SignatureFormatArg {
    /// A sigstore bundle that refers to the image
    #[default]
    Bundle,
    /// A layer under the tag `sha256-….sig`, for older verifiers
    Legacy,
    /// Both
    Both,
}
