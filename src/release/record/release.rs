//! A release as a value, and its JSON.

use std::fmt;
use std::str::FromStr;

use serde::{Serialize, Serializer};

use crate::formats::json::{self, FromJson, JsonError, JsonValue, Object};
use crate::types::digest::Digest;
use crate::types::error::{Explain, Kind};
use crate::types::error_code::ErrorCode;
use crate::types::reference::Repository;
use crate::types::release::{EnvironmentName, ReleaseId, ReleaseNumber, ReleaseTime};

/// The longest text of a person in a record, in bytes.
const LONGEST: usize = 1000;

/// The record of a release. Its fields are in the order of its JSON.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ReleaseRecord {
    /// The environment.
    pub environment: EnvironmentName,
    /// Its number there.
    pub number: ReleaseNumber,
    /// How it came about.
    pub kind: ReleaseKind,
    /// The repository that it was written to.
    pub image: Repository,
    /// The manifest or index that was released.
    pub digest: Digest,
    /// The commit that the image was built from, where the image says so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revision: Option<ReleaseNote>,
    /// The name of the promoted image or release: `dev@4` or a reference. Of a rollback, the release that it went back to.
    pub source: ReleaseNote,
    /// The release before it; none for the first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub previous: Option<PreviousRelease>,
    /// Who did it, where that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub actor: Option<ReleaseNote>,
    /// Why.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<ReleaseNote>,
    /// When, by the clock of the one who did it.
    pub time: ReleaseTime,
    /// The checks that it passed.
    pub checks: Vec<PassedGate>,
    /// A value of the run that wrote it: two releases that say the same at the same time differ in it.
    pub nonce: ReleaseNonce,
}

/// A value that no other run has, written as 16 hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReleaseNonce(pub u64);

impl fmt::Display for ReleaseNonce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl FromStr for ReleaseNonce {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, &'static str> {
        let nonce = u64::from_str_radix(text, 16).ok().map(Self);
        nonce.filter(|nonce| nonce.to_string() == text).ok_or("expected 16 hexadecimal digits")
    }
}

impl Serialize for ReleaseNonce {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// How a release came about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ReleaseKind {
    /// An image was put into the environment.
    Deploy,
    /// A release of another environment was.
    Promote,
    /// An earlier release of the same environment was.
    Rollback,
}

/// The release before another one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PreviousRelease {
    /// Its number.
    pub release: ReleaseNumber,
    /// The digest of its record.
    pub record: Digest,
    /// The digest of its image.
    pub image: Digest,
}

/// A check that was passed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PassedGate {
    /// The check: `documents`, or a gate.
    pub check: ReleaseNote,
    /// The record or referrer that proves it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub evidence: Option<Digest>,
}

/// A line of text in a record: not empty, at most 1,000 bytes, and without control characters.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct ReleaseNote(String);

/// Why a text cannot stand in a record.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the {what} of a release {why}")]
pub struct InvalidRecord {
    what: &'static str,
    why: &'static str,
}

impl Explain for InvalidRecord {
    fn kind(&self) -> Kind {
        Kind::Usage
    }

    fn code(&self) -> Option<ErrorCode> {
        None
    }

    fn hint(&self) -> Option<String> {
        Some("give one short line; a link to a ticket or a page tells the rest".to_owned())
    }
}

impl ReleaseNote {
    /// A text; `what` says in an error which one it is.
    ///
    /// # Errors
    /// When it is empty, too long, or more than a line.
    pub fn new(what: &'static str, text: &str) -> Result<Self, InvalidRecord> {
        let why = if text.trim().is_empty() {
            "is empty"
        } else if text.len() > LONGEST {
            "is longer than 1,000 bytes"
        } else if text.chars().any(|character| character.is_control() || is_separator(character)) {
            "has control characters or line breaks in it"
        } else {
            return Ok(Self(text.to_owned()));
        };
        Err(InvalidRecord { what, why })
    }

    /// A text of others, made to fit: what cannot stand in a record is left out. `None` if nothing is left.
    #[must_use]
    pub fn fitted(text: &str) -> Option<Self> {
        let plain: String =
            text.chars().filter(|character| !character.is_control() && !is_separator(*character)).collect();
        let end = (0..=plain.len().min(LONGEST)).rev().find(|end| plain.is_char_boundary(*end))?;
        Self::new("text", plain[..end].trim()).ok()
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A line or paragraph separator.
const fn is_separator(character: char) -> bool {
    matches!(character, '\u{2028}' | '\u{2029}')
}

impl fmt::Display for ReleaseNote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl ReleaseKind {
    /// All of them.
    const ALL: [Self; 3] = [Self::Deploy, Self::Promote, Self::Rollback];

    /// The word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Deploy => "deploy",
            Self::Promote => "promote",
            Self::Rollback => "rollback",
        }
    }
}

/// A value that is written as a string.
struct RecordWord<T>(T);

impl<T: FromStr> FromJson for RecordWord<T>
where
    T::Err: fmt::Display,
{
    fn decode(value: JsonValue<'_>) -> Result<Self, JsonError> {
        String::decode(value)?.parse().map(Self).map_err(JsonError::refused)
    }
}

fn word<T: FromStr>(object: &mut Object<'_>, name: &'static str) -> Result<T, JsonError>
where
    T::Err: fmt::Display,
{
    object.require::<RecordWord<T>>(name).map(|word| word.0)
}

fn number(object: &mut Object<'_>, name: &'static str) -> Result<ReleaseNumber, JsonError> {
    let found: u64 = object.require(name)?;
    let number = u32::try_from(found).ok().and_then(ReleaseNumber::new);
    number.ok_or_else(|| JsonError::refused("it is not the number of a release").below(name))
}

impl FromJson for ReleaseNote {
    fn decode(value: JsonValue<'_>) -> Result<Self, JsonError> {
        Self::new("text", &String::decode(value)?).map_err(JsonError::refused)
    }
}

impl FromJson for ReleaseKind {
    fn decode(value: JsonValue<'_>) -> Result<Self, JsonError> {
        let text = String::decode(value)?;
        let found = Self::ALL.into_iter().find(|kind| kind.as_str() == text);
        found.ok_or_else(|| JsonError::refused("it is not `deploy`, `promote` or `rollback`"))
    }
}

impl FromJson for PreviousRelease {
    fn decode(value: JsonValue<'_>) -> Result<Self, JsonError> {
        let mut object = Object::open(value, &["release", "record", "image"])?;
        let previous = Self {
            release: number(&mut object, "release")?,
            record: object.require("record")?,
            image: object.require("image")?,
        };
        closed(object)?;
        Ok(previous)
    }
}

impl FromJson for PassedGate {
    fn decode(value: JsonValue<'_>) -> Result<Self, JsonError> {
        let mut object = Object::open(value, &["check", "evidence"])?;
        let gate = Self { check: object.require("check")?, evidence: object.take("evidence")? };
        closed(object)?;
        Ok(gate)
    }
    fn several() -> String {
        "checks".to_owned()
    }
}

/// The keys of a record.
const KEYS: &[&str] = &[
    "environment",
    "number",
    "kind",
    "image",
    "digest",
    "revision",
    "source",
    "previous",
    "actor",
    "reason",
    "time",
    "checks",
    "nonce",
];

impl FromJson for ReleaseRecord {
    fn decode(value: JsonValue<'_>) -> Result<Self, JsonError> {
        let mut object = Object::open(value, KEYS)?;
        let record = Self {
            environment: word(&mut object, "environment")?,
            number: number(&mut object, "number")?,
            kind: object.require("kind")?,
            image: word(&mut object, "image")?,
            digest: object.require("digest")?,
            revision: object.take("revision")?,
            source: object.require("source")?,
            previous: object.take("previous")?,
            actor: object.take("actor")?,
            reason: object.take("reason")?,
            time: word(&mut object, "time")?,
            checks: object.require("checks")?,
            nonce: word(&mut object, "nonce")?,
        };
        closed(object)?;
        Ok(record)
    }
}

/// A record of this version has no other fields.
fn closed(object: Object<'_>) -> Result<(), JsonError> {
    match object.rest()?.into_keys().next() {
        Some(key) => Err(JsonError::refused("a record has no such field").below(&key)),
        None => Ok(()),
    }
}

impl ReleaseRecord {
    /// Its JSON, in the one way that it is written.
    ///
    /// # Errors
    /// Never for a value of this type; the encoder's type says that it may fail.
    pub fn to_json(&self) -> Result<String, serde_json::Error> {
        serde_json::to_string(self)
    }

    /// The identity of the release: that of its JSON as the first release of its environment. So a writer that takes
    /// another number writes the same release.
    ///
    /// # Errors
    /// As for [`ReleaseRecord::to_json`].
    pub fn id(&self) -> Result<ReleaseId, serde_json::Error> {
        let first = Self { number: ReleaseNumber::FIRST, previous: None, ..self.clone() };
        Ok(ReleaseId::of(&Digest::of(first.to_json()?.as_bytes())))
    }

    /// About so many bytes of memory: a record with many checks is much larger than its text.
    #[must_use]
    pub fn weight(&self) -> usize {
        let notes = [Some(&self.source), self.revision.as_ref(), self.actor.as_ref(), self.reason.as_ref()];
        let of_notes: usize = notes.into_iter().flatten().map(|note| note.0.len()).sum();
        let of_checks: usize =
            self.checks.iter().map(|gate| gate.check.0.len() + 2 * size_of::<PassedGate>()).sum();
        2 * size_of::<Self>() + of_notes + of_checks
    }

    /// Reads the JSON of a record.
    ///
    /// # Errors
    /// When it is not that, or has more fields than a record of this version.
    pub fn of_json(text: &str) -> Result<Self, JsonError> {
        json::decode(text.as_bytes())
    }
}
