//! The codes of errors: one stable name for each situation that `docs/errors.md` explains.

use std::fmt;
use std::str::FromStr;

use serde::{Serialize, Serializer};

/// Makes [`ErrorCode`] and the table of its facts.
macro_rules! codes {
    ($($variant:ident $name:literal $title:literal;)+) => {
        /// A situation that ends a command, by its stable name. Many errors may share one, if one way leads out of it.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum ErrorCode {
            $(#[doc = $title] $variant,)+
        }

        impl ErrorCode {
            /// All of them, in the order of the documentation.
            pub const ALL: &[Self] = &[$(Self::$variant),+];

            /// The stable name, as messages and JSON have it.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name),+ }
            }

            /// The situation in one sentence.
            #[must_use]
            pub const fn title(self) -> &'static str {
                match self { $(Self::$variant => $title),+ }
            }
        }
    };
}

codes! {
    FileMissing "file-missing" "A file or directory that was named does not exist.";
    FileUnreadable "file-unreadable" "A file is there and cannot be read.";
    FileUnwritable "file-unwritable" "A result cannot be written to its place.";
    FileChanged "file-changed" "A file changed while `pack` used it.";
    FileExists "file-exists" "A file that `pack` would make is there already.";
    OutputConflict "output-conflict" "A file that `pack` would write has another use in the same run.";
    DiskFull "disk-full" "The disk has no space left.";
    SystemLimit "system-limit" "This user has reached a limit of the system.";
    LimitReached "limit-reached" "An input is larger than `pack` reads.";
    BuildFileMissing "build-file-missing" "There is no build.toml.";
    BuildFileBroken "build-file-broken" "The build file is not valid TOML.";
    SettingUnknown "setting-unknown" "A build file has a key that `pack` does not know.";
    SettingWrong "setting-wrong" "A setting has a value that cannot be used.";
    TemplateUnfilled "template-unfilled" "A tag or text of the build file needs a value that is not there.";
    NothingToBuild "nothing-to-build" "Neither an artifact nor a layer is named.";
    ImportFailed "import-failed" "A build file of another tool cannot be taken over.";
    UntrustedRefused "untrusted-refused" "The project asks for something that `--untrusted` forbids.";
    MemberUnknown "member-unknown" "No member of the workspace has this name.";
    WorkspaceUnclear "workspace-unclear" "`pack` cannot tell to which workspace a project belongs.";
    ShardsDisagree "shards-disagree" "The results of a run's shards do not fit together.";
    LockMissing "lock-missing" "build.lock must pin the base, and does not.";
    LockBroken "lock-broken" "build.lock cannot be read.";
    LockDisagrees "lock-disagrees" "build.lock says something about the base that is not so.";
    BaseMoved "base-moved" "The base that build.lock pins is not there any more, or is another one now.";
    BaseUnusable "base-unusable" "The base cannot carry an image.";
    NotOnBase "not-on-base" "An image does not begin with the layers of its old base.";
    Offline "offline" "The base must come from a registry, and the network must not be used.";
    OwnerUnknown "owner-unknown" "The image has no user or group of this name.";
    DirtyTree "dirty-tree" "The working tree has uncommitted changes.";
    GitUnusable "git-unusable" "The git repository cannot tell what was asked.";
    ArtifactMissing "artifact-missing" "The artifact is not there.";
    ArtifactAmbiguous "artifact-ambiguous" "Several files fit where one artifact is needed.";
    ArtifactUnknown "artifact-unknown" "The file is none of the kinds of artifacts.";
    ArtifactBroken "artifact-broken" "The artifact is damaged or not complete.";
    ArtifactUnfit "artifact-unfit" "The artifact is of a known kind and cannot be packaged as it is.";
    ArchiveUnsafe "archive-unsafe" "Programs would unpack the archive in different ways, or outside of its directory.";
    RootUnknown "root-unknown" "`pack` cannot tell where the files belong in the image.";
    PathOutside "path-outside" "A link leads out of the files that go into the image.";
    PathUnfit "path-unfit" "A file cannot be in an image.";
    PathConflict "path-conflict" "Two things would have the same path in the image.";
    ValueUnfit "value-unfit" "A name or value cannot be written in the form that was asked for.";
    PatternWrong "pattern-wrong" "A pattern is not valid, or matches nothing.";
    PlatformMissing "platform-missing" "There is no image, base or program for the platform.";
    CheckFailed "check-failed" "The image would not run.";
    ImageNotFound "image-not-found" "There is no image of this name.";
    ImageUnclear "image-unclear" "There are several images, and one must be named.";
    ImageDamaged "image-damaged" "An image is damaged or not complete.";
    NotAnImage "not-an-image" "The place has something else than an image.";
    NotReproducible "not-reproducible" "Two builds of the same inputs gave different images.";
    StoreUnusable "store-unusable" "The local store cannot be used.";
    StoreDamaged "store-damaged" "The local store has content that is not what it should be.";
    EngineUnreachable "engine-unreachable" "Docker or Podman does not take the image.";
    RegistryUnreachable "registry-unreachable" "The registry does not answer.";
    RegistryRefused "registry-refused" "The registry refused a request.";
    RegistryUnsound "registry-unsound" "The registry's answer breaks the protocol.";
    CertificateUnknown "certificate-unknown" "The registry and `pack` do not trust each other's certificates.";
    ProxyRefused "proxy-refused" "The proxy does not connect to the registry.";
    LoginRefused "login-refused" "The registry does not permit it with this login.";
    LoginUnreadable "login-unreadable" "The login cannot be read or kept.";
    RateLimited "rate-limited" "The registry limits how many requests it answers.";
    PullBlocked "pull-blocked" "The configuration of this machine blocks the registry.";
    TagTaken "tag-taken" "The tag exists, and may not move to another image.";
    TagMoved "tag-moved" "Others wrote to the same place at the same time.";
    ReleaseUnknown "release-unknown" "There is no such release or environment.";
    RecordUnsound "record-unsound" "The records of releases are not complete, or were changed.";
    PolicyRefused "policy-refused" "A rule of a policy or a gate refuses the image.";
    SignatureMissing "signature-missing" "No signature or statement proves the image.";
    KeyUnusable "key-unusable" "The key cannot be used to sign or to check.";
    DescriptorBroken "descriptor-broken" "A descriptor cannot be read or changed.";
    DigestUnknown "digest-unknown" "The digest of an image in a descriptor is not known.";
    EventUndelivered "event-undelivered" "A receiver of events cannot be told.";
    SecretMissing "secret-missing" "A secret, or a variable that a CI system sets, is missing.";
    AddressTaken "address-taken" "`pack` cannot listen on the address.";
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Serialize for ErrorCode {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

/// A name that no code has.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no error code of this name")]
pub struct UnknownErrorCode;

impl FromStr for ErrorCode {
    type Err = UnknownErrorCode;

    fn from_str(name: &str) -> Result<Self, UnknownErrorCode> {
        Self::ALL.iter().copied().find(|code| code.name() == name).ok_or(UnknownErrorCode)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_code_has_a_plain_name_and_a_sentence() {
        for code in ErrorCode::ALL {
            let name = code.name();
            assert!(name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-'), "{name}");
            assert_eq!(name.parse(), Ok(*code), "no other code has the name");
            assert!(code.title().ends_with('.') && code.title().len() < 100, "{name}");
        }
        assert_eq!("nothing".parse::<ErrorCode>(), Err(UnknownErrorCode));
    }
}
