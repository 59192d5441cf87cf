//! The kinds of secrets.

use serde::{Deserialize, Serialize};

/// The kinds of secrets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum SecretKind {
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
    pub(crate) const fn noun(self) -> &'static str {
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
    pub(crate) const fn is_certain(self) -> bool {
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
