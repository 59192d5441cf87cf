//! The document: written by a run, and read again by what puts runs together.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::end::MemberEnd;
use super::error::ResultsError;
use super::version::SCHEMA_VERSION;
use crate::formats::json_cost;
use crate::oci::MediaType;
use crate::project::lock::{Lock, LockError};
use crate::project::shard::{MemberCosts, Shard};
use crate::types::digest::Digest;
use crate::types::platform::Platform;
use crate::types::reference::{Repository, Tag};

/// The most memory that reading results may take.
const MOST_MEMORY: u64 = 128 << 20;

/// The flag of a run that takes bases as the lock has them.
pub const LOCKED: &str = "--locked";

/// The results of a run, of a shard or of several.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RunResults {
    /// Says what the fields mean.
    pub schema_version: u32,
    /// The version of the program.
    pub pack_version: String,
    /// The commit that HEAD is; absent outside of a repository.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
    /// A digest of the build files and of the flags that decide about images.
    pub settings: Digest,
    /// A digest of the measures that decided which shard has which member.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub balanced_by: Option<Digest>,
    /// The shards whose results these are.
    pub shards: ShardSet,
    /// The command, without what says the shard and the files that it writes.
    pub command: Vec<String>,
    /// The names of the members that all shards have together, in the order of their paths.
    pub selection: Vec<String>,
    /// The members of these shards.
    pub members: Vec<MemberRecord>,
    /// The names of those that did not change, and were left out.
    pub left_out: Vec<String>,
    /// The cost of each member in its last run that did anything.
    pub cost_milliseconds: BTreeMap<String, u64>,
    /// The facts that were learned for `build.lock`, as its text.
    pub lock: String,
    /// The exit code of the run.
    pub exit_code: u8,
    /// How long it took; `elapsedSeconds` in JSON.
    #[serde(rename = "elapsedSeconds", with = "seconds")]
    pub elapsed: Duration,
}

/// Shards of a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ShardSet {
    /// How many there are.
    pub count: u32,
    /// Those that are meant, from 1.
    pub done: BTreeSet<u32>,
}

/// One member.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct MemberRecord {
    /// Its name.
    pub member: String,
    /// Its directory, relative to the root.
    pub path: String,
    /// How it ended.
    pub end: MemberEnd,
    /// Why it counts as changed, where that was asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// Its image, as `pack build --json` tells of it.
    #[serde(default, skip_serializing_if = "Option::is_none", serialize_with = "as_value")]
    pub image: Option<Box<RawValue>>,
    /// The facts of its image for files that other tools read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub facts: Option<ImageFacts>,
    /// Why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// The name of that situation in `docs/errors.md`, where it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// The reasons, where a policy refused it.
    #[serde(default, skip_serializing_if = "Option::is_none", serialize_with = "as_value")]
    pub policy: Option<Box<RawValue>>,
    /// The exit code of its failure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit_code: Option<u8>,
}

/// The facts of an image that files for other tools have, beside what people see of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ImageFacts {
    /// Whether it is a manifest or an index.
    pub media_type: MediaType,
    /// The bytes of that, where they are known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
    /// The digest of the configuration; none where there are several platforms.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config: Option<Digest>,
    /// Its platforms.
    pub platforms: Vec<Platform>,
    /// Whether it is in a registry now.
    #[serde(rename = "pushed")]
    pub is_pushed: bool,
}

/// The facts of an image that others need to know.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct RecordedImage {
    /// Its name, without tag and digest.
    pub name: Repository,
    /// Its digest.
    pub digest: Digest,
    /// Its tags.
    pub tags: Vec<Tag>,
}

impl MemberRecord {
    /// Its image, where it has one.
    #[must_use]
    pub fn image(&self) -> Option<RecordedImage> {
        serde_json::from_str(self.image.as_ref()?.get()).ok()
    }
}

impl RunResults {
    /// Reads the text of a document that errors call `name`.
    ///
    /// # Errors
    /// When it is none, is not whole, or contradicts itself.
    pub fn parse(name: &str, text: &str) -> Result<Self, ResultsError> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct OfVersion {
            schema_version: u32,
        }
        let torn = |why: String| ResultsError::Torn { name: name.to_owned(), why };
        json_cost::check(text.as_bytes(), MOST_MEMORY).map_err(|error| torn(error.to_string()))?;
        let OfVersion { schema_version } =
            serde_json::from_str(text).map_err(|error| torn(error.to_string()))?;
        if schema_version != SCHEMA_VERSION {
            return Err(ResultsError::Schema { name: name.to_owned(), version: schema_version });
        }
        let results: Self = serde_json::from_str(text).map_err(|error| torn(error.to_string()))?;
        results.check().map_err(torn)?;
        results.learned_lock().map_err(|error| torn(error.to_string()))?;
        Ok(results)
    }

    /// The facts that were learned for `build.lock`.
    ///
    /// # Errors
    /// When its text is none.
    pub fn learned(&self) -> Result<Lock, ResultsError> {
        let wrong = |error: LockError| ResultsError::Torn { name: "lock".to_owned(), why: error.to_string() };
        self.learned_lock().map_err(wrong)
    }

    fn learned_lock(&self) -> Result<Lock, LockError> {
        if self.lock.is_empty() { Ok(Lock::default()) } else { Lock::parse_learned("build.lock", &self.lock) }
    }

    /// Whether the run could not learn anything for `build.lock`.
    #[must_use]
    pub fn is_locked(&self) -> bool {
        self.command.iter().any(|word| word == LOCKED)
    }

    /// The costs of the members.
    #[must_use]
    pub fn costs(&self) -> MemberCosts {
        MemberCosts::new(self.cost_milliseconds.clone())
    }

    /// The images that are where they were wanted, as `NAME@DIGEST`, in the order of the members.
    pub fn references(&self) -> impl Iterator<Item = String> {
        let images = self.members.iter().filter(|member| member.end.has_image());
        images.filter_map(MemberRecord::image).map(|image| format!("{}@{}", image.name, image.digest))
    }

    /// Says what contradicts itself.
    fn check(&self) -> Result<(), String> {
        let ShardSet { count, done } = &self.shards;
        if done.is_empty() {
            return Err("it is of no shard".to_owned());
        }
        for shard in done {
            Shard::new(*shard, *count).map_err(|error| error.to_string())?;
        }
        let mut known: BTreeMap<&str, bool> = BTreeMap::new();
        for name in &self.selection {
            if known.insert(name, false).is_some() {
                return Err(format!("the member `{name}` is there twice"));
            }
        }
        for name in self.members.iter().map(|member| &member.member).chain(&self.left_out) {
            match known.get_mut(name.as_str()) {
                None => return Err(format!("the member `{name}` is none of the selection")),
                Some(true) => return Err(format!("the member `{name}` is there twice")),
                Some(has) => *has = true,
            }
        }
        for member in &self.members {
            let name = &member.member;
            if (member.end.has_image() || member.image.is_some()) && member.image().is_none() {
                return Err(format!("the member `{name}` has no image"));
            }
            if member.end == MemberEnd::Failed && member.exit_code.is_none_or(|code| code == 0) {
                return Err(format!("the member `{name}` failed with no exit code"));
            }
        }
        Ok(())
    }
}

/// Writes an image value by value: so the writer of a document sees each text in it, and can hide secrets.
fn as_value<S: serde::Serializer>(image: &Option<Box<RawValue>>, serializer: S) -> Result<S::Ok, S::Error> {
    let value: Option<serde_json::Value> =
        image.as_ref().and_then(|raw| serde_json::from_str(raw.get()).ok());
    value.serialize(serializer)
}

mod seconds {
    use std::time::Duration;

    use serde::{Deserialize as _, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64(duration.as_millis() as f64 / 1000.0)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
        let seconds = f64::deserialize(deserializer)?;
        Duration::try_from_secs_f64(seconds).map_err(serde::de::Error::custom)
    }
}
