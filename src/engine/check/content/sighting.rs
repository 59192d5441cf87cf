//! The things that the scan saw in a file: enough for a finding, and nothing of a secret but its length.

use serde::{Deserialize, Serialize};

/// Something that a rule asks for, at a place in a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Sighting {
    /// The line, from 1 on; 0 where it is the file as a whole.
    pub(super) line: u32,
    pub(super) what: What,
}

/// The subject of a sighting.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum What {
    /// A secret, with the length of its text in bytes. The text itself is kept nowhere.
    Secret { kind: SecretKind, length: u32 },
    /// A path of the machine that built the file, and the part of it that is a place of builds.
    BuildPath { path: String, place: String },
    /// The file is a database.
    Database(DatabaseKind),
    /// An address of one network.
    Address(String),
}

/// The kinds of databases in one file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum DatabaseKind {
    Sqlite,
    H2,
}

impl DatabaseKind {
    /// The kind of a file that begins so.
    pub(super) fn of(head: &[u8]) -> Option<Self> {
        let starts = |start: &[u8]| head.starts_with(start);
        match () {
            () if starts(b"SQLite format 3\0") => Some(Self::Sqlite),
            () if starts(b"H:2,block:") || starts(b"H:3,block:") || starts(b"-- H2 0.5/B --") => {
                Some(Self::H2)
            }
            () => None,
        }
    }

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Sqlite => "SQLite",
            Self::H2 => "H2",
        }
    }
}

/// The kinds of secrets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum SecretKind {
    PrivateKey,
    EncryptedPrivateKey,
    GoogleAccount,
    PuttyKey,
    KeyStore,
    PrivateKeyName,
    AwsKeyId,
    AwsTemporaryKeyId,
    AwsSecretKey,
    AzureKey,
    GitHubToken,
    GitLabToken,
    SlackToken,
    StripeKey,
    NpmToken,
    PypiToken,
    NpmLogin,
    PypiLogin,
    MavenPassword,
    DockerLogin,
    KubernetesLogin,
    GitLogin,
    NetrcLogin,
    EnvironmentFile,
    EnvironmentValue,
    TerraformState,
}

impl SecretKind {
    /// The noun for it, with its article.
    pub(super) const fn noun(self) -> &'static str {
        match self {
            Self::PrivateKey => "a private key",
            Self::EncryptedPrivateKey => "a private key under a passphrase",
            Self::GoogleAccount => "the key of a Google service account",
            Self::PuttyKey => "a private key of PuTTY",
            Self::KeyStore => "a key store",
            Self::PrivateKeyName => "the name of a private key of SSH",
            Self::AwsKeyId => "an access key of AWS",
            Self::AwsTemporaryKeyId => "a temporary access key of AWS",
            Self::AwsSecretKey => "a secret key of AWS",
            Self::AzureKey => "a key of an Azure account",
            Self::GitHubToken => "a token of GitHub",
            Self::GitLabToken => "a token of GitLab",
            Self::SlackToken => "a token of Slack",
            Self::StripeKey => "a live key of Stripe",
            Self::NpmToken => "a token of npm",
            Self::PypiToken => "a token of PyPI",
            Self::NpmLogin => "a login of npm",
            Self::PypiLogin => "a login of PyPI",
            Self::MavenPassword => "a password of Maven",
            Self::DockerLogin => "a login to a registry",
            Self::KubernetesLogin => "a login to Kubernetes",
            Self::GitLogin => "a login of git",
            Self::NetrcLogin => "a login of netrc",
            Self::EnvironmentFile => "variables for one machine",
            Self::EnvironmentValue => "a variable with a secret",
            Self::TerraformState => "a state of Terraform, which holds secrets in the clear",
        }
    }

    /// Whether its form proves it. Of the others, a name tells, or they are worth little to others.
    pub(super) const fn is_certain(self) -> bool {
        !matches!(
            self,
            Self::EncryptedPrivateKey
                | Self::KeyStore
                | Self::PrivateKeyName
                | Self::AwsTemporaryKeyId
                | Self::EnvironmentFile
                | Self::TerraformState
        )
    }
}
