//! Manifests and configurations, field by field.

use std::collections::BTreeSet;

use serde_json::Value;

use super::Field;

/// What of a document is not compared here: digests and sizes follow from the content, which is compared.
const SKIPPED: [&str; 7] = [
    "config.digest",
    "config.size",
    "layers[].digest",
    "layers[].size",
    "rootfs.diff_ids",
    "manifests[].digest",
    "manifests[].size",
];

/// Every field in which two documents differ.
pub(super) fn compare(a: &[u8], b: &[u8]) -> Vec<Field> {
    // Both were parsed before: what is no JSON did not come here.
    let parse = |bytes| serde_json::from_slice::<Value>(bytes).unwrap_or(Value::Null);
    let mut fields = Vec::new();
    values("", "", &parse(a), &parse(b), &mut fields);
    fields
}

/// `name` is for people, `kind` the same without positions.
fn values(name: &str, kind: &str, a: &Value, b: &Value, fields: &mut Vec<Field>) {
    if a == b || SKIPPED.contains(&kind) {
        return;
    }
    let below =
        |path: &str, key: &str| if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") };
    match (a, b) {
        (Value::Object(x), Value::Object(y)) => {
            let keys: BTreeSet<&String> = x.keys().chain(y.keys()).collect();
            for key in keys {
                let (x, y) = (x.get(key), y.get(key));
                values(
                    &below(name, key),
                    &below(kind, key),
                    x.unwrap_or(&Value::Null),
                    y.unwrap_or(&Value::Null),
                    fields,
                );
            }
        }
        _ if kind == "config.Env" => environment(name, a, b, fields),
        // A list that is missing differs from one that is empty, and both have nothing to list.
        (Value::Array(x), Value::Array(y)) if x.iter().chain(y).all(Value::is_object) => {
            let length = if kind == "history" { x.len().max(y.len()) } else { x.len().min(y.len()) };
            for at in 0..length {
                let of = |list: &[Value]| list.get(at).cloned().unwrap_or(Value::Null);
                values(&format!("{name}[{at}]"), &format!("{kind}[]"), &of(x), &of(y), fields);
            }
        }
        (Value::Object(x), Value::Null) if !x.is_empty() => {
            for (key, value) in x {
                values(&below(name, key), &below(kind, key), value, &Value::Null, fields);
            }
        }
        (Value::Null, Value::Object(y)) if !y.is_empty() => {
            for (key, value) in y {
                values(&below(name, key), &below(kind, key), &Value::Null, value, fields);
            }
        }
        _ => fields.push(Field { name: name.to_owned(), a: text(a), b: text(b) }),
    }
}

/// Variables by name; where only their order differs, the order.
fn environment(name: &str, a: &Value, b: &Value, fields: &mut Vec<Field>) {
    let variables = |value: &Value| -> Vec<(String, String)> {
        let texts = value.as_array().into_iter().flatten().filter_map(Value::as_str);
        texts
            .map(|text| text.split_once('=').unwrap_or((text, "")))
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .collect()
    };
    let (x, y) = (variables(a), variables(b));
    let before = fields.len();
    let keys: BTreeSet<&String> = x.iter().chain(&y).map(|(key, _)| key).collect();
    for key in keys {
        // The last of one name is the one that a process gets.
        let find =
            |all: &[(String, String)]| all.iter().rev().find(|(k, _)| k == key).map(|(_, v)| v.clone());
        let (a, b) = (find(&x), find(&y));
        if a != b {
            fields.push(Field { name: format!("{name}.{key}"), a, b });
        }
    }
    if fields.len() == before {
        fields.push(Field { name: name.to_owned(), a: text(a), b: text(b) });
    }
}

fn text(value: &Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(a: &str, b: &str) -> Vec<String> {
        compare(a.as_bytes(), b.as_bytes()).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn fields_have_names() {
        let a = r#"{"config":{"Env":["A=1","B=2","C=3"],"Cmd":["a","b"],"Labels":{"x":"1"},"User":"0"},"os":"linux"}"#;
        let b =
            r#"{"config":{"Env":["B=3","A=1","D="],"Cmd":["a"],"Labels":{"x":"1","y.z":"2"}},"os":"linux"}"#;
        assert_eq!(
            shown(a, b),
            [
                r#"config.Cmd: ["a","b"] → ["a"]"#,
                "config.Env.B: 2 → 3",
                "config.Env.C: 3 → (none)",
                "config.Env.D: (none) → ",
                "config.Labels.y.z: (none) → 2",
                "config.User: 0 → (none)",
            ]
        );
        assert_eq!(
            shown(r#"{"config":{"Env":["A=1","B=2"]}}"#, r#"{"config":{"Env":["B=2","A=1"]}}"#),
            [r#"config.Env: ["A=1","B=2"] → ["B=2","A=1"]"#]
        );
        assert_eq!(shown(a, a), Vec::<String>::new());
    }

    #[test]
    fn what_follows_from_the_content_is_left_out() {
        let a = r#"{"config":{"digest":"a","size":1,"mediaType":"x"},"layers":[{"digest":"1","size":1,"mediaType":"t"}]}"#;
        let b = r#"{"config":{"digest":"b","size":2,"mediaType":"x"},"layers":[{"digest":"2","size":2,"mediaType":"u"}]}"#;
        assert_eq!(shown(a, b), ["layers[0].mediaType: t → u"]);
        let history = shown(
            r#"{"history":[{"created_by":"x"}]}"#,
            r#"{"history":[{"created_by":"y"},{"comment":"c"}]}"#,
        );
        assert_eq!(history, ["history[0].created_by: x → y", "history[1].comment: (none) → c"]);
    }
}
