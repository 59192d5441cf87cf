use proptest::prelude::*;

use std::collections::BTreeMap;

use super::*;

const NAMES: &[&str] = &["layers", "config", "mask"];

fn open(text: &str) -> Result<BTreeMap<String, Raw>, String> {
    let value = parse(text.as_bytes()).map_err(|error| error.to_string())?;
    Object::open(value, NAMES).and_then(Object::rest).map_err(|error| error.to_string())
}

#[test]
fn keys_that_go_takes_for_one_are_refused_in_structs() {
    for (text, message) in [
        (r#"{"layers":1,"Layers":2}"#, "the key `Layers` is `layers` to"),
        (r#"{"LAYERS":2}"#, "the key `LAYERS` is `layers` to"),
        ("{\"layer\u{17f}\":2}", "the key `layerſ` is `layers` to"),
        ("{\"mas\u{212a}\":2}", "is `mask` to"),
        (r#"{"\u004cayers":2}"#, "the key `Layers` is `layers` to"),
        (r#"{"layers":1,"l\u0061yers":2}"#, "the key `layers` occurs twice"),
        (r#"{"x":1,"X":2}"#, "the keys `X` and `x` are the same"),
        (r#"{"x":[{"y":{"a":1,"A":2}}]}"#, "the keys `A` and `a` of `x[0].y` are the same"),
        (r#"{"x":[0,{"y":{"a":1,"a":2}}]}"#, "the key `x[1].y.a` occurs twice"),
    ] {
        let error = open(text).expect_err(text);
        assert!(error.contains(message), "{error}");
    }
    let map: BTreeMap<String, String> = decode(br#"{"a":"1","A":"2","s":null}"#).expect("a map");
    assert_eq!(map.len(), 3, "maps have keys in any case");
    assert_eq!(map["s"], "");
    assert_eq!(open(r#"{"layer":1,"ayers":2,"confıg":3}"#).expect("others").len(), 3);
}

#[test]
fn what_is_carried_over_keeps_its_digits_and_letters() {
    let text = r#"{"$serde_json::private::RawValue":"[1,2","$serde_json::private::Number":"7",
        "n":[123456789012345678901234567890,-0,1E400,1.0,1e5,0.10],"s":"a\u0041\/\u003c\u2028\ud83d\ude00","o":{"b":1,"a":[]}}"#;
    let raw: Raw = text.parse().expect("JSON");
    assert_eq!(
        serde_json::to_string(&BTreeMap::from([("x", &raw)])).expect("written"),
        concat!(
            r#"{"x":{"$serde_json::private::Number":"7","$serde_json::private::RawValue":"[1,2","#,
            r#""n":[123456789012345678901234567890,-0,1E400,1.0,1e5,0.10],"#,
            "\"o\":{\"a\":[],\"b\":1},\"s\":\"aA/<\u{2028}😀\"}}"
        )
    );
}

#[test]
fn messages_name_the_place_in_plain_words() {
    let strings = |text: &str| decode::<BTreeMap<String, Vec<String>>>(text.as_bytes());
    let message = |text: &str| strings(text).expect_err(text).to_string();
    assert_eq!(message(r#"{"Cmd":"sh"}"#), "`Cmd` is a string; it must be a list of strings");
    assert_eq!(message(r#"{"Cmd":["a",7]}"#), "`Cmd[1]` is a number; it must be a string");
    assert_eq!(message("[]"), "the document is a list; it must be an object of values");
    assert_eq!(message("{\n  \"é\": [tru]}"), "not valid JSON: no value at line 2, column 9");
    let evil = message("{\"a\\n::error::\\u009b\":0}");
    assert!(!evil.contains('\n') && !evil.contains('\u{9b}'), "{evil}");
    let long = format!("{{\"{}\":0}}", "k".repeat(10_000));
    assert!(message(&long).len() < 400);
}

#[test]
fn numbers_are_those_of_go() {
    let number = |text: &str| decode::<u64>(text.as_bytes()).ok();
    assert_eq!(
        (number("0"), number("-0"), number("9223372036854775807")),
        (Some(0), Some(0), Some(i64::MAX as u64))
    );
    for wrong in
        ["-1", "1.0", "1e2", "9223372036854775808", "\"1\"", "01", "+1", "1.", ".1", "1e", "-", "null"]
    {
        assert_eq!(number(wrong), None, "{wrong}");
    }
}

#[test]
fn what_is_no_json_is_refused() {
    for text in [
        "",
        " ",
        "{",
        "[1,]",
        "{\"a\":1,}",
        "{a:1}",
        "[1 2]",
        "nul",
        "\"a",
        "\"\n\"",
        "\"\\x\"",
        "\"\\u12\"",
        "\"\\ud800\"",
        "\"\\udc00\"",
        "1 2",
        "\u{feff}1",
        "'a'",
        "NaN",
        "[1]]",
    ] {
        assert!(parse(text.as_bytes()).is_err(), "{text}");
    }
    assert!(parse(b"\"\xff\"").is_err());
    let deep = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    assert!(parse(deep(MAX_DEPTH).as_bytes()).is_ok());
    assert!(parse(deep(MAX_DEPTH + 1).as_bytes()).is_err());
    assert!(parse_within(b"[1,2,3]", 4).is_ok());
    assert_eq!(parse(br#"[1,"a,\",",{"b":[],"c,":2}]"#).map(JsonValue::count), Ok(4));
    let many = parse_within(b"[1,2,3]", 3).expect_err("four values");
    assert_eq!(many.to_string(), "it has more than 3 values");
}

#[test]
fn values_may_follow_one_another() {
    let read = |text: &[u8]| -> Vec<Result<String, bool>> {
        let texts = sequence(text).map(|value| value.map(|value| value.text().to_owned()));
        texts.map(|text| text.map_err(|error| error.position().is_some())).collect()
    };
    let ok = |text: &str| Ok(text.to_owned());
    assert_eq!(read(b" {\"a\":1}{}\r\n[2] \"x\"\n7"), ["{\"a\":1}", "{}", "[2]", "\"x\"", "7"].map(ok));
    assert_eq!(read(b" \n"), []);
    assert_eq!(read(b"{} nul {}"), [ok("{}"), Err(true)]);
    assert_eq!(read(b"{} \"\xff\" {}"), [ok("{}"), Err(true)]);
    assert_eq!(read(b"{} {\"a\":1,\"a\":2} {}"), [ok("{}"), Err(false)]);
}

fn any_json() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<i64>().prop_map(Into::into),
        any::<String>().prop_map(Into::into),
    ];
    leaf.prop_recursive(4, 40, 6, |inner| {
        let list = proptest::collection::vec(inner.clone(), 0..6).prop_map(serde_json::Value::Array);
        let keys = proptest::collection::btree_map("[a-h0-9\"\\\\\n€]{0,3}", inner, 0..6);
        let object = keys.prop_map(|map| serde_json::Value::Object(map.into_iter().collect()));
        prop_oneof![list, object]
    })
}

proptest! {
    #[test]
    fn what_another_writes_is_read_and_written_alike(value in any_json(), pretty: bool) {
        let compact = serde_json::to_string(&value).expect("written");
        let text = if pretty { serde_json::to_string_pretty(&value).expect("written") } else { compact.clone() };
        let raw: Raw = text.parse().expect("read");
        prop_assert_eq!(raw.value().text(), compact);
    }

    #[test]
    fn any_text_is_json_to_both_or_to_none(text in "[\\[\\]{}\",:0-9a-e.\\-+E \\\\un]{0,30}") {
        fuzz::json(text.as_bytes());
    }

    #[test]
    fn folding_is_stable(key: String) {
        let folded = fold(&key).into_owned();
        prop_assert_eq!(&fold(&folded), &folded);
        let upper = key.to_ascii_uppercase();
        prop_assert_eq!(&fold(&upper), &folded);
    }
}
