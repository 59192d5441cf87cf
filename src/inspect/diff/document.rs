//! Manifests and configurations, field by field.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::report::FieldDifference;
use crate::formats::json;
use crate::runtime::budget::{Budget, OverBudget};

/// The fields of a document that are not compared here: digests and sizes follow from the content, which is compared.
const SKIPPED: [&str; 7] = [
    "config.digest",
    "config.size",
    "layers[].digest",
    "layers[].size",
    "rootfs.diff_ids",
    "manifests[].digest",
    "manifests[].size",
];

/// The cost of a value beside its text: a place in a list or a map.
const VALUE_COST: usize = 64;

/// Every field in which two documents differ.
///
/// # Errors
/// When they have more values than `budget` allows.
pub(super) fn compare(a: &[u8], b: &[u8], budget: &Budget) -> Result<Vec<FieldDifference>, OverBudget> {
    if a == b {
        return Ok(Vec::new());
    }
    let cost = cost(a) + cost(b);
    budget.keep(cost)?;
    // Both were parsed before: what is no JSON did not come here.
    let parse = |bytes| json::parse(bytes).map_or(Value::Null, tree);
    let mut comparison = Comparison { fields: Vec::new(), budget };
    comparison.values(&mut FieldPath::default(), &parse(a), &parse(b))?;
    budget.release(cost);
    Ok(comparison.fields)
}

/// The value with every digit of its numbers: one that is no whole number of 64 bits stands there as its text.
fn tree(value: json::JsonValue<'_>) -> Value {
    match value.kind() {
        json::JsonKind::Null => Value::Null,
        json::JsonKind::Bool => Value::Bool(value.text() == "true"),
        json::JsonKind::Number => match value.text().parse::<i64>() {
            Ok(number) if value.text() != "-0" => Value::from(number),
            _ => Value::from(value.text()),
        },
        json::JsonKind::String => Value::from(value.as_str().unwrap_or_default().into_owned()),
        json::JsonKind::List => value.items().map(tree).collect(),
        json::JsonKind::Object => {
            value.members().map(|(key, value)| (key.into_owned(), tree(value))).collect()
        }
    }
}

/// The cost of the values of a document: it has no more of them than commas and brackets.
fn cost(document: &[u8]) -> usize {
    let separators = document.iter().filter(|byte| matches!(byte, b',' | b'[' | b'{')).count();
    document.len() + VALUE_COST * separators
}

/// Where in a document a value is.
#[derive(Default)]
struct FieldPath {
    /// For people.
    name: String,
    /// The same without positions.
    kind: String,
}

impl FieldPath {
    /// Goes to a part and back again.
    fn within<T>(&mut self, name: &str, kind: &str, look: impl FnOnce(&mut Self) -> T) -> T {
        let (names, kinds) = (self.name.len(), self.kind.len());
        self.name.push_str(name);
        self.kind.push_str(kind);
        let found = look(self);
        self.name.truncate(names);
        self.kind.truncate(kinds);
        found
    }

    fn below<T>(&mut self, key: &str, look: impl FnOnce(&mut Self) -> T) -> T {
        let key = if self.name.is_empty() { key.to_owned() } else { format!(".{key}") };
        self.within(&key, &key, look)
    }
}

/// The findings so far.
struct Comparison<'b> {
    fields: Vec<FieldDifference>,
    budget: &'b Budget,
}

impl Comparison<'_> {
    fn add(&mut self, name: &str, a: Option<String>, b: Option<String>) -> Result<(), OverBudget> {
        let of = |text: &Option<String>| text.as_ref().map_or(0, String::len);
        self.budget.keep(size_of::<FieldDifference>() + VALUE_COST + name.len() + of(&a) + of(&b))?;
        self.fields.push(FieldDifference { name: name.to_owned(), a, b });
        Ok(())
    }

    fn values(&mut self, place: &mut FieldPath, a: &Value, b: &Value) -> Result<(), OverBudget> {
        if a == b || SKIPPED.contains(&place.kind.as_str()) {
            return Ok(());
        }
        let none = serde_json::Map::new();
        match (a, b) {
            (Value::Object(x), Value::Object(y)) => self.objects(place, x, y),
            _ if place.kind == "config.Env" => self.environment(&place.name, a, b),
            // A list that is missing differs from one that is empty, and both have nothing to list.
            (Value::Array(x), Value::Array(y)) if x.iter().chain(y).all(Value::is_object) => {
                let all = place.kind == "history";
                let length = if all { x.len().max(y.len()) } else { x.len().min(y.len()) };
                for at in 0..length {
                    let (x, y) = (x.get(at).unwrap_or(&Value::Null), y.get(at).unwrap_or(&Value::Null));
                    place.within(&format!("[{at}]"), "[]", |place| self.values(place, x, y))?;
                }
                Ok(())
            }
            (Value::Object(x), Value::Null) if !x.is_empty() => self.objects(place, x, &none),
            (Value::Null, Value::Object(y)) if !y.is_empty() => self.objects(place, &none, y),
            _ => self.add(&place.name, text(a), text(b)),
        }
    }

    fn objects(
        &mut self,
        place: &mut FieldPath,
        x: &serde_json::Map<String, Value>,
        y: &serde_json::Map<String, Value>,
    ) -> Result<(), OverBudget> {
        let keys: BTreeSet<&String> = x.keys().chain(y.keys()).collect();
        for key in keys {
            let (x, y) = (x.get(key).unwrap_or(&Value::Null), y.get(key).unwrap_or(&Value::Null));
            place.below(key, |place| self.values(place, x, y))?;
        }
        Ok(())
    }

    /// Variables by name; where only their order differs, the order.
    fn environment(&mut self, name: &str, a: &Value, b: &Value) -> Result<(), OverBudget> {
        // The last of one name is the one that a process gets.
        fn variables(value: &Value) -> BTreeMap<&str, &str> {
            let texts = value.as_array().into_iter().flatten().filter_map(Value::as_str);
            texts.map(|text| text.split_once('=').unwrap_or((text, ""))).collect()
        }
        let (x, y) = (variables(a), variables(b));
        let before = self.fields.len();
        let keys: BTreeSet<&str> = x.keys().chain(y.keys()).copied().collect();
        for key in keys {
            let (a, b) = (x.get(key), y.get(key));
            if a != b {
                let owned = |value: Option<&&str>| value.map(|value| (*value).to_owned());
                self.add(&format!("{name}.{key}"), owned(a), owned(b))?;
            }
        }
        if self.fields.len() == before {
            self.add(name, text(a), text(b))?;
        }
        Ok(())
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
        let budget = Budget::new("the documents", 1 << 20, 0);
        let fields = compare(a.as_bytes(), b.as_bytes(), &budget).expect("they are small");
        fields.iter().map(ToString::to_string).collect()
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
    fn digits_are_compared_and_no_key_is_interpreted() {
        assert_eq!(
            shown(r#"{"n":123456789012345678901234567890}"#, r#"{"n":123456789012345678901234567891}"#),
            ["n: 123456789012345678901234567890 → 123456789012345678901234567891"]
        );
        assert_eq!(shown(r#"{"n":1.0}"#, r#"{"n":1.00}"#), ["n: 1.0 → 1.00"]);
        let private = |text: &str| format!(r#"{{"x":{{"$serde_json::private::RawValue":"{text}"}}}}"#);
        assert_eq!(shown(&private("[1]"), &private("[2]")), ["x.$serde_json::private::RawValue: [1] → [2]"]);
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

    #[test]
    fn many_variables_are_compared_once_each_and_many_values_refused() {
        let names =
            |value: &str| -> Vec<String> { (0..100_000).map(|at| format!("\"V{at}={value}\"")).collect() };
        let config = |value: &str| format!(r#"{{"config":{{"Env":[{}]}}}}"#, names(value).join(","));
        let (a, b) = (config("1"), config("2"));
        let (small, large) = (Budget::new("it", 1 << 20, 0), Budget::new("it", 64 << 20, 0));
        let begun = std::time::Instant::now();
        assert_eq!(compare(a.as_bytes(), b.as_bytes(), &large).expect("enough").len(), 100_000);
        assert!(begun.elapsed().as_secs() < 5, "it is not quadratic");
        compare(a.as_bytes(), b.as_bytes(), &small).expect_err("too many");
        let deep = |end: &str| format!("{}{end}{}", "{\"a\":".repeat(100), "}".repeat(100));
        assert_eq!(compare(deep("1").as_bytes(), deep("2").as_bytes(), &large).expect("deep").len(), 1);
    }
}
