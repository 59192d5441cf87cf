//! Judges documents by JSON Schemas of draft 7, as far as the schemas of this repository use them.
//!
//! A keyword that is not known here is a panic and not a pass: a schema cannot promise something that no test holds.

use std::collections::BTreeMap;
use std::fmt;

use regex::Regex;
use serde_json::{Map, Value};

/// Words that say something to people only.
const WORDS: [&str; 6] = ["$schema", "$id", "title", "description", "default", "definitions"];

/// A schema.
#[derive(Clone, Debug)]
pub struct Schema {
    root: Value,
    patterns: BTreeMap<String, Regex>,
}

/// A fault: where in the document, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The path of the value, as a JSON pointer.
    pub path: String,
    /// The reason.
    pub why: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", if self.path.is_empty() { "/" } else { &self.path }, self.why)
    }
}

impl Schema {
    /// The schema in a text.
    ///
    /// # Panics
    /// When it is no JSON.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        Self::new(serde_json::from_str(text).unwrap_or_else(|error| panic!("no JSON: {error}")))
    }

    /// This schema.
    ///
    /// # Panics
    /// When one of its patterns cannot be compiled.
    #[must_use]
    pub fn new(root: Value) -> Self {
        let mut patterns = BTreeMap::new();
        compile(&root, &mut patterns);
        Self { root, patterns }
    }

    /// Everything that is wrong with a document; nothing if it is valid.
    ///
    /// # Panics
    /// When the schema has a keyword that is not known here.
    #[must_use]
    pub fn faults(&self, document: &Value) -> Vec<Fault> {
        let mut faults = Vec::new();
        self.judge(&self.root, document, "", &mut faults);
        faults
    }

    /// Whether a document is valid.
    #[must_use]
    pub fn accepts(&self, document: &Value) -> bool {
        self.faults(document).is_empty()
    }

    fn judge(&self, schema: &Value, value: &Value, path: &str, faults: &mut Vec<Fault>) {
        let fault = |why: String| Fault { path: path.to_owned(), why };
        let schema = match schema {
            Value::Bool(true) => return,
            Value::Bool(false) => return faults.push(fault("nothing may stand here".to_owned())),
            Value::Object(schema) => schema,
            other => panic!("no schema: {other}"),
        };
        for (keyword, wanted) in schema {
            match (keyword.as_str(), value) {
                ("$ref", _) => {
                    let pointer =
                        wanted.as_str().and_then(|text| text.strip_prefix('#')).expect("a local $ref");
                    let target = self.root.pointer(pointer).unwrap_or_else(|| panic!("no {pointer}"));
                    self.judge(target, value, path, faults);
                }
                ("type", _) => {
                    if !list(wanted).any(|kind| is_of(value, kind)) {
                        faults.push(fault(format!("{value} is not of type {wanted}")));
                    }
                }
                ("enum", _) => {
                    if !wanted.as_array().expect("a list").contains(value) {
                        faults.push(fault(format!("{value} is none of {wanted}")));
                    }
                }
                ("const", _) => {
                    if wanted != value {
                        faults.push(fault(format!("{value} is not {wanted}")));
                    }
                }
                ("anyOf", _) => {
                    let of = |choice: &Value| {
                        let mut faults = Vec::new();
                        self.judge(choice, value, path, &mut faults);
                        faults
                    };
                    let all: Vec<Vec<Fault>> = wanted.as_array().expect("a list").iter().map(of).collect();
                    if all.iter().all(|faults| !faults.is_empty()) {
                        let why = all.concat().iter().map(Fault::to_string).collect::<Vec<_>>().join("; or ");
                        faults.push(fault(format!("no choice fits: {why}")));
                    }
                }
                ("not", _) => {
                    let mut inside = Vec::new();
                    self.judge(wanted, value, path, &mut inside);
                    if inside.is_empty() {
                        faults.push(fault(format!("{value} is {wanted}")));
                    }
                }
                ("pattern", Value::String(text)) => {
                    if !self.patterns[wanted.as_str().expect("a pattern")].is_match(text) {
                        faults.push(fault(format!("{text:?} does not match {wanted}")));
                    }
                }
                ("minLength", Value::String(text)) => {
                    if (text.chars().count() as u64) < wanted.as_u64().expect("a number") {
                        faults.push(fault("it is too short".to_owned()));
                    }
                }
                ("minimum", Value::Number(number)) => {
                    if number.as_f64() < wanted.as_f64() {
                        faults.push(fault(format!("{number} is below {wanted}")));
                    }
                }
                ("maximum", Value::Number(number)) => {
                    if number.as_f64() > wanted.as_f64() {
                        faults.push(fault(format!("{number} is above {wanted}")));
                    }
                }
                ("minItems", Value::Array(items)) => {
                    if (items.len() as u64) < wanted.as_u64().expect("a number") {
                        faults.push(fault("it has too few items".to_owned()));
                    }
                }
                ("items", Value::Array(items)) => {
                    for (number, item) in items.iter().enumerate() {
                        self.judge(wanted, item, &format!("{path}/{number}"), faults);
                    }
                }
                ("required", Value::Object(object)) => {
                    for key in list(wanted).filter(|key| !object.contains_key(*key)) {
                        faults.push(fault(format!("`{key}` is missing")));
                    }
                }
                ("properties", Value::Object(object)) => {
                    for (key, inner) in object {
                        if let Some(schema) = wanted.get(key) {
                            self.judge(schema, inner, &format!("{path}/{key}"), faults);
                        }
                    }
                }
                ("additionalProperties", Value::Object(object)) => {
                    for (key, inner) in object {
                        if !is_named(schema, key) {
                            self.judge(wanted, inner, &format!("{path}/{key}"), faults);
                        }
                    }
                }
                ("propertyNames", Value::Object(object)) => {
                    for key in object.keys() {
                        self.judge(wanted, &Value::String(key.clone()), &format!("{path}/{key}"), faults);
                    }
                }
                (
                    "pattern"
                    | "minLength"
                    | "minimum"
                    | "maximum"
                    | "minItems"
                    | "items"
                    | "required"
                    | "properties"
                    | "additionalProperties"
                    | "propertyNames",
                    _,
                ) => {}
                (word, _) if WORDS.contains(&word) => {}
                (word, _) => panic!("the keyword `{word}` is not known here"),
            }
        }
    }
}

/// Whether `properties` names a key.
fn is_named(schema: &Map<String, Value>, key: &str) -> bool {
    schema.get("properties").is_some_and(|properties| properties.get(key).is_some())
}

/// The texts of a list, or the one text.
fn list(value: &Value) -> impl Iterator<Item = &str> {
    let items = value.as_array().map_or(std::slice::from_ref(value), Vec::as_slice);
    items.iter().map(|item| item.as_str().expect("a text"))
}

fn is_of(value: &Value, kind: &str) -> bool {
    match kind {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "integer" => {
            value.is_i64() || value.is_u64() || value.as_f64().is_some_and(|number| number.fract() == 0.0)
        }
        "number" => value.is_number(),
        "string" => value.is_string(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        other => panic!("no type: {other}"),
    }
}

/// Compiles each pattern once: a document can have many values.
fn compile(schema: &Value, patterns: &mut BTreeMap<String, Regex>) {
    match schema {
        Value::Array(schemas) => schemas.iter().for_each(|schema| compile(schema, patterns)),
        Value::Object(object) => {
            if let Some(Value::String(pattern)) = object.get("pattern") {
                let regex = Regex::new(pattern).unwrap_or_else(|error| panic!("{pattern}: {error}"));
                patterns.insert(pattern.clone(), regex);
            }
            object.values().for_each(|schema| compile(schema, patterns));
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn each_keyword_tells_right_from_wrong() {
        for (schema, right, wrong) in [
            (json!({"type": "integer"}), json!(1), json!(1.5)),
            (json!({"type": ["string", "null"]}), json!(null), json!(1)),
            (json!({"enum": ["a", 1]}), json!(1), json!("1")),
            (json!({"const": "a"}), json!("a"), json!("b")),
            (json!({"anyOf": [{"type": "string"}, {"type": "integer"}]}), json!("a"), json!([])),
            (json!({"not": {"type": "string"}}), json!(1), json!("a")),
            (json!({"pattern": "^a+$"}), json!("aa"), json!("ab")),
            (json!({"minLength": 1}), json!("ü"), json!("")),
            (json!({"minimum": 1, "maximum": 2}), json!(2), json!(3)),
            (json!({"minItems": 1}), json!([1]), json!([])),
            (json!({"items": {"type": "string"}}), json!(["a"]), json!(["a", 1])),
            (json!({"required": ["a"]}), json!({"a": 1}), json!({"b": 1})),
            (json!({"properties": {"a": {"type": "string"}}}), json!({"a": "x", "b": 1}), json!({"a": 1})),
            (
                json!({"properties": {"a": true}, "additionalProperties": false}),
                json!({"a": 1}),
                json!({"b": 1}),
            ),
            (json!({"additionalProperties": {"type": "string"}}), json!({"a": "x"}), json!({"a": 1})),
            (json!({"propertyNames": {"enum": ["a"]}}), json!({"a": 1}), json!({"b": 1})),
            (
                json!({"definitions": {"x": {"type": "null"}}, "$ref": "#/definitions/x"}),
                json!(null),
                json!(1),
            ),
            (json!({"items": false}), json!([]), json!([1])),
        ] {
            let schema = Schema::new(schema);
            assert_eq!(schema.faults(&right), [], "{schema:?} {right}");
            assert!(!schema.accepts(&wrong), "{schema:?} {wrong}");
        }
    }

    #[test]
    fn a_fault_names_its_place() {
        let schema = Schema::parse(r#"{"items": {"properties": {"a": {"type": "string"}}}}"#);
        let faults = schema.faults(&json!([{}, {"a": 1}]));
        assert_eq!(faults[0].to_string(), "/1/a: 1 is not of type \"string\"");
    }

    #[test]
    #[should_panic(expected = "the keyword `oneOf` is not known here")]
    fn an_unknown_keyword_is_no_pass() {
        let _ = Schema::new(json!({"oneOf": []})).faults(&json!(1));
    }
}
