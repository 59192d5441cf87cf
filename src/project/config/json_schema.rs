//! The JSON Schema of `build.toml`, made from the one list of its keys.
//!
//! `docs/schema/build.toml.json` is this schema, written down; `pack schema build.toml` prints that file, and a test
//! compares the two. The schema accepts every file that `pack` accepts. It refuses what one value shows to be wrong;
//! it cannot know rules that concern several values, or files on disk.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::schema::{
    AppSettings, Apps, BuildFile, HealthCommand, HealthSetting, HealthcheckSettings, ImagePatterns,
    NonEmptyName, Paths, TagSettings, TagTemplate, TagText,
};
use super::source::Spanned;
use super::template::Template;
use super::value::{
    AccountName, AccountNumber, Age, Arguments, BaseSetting, Buckets, ByteSize, CapabilityText,
    CompressionSetting, Count, DiskPath, EnvName, EnvValue, Format, ImagePath, ImagePattern, Justification,
    KindName, LinkTarget, MemberPattern, MirrorAddress, Mode, Mtime, Owner, Pattern, Percent, Period, Ports,
    SbomSetting, ShellPath, Signal, User,
};
use crate::types::check_policy::RuleLevel;
use crate::types::delivery::{DeliveryKind, EventForm};
use crate::types::digest::Digest;
use crate::types::platform::Platform;
use crate::types::policy::{EvidenceKind, LicencePattern, NamePattern, PackagePattern};
use crate::types::reference::{Registry, Repository};
use crate::types::release::{EnvironmentName, Gate};
use crate::types::rule::Rule;
use crate::types::webhook_url::WebhookUrl;

/// A type of `build.toml` whose values a schema describes.
pub(in crate::project) trait JsonSchema {
    /// The schema of its values.
    fn json_schema() -> Value;
}

/// The schema of a whole build file.
pub(in crate::project) fn build_schema() -> Value {
    let mut schema = BuildFile::json_schema();
    let about = json!({
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "build.toml",
        "description": "A build file of pack: one image, or a workspace of several.",
    });
    if let (Value::Object(schema), Value::Object(about)) = (&mut schema, about) {
        schema.extend(about);
    }
    schema
}

/// A table: each key with its comment, its schema, and whether it must be there.
pub(in crate::project) fn object(fields: Vec<(&str, &str, Value, bool)>) -> Value {
    let required: Vec<&str> =
        fields.iter().filter(|(.., is_required)| *is_required).map(|(key, ..)| *key).collect();
    let described = |(key, comment, schema, _): (&str, &str, Value, bool)| {
        let Value::Object(mut schema) = schema else { panic!("{key}: no object") };
        schema.insert("description".to_owned(), comment.trim().into());
        (key.to_owned(), Value::Object(schema))
    };
    let properties: Map<String, Value> = fields.into_iter().map(described).collect();
    let mut schema = json!({ "type": "object", "additionalProperties": false, "properties": properties });
    if !required.is_empty() {
        schema["required"] = json!(required);
    }
    schema
}

impl<T: JsonSchema> JsonSchema for Spanned<T> {
    fn json_schema() -> Value {
        T::json_schema()
    }
}

impl<T: JsonSchema> JsonSchema for Option<T> {
    fn json_schema() -> Value {
        T::json_schema()
    }
}

impl<T: JsonSchema> JsonSchema for Vec<T> {
    fn json_schema() -> Value {
        json!({ "type": "array", "items": T::json_schema() })
    }
}

impl<K: JsonSchema, V: JsonSchema> JsonSchema for BTreeMap<K, V> {
    fn json_schema() -> Value {
        json!({ "type": "object", "propertyNames": K::json_schema(), "additionalProperties": V::json_schema() })
    }
}

/// Strings that match a pattern.
fn text(pattern: &str) -> Value {
    json!({ "type": "string", "pattern": pattern })
}

/// One of the values, or a list of at least one.
fn one_or_some(schema: &Value) -> Value {
    json!({ "anyOf": [schema, { "type": "array", "items": schema, "minItems": 1 }] })
}

/// The name or the number of a user or group.
const ACCOUNT: &str = r"([0-9]+|[A-Za-z_][A-Za-z0-9_.-]*\$?)";
/// A text without control characters.
const ONE_LINE: &str = r"^[^\u0000-\u001f\u007f-\u009f]+$";
/// A variable of a template, without its braces.
const VARIABLE: &str = r"git\.(commit|short|branch|time)|version|content|env\.[^={}]+";
/// The names of signals, without `SIG`.
const SIGNALS: &str = "HUP|INT|QUIT|ILL|TRAP|ABRT|BUS|FPE|KILL|USR1|SEGV|USR2|PIPE|ALRM|TERM|STKFLT|CHLD|CONT|STOP|TSTP|TTIN|\
                       TTOU|URG|XCPU|XFSZ|VTALRM|PROF|WINCH|IO|PWR|SYS";
/// A number of 1 to 30.
const TO_30: &str = "0*([1-9]|[12][0-9]|30)";
/// The kinds of artifacts, which another test compares with those that exist.
const KINDS: [&str; 11] = [
    "war",
    "spring-boot",
    "quarkus",
    "distribution",
    "executable-jar",
    "jar",
    "elf",
    "python",
    "node",
    "site",
    "tree",
];

/// Gives each type its schema.
macro_rules! schemas {
    ($($type:ty => $schema:expr,)*) => {$(
        impl JsonSchema for $type {
            fn json_schema() -> Value {
                $schema
            }
        }
    )*};
}

schemas! {
    bool => json!({ "type": "boolean" }),
    String => json!({ "type": "string" }),
    Format => json!({ "type": "integer", "enum": [Format::CURRENT.number()] }),
    Repository => text(r"^([^/\s]+/)?[a-z0-9/._-]+$"),
    BaseSetting => text("^[^ ]+"),
    Template => text(&format!(r"^([^{{}}]|\{{\{{|\}}\}}|\{{({VARIABLE})\}})*$")),
    TagText => text(&format!(r"^([A-Za-z0-9_]|\{{({VARIABLE})\}})([A-Za-z0-9_.-]|\{{({VARIABLE})\}})*$")),
    TagTemplate => json!({ "anyOf": [TagText::json_schema(), TagSettings::json_schema()] }),
    Platform => text(r"^[A-Za-z0-9._-]+/[A-Za-z0-9._-]+(/[A-Za-z0-9._-]*)?$"),
    CompressionSetting => text("^((gzip|estargz|soci)(:0*[1-9])?|zstd(:0*([1-9]|1[0-9]))?|none)$"),
    NonEmptyName => text(ONE_LINE),
    DiskPath => json!({ "type": "string", "minLength": 1, "not": { "type": "string", "pattern": "^[A-Za-z0-9+.-]+://" } }),
    Paths => one_or_some(&DiskPath::json_schema()),
    Apps => json!({ "anyOf": [AppSettings::json_schema(), Vec::<AppSettings>::json_schema()] }),
    KindName => json!({ "enum": KINDS }),
    ImagePath => text("^/"),
    ShellPath => ImagePath::json_schema(),
    LinkTarget => json!({ "type": "string", "minLength": 1 }),
    Owner => text(&format!("^{ACCOUNT}(:{ACCOUNT})?$")),
    AccountName => text(r"^[A-Za-z_][A-Za-z0-9_.-]*\$?$"),
    AccountNumber => json!({ "type": "integer", "minimum": 0, "maximum": 2_147_483_647 }),
    Mode => text("^0?[0-7]{3,4}$"),
    // A date of TOML is a string to those that judge by a schema.
    Mtime => json!({ "anyOf": [
        { "type": "integer", "minimum": 0, "maximum": 0o777_7777_7777_u64 },
        { "enum": ["commit", "content"] },
        text("^[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9:.]+([Zz]|[+-][0-9:]+)$"),
    ] }),
    Pattern => text("^[^/]"),
    ImagePattern => text("^/?[^/]"),
    ImagePatterns => one_or_some(&ImagePattern::json_schema()),
    MemberPattern => text("^[^/]"),
    Buckets => json!({ "anyOf": [
        { "type": "integer", "enum": [1, 2, 4, 8, 16] },
        text("^(auto|0*(1|2|4|8|16))$"),
    ] }),
    CapabilityText => json!({ "anyOf": [{ "type": "string" }, Vec::<String>::json_schema()] }),
    EnvName => text("^[^=]+$"),
    EnvValue => json!({ "type": ["string", "integer"] }),
    Ports => json!({ "anyOf": [
        { "type": "integer", "minimum": 1, "maximum": 65535 },
        text("^[0-9]+(-[0-9]+)?(/(tcp|udp|sctp))?$"),
    ] }),
    User => json!({
        "anyOf": [AccountNumber::json_schema(), text(r"^[^\s:]+(:[^\s:]+)?$")],
        "not": { "type": "string", "pattern": "(^|:)0*[1-9][0-9]{10,}(:|$)" },
    }),
    Signal => json!({ "anyOf": [
        { "type": "integer", "minimum": 1, "maximum": 64 },
        text(&format!(r"^(SIG({SIGNALS}|RTMIN(\+{TO_30})?|RTMAX(-{TO_30})?)|0*([1-9]|[1-5][0-9]|6[0-4]))$")),
    ] }),
    Arguments => Vec::<String>::json_schema(),
    HealthSetting => json!({ "anyOf": [{ "enum": [false] }, HealthcheckSettings::json_schema()] }),
    HealthCommand => json!({ "anyOf": [
        { "type": "string", "minLength": 1 },
        { "type": "array", "items": { "type": "string" }, "minItems": 1 },
    ] }),
    Period => json!({ "type": "string", "minLength": 2, "pattern": "^([0-9]+h)?([0-9]+m)?([0-9]+s)?([0-9]+ms)?$" }),
    Count => json!({ "type": "integer", "minimum": 0, "maximum": 1000 }),
    Percent => json!({ "type": "integer", "minimum": 0, "maximum": 100 }),
    ByteSize => text(r"^[0-9]+\s*(B|kB|KB|MB|GB|KiB|MiB|GiB)?\s*$"),
    Rule => json!({ "enum": Rule::ALL.iter().map(|rule| rule.name()).collect::<Vec<_>>() }),
    RuleLevel => json!({ "enum": ["error", "warning", "note", "off"] }),
    Justification => json!({ "type": "string", "pattern": r"\S", "not": { "type": "string", "pattern": r"\S\s*[\r\n]+\s*\S" } }),
    SbomSetting => json!({ "enum": [true, false, "cyclonedx", "spdx", "true", "false"] }),
    MirrorAddress => text(r"^https?://[^\s@]+$"),
    Registry => text(r"^[^/\s]+$"),
    WebhookUrl => json!({ "type": "string", "minLength": 1, "pattern": ":" }),
    EventForm => json!({ "enum": EventForm::ALL.map(EventForm::as_str) }),
    DeliveryKind => json!({ "enum": DeliveryKind::ALL.map(DeliveryKind::as_str) }),
    EnvironmentName => text("^[a-z]([a-z0-9-]*[a-z0-9])?$"),
    Gate => text("^(release:[a-z].*|referrer:.+|sbom|provenance|checks)$"),
    EvidenceKind => json!({ "enum": EvidenceKind::ALL.map(EvidenceKind::as_str) }),
    NamePattern => text(r"^[^\[\]{}\\]+$"),
    PackagePattern => text(r"^[^\[\]{}\\]+$"),
    LicencePattern => text(r"^[^\[\]{}\\]+$"),
    Digest => text("^sha256:[0-9a-f]{64}$"),
    Age => text("^[0-9]+[dh]$"),
}

/// Judges a build file by the schema; `None` if it is no TOML.
pub(super) fn verdict(text: &str) -> Option<Result<(), String>> {
    let document: toml::Table = text.trim_start_matches('\u{feff}').parse().ok()?;
    let faults = pack_test_schema::Schema::new(build_schema()).faults(&as_json(toml::Value::Table(document)));
    let said: Vec<String> = faults.iter().map(ToString::to_string).collect();
    Some(if said.is_empty() { Ok(()) } else { Err(said.join("\n")) })
}

/// Whether the schema of a type accepts a text.
pub(super) fn takes<T: JsonSchema>(text: &str) -> bool {
    pack_test_schema::Schema::new(T::json_schema()).accepts(&text.into())
}

/// A value of TOML as those that judge by a schema see it.
fn as_json(value: toml::Value) -> Value {
    match value {
        toml::Value::String(text) => text.into(),
        toml::Value::Integer(number) => number.into(),
        toml::Value::Float(number) => json!(number),
        toml::Value::Boolean(boolean) => boolean.into(),
        toml::Value::Datetime(datetime) => datetime.to_string().into(),
        toml::Value::Array(values) => values.into_iter().map(as_json).collect(),
        toml::Value::Table(table) => table.into_iter().map(|(key, value)| (key, as_json(value))).collect(),
    }
}

/// The file is written with `PACK_TEST_WRITE=1`.
#[test]
#[allow(clippy::disallowed_methods, reason = "whether the file is written is no content")]
fn the_file_is_the_schema_of_the_keys() {
    let mut expected = Vec::new();
    let layout = serde_json::ser::PrettyFormatter::with_indent(b" ");
    let mut serializer = serde_json::Serializer::with_formatter(&mut expected, layout);
    serde::Serialize::serialize(&build_schema(), &mut serializer).expect("JSON");
    let expected = String::from_utf8(expected).expect("text") + "\n";
    if std::env::var_os("PACK_TEST_WRITE").is_some() {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/schema/build.toml.json");
        fs_err::write(path, &expected).expect("written");
    }
    let written = include_str!("../../../docs/schema/build.toml.json");
    assert!(
        written == expected,
        "run this test with PACK_TEST_WRITE=1 and commit docs/schema/build.toml.json"
    );
}

#[test]
fn every_key_of_the_list_has_a_description() {
    let written = include_str!("../../../docs/schema/build.toml.json");
    for key in super::schema::keys() {
        let name = key.rsplit('.').next().unwrap_or_default();
        assert!(written.contains(&format!("\"{name}\": {{")), "{key}");
    }
    fn walk(value: &Value) {
        if let Some(properties) = value.get("properties").and_then(Value::as_object) {
            for (key, schema) in properties {
                let description = schema["description"].as_str().unwrap_or_default();
                assert!(description.len() > 3 && description.ends_with('.'), "{key}: {description:?}");
            }
        }
        match value {
            Value::Array(values) => values.iter().for_each(walk),
            Value::Object(object) => object.values().for_each(walk),
            _ => {}
        }
    }
    walk(&build_schema());
}
