//! The step and its subject: the beginning of every message.

use std::fmt;

use crate::types::reference::Registry;

/// The step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RequestStep {
    /// Asking whether it is a registry, and whether it knows us.
    Ping,
    /// Asking what a name resolves to.
    Resolve,
    /// Downloading a manifest or index.
    PullManifest,
    /// Downloading a blob.
    PullBlob,
    /// Asking whether a blob is there.
    CheckBlob,
    /// Mounting a blob from another repository.
    Mount,
    /// Opening an upload.
    StartUpload,
    /// Sending a blob.
    SendBlob,
    /// Closing an upload.
    CommitUpload,
    /// Giving an upload up.
    CancelUpload,
    /// Uploading a manifest or index.
    PushManifest,
    /// Asking whether a name resolves to what was pushed.
    Confirm,
    /// Asking what refers to a manifest.
    ListReferrers,
    /// Asking which tags a repository has.
    ListTags,
    /// Deleting a manifest or a tag.
    Delete,
    /// Getting a token.
    Token,
    /// Telling a receiver of an event.
    Notify,
    /// Asking whether a receiver is there.
    Reach,
}

impl RequestStep {
    /// Whether something is to be stored by it.
    pub(super) const fn is_upload(self) -> bool {
        matches!(
            self,
            Self::StartUpload | Self::SendBlob | Self::CommitUpload | Self::PushManifest | Self::Mount
        )
    }
}

impl fmt::Display for RequestStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ping => "asking",
            Self::Resolve => "resolving",
            Self::PullManifest => "pulling the manifest",
            Self::PullBlob => "pulling blob",
            Self::CheckBlob => "checking blob",
            Self::Mount => "mounting blob",
            Self::StartUpload => "starting the upload of blob",
            Self::SendBlob => "uploading blob",
            Self::CommitUpload => "finishing the upload of blob",
            Self::CancelUpload => "cancelling the upload of blob",
            Self::PushManifest => "pushing the manifest",
            Self::Confirm => "confirming",
            Self::ListReferrers => "listing the referrers of",
            Self::ListTags => "listing the tags of",
            Self::Delete => "deleting",
            Self::Token => "getting a token for",
            Self::Notify => "sending the event",
            Self::Reach => "reaching",
        })
    }
}

/// Where and at what something went wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Context {
    /// The registry.
    pub registry: Registry,
    /// The step.
    pub step: RequestStep,
    /// To what: a repository with a tag or a digest.
    pub subject: String,
}

impl fmt::Display for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} {}", self.registry, self.step, self.subject)
    }
}

/// The context of a step on a named part of a repository.
pub(in crate::registry) fn context(
    registry: &Registry,
    step: RequestStep,
    path: &str,
    name: &str,
) -> Context {
    let separator = if name.starts_with("sha256:") { '@' } else { ':' };
    Context { registry: registry.clone(), step, subject: format!("{path}{separator}{name}") }
}
